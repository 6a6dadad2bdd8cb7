// The heavy steps of expected_attention for the lanes of the including file, in f64.
#pragma once
#include "expected_attention.h"
#include "wide_tiles.h"

namespace compactor {
namespace {

COMPACTOR_INLINE void moments_of_span(const ExpectedPlan& plan, size_t span, double* centred) {
  double* moments = plan.moments + span * plan.width * plan.width;
  for (size_t i = 0; i < plan.width * plan.width; i++) moments[i] = 0;
  const size_t start = span * plan.span;
  const size_t end = start + plan.span_size(span);
  for (size_t first = start; first < end; first += kMomentBlock) {
    for (size_t row = 0; row < kMomentBlock; row++) {
      const bool exists = first + row < end;
      const float* q = plan.query(exists ? first + row : start);
      double* target = centred + row * plan.width;
      for (size_t d = 0; d < plan.width; d++)
        target[d] = exists && d < plan.head_dim ? double(q[d]) - plan.means[d] : 0.0;
    }
    // The lower triangle is enough.
    for (size_t row = 0; row < plan.width; row += kWideRows)
      wide_tiles<true>({centred, 1, plan.width, centred, moments, plan.width, kMomentBlock}, row, 0, row + kWideRows);
  }
}

COMPACTOR_INLINE double product_of(const double* a, const double* b, size_t width) {
  WideLanes sum = {};
  for (size_t i = 0; i < width; i += kWideLanes) sum = multiply_add_wide(load_wide(a + i), load_wide(b + i), sum);
  return sum_of_wide(sum);
}

// scale·kᵀRμ + scale²/2·kᵀRΣRᵀk of every key of a span
COMPACTOR_INLINE void logits_of_span(const ExpectedPlan& plan, size_t span, double* keys) {
  double* turned = keys + kMomentBlock * plan.width;
  const size_t start = span * plan.span;
  const size_t end = start + plan.span_size(span);
  for (size_t first = start; first < end; first += kMomentBlock) {
    const size_t count = end - first < kMomentBlock ? end - first : kMomentBlock;
    for (size_t row = 0; row < kMomentBlock; row++) {
      const float* k = plan.key(row < count ? first + row : start);
      for (size_t d = 0; d < plan.width; d++)
        keys[row * plan.width + d] = row < count && d < plan.head_dim ? double(k[d]) : 0.0;
    }
    for (size_t column = 0; column < plan.width; column += kWidePanel) {
      const size_t below = column + kWidePanel;  // rows of the triangle beyond are zero in this panel
      const size_t rows = below < plan.head_dim ? below : plan.head_dim;
      for (size_t row = 0; row < count; row += kWideRows)
        wide_tiles<false>({keys, plan.width, 1, plan.rotated_covariance, turned, plan.width, rows}, row, column, below);
    }
    for (size_t row = 0; row < count; row++) {
      const double* key = keys + row * plan.width;
      plan.logits[first + row] =
          plan.scale * product_of(key, plan.rotated_mean, plan.width) +
          plan.scale * plan.scale / 2 * product_of(key, turned + row * plan.width, plan.width);
    }
  }
}

}  // namespace
}  // namespace compactor
