// The readers and checks of napi_arguments.h. What an op asks of its arguments beyond their kinds is said in its call.
#include "napi_arguments.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace compactor {

const napi_type_tag kPoolTag = {0x8d2f1c6e5b7a4093u, 0xa1f34e8bd6c2705eu};

size_t product(size_t a, size_t b, size_t c, size_t d) {
  const size_t factors[] = {b, c, d};
  size_t result = a;
  for (size_t factor : factors)
    if (__builtin_mul_overflow(result, factor, &result)) result = SIZE_MAX;
  return result;
}

napi_value boolean_value(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

size_t count_of_each(napi_env env, napi_callback_info info, size_t first, size_t of_each, size_t most) {
  size_t given = 0;
  napi_get_cb_info(env, info, &given, nullptr, nullptr, nullptr);
  const size_t count = given < first + of_each ? 1 : (given - first) / of_each;
  return count < most ? count : most;
}

Arguments::Arguments(napi_env env, napi_callback_info info, const char* op, size_t count) : env_(env), op_(op) {
  size_t given = kMost;
  ok_ = napi_get_cb_info(env, info, &given, values_, nullptr, nullptr) == napi_ok;
  require_type(given == count, "expected %zu arguments, got %zu", count, given);
}

void Arguments::fail(bool is_type_error, const char* format, va_list list) {
  ok_ = false;
  char sentence[400];
  const int start = snprintf(sentence, sizeof sentence, "%s: ", op_);
  vsnprintf(sentence + start, sizeof sentence - size_t(start), format, list);
  if (is_type_error)
    napi_throw_type_error(env_, nullptr, sentence);
  else
    napi_throw_range_error(env_, nullptr, sentence);
}

bool Arguments::require(bool condition, const char* format, ...) {
  if (!ok_ || condition) return ok_;
  va_list list;
  va_start(list, format);
  fail(false, format, list);
  va_end(list);
  return false;
}

bool Arguments::require_type(bool condition, const char* format, ...) {
  if (!ok_ || condition) return ok_;
  va_list list;
  va_start(list, format);
  fail(true, format, list);
  va_end(list);
  return false;
}

bool Arguments::is_absent(napi_value value) const {
  napi_valuetype type = napi_undefined;
  return value == nullptr || napi_typeof(env_, value, &type) != napi_ok || type == napi_undefined || type == napi_null;
}

bool Arguments::absent(size_t i) const { return is_absent(values_[i]); }

PoolHandle* Arguments::pool_handle(size_t i) {
  bool tagged = false;
  napi_valuetype type = napi_undefined;
  void* data = nullptr;
  if (!ok_) return nullptr;
  const bool fits = napi_typeof(env_, values_[i], &type) == napi_ok && type == napi_object &&
                    napi_check_object_type_tag(env_, values_[i], &kPoolTag, &tagged) == napi_ok && tagged &&
                    napi_unwrap(env_, values_[i], &data) == napi_ok;
  if (!require_type(fits, "expected a pool made by createPool as argument %zu", i)) return nullptr;
  PoolHandle* handle = static_cast<PoolHandle*>(data);
  return require_type(handle->pool != nullptr, "the pool is disposed; make new ops") ? handle : nullptr;
}

PoolHandle Arguments::pool(size_t i) {
  const PoolHandle* handle = pool_handle(i);
  return handle == nullptr ? PoolHandle{} : *handle;
}

double Arguments::number_of(napi_value value, const char* name) {
  double result = 0;
  if (!ok_) return 0;
  const bool is_number = value != nullptr && napi_get_value_double(env_, value, &result) == napi_ok;
  if (!require_type(is_number, "%s must be a number", name)) return 0;
  return require(std::isfinite(result), "%s must be finite, got %g", name, result) ? result : 0;
}

double Arguments::number(size_t i, const char* name) { return number_of(values_[i], name); }

size_t Arguments::size(size_t i, const char* name) {
  const double value = number(i, name);
  const bool fits = value >= 0 && value <= 9007199254740992.0 && value == std::floor(value);
  return require(fits, "%s must be an integer from 0 to 2^53, got %g", name, value) ? size_t(value) : 0;
}

uint32_t Arguments::index(size_t i, const char* name) {
  const size_t value = size(i, name);
  return require(value <= UINT32_MAX, "%s must be below 2^32, got %zu", name, value) ? uint32_t(value) : 0;
}

bool Arguments::boolean(size_t i, const char* name) {
  bool value = false;
  if (!ok_) return false;
  require_type(napi_get_value_bool(env_, values_[i], &value) == napi_ok, "%s must be true or false", name);
  return value;
}

bool Arguments::typed_array(napi_value value, Typed* typed) const {
  if (!ok_ || value == nullptr) return false;  // refused below if it is something else
  return napi_get_typedarray_info(env_, value, &typed->type, &typed->count, &typed->data, nullptr, nullptr) == napi_ok;
}

Span<float> Arguments::f32_of(napi_value value, const char* name) {
  Typed typed{};
  const bool fits = typed_array(value, &typed) && typed.type == napi_float32_array;
  if (!require_type(fits, "%s must be an f32 tensor (Float32Array)", name)) return {};
  return {static_cast<float*>(typed.data), typed.count};
}

Span<float> Arguments::f32(size_t i, const char* name) { return f32_of(values_[i], name); }

Span<float> Arguments::optional_f32(size_t i, const char* name) { return absent(i) ? Span<float>{} : f32(i, name); }

Span<uint32_t> Arguments::u32_of(napi_value value, const char* name) {
  Typed typed{};
  const bool fits = typed_array(value, &typed) && typed.type == napi_uint32_array;
  if (!require_type(fits, "%s must be a Uint32Array", name)) return {};
  return {static_cast<uint32_t*>(typed.data), typed.count};
}

Span<uint32_t> Arguments::u32(size_t i, const char* name) { return u32_of(values_[i], name); }

Span<double> Arguments::f64(size_t i, const char* name) {
  Typed typed{};
  const bool fits = typed_array(values_[i], &typed) && typed.type == napi_float64_array;
  if (!require_type(fits, "%s must be a Float64Array", name)) return {};
  return {static_cast<double*>(typed.data), typed.count};
}

Indices Arguments::indices_of(napi_value value, const char* name) {
  const Span<uint32_t> span = u32_of(value, name);
  return Indices(span.data, span.data + span.count);
}

Indices Arguments::indices(size_t i, const char* name) { return indices_of(values_[i], name); }

Span<uint8_t> Arguments::bytes(size_t i, const char* name) {
  Typed typed{};
  const bool fits = typed_array(values_[i], &typed) && typed.type == napi_uint8_array;
  if (!require_type(fits, "%s must be a Uint8Array", name)) return {};
  return {static_cast<uint8_t*>(typed.data), typed.count};
}

Values Arguments::values_of(napi_value value, const char* name) {
  Typed typed{};
  const bool fits =
      typed_array(value, &typed) && (typed.type == napi_float32_array || typed.type == napi_uint16_array);
  if (!require_type(fits, "%s must be a tensor (Float32Array, or Uint16Array for f16)", name)) return {};
  return {typed.data, typed.count, typed.type == napi_uint16_array};
}

Values Arguments::values(size_t i, const char* name) { return values_of(values_[i], name); }

Arguments::Text Arguments::text(size_t i, const char* name) {
  Text text;
  size_t length = 0;
  if (!ok_) return text;
  const napi_status status =
      napi_get_value_string_utf8(env_, values_[i], text.characters, sizeof text.characters, &length);
  require_type(status == napi_ok, "%s must be a string", name);
  return text;
}

napi_value Arguments::element(napi_value array, uint32_t i) {
  napi_value value = nullptr;
  if (!ok_) return nullptr;
  require_type(napi_get_element(env_, array, i, &value) == napi_ok, "expected an array with element %u", i);
  return value;
}

}  // namespace compactor
