// Codes of weights as signed bytes, in the order in which they lie in a row: 64 columns at a time, with AVX-512. Nothing is
// transposed; the products of matmul_int8_amx.cc take rows as they are.
//
// Included after the pragma for AVX-512.
#pragma once
#include "blocks.h"
#include "kernels.h"

namespace compactor {
namespace {

constexpr size_t kPairColumns = 64;  // two groups

inline __m512i bytes_of(int value) { return _mm512_set1_epi8(char(value)); }

// Sixteen bytes from each address, each twice: the first two quarters, the last two.
inline __m512i sixteen_twice(const uint8_t* first, const uint8_t* second) {
  const __m512i both = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first)));
  return _mm512_mask_broadcast_i32x4(both, 0xff00, _mm_loadu_si128(reinterpret_cast<const __m128i*>(second)));
}

inline __m512i thirty_two_twice(const uint8_t* bytes) {
  return _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
}

// Each 16 bits shifted right, by quarters of the vector
inline __m512i right_by(__m512i bytes, int first, int second, int third, int fourth) {
  const auto twice = [](int bits) { return int64_t{0x0001000100010001} * bits; };
  return _mm512_srlv_epi16(bytes, _mm512_set_epi64(twice(fourth), twice(fourth), twice(third), twice(third), twice(second),
                                                   twice(second), twice(first), twice(first)));
}

inline uint64_t thirty_two_bits(const uint8_t* bytes) {
  uint32_t bits;
  memcpy(&bits, bytes, sizeof bits);
  return bits;
}

// Two blocks of 32; `next` is where the second one is.
template <WeightType kType>
inline __m512i unpack_pair(const uint8_t* block, const uint8_t* next) {
  constexpr bool kMinimum = kType == WeightType::Q4_1 || kType == WeightType::Q5_1;
  constexpr bool kFifth = kType == WeightType::Q5_0 || kType == WeightType::Q5_1;
  constexpr size_t kFifthAt = kMinimum ? 4 : 2, kCodesAt = kFifthAt + (kFifth ? 4 : 0);
  if constexpr (kType == WeightType::Q8_0) {
    const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 2));
    const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(next + 2));
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
  }
  const __m512i raw = sixteen_twice(block + kCodesAt, next + kCodesAt);
  const __m512i nibbles = _mm512_and_si512(right_by(raw, 0, 4, 0, 4), bytes_of(15));
  if constexpr (kType == WeightType::Q4_0) return _mm512_sub_epi8(nibbles, bytes_of(8));
  if constexpr (kFifth) {
    const __mmask64 fifth = thirty_two_bits(block + kFifthAt) | thirty_two_bits(next + kFifthAt) << 32;
    if constexpr (kMinimum) return _mm512_mask_add_epi8(nibbles, fifth, nibbles, bytes_of(16));
    return _mm512_mask_sub_epi8(nibbles, ~fifth, nibbles, bytes_of(16));
  }
  return nibbles;
}

// Pairs 0 … 3 of a Q4_K or Q5_K block
template <WeightType kType>
inline void unpack_k45_pairs(const uint8_t* block, __m512i (&pairs)[4]) {
  constexpr bool kFifth = kType == WeightType::Q5_K;
  const __m512i bits = kFifth ? thirty_two_twice(block + 16) : __m512i{};
#pragma GCC unroll 4
  for (size_t p = 0; p < 4; p++) {
    const __m512i raw = thirty_two_twice(block + (kFifth ? 48 : 16) + 32 * p);
    pairs[p] = _mm512_and_si512(right_by(raw, 0, 0, 4, 4), bytes_of(15));
    if constexpr (kFifth) {
      const __m512i own = _mm512_inserti64x4(bytes_of(1 << 2 * p), _mm256_set1_epi8(char(2 << 2 * p)), 1);
      pairs[p] = _mm512_mask_add_epi8(pairs[p], _mm512_test_epi8_mask(bits, own), pairs[p], bytes_of(16));
    }
  }
}

// Pairs 0 … 3 of a Q6_K block
inline void unpack_q6_k_pairs(const uint8_t* block, __m512i (&pairs)[4]) {
  const __m512i top = bytes_of(0x30);
#pragma GCC unroll 2
  for (size_t half = 0; half < 2; half++) {
    const __m512i low = _mm512_loadu_si512(block + 64 * half);
    const __m512i two = thirty_two_twice(block + 128 + 32 * half);
    const __m512i early = _mm512_and_si512(_mm512_slli_epi16(right_by(two, 0, 0, 2, 2), 4), top);
    const __m512i late = _mm512_and_si512(right_by(two, 0, 0, 2, 2), top);
    const __m512i first = _mm512_or_si512(_mm512_and_si512(low, bytes_of(15)), early);
    const __m512i second = _mm512_or_si512(_mm512_and_si512(right_by(low, 4, 4, 4, 4), bytes_of(15)), late);
    pairs[2 * half] = _mm512_sub_epi8(first, bytes_of(32));
    pairs[2 * half + 1] = _mm512_sub_epi8(second, bytes_of(32));
  }
}

}  // namespace
}  // namespace compactor
