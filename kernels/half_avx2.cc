// f32 ↔ f16 with F16C; the instruction and half.cc give the same bits.
#include "cpu.h"
#include "half.h"

#if COMPACTOR_X86
#pragma GCC target("avx2,fma,f16c")
#include <immintrin.h>

namespace compactor {

void f16_from_f32_avx2(const float* source, uint16_t* target, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT));
  f16_from_f32_scalar(source + i, target + i, count - i);
}

void f32_from_f16_avx2(const uint16_t* source, float* target, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i))));
  f32_from_f16_scalar(source + i, target + i, count - i);
}

}  // namespace compactor
#endif
