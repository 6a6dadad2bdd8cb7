// The heavy steps of leverage for the lanes of the including file, all in f64: products of small matrices, tile by tile.
#pragma once
#include "leverage.h"
#include "wide_tiles.h"

namespace compactor {
namespace {

// x [kTokenBlock][width] ← centred keys of `count` tokens · matrix [head_dim][width]; rows beyond `count` are zero.
COMPACTOR_INLINE void project(const LeveragePlan& plan, const LeverageSpan& span, size_t first, size_t count,
                              const double* matrix, double* keys, double* x) {
  const double* means = plan.sums + span.pair * plan.spans * plan.head_dim;
  for (size_t row = 0; row < kTokenBlock; row++) {
    const float* k = plan.k + ((span.start + first + row) * plan.kv_heads + span.kv_head) * plan.head_dim;
    for (size_t d = 0; d < plan.head_dim; d++)
      keys[row * plan.head_dim + d] = row < count ? double(k[d]) - means[d] : 0.0;
  }
  for (size_t column = 0; column < plan.width; column += kWidePanel)
    for (size_t row = 0; row < kTokenBlock; row += kWideRows)
      wide_tile<false>(keys + row * plan.head_dim, plan.head_dim, 1, matrix + column, plan.head_dim,
                       x + row * plan.width + column, plan.width);
}

COMPACTOR_INLINE void gram_of_span(const LeveragePlan& plan, size_t task, double* scratch) {
  const LeverageSpan span(plan, task);
  double* gram = plan.grams + task * plan.gram_stride;
  for (size_t i = 0; i < plan.width * plan.width; i++) gram[i] = 0;
  double* keys = scratch;
  double* x = keys + kTokenBlock * plan.head_dim;
  for (size_t first = 0; first < span.count; first += kTokenBlock) {
    const size_t count = span.count - first < kTokenBlock ? span.count - first : kTokenBlock;
    project(plan, span, first, count, plan.projection, keys, x);
    // The lower triangle is enough: panels that begin at or before the tile's last row.
    for (size_t row = 0; row < plan.width; row += kWideRows)
      for (size_t column = 0; column < row + kWideRows; column += kWidePanel)
        wide_tile<true>(x + row, 1, plan.width, x + column, kTokenBlock, gram + row * plan.width + column, plan.width);
  }
}

COMPACTOR_INLINE void rows_of_span(const LeveragePlan& plan, size_t task, double* scratch) {
  const LeverageSpan span(plan, task);
  const double* matrix = plan.grams + span.pair * plan.spans * plan.gram_stride;
  double* keys = scratch;
  double* x = keys + kTokenBlock * plan.head_dim;
  for (size_t first = 0; first < span.count; first += kTokenBlock) {
    const size_t count = span.count - first < kTokenBlock ? span.count - first : kTokenBlock;
    project(plan, span, first, count, matrix, keys, x);
    for (size_t row = 0; row < count; row++) {
      WideLanes squares = {};
      for (size_t i = 0; i < plan.width; i += kWideLanes) {
        const WideLanes values = load_wide(x + row * plan.width + i);
        squares = multiply_add_wide(values, values, squares);
      }
      plan.out[span.kv_head * plan.tokens + span.start + first + row] = float(sum_of_wide(squares));
    }
  }
}

}  // namespace
}  // namespace compactor
