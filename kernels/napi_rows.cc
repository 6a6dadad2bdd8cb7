// The ops on rows of logits for JavaScript: check, then compute.
#include "napi.h"
#include "napi_arguments.h"

namespace compactor {
namespace {

// How many rows of 1 to kMostRowValues values x has; 0 when refused.
size_t rows_of(Arguments& arguments, Span<float> x, size_t width) {
  if (!arguments.require(width > 0 && width <= kMostRowValues, "rows must have from 1 to %zu values, got %zu",
                         kMostRowValues, width))
    return 0;
  arguments.require(x.count % width == 0, "x has %zu values, not rows of %zu", x.count, width);
  return arguments.ok() ? x.count / width : 0;
}

}  // namespace

// softmax(pool, x, width, out): rows of `width`
napi_value softmax_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "softmax", 4);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const size_t width = arguments.size(2, "width");
  const Span<float> out = arguments.f32(3, "out");
  arguments.require(width > 0 ? x.count % width == 0 : x.count == 0, "x has %zu values, not rows of %zu", x.count,
                    width);
  arguments.require(out.count == x.count, "out has %zu values, x has %zu", out.count, x.count);
  if (!arguments.ok()) return nullptr;
  const size_t rows = width > 0 ? x.count / width : 0;
  return boolean_value(env, softmax_f32(*handle.pool, handle.isa, x.data, rows, width, out.data));
}

// argmax(pool, x, width, out): rows of `width`
napi_value argmax_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "argmax", 4);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const size_t width = arguments.size(2, "width");
  const Span<float> out = arguments.f32(3, "out");
  const size_t rows = rows_of(arguments, x, width);
  arguments.require(out.count == rows, "out has %zu values for %zu rows", out.count, rows);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, argmax_f32(*handle.pool, handle.isa, x.data, rows, width, out.data));
}

// describeRows(pool, x, width, weights, picks, out): rows of `width`, as many kinds of row as picks
napi_value describe_rows_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "describeRows", 6);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const size_t width = arguments.size(2, "width");
  const Span<float> weights = arguments.f32(3, "weights");
  const Indices picks = arguments.indices(4, "picks");
  const Span<float> out = arguments.f32(5, "out");
  const size_t rows = rows_of(arguments, x, width);
  arguments.require(weights.count == product(picks.size(), width), "weights has %zu values for %zu picks in rows of %zu",
                    weights.count, picks.size(), width);
  arguments.require(picks.size() > 0 ? rows % picks.size() == 0 : rows == 0, "%zu rows are not a multiple of %zu picks",
                    rows, picks.size());
  for (size_t i = 0; arguments.ok() && i < picks.size(); i++)
    arguments.require(picks[i] < width, "pick %u at %zu is not below %zu values", picks[i], i, width);
  arguments.require(out.count == product(rows, kRowFigures), "out has %zu values for %zu rows of %zu", out.count, rows,
                    kRowFigures);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, describe_rows_f32(*handle.pool, handle.isa, x.data, rows, width, weights.data,
                                              picks.data(), picks.size(), out.data));
}

}  // namespace compactor
