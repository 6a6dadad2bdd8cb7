// Products of small f64 matrices for the lanes of the including file, in tiles that fit into registers.
#pragma once
#include "lanes.h"

namespace compactor {
namespace {

constexpr size_t kWideRows = 4;
constexpr size_t kWidePanel = 2 * kWideLanes;

// c[4][kWidePanel] (+)= Σ_i a[r · row_stride + i · step] · b[i · width …]
template <bool kAdd>
COMPACTOR_INLINE void wide_tile(const double* a, size_t row_stride, size_t step, const double* b, size_t count,
                                double* c, size_t width) {
  WideLanes sums[kWideRows][2];
#pragma GCC unroll 4
  for (size_t r = 0; r < kWideRows; r++) {
    sums[r][0] = kAdd ? load_wide(c + r * width) : WideLanes{};
    sums[r][1] = kAdd ? load_wide(c + r * width + kWideLanes) : WideLanes{};
  }
  for (size_t i = 0; i < count; i++) {
    const WideLanes left = load_wide(b + i * width);
    const WideLanes right = load_wide(b + i * width + kWideLanes);
#pragma GCC unroll 4
    for (size_t r = 0; r < kWideRows; r++) {
      const WideLanes value = all_wide(a[r * row_stride + i * step]);
      sums[r][0] = multiply_add_wide(value, left, sums[r][0]);
      sums[r][1] = multiply_add_wide(value, right, sums[r][1]);
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < kWideRows; r++) {
    save_wide(c + r * width, sums[r][0]);
    save_wide(c + r * width + kWideLanes, sums[r][1]);
  }
}

}  // namespace
}  // namespace compactor
