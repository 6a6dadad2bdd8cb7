// Pools and what the machine can do, for JavaScript.
#include <cstdio>

#include "cpu.h"
#include "napi.h"
#include "napi_arguments.h"

namespace compactor {
namespace {

constexpr size_t kMostThreads = 256;

void close_pool(napi_env env, PoolHandle* handle) {
  if (handle->pool != nullptr) pool_destroy(handle->pool);
  if (handle->abort_word != nullptr) napi_delete_reference(env, handle->abort_word);
  *handle = PoolHandle{};
}

void finalize_pool(napi_env env, void* data, void*) {
  PoolHandle* handle = static_cast<PoolHandle*>(data);
  close_pool(env, handle);
  delete handle;
}

// Shared memory only: any other buffer could be detached while a thread reads the word.
const volatile int32_t* read_abort_word(Arguments& arguments, size_t i) {
  bool is_typed = false, is_private = true;
  napi_typedarray_type type = napi_int8_array;
  size_t count = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  const napi_env env = arguments.env();
  const bool fits = arguments.ok() && napi_is_typedarray(env, arguments.value(i), &is_typed) == napi_ok && is_typed &&
                    napi_get_typedarray_info(env, arguments.value(i), &type, &count, &data, &buffer, nullptr) ==
                        napi_ok &&
                    type == napi_int32_array && count > 0 &&
                    napi_is_arraybuffer(env, buffer, &is_private) == napi_ok && !is_private;
  if (!arguments.require_type(fits, "the abort word must be an Int32Array over a SharedArrayBuffer")) return nullptr;
  return static_cast<const volatile int32_t*>(data);
}

}  // namespace

// createPool(threads, isa) → pool
napi_value create_pool(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "createPool", 2);
  const size_t threads = arguments.size(0, "threads");
  const Arguments::Text name = arguments.text(1, "isa");
  Isa isa = Isa::scalar;
  arguments.require(threads >= 1 && threads <= kMostThreads, "threads must be from 1 to %zu, got %zu", kMostThreads,
                    threads);
  arguments.require(isa_from_name(name.characters, &isa), "isa must be scalar, avx2, avx512 or amx, got %s", name.characters);
  arguments.require(isa_available(isa), "this processor cannot run the %s kernels", name.characters);
  if (!arguments.ok()) return nullptr;

  PoolHandle* handle = new PoolHandle{pool_create(int(threads)), isa, nullptr};
  napi_value object = nullptr;
  if (!arguments.require(handle->pool != nullptr, "the system gave no memory or threads for a pool of %zu threads",
                         threads) ||
      napi_create_object(env, &object) != napi_ok || napi_type_tag_object(env, object, &kPoolTag) != napi_ok ||
      napi_wrap(env, object, handle, finalize_pool, nullptr, nullptr) != napi_ok) {
    finalize_pool(env, handle, nullptr);
    return nullptr;
  }
  return object;
}

// watchAbort(pool, words | undefined): element 0 is looked at between tasks. The array is kept alive by the pool.
napi_value watch_abort(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "watchAbort", 2);
  PoolHandle* handle = arguments.pool_handle(0);
  const bool absent = arguments.ok() && arguments.absent(1);
  const volatile int32_t* word = absent ? nullptr : read_abort_word(arguments, 1);
  if (!arguments.ok()) return nullptr;
  pool_set_abort_word(*handle->pool, word);
  if (handle->abort_word != nullptr) napi_delete_reference(env, handle->abort_word);
  handle->abort_word = nullptr;
  if (word != nullptr) napi_create_reference(env, arguments.value(1), 1, &handle->abort_word);
  return nullptr;
}

// disposePool(pool): joins its threads; a second call does nothing.
napi_value dispose_pool(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "disposePool", 1);
  void* data = nullptr;
  bool tagged = false;
  const bool fits = arguments.ok() &&
                    napi_check_object_type_tag(env, arguments.value(0), &kPoolTag, &tagged) == napi_ok && tagged &&
                    napi_unwrap(env, arguments.value(0), &data) == napi_ok;
  if (!arguments.require_type(fits, "expected a pool made by createPool")) return nullptr;
  close_pool(env, static_cast<PoolHandle*>(data));
  return nullptr;
}

// machine() → { isas: string[] best last, features: string[], refusal?: string }
napi_value machine(napi_env env, napi_callback_info) {
  napi_value result = nullptr, isas = nullptr, features = nullptr, name = nullptr;
  napi_create_object(env, &result);
  napi_create_array(env, &isas);
  napi_create_array(env, &features);
  uint32_t count = 0;
  for (Isa isa : kIsas) {
    if (!isa_available(isa)) continue;
    napi_create_string_utf8(env, isa_name(isa), NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, isas, count++, name);
  }
  CpuFeature found[kCpuFeatureCount];
  cpu_features(found);
  count = 0;
  for (const CpuFeature& feature : found) {
    if (!feature.present) continue;
    napi_create_string_utf8(env, feature.name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, features, count++, name);
  }
  napi_set_named_property(env, result, "isas", isas);
  napi_set_named_property(env, result, "features", features);
  if (const char* refusal = amx_refusal()) {
    napi_create_string_utf8(env, refusal, NAPI_AUTO_LENGTH, &name);
    napi_set_named_property(env, result, "refusal", name);
  }
  return result;
}

}  // namespace compactor
