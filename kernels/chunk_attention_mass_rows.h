// Softmax of rows of logits, added up by columns, for the lanes of the including file. Logits are to base 2. As many rows as there
// are lanes go together: what is one number of a row is a lane, and the sums of columns are read and written once for all of them.
#pragma once
#include "attention_tiles.h"

namespace compactor {
namespace {

// 2^x for x ≤ 0, relative error below 2e-7; NaN for NaN, 0 below -126. The polynomial is the minimax fit of 2^r, 0 ≤ r ≤ 1.
COMPACTOR_INLINE Lanes exp2_of_negative(Lanes x) {
#if defined(COMPACTOR_LANES_AVX512)
  constexpr int kDown = 9;  // r = x − ⌊x⌋
  const Lanes r = _mm512_reduce_ps(x, kDown);
#else
  const Lanes shifter = all(12582912.0f);  // 1.5 · 2^23: adding it rounds to a whole number, left in the low bits
  const Lanes shifted = (x - 0.5f) + shifter;
  const Lanes r = x - (shifted - shifter);
#endif
  Lanes p = all(1.877576673e-3f);
  p = multiply_add(p, r, all(8.989340095e-3f));
  p = multiply_add(p, r, all(5.582631805e-2f));
  p = multiply_add(p, r, all(2.401536170e-1f));
  p = multiply_add(p, r, all(6.931530732e-1f));
  p = multiply_add(p, r, all(9.999999251e-1f));
#if defined(COMPACTOR_LANES_AVX512)
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, all(-126.0f), _CMP_NLT_UQ), p, x);
#else
  // For x so small that the result is cleared below, the exponent wraps around.
  const WrappingLanes exponent = WrappingLanes(bits_of_lanes(shifted)) << 23;
  const IntLanes bits = IntLanes(WrappingLanes(bits_of_lanes(p)) + exponent);
  const Lanes scaled = lanes_of_bits(bits) + (x - x);  // x − x: NaN stays
  return lanes_of_bits(bits_of_lanes(scaled) & ~IntLanes(x < -126.0f));
#endif
}

template <bool kSum>
COMPACTOR_INLINE Lanes joined(Lanes a, Lanes b) {
  return kSum ? a + b : larger(a, b);
}

// Lane i: sum or largest of the lanes of row i, in a fixed order
template <bool kSum>
COMPACTOR_INLINE Lanes joined_rows(const Lanes (&rows)[kLanes]) {
#if defined(COMPACTOR_LANES_AVX512)
  Lanes quads[4], pairs[2];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {  // four lanes of each of the rows i, i + 4, i + 8 and i + 12
    const Lanes a = joined<kSum>(_mm512_shuffle_f32x4(rows[i], rows[i + 4], 0x44), _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0xee));
    const Lanes b =
        joined<kSum>(_mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0x44), _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0xee));
    quads[i] = joined<kSum>(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; i++)
    pairs[i] = joined<kSum>(_mm512_unpacklo_ps(quads[2 * i], quads[2 * i + 1]), _mm512_unpackhi_ps(quads[2 * i], quads[2 * i + 1]));
  const __m512d even = _mm512_castps_pd(pairs[0]), odd = _mm512_castps_pd(pairs[1]);
  return joined<kSum>(_mm512_castpd_ps(_mm512_unpacklo_pd(even, odd)), _mm512_castpd_ps(_mm512_unpackhi_pd(even, odd)));
#else
  Lanes columns[kLanes];
  for (size_t i = 0; i < kLanes; i++)
    for (size_t j = 0; j < kLanes; j++) columns[j][i] = rows[i][j];
  for (size_t width = kLanes / 2; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++) columns[i] = joined<kSum>(columns[i], columns[i + width]);
  return columns[0];
#endif
}

// logits ← 2^(logits − largest) of a row of `count`, a multiple of kPanel; gives their sums by lanes. meanwhile() is called once for
// every kPanel of them.
template <typename Meanwhile>
COMPACTOR_INLINE Lanes exponentiate_row(float* logits, size_t count, float largest, Meanwhile meanwhile) {
  const Lanes shift = all(largest);
  Lanes left = {};
  Lanes right = {};
  for (size_t i = 0; i < count; i += kPanel) {
    const Lanes a = exp2_of_negative(load(logits + i) - shift);
    const Lanes b = exp2_of_negative(load(logits + i + kLanes) - shift);
    save(logits + i, a);
    save(logits + i + kLanes, b);
    left += a;
    right += b;
    meanwhile();
  }
  return left + right;
}

// mass [count] += softmax of kLanes rows of logits, which are overwritten; a row whose logits are all −∞ gives nothing.
template <typename Meanwhile>
COMPACTOR_INLINE void add_softmax(float* logits, size_t stride, size_t count, float* mass, Meanwhile meanwhile) {
  Lanes found[kLanes];
#pragma GCC unroll 16
  for (size_t r = 0; r < kLanes; r++) found[r] = all(-__builtin_inff());
  for (size_t i = 0; i < count; i += kLanes)
#pragma GCC unroll 16
    for (size_t r = 0; r < kLanes; r++) found[r] = larger(load(logits + r * stride + i), found[r]);
  const Lanes largest = joined_rows<false>(found);
  alignas(64) float each[kLanes];
  save(each, largest == all(-__builtin_inff()) ? Lanes{} : largest);
  for (size_t r = 0; r < kLanes; r++) found[r] = exponentiate_row(logits + r * stride, count, each[r], meanwhile);
  const Lanes sums = joined_rows<true>(found);
  save(each, sums == Lanes{} ? Lanes{} : 1.0f / sums);
#pragma GCC unroll 16
  for (size_t r = 0; r < kLanes; r++) found[r] = all(each[r]);
  for (size_t i = 0; i < count; i += kLanes) {
    Lanes even = load(mass + i);
    Lanes odd = {};
#pragma GCC unroll 8
    for (size_t r = 0; r < kLanes; r += 2) {
      even = multiply_add(load(logits + r * stride + i), found[r], even);
      odd = multiply_add(load(logits + (r + 1) * stride + i), found[r + 1], odd);
    }
    save(mass + i, even + odd);
  }
}

// The same for one row.
COMPACTOR_INLINE void add_softmax_of_row(float* logits, size_t count, float* mass) {
  const float largest = largest_value(logits, count, -__builtin_inff());
  const float sum = sum_of(exponentiate_row(logits, count, largest == -__builtin_inff() ? 0.0f : largest, [] {}));
  const Lanes factor = all(sum == 0 ? 0.0f : 1.0f / sum);
  for (size_t i = 0; i < count; i += kLanes) save(mass + i, multiply_add(load(logits + i), factor, load(mass + i)));
}

// mass [stride] += softmax of `rows` rows with `keys` logits each, stride a multiple of kPanel
template <typename Meanwhile>
COMPACTOR_INLINE void add_softmax_of_rows(float* logits, size_t stride, size_t rows, size_t keys, float* mass, Meanwhile meanwhile) {
  for (size_t row = 0; row < rows && keys < stride; row++)
    for (size_t i = keys; i < stride; i++) logits[row * stride + i] = -__builtin_inff();
  size_t row = 0;
  for (; row + kLanes <= rows; row += kLanes) add_softmax(logits + row * stride, stride, stride, mass, meanwhile);
  for (; row < rows; row++) add_softmax_of_row(logits + row * stride, stride, mass);
}

}  // namespace
}  // namespace compactor
