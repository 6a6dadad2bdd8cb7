// The products of matmul_int8_task.h in vectors of 512 bits: two groups of 32 at a time, for rows with up to four tokens.
// The same integers as there. One to three tokens have the same bits: for blocks of 32, where one token goes the narrow way,
// sums of floats are added in its order; for blocks of 256 in another, the same one for every count of tokens.
//
// Included by matmul_int8_task.h where there is AVX-512 VNNI.
#pragma once
#include "blocks.h"
#include "matmul_int8.h"

namespace compactor {
namespace {

inline __m256 halves_added(__m512 lanes) {
  return _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(lanes), 1)));
}

// Sums of one row with kTokens tokens: two chains each, as an addition waits four cycles for the one before.
template <int kTokens>
struct WideTotals {
  __m512 products[kTokens][2] = {};

  __m256 of(int token) const {
    return halves_added(_mm512_add_ps(products[token][0], products[token][1]));
  }
};

inline __m512i load_64(const void* bytes) { return _mm512_loadu_si512(bytes); }

// Groups 2 · pair and 2 · pair + 1 of a vector of up to 16 scales, eight lanes each
inline __m512 scales_of_pair(__m512 scales, int pair) {
  const __m512i which = _mm512_set_epi32(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_permutexvar_ps(_mm512_add_epi32(which, _mm512_set1_epi32(2 * pair)), scales);
}

// Scales of 16 values: four lanes each
inline __m512 scales_of_quads(__m512 scales, int pair) {
  const __m512i which = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  return _mm512_permutexvar_ps(_mm512_add_epi32(which, _mm512_set1_epi32(4 * pair)), scales);
}

// total += scales · the products of 64 codes with 64 activations, added up in fours
inline void add_wide(__m512i w, const int8_t* q, __m512 scales, __m512& total) {
  const __m512i products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, load_64(q));
  total = _mm512_fmadd_ps(scales, _mm512_cvtepi32_ps(products), total);
}

// The codes of two neighbouring blocks of 32
template <WeightType kType>
inline __m512i quants_of_two(const uint8_t* blocks) {
  constexpr size_t block_bytes = block_layout(kType).bytes;
  constexpr bool kFifth = kType == WeightType::Q5_0 || kType == WeightType::Q5_1;
  constexpr size_t nibbles = block_bytes - 16, fifth = nibbles - 4;
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks + nibbles));
  const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks + block_bytes + nibbles));
  const __m512i bytes = _mm512_mask_broadcast_i32x4(_mm512_broadcast_i32x4(first), 0xff00, second);
  const __m512i shifted = _mm512_srlv_epi64(bytes, _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0));
  const __m512i low = _mm512_and_si512(shifted, _mm512_set1_epi8(15));
  if constexpr (!kFifth) return low;
  uint32_t bits[2];
  memcpy(&bits[0], blocks + fifth, 4);
  memcpy(&bits[1], blocks + block_bytes + fifth, 4);
  return _mm512_mask_add_epi8(low, uint64_t{bits[1]} << 32 | bits[0], low, _mm512_set1_epi8(16));
}

// Four groups of a row of blocks of 32, as add_blocks of matmul_int8_task.h
template <WeightType kType, int kTokens>
inline void add_four_blocks(const uint8_t* blocks, size_t group, const Activations* x, __m512 (&totals)[kTokens],
                            __m128* offsets) {
  constexpr size_t block_bytes = block_layout(kType).bytes;
  ask_for<4 * block_bytes>(blocks);
  const __m128 d = halves_at<4>(blocks, block_bytes);
  const __m128 offset = kHasMinimum<kType> ? halves_at<4>(blocks + 2, block_bytes) : d;
  const __m512i w[2] = {quants_of_two<kType>(blocks), quants_of_two<kType>(blocks + 2 * block_bytes)};
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    const __m512 scales = _mm512_castps128_ps512(_mm_mul_ps(d, _mm_loadu_ps(x[t].scales + group)));
    offsets[t] = _mm_fmadd_ps(offset, _mm_loadu_ps(x[t].sums_32 + group), offsets[t]);
    const int8_t* q = x[t].q + group * kGroup;
    add_wide(w[0], q, scales_of_pair(scales, 0), totals[t]);
    add_wide(w[1], q + 64, scales_of_pair(scales, 1), totals[t]);
  }
}

// As dot_32; what four blocks do not divide goes the narrow way.
template <WeightType kType, int kTokens>
void wide_dot_32(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  constexpr size_t block_bytes = block_layout(kType).bytes;
  const size_t groups = columns / kGroup;
  __m512 wide[kTokens] = {};
  Totals<kTokens> totals;
  __m128 offsets[kTokens] = {};
  size_t g = 0;
  for (; g + 4 <= groups; g += 4) add_four_blocks<kType, kTokens>(row + g * block_bytes, g, x, wide, offsets);
  // Each half is a chain of the narrow way, which four tokens have one of: up to three tokens round as one does there.
  for (int t = 0; t < kTokens; t++) {
    if constexpr (Totals<kTokens>::kChains == 1) {
      totals.at(t, 0) = halves_added(wide[t]);
    } else {
      totals.at(t, 0) = _mm512_castps512_ps256(wide[t]);
      totals.at(t, 1) = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(wide[t]), 1));
    }
  }
  for (; g < groups; g++) add_blocks<kType, kTokens, 1>(row + g * block_bytes, g, x, totals, offsets);
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    sums[t] = sum_of(_mm256_fmadd_ps(_mm256_set1_ps(kOffset<kType>), _mm256_zextps128_ps256(offsets[t]), totals.of(t)));
  }
}

