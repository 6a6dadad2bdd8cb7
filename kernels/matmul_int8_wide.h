// The products of matmul_int8_task.h in vectors of 512 bits: two groups of 32 at a time, or four blocks of 32, for rows with up
// to four tokens. The same integers as there, sums of floats in another order, which is the same one for every count of tokens.
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

// Where the words of 16 bits of four neighbouring blocks of 32 stand in two overlapping vectors: their first 64 bytes and
// their last.
template <WeightType kType>
struct QuadWords {
  static constexpr size_t kBytes = block_layout(kType).bytes;
  static constexpr bool kFifth = kType == WeightType::Q5_0 || kType == WeightType::Q5_1;
  static constexpr size_t kNibbles = (kBytes - 16) / 2, kFifthBits = kNibbles - 2;  // words before them in a block

  alignas(64) uint16_t nibbles[32] = {};
  // d and m of each block, or d twice; then the fifth bits of the first halves, and of the second
  alignas(64) uint16_t rest[32] = {};

  constexpr QuadWords() {
    for (size_t block = 0; block < 4; block++) {
      for (size_t word = 0; word < 8; word++) nibbles[block * 8 + word] = at(block, kNibbles + word);
      rest[2 * block] = at(block, 0);
      rest[2 * block + 1] = at(block, kHasMinimum<kType> ? 1 : 0);
      rest[8 + block] = at(block, kFifth ? kFifthBits : 0);
      rest[12 + block] = at(block, kFifth ? kFifthBits + 1 : 0);
    }
  }

  static constexpr uint16_t at(size_t block, size_t word) {
    const size_t place = block * kBytes / 2 + word;
    return uint16_t(place < 32 ? place : place - (4 * kBytes - 64) / 2 + 32);
  }
};

template <WeightType kType>
constexpr QuadWords<kType> kQuadWords{};

struct QuadBytes {
  __m512i start, end;
};

template <WeightType kType>
inline QuadBytes load_quad(const uint8_t* blocks) {
  return {load_64(blocks), load_64(blocks + 4 * block_layout(kType).bytes - 64)};
}

// `count` blocks, and zeros for the others
template <WeightType kType>
inline QuadBytes load_part_of_quad(const uint8_t* blocks, size_t count) {
  constexpr size_t block_bytes = block_layout(kType).bytes, second = 4 * block_bytes - 64;
  const size_t bytes = count * block_bytes;
  const __mmask64 start = bytes < 64 ? (__mmask64{1} << bytes) - 1 : ~__mmask64{0};
  const __mmask64 end = bytes > second ? (__mmask64{1} << (bytes - second)) - 1 : 0;
  return {_mm512_maskz_loadu_epi8(start, blocks), _mm512_maskz_loadu_epi8(end, blocks + second)};
}

// Sums of one row with one token: lane 4j + i belongs to block j of a quad; the second, fourth … lane of `offsets` has d or m
// times the sum of the activations.
struct QuadTotals {
  __m512 products = {};
  __m256 offsets = {};
};

template <WeightType kType, int kTokens>
inline void add_quad(const QuadBytes& bytes, size_t quad, const Activations* x, QuadTotals* totals) {
  constexpr const QuadWords<kType>& words = kQuadWords<kType>;
  const __m512i nibbles = _mm512_permutex2var_epi16(bytes.start, load_64(words.nibbles), bytes.end);
  const __m256i rest = _mm512_castsi512_si256(_mm512_permutex2var_epi16(bytes.start, load_64(words.rest), bytes.end));
  __m512i first = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
  __m512i second = _mm512_and_si512(_mm512_srli_epi16(nibbles, 4), _mm512_set1_epi8(15));
  if constexpr (QuadWords<kType>::kFifth) {
    const __m128i bits = _mm256_extracti128_si256(rest, 1);
    const __m512i sixteen = _mm512_set1_epi8(16);
    first = _mm512_mask_add_epi8(first, __mmask64(_mm_cvtsi128_si64(bits)), first, sixteen);
    second = _mm512_mask_add_epi8(second, __mmask64(_mm_extract_epi64(bits, 1)), second, sixteen);
  }
  const __m256 factors = _mm256_cvtph_ps(_mm256_castsi256_si128(rest));
  const __m512i of_blocks = _mm512_set_epi32(6, 6, 6, 6, 4, 4, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0);
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    const ActivationQuad& own = x[t].quads[quad];
    const __m512i half = _mm512_dpbusd_epi32(_mm512_setzero_si512(), first, load_64(own.first));
    const __m512i products = _mm512_dpbusd_epi32(half, second, load_64(own.second));
    const __m256 scaled = _mm256_mul_ps(factors, _mm256_load_ps(own.factors));
    const __m512 scales = _mm512_permutexvar_ps(of_blocks, _mm512_castps256_ps512(scaled));
    totals[t].products = _mm512_fmadd_ps(scales, _mm512_cvtepi32_ps(products), totals[t].products);
    totals[t].offsets = _mm256_add_ps(totals[t].offsets, scaled);
  }
}

// As dot_32; every token has the same bits, however many there are.
template <WeightType kType, int kTokens>
void wide_dot_32(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  constexpr size_t quad_bytes = 4 * block_layout(kType).bytes;
  const size_t groups = columns / kGroup;
  QuadTotals totals[kTokens];
  size_t quad = 0;
  for (; quad < groups / 4; quad++) {
    ask_for<quad_bytes>(row + quad * quad_bytes);
    add_quad<kType, kTokens>(load_quad<kType>(row + quad * quad_bytes), quad, x, totals);
  }
  if (groups % 4 != 0)
    add_quad<kType, kTokens>(load_part_of_quad<kType>(row + quad * quad_bytes, groups % 4), quad, x, totals);
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    const __m256 offsets = _mm256_blend_ps(_mm256_setzero_ps(), totals[t].offsets, 0xaa);
    sums[t] = sum_of(_mm256_fmadd_ps(_mm256_set1_ps(kOffset<kType>), offsets, halves_added(totals[t].products)));
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
