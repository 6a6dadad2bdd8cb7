// Which variant of a matrix product runs.
#include "matmul.h"

#include "blocks.h"
#include "cpu.h"

namespace compactor {

#if COMPACTOR_X86
// From how many tokens on the panels are as fast as rows by themselves. Measured: with AVX-512 2 (Q4_1) to 5 (Q8_0), with
// AVX2 5 (blocks of 32) to 8 (Q8_0).
static size_t fewest_panel_tokens(Isa isa) { return isa >= Isa::avx512 ? 4 : 6; }

// From how many tokens on tiles are about as fast as panels, whose codes need not become numbers (measured: 24 to 32). Step-parts.ts
// knows of it.
constexpr size_t kFewestTileTokens = 20;

static bool is_quantised(WeightType type) {
  return type != WeightType::F32 && type != WeightType::F16 && type != WeightType::BF16;
}

static bool is_for_rows(Isa isa, WeightType type, size_t n, bool int8) {
  return isa >= Isa::avx2 && int8 && is_quantised(type) && n < fewest_panel_tokens(isa);
}

// Tiles of 8 bits instead of panels, with the same bits. Measured: 0.8 to 1.3 times as fast for 8 tokens, 1.1 to 1.4 times for 16 where
// a matrix is large, no faster where it is small.
constexpr size_t kFewestInt8TileTokens = 12;
constexpr size_t kFewestInt8TileWeights = size_t{1} << 20;

static_assert(kFewestTileTokens <= kMostFewTokens + 1, "8-bit tiles take what the others leave");

static bool is_for_int8_tiles(Isa isa, const Matmul& m, bool int8) {
  return isa >= Isa::amx && int8 && is_quantised(m.type) && m.n >= kFewestInt8TileTokens && m.n < kFewestTileTokens &&
         m.rows * m.columns >= kFewestInt8TileWeights && fits_int8_tiles(m.columns);
}

static bool multiply_rows_of(Pool& pool, Isa isa, const Matmul* matmuls, size_t count) {
  return isa >= Isa::avx512 ? matmul_int8_avx512(pool, matmuls, count) : matmul_int8_avx2(pool, matmuls, count);
}
#endif

bool multiplies_by_tiles(Isa isa, WeightType type, size_t n, bool int8) {
#if COMPACTOR_X86
  return isa >= Isa::amx && int8 && is_quantised(type) && n >= kFewestTileTokens;
#else
  (void)isa, (void)type, (void)n, (void)int8;
  return false;
#endif
}

bool matmul_f32(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t rows, size_t columns, const float* x,
                size_t n, const float* bias, const float* add, float* out, bool int8) {
  if (rows == 0 || n == 0) return true;
  const Matmul matmul{isa, type, weight, rows, columns, x, n, bias, add, out};
#if COMPACTOR_X86
  if (is_for_rows(isa, type, n, int8)) return multiply_rows_of(pool, isa, &matmul, 1);
  if (isa >= Isa::avx2) {
    if (!int8 || !is_quantised(type)) return matmul_panel_avx2(pool, matmul);
    if (multiplies_by_tiles(isa, type, n, int8)) return matmul_amx(pool, &matmul, 1);
    if (is_for_int8_tiles(isa, matmul, int8)) return matmul_int8_amx(pool, &matmul, 1);
    return isa >= Isa::avx512 ? matmul_int8_panel_avx512(pool, matmul) : matmul_int8_panel_avx2(pool, matmul);
  }
#endif
  (void)int8;
  return matmul_scalar(pool, matmul);
}

bool matmul_each_f32(Pool& pool, Isa isa, const Product* products, size_t count, size_t columns, const float* x, size_t n,
                     bool int8) {
#if COMPACTOR_X86
  Matmul matmuls[kMostProducts];
  bool by_rows = n > 0, by_tiles = true, by_int8_tiles = true;
  for (size_t i = 0; i < count; i++) {
    const Product& product = products[i];
    matmuls[i] = {isa, product.type, product.weight, product.rows, columns, x, n, product.bias, nullptr, product.out};
    by_rows = by_rows && is_for_rows(isa, product.type, n, int8);
    by_tiles = by_tiles && multiplies_by_tiles(isa, product.type, n, int8);
    by_int8_tiles = by_int8_tiles && is_for_int8_tiles(isa, matmuls[i], int8);
  }
  if (by_rows) return multiply_rows_of(pool, isa, matmuls, count);
  if (by_tiles) return matmul_amx(pool, matmuls, count);
  if (by_int8_tiles) return matmul_int8_amx(pool, matmuls, count);
#endif
  for (size_t i = 0; i < count; i++)
    if (!matmul_f32(pool, isa, products[i].type, products[i].weight, products[i].rows, columns, x, n, products[i].bias,
                    nullptr, products[i].out, int8))
      return false;
  return true;
}

}  // namespace compactor
