// rms_norm_row.h compiled for AVX2.
#include "cpu.h"
#include "rms_norm.h"

#if COMPACTOR_X86
#include <cmath>
#pragma GCC target("avx2,fma")
#include "rms_norm_row.h"

namespace compactor {

void rms_norm_row_avx2(const float* x, const float* gain, double eps, size_t dim, float* out) {
  rms_norm_row(x, gain, eps, dim, out);
}

}  // namespace compactor
#endif
