// A variant of a row of rms_norm_f32 (kernels.h), chosen in rms_norm.cc.
#pragma once
#include <cstddef>

namespace compactor {

using RmsNormRow = void(const float* x, const float* gain, double eps, size_t dim, float* out);

RmsNormRow rms_norm_row_avx2;

}  // namespace compactor
