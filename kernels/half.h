// Conversion between f32 and IEEE half, one value at a time and in bulk. kernels.h has the entry points.
#pragma once
#include <cstdint>
#include <cstring>

namespace compactor {

// Exact: every half is a float. Subnormals are scaled by 2^-24, which is exact too.
inline float f32_of_half(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = float(mantissa) * (1.0f / 16777216.0f);
    return sign ? -magnitude : magnitude;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

void f16_from_f32_avx2(const float* source, uint16_t* target, size_t count);
void f32_from_f16_avx2(const uint16_t* source, float* target, size_t count);
void f16_from_f32_scalar(const float* source, uint16_t* target, size_t count);
void f32_from_f16_scalar(const uint16_t* source, float* target, size_t count);

}  // namespace compactor
