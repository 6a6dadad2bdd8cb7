// Which variant of a matrix product runs.
#include "matmul.h"

#include "cpu.h"

namespace compactor {

bool matmul_f32(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t rows, size_t columns, const float* x,
                size_t n, const float* bias, const float* add, float* out, bool int8) {
  if (rows == 0 || n == 0) return true;
  const Matmul matmul{isa, type, weight, rows, columns, x, n, bias, add, out};
#if COMPACTOR_X86
  const bool is_quantised = type != WeightType::F32 && type != WeightType::F16;
  if (isa >= Isa::avx2) {
    if (!int8 || !is_quantised) return matmul_panel_avx2(pool, matmul);
    if (isa >= Isa::avx512 && n >= kFewestPanelTokens) return matmul_int8_panel_avx512(pool, matmul);
    return n <= kMostInt8Tokens ? matmul_int8_avx2(pool, matmul) : matmul_panel_avx2(pool, matmul);
  }
#endif
  (void)int8;
  return matmul_scalar(pool, matmul);
}

}  // namespace compactor
