// Conversion between f32 and IEEE half, one value at a time and in bulk. kernels.h has the entry points.
#pragma once
#include <cstdint>
#include <cstring>

namespace compactor {

void f16_from_f32_avx2(const float* source, uint16_t* target, size_t count);
void f32_from_f16_avx2(const uint16_t* source, float* target, size_t count);
void f16_from_f32_scalar(const float* source, uint16_t* target, size_t count);
void f32_from_f16_scalar(const uint16_t* source, float* target, size_t count);

}  // namespace compactor
