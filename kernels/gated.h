// Variants of swiglu_f32 and geglu_f32 (kernels.h), chosen in gated.cc.
#pragma once
#include <cstddef>

namespace compactor {

void swiglu_scalar(const float* gate, const float* up, size_t count, float* out);
void swiglu_avx2(const float* gate, const float* up, size_t count, float* out);
void swiglu_avx512(const float* gate, const float* up, size_t count, float* out);
void geglu_scalar(const float* gate, const float* up, size_t count, float* out);
void geglu_avx2(const float* gate, const float* up, size_t count, float* out);
void geglu_avx512(const float* gate, const float* up, size_t count, float* out);

}  // namespace compactor
