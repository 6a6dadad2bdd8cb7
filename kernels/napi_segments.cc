// Reading and checking segments; napi_segments.h says what they are.
#include "napi_segments.h"

#include <cstring>

namespace compactor {
namespace {

struct Queries {
  uint32_t first;
  uint32_t count;
};

Queries queries_of(Arguments& arguments, const SegmentElements& from, size_t n) {
  const bool some = arguments.ok() && !arguments.is_absent(from.first_query);
  if (!arguments.ok() || !arguments.require(some == !arguments.is_absent(from.query_count),
                                            "firstQuery and queryCount of a segment go together") || !some)
    return {0, kAllQueries};
  const double first = arguments.number_of(from.first_query, "firstQuery");
  const double count = arguments.number_of(from.query_count, "queryCount");
  arguments.require(first >= 0 && first <= double(n) && first == double(uint32_t(first)) && count >= 1 &&
                        count <= double(n) - first && count == double(uint32_t(count)),
                    "firstQuery %g and queryCount %g are not some of %zu queries", first, count, n);
  return arguments.ok() ? Queries{uint32_t(first), uint32_t(count)} : Queries{0, kAllQueries};
}

// [kv_heads] indices
Span<uint32_t> indices_of_heads(Arguments& arguments, napi_value value, const char* name, const HeadShape& shape) {
  const Span<uint32_t> indices = arguments.u32_of(value, name);
  arguments.require(indices.count == shape.kv_heads, "%s has %zu values for %zu KV heads", name, indices.count,
                    shape.kv_heads);
  return indices;
}

// `indices` [2 · kv_heads] receives what the segment points to.
Segment segment_of(Arguments& arguments, const SegmentElements& from, const HeadShape& shape, size_t n,
                   uint32_t* indices) {
  const Values k = arguments.values_of(from.k, "segment k"), v = arguments.values_of(from.v, "segment v");
  uint32_t* const starts = indices;
  uint32_t* const counts = indices + shape.kv_heads;
  // Copied before they are checked, see Indices.
  const Span<uint32_t> all_starts = indices_of_heads(arguments, from.starts, "starts", shape);
  const Span<uint32_t> all_counts = indices_of_heads(arguments, from.counts, "counts", shape);
  if (!arguments.ok()) return {};
  memcpy(starts, all_starts.data, shape.kv_heads * sizeof(uint32_t));
  memcpy(counts, all_counts.data, shape.kv_heads * sizeof(uint32_t));
  const bool biased = arguments.ok() && !arguments.is_absent(from.bias);
  const bool causal = arguments.ok() && !arguments.is_absent(from.causal_from);
  const Span<float> bias = biased ? arguments.f32_of(from.bias, "segment bias") : Span<float>{};
  const double causal_from = causal ? arguments.number_of(from.causal_from, "causalFrom") : 0;
  const bool windowed = arguments.ok() && !arguments.is_absent(from.window);
  const double window = windowed ? arguments.number_of(from.window, "window") : double(kNoWindow);
  const Queries queries = queries_of(arguments, from, n);
  if (!arguments.ok()) return {};
  const size_t rows = k.count / shape.head_dim;
  arguments.require_type(k.half == v.half, "k and v of a segment must have the same dtype");
  arguments.require(rows * shape.head_dim == k.count && v.count == k.count,
                    "k has %zu and v %zu values, expected the same whole rows of %zu", k.count, v.count,
                    shape.head_dim);
  arguments.require(!biased || bias.count == rows, "bias has %zu values for %zu rows", bias.count, rows);
  arguments.require(causal_from >= 0 && causal_from <= UINT32_MAX && causal_from == double(uint32_t(causal_from)),
                    "causalFrom must be an integer from 0 to 2^32 - 1, got %g", causal_from);
  arguments.require(!windowed || causal, "a window needs causalFrom");
  arguments.require(window >= 1 && window <= UINT32_MAX && window == double(uint32_t(window)),
                    "window must be an integer from 1 to 2^32 - 1, got %g", window);
  for (size_t head = 0; arguments.ok() && head < shape.kv_heads; head++)
    arguments.require(uint64_t{starts[head]} + counts[head] <= rows, "KV head %zu asks for rows %u to %llu of %zu",
                      head, starts[head], static_cast<unsigned long long>(uint64_t{starts[head]} + counts[head]), rows);
  if (!arguments.ok()) return {};
  return {k.data, v.data, bias.data, starts, counts, k.half, causal, uint32_t(causal_from),
          uint32_t(window), queries.first, queries.count};
}

}  // namespace

bool check_heads(Arguments& arguments, const HeadShape& shape) {
  arguments.require(shape.head_dim > 0 && shape.head_dim <= kMostHeadDim, "headDim must be from 1 to %zu, got %zu",
                    kMostHeadDim, shape.head_dim);
  return arguments.require(shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0,
                           "%zu heads are not a multiple of %zu KV heads", shape.heads, shape.kv_heads);
}

SegmentList fetch_segments(Arguments& arguments, napi_value array) {
  constexpr uint32_t kElements = sizeof(SegmentElements) / sizeof(napi_value);
  bool is_array = false;
  uint32_t length = 0;
  if (!arguments.ok()) return {};
  const bool fits = napi_is_array(arguments.env(), array, &is_array) == napi_ok && is_array &&
                    napi_get_array_length(arguments.env(), array, &length) == napi_ok;
  const uint32_t count = length / kElements;
  if (!arguments.require_type(fits && length % kElements == 0, "segments must be an array with %u values for each", kElements) ||
      !arguments.require(count <= kMostSegments, "at most %zu segments, got %u", kMostSegments, count))
    return {};
  SegmentList segments(count);
  uint32_t i = 0;
  for (SegmentElements& segment : segments)
    for (napi_value* value : {&segment.k, &segment.v, &segment.starts, &segment.counts, &segment.bias, &segment.causal_from,
                              &segment.window, &segment.first_query, &segment.query_count})
      *value = arguments.element(array, i++);
  return segments;
}

void read_segments(Arguments& arguments, const SegmentList& from, const HeadShape& shape, size_t n,
                   Segments& segments) {
  // Before there is room for as many indices: an array as long is there.
  for (const SegmentElements& segment : from) indices_of_heads(arguments, segment.starts, "starts", shape);
  if (!arguments.ok()) return;
  segments.list.resize(from.size());
  segments.indices.resize(from.size() * 2 * shape.kv_heads);
  uint32_t* indices = segments.indices.data();
  for (size_t i = 0; arguments.ok() && i < from.size(); i++, indices += 2 * shape.kv_heads)
    segments.list[i] = segment_of(arguments, from[i], shape, n, indices);
}

}  // namespace compactor
