// Reading and checking segments; napi_segments.h says what they are.
#include "napi_segments.h"

namespace compactor {
namespace {

struct Queries {
  uint32_t first;
  uint32_t count;
};

Queries queries_of(Arguments& arguments, const SegmentProperties& from, size_t n) {
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

// `starts` and `counts` receive what the segment points to.
Segment segment_of(Arguments& arguments, const SegmentProperties& from, const HeadShape& shape, size_t n,
                   Indices& starts, Indices& counts) {
  const Values k = arguments.values_of(from.k, "segment k"), v = arguments.values_of(from.v, "segment v");
  starts = arguments.indices_of(from.starts, "segment starts");
  counts = arguments.indices_of(from.counts, "segment counts");
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
  arguments.require(starts.size() == shape.kv_heads && counts.size() == shape.kv_heads,
                    "starts has %zu and counts %zu values for %zu KV heads", starts.size(), counts.size(),
                    shape.kv_heads);
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
  return {k.data, v.data, bias.data, starts.data(), counts.data(), k.half, causal, uint32_t(causal_from),
          uint32_t(window), queries.first, queries.count};
}

}  // namespace

bool check_heads(Arguments& arguments, const HeadShape& shape) {
  arguments.require(shape.head_dim > 0 && shape.head_dim <= kMostHeadDim, "headDim must be from 1 to %zu, got %zu",
                    kMostHeadDim, shape.head_dim);
  return arguments.require(shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0,
                           "%zu heads are not a multiple of %zu KV heads", shape.heads, shape.kv_heads);
}

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
    segments.push_back({fetch("k"), fetch("v"), fetch("starts"), fetch("counts"), fetch("bias"), fetch("causalFrom"),
                        fetch("window"), fetch("firstQuery"), fetch("queryCount")});
  }
  return segments;
}

void read_segments(Arguments& arguments, const SegmentList& from, const HeadShape& shape, size_t n,
                   Segments& segments) {
  for (size_t i = 0; arguments.ok() && i < from.size(); i++)
    segments.list[i] = segment_of(arguments, from[i], shape, n, segments.starts[i], segments.counts[i]);
  segments.count = from.size();
}

}  // namespace compactor
