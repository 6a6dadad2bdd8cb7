// store, copy and gather for JavaScript: check, then compute.
#include "napi.h"
#include "napi_arguments.h"
#include "napi_segments.h"

namespace compactor {

// store(pool, capacity, at, kvHeads, headDim, then of each: target, source)
napi_value store_call(napi_env env, napi_callback_info info) {
  constexpr size_t kFirst = 5, kOfEach = 2;
  const size_t count = count_of_each(env, info, kFirst, kOfEach, kMostStored);
  Arguments arguments(env, info, "store", kFirst + count * kOfEach);
  const PoolHandle handle = arguments.pool(0);
  const size_t capacity = arguments.size(1, "capacity"), at = arguments.size(2, "at");
  const HeadShape shape{arguments.size(3, "kvHeads"), arguments.size(3, "kvHeads"), arguments.size(4, "headDim")};
  if (!check_heads(arguments, shape)) return nullptr;
  const size_t row = product(shape.kv_heads, shape.head_dim);
  Stored stored[kMostStored];
  size_t n = 0;
  for (size_t i = 0; i < count; i++) {
    const Values target = arguments.values(kFirst + i * kOfEach, "target");
    const Span<float> source = arguments.f32(kFirst + i * kOfEach + 1, "source");
    if (!arguments.ok()) return nullptr;
    arguments.require(i == 0 || source.count == product(n, row), "sources have %zu and %zu tokens", n, source.count / row);
    n = source.count / row;
    arguments.require(product(n, row) == source.count, "source has %zu values, not rows of %zu × %zu", source.count,
                      shape.kv_heads, shape.head_dim);
    arguments.require(target.count == product(capacity, row), "target has %zu values for %zu × %zu × %zu", target.count,
                      shape.kv_heads, capacity, shape.head_dim);
    stored[i] = {target.data, target.half, source.data};
  }
  arguments.require(at <= capacity && n <= capacity - at, "rows %zu to %zu do not fit into a capacity of %zu", at,
                    at + n, capacity);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, store_kv(*handle.pool, handle.isa, stored, count, capacity, at, n, shape.kv_heads,
                                     shape.head_dim));
}

// convert(pool, source, target): f32 to f16 or f16 to f32
napi_value convert_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "convert", 3);
  const PoolHandle handle = arguments.pool(0);
  const Values source = arguments.values(1, "source"), target = arguments.values(2, "target");
  arguments.require_type(source.half != target.half, "source and target must differ in dtype");
  arguments.require(source.count == target.count, "source has %zu values, target %zu", source.count, target.count);
  if (!arguments.ok()) return nullptr;
  if (source.half)
    f32_from_f16(handle.isa, static_cast<const uint16_t*>(source.data), static_cast<float*>(target.data), source.count);
  else
    f16_from_f32(handle.isa, static_cast<const float*>(source.data), static_cast<uint16_t*>(target.data), source.count);
  return boolean_value(env, true);
}

// gather(pool, source, width, picks, target): rows of `width` values
napi_value gather_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "gather", 5);
  const PoolHandle handle = arguments.pool(0);
  const Values source = arguments.values(1, "source");
  const size_t width = arguments.size(2, "width");
  const Indices picks = arguments.indices(3, "picks");
  const Values target = arguments.values(4, "target");
  arguments.require_type(source.half == target.half, "source and target must have the same dtype");
  if (!arguments.require(width > 0 && source.count % width == 0, "source has %zu values, not rows of %zu", source.count,
                         width))
    return nullptr;
  const size_t rows = source.count / width;
  arguments.require(target.count == product(picks.size(), width), "target has %zu values for %zu rows of %zu",
                    target.count, picks.size(), width);
  for (size_t i = 0; arguments.ok() && i < picks.size(); i++)
    arguments.require(picks[i] < rows, "pick %u at %zu is not below %zu rows", picks[i], i, rows);
  if (!arguments.ok()) return nullptr;
  const size_t width_bytes = width * (source.half ? sizeof(uint16_t) : sizeof(float));
  return boolean_value(env, gather(*handle.pool, source.data, picks.data(), picks.size(), width_bytes, target.data));
}

}  // namespace compactor
