// Which variant of a matrix product runs.
#include "matmul.h"

#include "blocks.h"
#include "cpu.h"

namespace compactor {

#if COMPACTOR_X86
// From how many tokens on the panels are as fast as rows by themselves. Measured: with AVX-512 2 (Q4_1) to 5 (Q8_0), with
// AVX2 5 (blocks of 32) to 8 (Q8_0).
static size_t fewest_panel_tokens(Isa isa) { return isa >= Isa::avx512 ? 4 : 6; }
#endif

bool matmul_f32(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t rows, size_t columns, const float* x,
                size_t n, const float* bias, const float* add, float* out, bool int8) {
  if (rows == 0 || n == 0) return true;
  const Matmul matmul{isa, type, weight, rows, columns, x, n, bias, add, out};
#if COMPACTOR_X86
  const bool is_quantised = type != WeightType::F32 && type != WeightType::F16 && type != WeightType::BF16;
  if (isa >= Isa::avx2) {
    if (!int8 || !is_quantised) return matmul_panel_avx2(pool, matmul);
    const bool wide = isa >= Isa::avx512;
    if (n < fewest_panel_tokens(isa)) return wide ? matmul_int8_avx512(pool, matmul) : matmul_int8_avx2(pool, matmul);
    return wide ? matmul_int8_panel_avx512(pool, matmul) : matmul_int8_panel_avx2(pool, matmul);
  }
#endif
  (void)int8;
  return matmul_scalar(pool, matmul);
}

}  // namespace compactor
