// f32 ↔ f16 by integer arithmetic, and the choice of variant.
#include "half.h"

#include "cpu.h"
#include "kernels.h"

namespace compactor {
namespace {

uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t half_of(float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return uint16_t(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));  // NaN, made quiet
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00u);  // rounds to infinity
  if (magnitude < 0x38800000u) {
    // Subnormal half: adding 0.5 puts the rounded multiple of 2^-24 into the low bits.
    return uint16_t(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u));
  }
  const uint32_t round = 0xfffu + (magnitude >> 13 & 1);  // half a step, one less if already even
  return uint16_t(sign | ((magnitude - 0x38000000u + round) >> 13));
}

}  // namespace

void f16_from_f32_scalar(const float* source, uint16_t* target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = half_of(source[i]);
}

void f32_from_f16_scalar(const uint16_t* source, float* target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = f32_of_half(source[i]);
}

void f16_from_f32(Isa isa, const float* source, uint16_t* target, size_t count) {
#if COMPACTOR_X86
  if (isa >= Isa::avx2) return f16_from_f32_avx2(source, target, count);
#endif
  (void)isa;
  f16_from_f32_scalar(source, target, count);
}

void f32_from_f16(Isa isa, const uint16_t* source, float* target, size_t count) {
#if COMPACTOR_X86
  if (isa >= Isa::avx2) return f32_from_f16_avx2(source, target, count);
#endif
  (void)isa;
  f32_from_f16_scalar(source, target, count);
}

}  // namespace compactor