// Groups 2 · pair and 2 · pair + 1 of a Q4_K or Q5_K block
inline __m512i quants_k45_of_two(const uint8_t* nibbles, const uint8_t* high, int pair) {
  const __m512i bytes = _mm512_broadcast_i64x4(load_32(nibbles + pair * 32));
  const __m512i shifted = _mm512_srlv_epi64(bytes, _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0));
  const __m512i low = _mm512_and_si512(shifted, _mm512_set1_epi8(15));
  if (high == nullptr) return low;
  const __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8(char(1 << 2 * pair)), _mm256_set1_epi8(char(2 << 2 * pair)), 1);
  const __mmask64 is_set = _mm512_test_epi8_mask(_mm512_broadcast_i64x4(load_32(high)), bit);
  return _mm512_mask_add_epi8(low, is_set, low, _mm512_set1_epi8(16));
}

// As dot_k45
template <WeightType kType, int kTokens>
void wide_dot_k45(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  constexpr bool kHigh = kType == WeightType::Q5_K;
  WideTotals<kTokens> totals;
  __m256 offsets[kTokens] = {};
  const uint8_t* block = row;
  for (size_t at = 0; at < columns; at += 256, block += block_layout(kType).bytes) {
    ask_for<block_layout(kType).bytes>(block);
    const auto [d, minimum] = factors_k45(block);
    __m512 scales[kTokens];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) {
      scales[t] = _mm512_castps256_ps512(_mm256_mul_ps(d, _mm256_loadu_ps(x[t].scales + at / kGroup)));
      offsets[t] = _mm256_fmadd_ps(minimum, _mm256_loadu_ps(x[t].sums_32 + at / kGroup), offsets[t]);
    }
    const uint8_t* high = kHigh ? block + 16 : nullptr;
    const uint8_t* nibbles = kHigh ? block + 48 : block + 16;
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
      const __m512i w = quants_k45_of_two(nibbles, high, pair);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; t++)
        add_wide(w, x[t].q + at + size_t(pair) * 64, scales_of_pair(scales[t], pair), totals.products[t][pair % 2]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) sums[t] = sum_of(_mm256_sub_ps(totals.of(t), offsets[t]));
}

// Groups 2 · pair and 2 · pair + 1 of a Q6_K block
inline __m512i quants_q6_k_of_two(const uint8_t* block, int pair) {
  const int half = pair / 2;
  const __m512i bytes = load_64(block + half * 64);
  const __m512i nibbles = pair % 2 == 0 ? bytes : _mm512_srli_epi16(bytes, 4);
  const __m512i turns = pair % 2 == 0 ? _mm512_set_epi64(2, 2, 2, 2, 4, 4, 4, 4) : _mm512_set_epi64(62, 62, 62, 62, 0, 0, 0, 0);
  const __m512i turned = _mm512_rolv_epi64(_mm512_broadcast_i64x4(load_32(block + 128 + half * 32)), turns);
  const __m512i high = _mm512_and_si512(turned, _mm512_set1_epi8(0x30));
  return _mm512_ternarylogic_epi64(nibbles, _mm512_set1_epi8(15), high, 0xea);  // nibbles & 15 | high
}

// As dot_q6_k; the scale of 16 values goes into the factor of four lanes.
template <int kTokens>
void wide_dot_q6_k(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  WideTotals<kTokens> totals;
  __m512 offsets[kTokens] = {};
  const uint8_t* block = row;
  for (size_t at = 0; at < columns; at += 256, block += block_layout(WeightType::Q6_K).bytes) {
    ask_for<block_layout(WeightType::Q6_K).bytes>(block);
    const __m128i scale_bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 192));
    const __m512 d = _mm512_mul_ps(_mm512_set1_ps(half_at(block + 208)), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scale_bytes)));
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    __m512 scales[kTokens];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) {
      const __m512 of_groups = _mm512_castps256_ps512(_mm256_loadu_ps(x[t].scales + at / kGroup));
      scales[t] = _mm512_mul_ps(d, _mm512_permutexvar_ps(twice, of_groups));
      offsets[t] = _mm512_fmadd_ps(d, _mm512_loadu_ps(x[t].sums_16 + at / 16), offsets[t]);
    }
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
      const __m512i w = quants_q6_k_of_two(block, pair);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; t++)
        add_wide(w, x[t].q + at + size_t(pair) * 64, scales_of_quads(scales[t], pair), totals.products[t][pair % 2]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    sums[t] = sum_of(_mm256_fnmadd_ps(_mm256_set1_ps(32.0f), halves_added(offsets[t]), totals.of(t)));
  }
}

}  // namespace
}  // namespace compactor
