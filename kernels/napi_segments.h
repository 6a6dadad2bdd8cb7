// The arguments that ops on heads and on segments of keys share.
#pragma once
#include <vector>

#include "napi_arguments.h"

namespace compactor {

constexpr size_t kMostSegments = 256;

struct HeadShape {
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
};

bool check_heads(Arguments& arguments, const HeadShape& shape);

// The properties of a segment of binding.ts, { k, v, starts, counts, bias?, causalFrom?, window?, firstQuery?,
// queryCount? }, not yet looked at.
struct SegmentProperties {
  napi_value k;
  napi_value v;
  napi_value starts;
  napi_value counts;
  napi_value bias;
  napi_value causal_from;
  napi_value window;
  napi_value first_query;
  napi_value query_count;
};

using SegmentList = std::vector<SegmentProperties>;

// Everything of the list that getters could compute.
SegmentList fetch_segments(Arguments& arguments, napi_value list);

// Checked segments, with the indices they point to.
struct Segments {
  Segment list[kMostSegments];
  Indices starts[kMostSegments], counts[kMostSegments];
  size_t count = 0;
};

// `n` queries look at them.
void read_segments(Arguments& arguments, const SegmentList& from, const HeadShape& shape, size_t n, Segments& segments);

}  // namespace compactor
