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

// A segment as binding.ts has it, k, v, starts, counts, bias?, causalFrom?, window?, firstQuery?, queryCount? one after another
// in the array of all segments, not yet looked at.
struct SegmentElements {
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

using SegmentList = std::vector<SegmentElements>;

// Everything of the array that getters could compute.
SegmentList fetch_segments(Arguments& arguments, napi_value array);

// Checked segments, with the indices they point to.
struct Segments {
  std::vector<Segment> list;
  Indices indices;  // of each segment [kv_heads] starts, then [kv_heads] counts
};

// `n` queries look at them.
void read_segments(Arguments& arguments, const SegmentList& from, const HeadShape& shape, size_t n, Segments& segments);

}  // namespace compactor
