// attend, store, copy and gather for JavaScript: check, then compute.
#include <vector>

#include "napi.h"
#include "napi_arguments.h"

namespace compactor {
namespace {

constexpr size_t kMostSegments = 64;

struct HeadShape {
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
};

bool check_heads(Arguments& arguments, const HeadShape& shape) {
  arguments.require(shape.head_dim > 0 && shape.head_dim <= kMostHeadDim, "headDim must be from 1 to %zu, got %zu",
                    kMostHeadDim, shape.head_dim);
  return arguments.require(shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0,
                           "%zu heads are not a multiple of %zu KV heads", shape.heads, shape.kv_heads);
}

// The properties of a segment of binding.ts, { k, v, starts, counts, bias?, causalFrom? }, not yet looked at.
struct SegmentProperties {
  napi_value k;
  napi_value v;
  napi_value starts;
  napi_value counts;
  napi_value bias;
  napi_value causal_from;
};

using SegmentList = std::vector<SegmentProperties>;

// Everything of the list that getters could compute.
SegmentList fetch_segments(Arguments& arguments, napi_value list) {
  bool is_array = false;
  uint32_t count = 0;
  if (!arguments.ok()) return {};
  const bool fits = napi_is_array(arguments.env(), list, &is_array) == napi_ok && is_array &&
                    napi_get_array_length(arguments.env(), list, &count) == napi_ok;
  if (!arguments.require_type(fits, "segments must be an array") ||
      !arguments.require(count <= kMostSegments, "at most %zu segments, got %u", kMostSegments, count))
    return {};
  SegmentList segments;
  for (uint32_t i = 0; arguments.ok() && i < count; i++) {
    napi_value object = nullptr;
    napi_valuetype type = napi_undefined;
    const bool is_object = napi_get_element(arguments.env(), list, i, &object) == napi_ok &&
                           napi_typeof(arguments.env(), object, &type) == napi_ok && type == napi_object;
    if (!arguments.require_type(is_object, "segment %u must be an object", i)) break;
    const auto fetch = [&](const char* name) { return arguments.property(object, name); };
    segments.push_back({fetch("k"), fetch("v"), fetch("starts"), fetch("counts"), fetch("bias"), fetch("causalFrom")});
  }
  return segments;
}

// `starts` and `counts` receive what the segment points to.
Segment segment_of(Arguments& arguments, const SegmentProperties& from, const HeadShape& shape, Indices& starts,
                   Indices& counts) {
  const Values k = arguments.values_of(from.k, "segment k"), v = arguments.values_of(from.v, "segment v");
  starts = arguments.indices_of(from.starts, "segment starts");
  counts = arguments.indices_of(from.counts, "segment counts");
  const bool biased = arguments.ok() && !arguments.is_absent(from.bias);
  const bool causal = arguments.ok() && !arguments.is_absent(from.causal_from);
  const Span<float> bias = biased ? arguments.f32_of(from.bias, "segment bias") : Span<float>{};
  const double causal_from = causal ? arguments.number_of(from.causal_from, "causalFrom") : 0;
  if (!arguments.ok()) return {};
  const size_t rows = k.count / shape.head_dim;
  arguments.require_type(k.half == v.half, "k and v of a segment must have the same dtype");
  arguments.require(rows * shape.head_dim == k.count && v.count == k.count,
                    "k has %zu and v %zu values, expected the same whole rows of %zu", k.count, v.count,
                    shape.head_dim);
  arguments.require(starts.size() == shape.kv_heads && counts.size() == shape.kv_heads,
                    "starts has %zu and counts %zu values for %zu KV heads", starts.size(), counts.size(),
                    shape.kv_heads);
  arguments.require(!biased || bias.count == rows, "bias has %zu values for %zu rows", bias.count, rows);
  arguments.require(causal_from >= 0 && causal_from <= UINT32_MAX && causal_from == double(uint32_t(causal_from)),
                    "causalFrom must be an integer from 0 to 2^32 - 1, got %g", causal_from);
  for (size_t head = 0; arguments.ok() && head < shape.kv_heads; head++)
    arguments.require(uint64_t{starts[head]} + counts[head] <= rows, "KV head %zu asks for rows %u to %llu of %zu",
                      head, starts[head], static_cast<unsigned long long>(uint64_t{starts[head]} + counts[head]), rows);
  return {k.data, v.data, bias.data, starts.data(), counts.data(), k.half, causal, uint32_t(causal_from)};
}

}  // namespace

// attend(pool, q, heads, kvHeads, headDim, segments, scale, firstIndex, out)
napi_value attend_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "attend", 9);
  const SegmentList list = fetch_segments(arguments, arguments.value(5));
  const PoolHandle handle = arguments.pool(0);
  const Span<float> q = arguments.f32(1, "q");
  const HeadShape shape{arguments.size(2, "heads"), arguments.size(3, "kvHeads"), arguments.size(4, "headDim")};
  const double scale = arguments.number(6, "scale");
  const uint32_t first_index = arguments.index(7, "firstIndex");
  const Span<float> out = arguments.f32(8, "out");
  if (!check_heads(arguments, shape)) return nullptr;
  const size_t row = product(shape.heads, shape.head_dim);
  const size_t n = q.count / row;
  arguments.require(product(n, row) == q.count, "q has %zu values, not rows of %zu × %zu", q.count, shape.heads,
                    shape.head_dim);
  arguments.require(out.count == q.count, "out has %zu values, q has %zu", out.count, q.count);
  arguments.require(first_index + uint64_t{n} <= UINT32_MAX, "firstIndex %u + %zu queries pass 2^32", first_index, n);
  Segment segments[kMostSegments];
  Indices starts[kMostSegments], counts[kMostSegments];
  for (size_t i = 0; arguments.ok() && i < list.size(); i++)
    segments[i] = segment_of(arguments, list[i], shape, starts[i], counts[i]);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, attend_f32(*handle.pool, handle.isa, q.data, n, shape.heads, shape.kv_heads, shape.head_dim,
                                       segments, list.size(), float(scale), first_index, out.data));
}

// store(pool, target, capacity, at, source, kvHeads, headDim)
napi_value store_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "store", 7);
  const PoolHandle handle = arguments.pool(0);
  const Values target = arguments.values(1, "target");
  const size_t capacity = arguments.size(2, "capacity"), at = arguments.size(3, "at");
  const Span<float> source = arguments.f32(4, "source");
  const HeadShape shape{arguments.size(5, "kvHeads"), arguments.size(5, "kvHeads"), arguments.size(6, "headDim")};
  if (!check_heads(arguments, shape)) return nullptr;
  const size_t row = product(shape.kv_heads, shape.head_dim);
  const size_t n = source.count / row;
  arguments.require(product(n, row) == source.count, "source has %zu values, not rows of %zu × %zu", source.count,
                    shape.kv_heads, shape.head_dim);
  arguments.require(target.count == product(capacity, row), "target has %zu values for %zu × %zu × %zu", target.count,
                    shape.kv_heads, capacity, shape.head_dim);
  arguments.require(at <= capacity && n <= capacity - at, "rows %zu to %zu do not fit into a capacity of %zu", at,
                    at + n, capacity);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, store_kv(*handle.pool, handle.isa, target.data, target.half, capacity, at, source.data, n,
                                     shape.kv_heads, shape.head_dim));
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
