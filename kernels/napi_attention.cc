// Attention over segments, and what keys receive of it, for JavaScript: check, then compute.
#include "napi.h"
#include "napi_segments.h"

namespace compactor {
namespace {

// Gives the number of queries.
size_t check_queries(Arguments& arguments, size_t values, const HeadShape& shape, uint32_t first_index) {
  const size_t row = product(shape.heads, shape.head_dim);
  const size_t n = values / row;
  arguments.require(product(n, row) == values, "q has %zu values, not rows of %zu × %zu", values, shape.heads,
                    shape.head_dim);
  arguments.require(first_index + uint64_t{n} <= UINT32_MAX, "firstIndex %u + %zu queries pass 2^32", first_index, n);
  return n;
}

}  // namespace

// attend(pool, q, heads, kvHeads, headDim, segments, scale, firstIndex, out, bf16)
napi_value attend_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "attend", 10);
  const SegmentList list = fetch_segments(arguments, arguments.value(5));
  const PoolHandle handle = arguments.pool(0);
  const Span<float> q = arguments.f32(1, "q");
  const HeadShape shape{arguments.size(2, "heads"), arguments.size(3, "kvHeads"), arguments.size(4, "headDim")};
  const double scale = arguments.number(6, "scale");
  const uint32_t first_index = arguments.index(7, "firstIndex");
  const Span<float> out = arguments.f32(8, "out");
  const bool bf16 = arguments.boolean(9, "bf16");
  if (!check_heads(arguments, shape)) return nullptr;
  const size_t n = check_queries(arguments, q.count, shape, first_index);
  arguments.require(out.count == q.count, "out has %zu values, q has %zu", out.count, q.count);
  Segments segments;
  read_segments(arguments, list, shape, n, segments);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, attend_f32(*handle.pool, handle.isa, q.data, n, shape.heads, shape.kv_heads, shape.head_dim,
                                       segments.list.data(), segments.list.size(), float(scale), first_index, out.data,
                                       bf16));
}

// attentionReceived(pool, q, heads, kvHeads, headDim, segments, scale, firstIndex, maximum, out, bf16)
napi_value attention_received_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "attentionReceived", 11);
  const SegmentList list = fetch_segments(arguments, arguments.value(5));
  const PoolHandle handle = arguments.pool(0);
  const Span<float> q = arguments.f32(1, "q");
  const HeadShape shape{arguments.size(2, "heads"), arguments.size(3, "kvHeads"), arguments.size(4, "headDim")};
  const double scale = arguments.number(6, "scale");
  const uint32_t first_index = arguments.index(7, "firstIndex");
  const bool maximum = arguments.boolean(8, "maximum");
  const Span<float> out = arguments.f32(9, "out");
  const bool bf16 = arguments.boolean(10, "bf16");
  if (!check_heads(arguments, shape)) return nullptr;
  const size_t n = check_queries(arguments, q.count, shape, first_index);
  arguments.require(shape.heads <= kMostReceivingHeads, "%zu query heads are too many, at most %zu", shape.heads,
                    kMostReceivingHeads);
  arguments.require(list.size() > 0, "at least one segment is needed");
  Segments segments;
  read_segments(arguments, list, shape, n, segments);
  if (!arguments.ok()) return nullptr;
  for (size_t i = 0; i < segments.list.size(); i++)
    arguments.require(segments.list[i].query_count == kAllQueries, "segment %zu is not for every query", i);
  const uint32_t* counts = segments.list[0].counts;
  for (size_t head = 1; head < shape.kv_heads; head++)
    arguments.require(counts[head] == counts[0], "runs of the first segment must have one length, got %u and %u",
                      counts[0], counts[head]);
  const size_t keys = product(counts[0], shape.kv_heads);
  arguments.require(keys <= kMostReceivedKeys, "%zu keys over all KV heads are too many, at most %zu; use fewer", keys,
                    kMostReceivedKeys);
  arguments.require(out.count == keys, "out has %zu values for %zu × %u", out.count, shape.kv_heads, counts[0]);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, attention_received_f32(*handle.pool, handle.isa, q.data, n, shape.heads, shape.kv_heads,
                                                   shape.head_dim, segments.list.data(), segments.list.size(),
                                                   float(scale), first_index, maximum, out.data, bf16));
}

}  // namespace compactor
