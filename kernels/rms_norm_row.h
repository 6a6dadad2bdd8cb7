// One row of rms_norm for the instruction set of the including file: the same bits in all of them.
#pragma once
#include <cmath>
#include <cstddef>

namespace compactor {
namespace {

// Eight sums side by side, so that the loop can be vectorised without reordering a single sum.
inline double sum_of_squares(const float* x, size_t count) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (size_t lane = 0; lane < 8; lane++) sums[lane] += double(x[i + lane]) * double(x[i + lane]);
  for (; i < count; i++) sums[i % 8] += double(x[i]) * double(x[i]);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

// out = x / sqrt(mean(x²) + eps) · gain
inline void rms_norm_row(const float* x, const float* gain, double eps, size_t dim, float* out) {
  const double factor = 1.0 / std::sqrt(sum_of_squares(x, dim) / double(dim) + eps);
  for (size_t d = 0; d < dim; d++) out[d] = float(double(x[d]) * factor * double(gain[d]));
}

}  // namespace
}  // namespace compactor
