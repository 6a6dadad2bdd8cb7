// Reading and checking the arguments of one call from JavaScript. The first violated condition throws a JavaScript
// TypeError or RangeError with a sentence; from then on every reader gives something empty, so that an op can read
// all its arguments, check all its conditions, and ask `ok()` once before it computes.
#pragma once
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels.h"
#include "pool.h"

namespace compactor {

template <typename T>
struct Span {
  T* data = nullptr;
  size_t count = 0;
};

// A tensor's values: f32, or f16 as its bits.
struct Values {
  void* data = nullptr;
  size_t count = 0;
  bool half = false;
};

// Indices into memory, copied before they are checked: in their own place another thread (SharedArrayBuffer), or an
// output over the same buffer, could change them between the check and the kernel.
using Indices = std::vector<uint32_t>;

// The JavaScript object behind a pool; `pool` is null once disposed.
struct PoolHandle {
  Pool* pool = nullptr;
  Isa isa = Isa::scalar;
  napi_ref abort_word = nullptr;  // keeps the shared memory alive
};

// Saturates, so that an overflowing product equals no length.
size_t product(size_t a, size_t b, size_t c = 1, size_t d = 1);

// How many times `of_each` arguments follow the first ones of a call: at least one, at most `most`. Asking Arguments for as many
// refuses what does not fit.
size_t count_of_each(napi_env env, napi_callback_info info, size_t first, size_t of_each, size_t most);

class Arguments {
 public:
  static constexpr size_t kMost = 32;

  Arguments(napi_env env, napi_callback_info info, const char* op, size_t count);

  bool ok() const { return ok_; }
  napi_env env() const { return env_; }
  napi_value value(size_t i) const { return values_[i]; }
  bool absent(size_t i) const;  // undefined or null

  // The op continues only where `condition` holds. printf style.
  bool require(bool condition, const char* format, ...) __attribute__((format(printf, 3, 4)));
  bool require_type(bool condition, const char* format, ...) __attribute__((format(printf, 3, 4)));

  PoolHandle pool(size_t i);           // a copy; `pool` is not null if ok()
  PoolHandle* pool_handle(size_t i);   // null if refused
  size_t size(size_t i, const char* name);       // an integer from 0 to 2^53
  uint32_t index(size_t i, const char* name);    // an integer from 0 to 2^32 - 1
  double number(size_t i, const char* name);     // finite
  bool boolean(size_t i, const char* name);
  Span<float> f32(size_t i, const char* name);
  Span<float> optional_f32(size_t i, const char* name);
  Span<uint32_t> u32(size_t i, const char* name);
  Span<double> f64(size_t i, const char* name);
  Indices indices(size_t i, const char* name);  // of a Uint32Array
  Span<uint8_t> bytes(size_t i, const char* name);
  Values values(size_t i, const char* name);
  // A short string; empty when refused.
  struct Text {
    char characters[32] = {};
  };
  Text text(size_t i, const char* name);

  // The same readers for an element of an array argument. `element` may run JavaScript (a getter), which can dispose pools
  // and detach buffers: fetch every element before the first pool, tensor or index is read.
  napi_value element(napi_value array, uint32_t i);
  Values values_of(napi_value value, const char* name);
  Span<uint32_t> u32_of(napi_value value, const char* name);
  Indices indices_of(napi_value value, const char* name);
  Span<float> f32_of(napi_value value, const char* name);
  double number_of(napi_value value, const char* name);
  bool is_absent(napi_value value) const;

 private:
  struct Typed {
    napi_typedarray_type type;
    void* data;
    size_t count;
  };
  bool typed_array(napi_value value, Typed* typed) const;
  void fail(bool is_type_error, const char* format, __builtin_va_list list);

  napi_env env_;
  const char* op_;
  napi_value values_[kMost] = {};
  bool ok_ = true;
};

// Identifies PoolHandle objects, so that no other object can be unwrapped as one.
extern const napi_type_tag kPoolTag;

napi_value boolean_value(napi_env env, bool value);

}  // namespace compactor
