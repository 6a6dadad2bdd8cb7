// Vectors of the instruction set that the including file is compiled for, so that one source serves several. A file
// that wants AVX2 defines COMPACTOR_LANES_AVX2 and says `#pragma GCC target("avx2,fma,f16c")` before including this,
// and after every other header; one that wants AVX-512, COMPACTOR_LANES_AVX512 and "avx512f,avx512bw,avx512vl" besides.
//
// Everything here has internal linkage on purpose: an inline function shared between two files would be merged by the
// linker, and the scalar path might run the AVX2 copy. For the same reason no standard templates are used here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(COMPACTOR_LANES_AVX512) || defined(COMPACTOR_LANES_AVX2) || defined(__SSE2__)
#include <immintrin.h>
#endif

namespace compactor {
namespace {

#if defined(COMPACTOR_LANES_AVX512)
constexpr size_t kLanes = 16;
#elif defined(COMPACTOR_LANES_AVX2)
constexpr size_t kLanes = 8;
#else
constexpr size_t kLanes = 4;
#endif

typedef float Lanes __attribute__((vector_size(4 * kLanes)));
typedef int32_t IntLanes __attribute__((vector_size(4 * kLanes)));
typedef uint32_t WrappingLanes __attribute__((vector_size(4 * kLanes)));
typedef double WideLanes __attribute__((vector_size(4 * kLanes)));  // half as many doubles
constexpr size_t kWideLanes = kLanes / 2;

#define COMPACTOR_INLINE static inline __attribute__((always_inline))
#define COMPACTOR_INLINE_MEMBER inline __attribute__((always_inline))

COMPACTOR_INLINE Lanes load(const float* source) {
  Lanes lanes;
  memcpy(&lanes, source, sizeof lanes);
  return lanes;
}

COMPACTOR_INLINE void save(float* target, Lanes lanes) { memcpy(target, &lanes, sizeof lanes); }

COMPACTOR_INLINE WideLanes load_wide(const double* source) {
  WideLanes lanes;
  memcpy(&lanes, source, sizeof lanes);
  return lanes;
}

// kWideLanes floats as doubles.
COMPACTOR_INLINE WideLanes load_widened(const float* source) {
#if defined(COMPACTOR_LANES_AVX512)
  return _mm512_cvtps_pd(_mm256_loadu_ps(source));
#elif defined(COMPACTOR_LANES_AVX2)
  return _mm256_cvtps_pd(_mm_loadu_ps(source));
#else
  WideLanes lanes;
  for (size_t i = 0; i < kWideLanes; i++) lanes[i] = source[i];
  return lanes;
#endif
}

COMPACTOR_INLINE void save_wide(double* target, WideLanes lanes) { memcpy(target, &lanes, sizeof lanes); }

// value − 0 is value, −0 and NaN included, so compilers make this one broadcast.
COMPACTOR_INLINE Lanes all(float value) { return value - Lanes{}; }

COMPACTOR_INLINE WideLanes all_wide(double value) { return value - WideLanes{}; }

// a · b + c; one rounding where the instruction set has it
COMPACTOR_INLINE Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(COMPACTOR_LANES_AVX512)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(COMPACTOR_LANES_AVX2)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

COMPACTOR_INLINE WideLanes multiply_add_wide(WideLanes a, WideLanes b, WideLanes c) {
#if defined(COMPACTOR_LANES_AVX512)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(COMPACTOR_LANES_AVX2)
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}

// The doubles of the first and of the last half of the lanes.
COMPACTOR_INLINE WideLanes widen(Lanes lanes, size_t half) {
  typedef float HalfLanes __attribute__((vector_size(2 * kLanes)));
  HalfLanes part;
  memcpy(&part, reinterpret_cast<const char*>(&lanes) + half * sizeof part, sizeof part);
  return __builtin_convertvector(part, WideLanes);
}

// The larger; `b` where `a` is NaN.
COMPACTOR_INLINE Lanes larger(Lanes a, Lanes b) {
#if defined(COMPACTOR_LANES_AVX512)
  return _mm512_max_ps(a, b);
#elif defined(COMPACTOR_LANES_AVX2)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

COMPACTOR_INLINE Lanes lanes_of_bits(IntLanes bits) {
  Lanes lanes;
  memcpy(&lanes, &bits, sizeof lanes);
  return lanes;
}

COMPACTOR_INLINE IntLanes bits_of_lanes(Lanes lanes) {
  IntLanes bits;
  memcpy(&bits, &lanes, sizeof bits);
  return bits;
}

// The larger of |value|, as the integer its bits are, and `largest`: both orders are the same for magnitudes.
COMPACTOR_INLINE IntLanes larger_magnitude(Lanes value, IntLanes largest) {
  const IntLanes magnitude = bits_of_lanes(value) & 0x7fffffff;
#if defined(COMPACTOR_LANES_AVX512)
  return IntLanes(_mm512_max_epi32(__m512i(magnitude), __m512i(largest)));
#elif defined(COMPACTOR_LANES_AVX2)
  return IntLanes(_mm256_max_epi32(__m256i(magnitude), __m256i(largest)));
#else
  return magnitude > largest ? magnitude : largest;
#endif
}

#if defined(COMPACTOR_LANES_AVX512)
COMPACTOR_INLINE __m256 upper_half(Lanes lanes) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(lanes), 1));
}

