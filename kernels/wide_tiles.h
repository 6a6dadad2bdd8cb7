// Products of small f64 matrices for the lanes of the including file, in tiles that fit into registers.
#pragma once
#include "lanes.h"

namespace compactor {
namespace {

#if defined(COMPACTOR_LANES_AVX512)
constexpr size_t kWideRows = 8;  // of 32 registers, 24 hold sums
#else
constexpr size_t kWideRows = 4;  // of 16, 12
#endif
constexpr size_t kWidePanel = 2 * kWideLanes;

// c[r][column] (+)= Σ_i a[r · row_stride + i · step] · b[i][column] for i < count; rows of b and c have `width` values.
struct WideProduct {
  const double* a;
  size_t row_stride;
  size_t step;
  const double* b;
  double* c;
  size_t width;
  size_t count;
};

// kWideRows rows from `row` on, kVectors · kWideLanes columns from `column` on.
template <bool kAdd, size_t kVectors>
COMPACTOR_INLINE void wide_tile(const WideProduct& product, size_t row, size_t column) {
  const size_t width = product.width;
  const double* a = product.a + row * product.row_stride;
  const double* b = product.b + column;
  double* c = product.c + row * width + column;
  WideLanes sums[kWideRows][kVectors];
#pragma GCC unroll 8
  for (size_t r = 0; r < kWideRows; r++)
#pragma GCC unroll 3
    for (size_t v = 0; v < kVectors; v++)
      sums[r][v] = kAdd ? load_wide(c + r * width + v * kWideLanes) : WideLanes{};
  for (size_t i = 0; i < product.count; i++) {
    WideLanes values[kVectors];
#pragma GCC unroll 3
    for (size_t v = 0; v < kVectors; v++) values[v] = load_wide(b + i * width + v * kWideLanes);
#pragma GCC unroll 8
    for (size_t r = 0; r < kWideRows; r++) {
      const WideLanes factor = all_wide(a[r * product.row_stride + i * product.step]);
#pragma GCC unroll 3
      for (size_t v = 0; v < kVectors; v++) sums[r][v] = multiply_add_wide(factor, values[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < kWideRows; r++)
#pragma GCC unroll 3
    for (size_t v = 0; v < kVectors; v++) save_wide(c + r * width + v * kWideLanes, sums[r][v]);
}

// kWideRows rows, and columns from `column` to `end`, a multiple of kWideLanes; `before` is called before each tile.
template <bool kAdd, typename Before>
COMPACTOR_INLINE void wide_tiles(const WideProduct& product, size_t row, size_t column, size_t end, Before& before) {
  for (; column + 3 * kWideLanes <= end; column += 3 * kWideLanes) {
    before();
    wide_tile<kAdd, 3>(product, row, column);
  }
  if (column < end) before();
  if (column + 2 * kWideLanes == end) wide_tile<kAdd, 2>(product, row, column);
  if (column + kWideLanes == end) wide_tile<kAdd, 1>(product, row, column);
}

template <bool kAdd>
COMPACTOR_INLINE void wide_tiles(const WideProduct& product, size_t row, size_t column, size_t end) {
  const auto nothing = [] {};
  wide_tiles<kAdd>(product, row, column, end, nothing);
}

}  // namespace
}  // namespace compactor
