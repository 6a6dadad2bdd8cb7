// Which variant of a matrix product runs.
#include "matmul.h"

#include "blocks.h"
#include "cpu.h"

namespace compactor {

// From how many tokens on the panels are as fast as rows by themselves. Measured: with AVX-512 2 (Q4_1) to 5 (Q8_0), with
// AVX2 5 (blocks of 32) to 8 (Q8_0).
static size_t fewest_panel_tokens(Isa isa) { return isa >= Isa::avx512 ? 4 : 6; }

// From how many tokens on tiles are about as fast as panels, whose codes need not become numbers (measured: 24 to 32). Step-parts.ts
// knows of it.
constexpr size_t kFewestTileTokens = 20;

// Tiles of 8 bits instead of panels, with the same bits. Measured: 0.8 to 1.3 times as fast for 8 tokens, 1.1 to 1.4 times for 16 where
// a matrix is large, no faster where it is small.
constexpr size_t kFewestInt8TileTokens = 12;
constexpr size_t kFewestInt8TileWeights = size_t{1} << 20;

static_assert(kFewestTileTokens <= kMostFewTokens + 1, "8-bit tiles take what the others leave");

static bool is_quantised(WeightType type) {
  return type != WeightType::F32 && type != WeightType::F16 && type != WeightType::BF16;
}

bool multiplies_by_tiles(Isa isa, WeightType type, size_t n, bool int8) {
  return isa >= Isa::amx && int8 && is_quantised(type) && n >= kFewestTileTokens;
}

namespace {

enum class Variant { scalar, floats, rows, panels, tiles, int8_tiles };

bool is_for_int8_tiles(const Matmul& m) {
#if COMPACTOR_X86
  return m.isa >= Isa::amx && m.n >= kFewestInt8TileTokens && m.rows * m.columns >= kFewestInt8TileWeights &&
         fits_int8_tiles(m.columns);
#else
  (void)m;
  return false;
#endif
}

Variant variant_of(const Matmul& m, bool int8) {
  if (m.isa < Isa::avx2) return Variant::scalar;
  if (!int8 || !is_quantised(m.type)) return Variant::floats;
  if (m.n < fewest_panel_tokens(m.isa)) return Variant::rows;
  if (multiplies_by_tiles(m.isa, m.type, m.n, int8)) return Variant::tiles;
  return is_for_int8_tiles(m) ? Variant::int8_tiles : Variant::panels;
}

// Several of one x
bool multiply(Pool& pool, Variant variant, const Matmul* matmuls, size_t count) {
  auto kernel = matmul_scalar;
#if COMPACTOR_X86
  const bool wide = matmuls[0].isa >= Isa::avx512;
  switch (variant) {
    case Variant::rows: return wide ? matmul_int8_avx512(pool, matmuls, count) : matmul_int8_avx2(pool, matmuls, count);
    case Variant::panels:
      return wide ? matmul_int8_panel_avx512(pool, matmuls, count) : matmul_int8_panel_avx2(pool, matmuls, count);
    case Variant::tiles: return matmul_amx(pool, matmuls, count);
    case Variant::int8_tiles: return matmul_int8_amx(pool, matmuls, count);
    case Variant::floats: kernel = matmul_panel_avx2; break;
    default: break;
  }
#else
  (void)variant;  // the scalar one
#endif
  for (size_t i = 0; i < count; i++)
    if (!kernel(pool, matmuls[i])) return false;
  return true;
}

}  // namespace

bool matmul_f32(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t rows, size_t columns, const float* x,
                size_t n, const float* bias, const float* add, float* out, bool int8) {
  if (rows == 0 || n == 0) return true;
  const Matmul matmul{isa, type, weight, rows, columns, x, n, bias, add, out};
  return multiply(pool, variant_of(matmul, int8), &matmul, 1);
}

bool matmul_each_f32(Pool& pool, Isa isa, const Product* products, size_t count, size_t columns, const float* x, size_t n,
                     bool int8) {
  Matmul matmuls[kMostProducts];
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    const Product& product = products[i];
    if (product.rows == 0 || n == 0) continue;
    matmuls[used++] = {isa, product.type, product.weight, product.rows, columns, x, n, product.bias, nullptr, product.out};
  }
  for (size_t first = 0, end = 0; first < used; first = end) {
    const Variant variant = variant_of(matmuls[first], int8);
    while (end < used && variant_of(matmuls[end], int8) == variant) end++;
    if (!multiply(pool, variant, matmuls + first, end - first)) return false;
  }
  return true;
}

}  // namespace compactor