// rows[i] ← lane i of every row
COMPACTOR_INLINE void transpose(__m512i (&rows)[kLanes]) {
  __m512i pairs[16], quads[16];
#pragma GCC unroll 8
  for (size_t i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 16; i += 4) {
    quads[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    quads[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    quads[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    quads[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {
    const __m512i even_first = _mm512_shuffle_i32x4(quads[i], quads[i + 4], 0x88);
    const __m512i even_second = _mm512_shuffle_i32x4(quads[i + 8], quads[i + 12], 0x88);
    const __m512i odd_first = _mm512_shuffle_i32x4(quads[i], quads[i + 4], 0xdd);
    const __m512i odd_second = _mm512_shuffle_i32x4(quads[i + 8], quads[i + 12], 0xdd);
    rows[i] = _mm512_shuffle_i32x4(even_first, even_second, 0x88);
    rows[i + 4] = _mm512_shuffle_i32x4(odd_first, odd_second, 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(even_first, even_second, 0xdd);
    rows[i + 12] = _mm512_shuffle_i32x4(odd_first, odd_second, 0xdd);
  }
}
#endif

// Sums in a fixed order: halves are added until one value is left.
COMPACTOR_INLINE float sum_of(Lanes lanes) {
#if defined(COMPACTOR_LANES_AVX512)
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), upper_half(lanes));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  float values[kLanes];
  save(values, lanes);
  for (size_t width = kLanes / 2; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++) values[i] += values[i + width];
  return values[0];
#endif
}

COMPACTOR_INLINE double sum_of_wide(WideLanes lanes) {
  double values[kWideLanes];
  save_wide(values, lanes);
  for (size_t width = kWideLanes / 2; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++) values[i] += values[i + width];
  return values[0];
}

// Of lanes without NaN
COMPACTOR_INLINE float largest_of(Lanes lanes) {
#if defined(COMPACTOR_LANES_AVX512)
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(lanes), upper_half(lanes));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
#else
  float values[kLanes];
  save(values, lanes);
  for (size_t i = 1; i < kLanes; i++) values[0] = values[i] > values[0] ? values[i] : values[0];
  return values[0];
#endif
}

// e^x / 2^n for x near n·ln 2: x = n·ln 2 + r with |r| ≤ ln 2 / 2; the polynomial is Cephes' minimax fit of
// (e^r − 1 − r) / r².
COMPACTOR_INLINE Lanes exp_mantissa(Lanes x, Lanes n) {
  Lanes r = multiply_add(n, all(-0.693359375f), x);
  r = multiply_add(n, all(2.12194440e-4f), r);
  Lanes p = all(1.9875691500e-4f);
  p = multiply_add(p, r, all(1.3981999507e-3f));
  p = multiply_add(p, r, all(8.3334519073e-3f));
  p = multiply_add(p, r, all(4.1665795894e-2f));
  p = multiply_add(p, r, all(1.6666665459e-1f));
  p = multiply_add(p, r, all(5.0000001201e-1f));
  return multiply_add(p, r * r, r + 1.0f);
}

constexpr float kLog2E = 1.44269504088896341f;

// e^x for x ≤ 0, relative error below 2e-7; NaN for NaN. Below -87.3 it is 0: to make a subnormal number takes the processor a
// hundred times as long as another.
#if defined(COMPACTOR_LANES_AVX512)
COMPACTOR_INLINE Lanes exp_of_negative(Lanes x) {
  const __mmask16 kept = _mm512_cmp_ps_mask(x, all(-87.3f), _CMP_NLT_UQ);  // NaN too
  const Lanes n = _mm512_roundscale_ps(x * all(kLog2E), 0);
  return _mm512_maskz_scalef_ps(kept, exp_mantissa(x, n), n);
}
#else
COMPACTOR_INLINE Lanes exp_of_negative(Lanes x) {
  const Lanes shifter = all(12582912.0f);  // 1.5 · 2^23: adding it rounds to a whole number, left in the low bits
  const Lanes shifted = multiply_add(x, all(kLog2E), shifter);
  const Lanes p = exp_mantissa(x, shifted - shifter);
  // For x so small that the result is cleared below, the exponent wraps around.
  const WrappingLanes exponent = WrappingLanes(bits_of_lanes(shifted)) << 23;
  const IntLanes bits = IntLanes(WrappingLanes(bits_of_lanes(p)) + exponent);
  const Lanes scaled = lanes_of_bits(bits) + (x - x);  // x − x: NaN stays
  return lanes_of_bits(bits_of_lanes(scaled) & ~IntLanes(x < -87.3f));
}
#endif

}  // namespace
}  // namespace compactor
