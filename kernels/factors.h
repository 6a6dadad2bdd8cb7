// What the inner loops of attention multiply: f32, or (with COMPACTOR_BF16) pairs of bfloat16 along the axis that is
// summed over, whose products are added up in f32 by one instruction, at twice the rate. A factor is one such unit, in
// 32 bits. For the lanes of the including file.
#pragma once
#include "half.h"
#include "lanes.h"

namespace compactor {
namespace {

// Rows that lie `stride` elements apart: f32, or f16 if half.
struct Rows {
  const void* start;
  size_t stride;
  bool half;

  Rows from(size_t row) const {
    const size_t element = half ? sizeof(uint16_t) : sizeof(float);
    return {static_cast<const char*>(start) + row * stride * element, stride, half};
  }
};

COMPACTOR_INLINE Lanes load_row(const Rows& rows, size_t row, size_t at) {
  const size_t index = row * rows.stride + at;
  if (!rows.half) return load(static_cast<const float*>(rows.start) + index);
  const uint16_t* source = static_cast<const uint16_t*>(rows.start) + index;
#if defined(COMPACTOR_LANES_AVX512)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
#elif defined(COMPACTOR_LANES_AVX2)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
#else
  float values[kLanes];
  f32_from_f16_scalar(source, values, kLanes);
  return load(values);
#endif
}

COMPACTOR_INLINE float load_value(const Rows& rows, size_t row, size_t at) {
  const size_t index = row * rows.stride + at;
  if (!rows.half) return static_cast<const float*>(rows.start)[index];
  float value;
  f32_from_f16_scalar(static_cast<const uint16_t*>(rows.start) + index, &value, 1);
  return value;
}

#if defined(COMPACTOR_BF16)

typedef uint32_t Factor;
typedef WrappingLanes FactorLanes;
constexpr size_t kDepth = 2;  // values in a factor
constexpr int32_t kEndlessBits = 0x7f7f8000;  // magnitudes from here on round to infinity

// Two values, the first in the low half; rounded to nearest even, as the instruction does, but subnormals are kept.
COMPACTOR_INLINE Factor factor_of(const float* values) {
  return uint32_t(_mm_cvtsi128_si32(__m128i(_mm_cvtneps_pbh(_mm_set_ps(0, 0, values[1], values[0])))));
}

// Values of kLanes factors that lie one after the other.
COMPACTOR_INLINE FactorLanes factors_of(Lanes first, Lanes second) {
  return FactorLanes(_mm512_cvtne2ps_pbh(second, first));
}

// Factors of a value of each of two rows.
COMPACTOR_INLINE FactorLanes factors_across(Lanes upper, Lanes lower) {
  const __m512i low = _mm512_cvtepu16_epi32(__m256i(_mm512_cvtneps_pbh(upper)));
  const __m512i high = _mm512_cvtepu16_epi32(__m256i(_mm512_cvtneps_pbh(lower)));
  return FactorLanes(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

COMPACTOR_INLINE FactorLanes all_factors(Factor factor) { return FactorLanes(_mm512_set1_epi32(int32_t(factor))); }

COMPACTOR_INLINE Lanes add_products(FactorLanes a, FactorLanes b, Lanes sum) {
  return _mm512_dpbf16_ps(sum, __m512bh(a), __m512bh(b));
}

#else

typedef float Factor;
typedef Lanes FactorLanes;
constexpr size_t kDepth = 1;
constexpr int32_t kEndlessBits = 0x7f800000;

COMPACTOR_INLINE Factor factor_of(const float* values) { return values[0]; }
COMPACTOR_INLINE FactorLanes all_factors(Factor factor) { return all(factor); }
COMPACTOR_INLINE Lanes add_products(FactorLanes a, FactorLanes b, Lanes sum) { return multiply_add(a, b, sum); }

#endif

COMPACTOR_INLINE FactorLanes load_factors(const Factor* source) {
  FactorLanes lanes;
  memcpy(&lanes, source, sizeof lanes);
  return lanes;
}

COMPACTOR_INLINE void save_factors(Factor* target, FactorLanes lanes) { memcpy(target, &lanes, sizeof lanes); }

// How many factors hold `count` values.
COMPACTOR_INLINE size_t factor_count(size_t count) { return (count + kDepth - 1) / kDepth; }

// kLanes factors of a row, from value `at` on.
COMPACTOR_INLINE FactorLanes load_row_factors(const Rows& rows, size_t row, size_t at) {
#if defined(COMPACTOR_BF16)
  return factors_of(load_row(rows, row, at), load_row(rows, row, at + kLanes));
#else
  return load_row(rows, row, at);
#endif
}

// One factor of a row, from value `at` on; values from `end` on are zero.
COMPACTOR_INLINE Factor load_factor(const Rows& rows, size_t row, size_t at, size_t end) {
  float values[kDepth];
  for (size_t i = 0; i < kDepth; i++) values[i] = at + i < end ? load_value(rows, row, at + i) : 0.0f;
  return factor_of(values);
}

// target[i] ← factors of source[i · kDepth …] · scale; values from `count` on are zero. They may be the same memory.
COMPACTOR_INLINE void make_factors(const float* source, size_t count, float scale, Factor* target) {
  size_t i = 0;
  const Lanes scales = all(scale);
  for (; i + kDepth * kLanes <= count; i += kDepth * kLanes) {
#if defined(COMPACTOR_BF16)
    save_factors(target + i / kDepth, factors_of(load(source + i) * scales, load(source + i + kLanes) * scales));
#else
    save_factors(target + i, load(source + i) * scales);
#endif
  }
  for (; i < count; i += kDepth) {
    float values[kDepth];
    for (size_t j = 0; j < kDepth; j++) values[j] = i + j < count ? source[i + j] * scale : 0.0f;
    target[i / kDepth] = factor_of(values);
  }
}

}  // namespace
}  // namespace compactor
