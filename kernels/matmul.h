// Variants of matmul_f32 (kernels.h), chosen in matmul.cc.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

// out[n][rows] = x[n][columns] · Wᵀ (+ bias[rows]) (+ add[n][rows]); tasks get it by pointer.
struct Matmul {
  Isa isa;
  WeightType type;
  const uint8_t* weight;
  size_t rows;
  size_t columns;
  const float* x;
  size_t n;
  const float* bias;
  const float* add;
  float* out;
};

// Whether matmul_amx is the variant for a product.
bool multiplies_by_tiles(Isa isa, WeightType type, size_t n, bool int8);

bool matmul_scalar(Pool& pool, const Matmul& matmul);      // any n, f32 activations
bool matmul_panel_avx2(Pool& pool, const Matmul& matmul);  // any n, f32 activations; made for many tokens

// Quantised types only, int8 activations
// Up to kMostProducts of one x; made for few tokens
bool matmul_int8_avx2(Pool& pool, const Matmul* matmuls, size_t count);
bool matmul_int8_avx512(Pool& pool, const Matmul* matmuls, size_t count);

// Up to kMostProducts of one x; any n; made for many tokens
bool matmul_int8_panel_avx2(Pool& pool, const Matmul* matmuls, size_t count);
bool matmul_int8_panel_avx512(Pool& pool, const Matmul* matmuls, size_t count);

constexpr size_t kMostFewTokens = 32;
// Up to kMostProducts of one x for up to kMostFewTokens tokens, of which matmul.cc asks for fewer; same bits as
// matmul_int8_panel_avx512
bool fits_int8_tiles(size_t columns);
bool matmul_int8_amx(Pool& pool, const Matmul* matmuls, size_t count);

// Quantised types only, activations and weights rounded to bfloat16
// Up to kMostProducts of one x; any n; made for many tokens
bool matmul_amx(Pool& pool, const Matmul* matmuls, size_t count);

// The same of x from token `token` on, which is rounded already: tiles of sixteen tokens × 32 columns, [tokens / 16][columns / 32].
bool matmul_amx_rounded(Pool& pool, const Matmul* matmuls, size_t count, const void* tiles, size_t token,
                        size_t token_count);

}  // namespace compactor
