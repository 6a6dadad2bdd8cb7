// Packing of a panel of matmul_int8_panel_task.h with AVX-512: sixteen rows at once are transposed as they lie in their
// blocks, four bytes of each row to a lane, and unpacked after that. So the codes of all rows come out of a few
// instructions; with few tokens the packing is otherwise what costs most.
//
// Included after matmul_int8_panel_task.h and the pragma for AVX-512.
#pragma once
#include "matmul_int8_panel_task.h"

namespace compactor {
namespace {

constexpr size_t kLaneRows = 16;

// The blocks of sixteen rows, `stride` bytes apart, and what to ask for meanwhile.
struct BlockRows {
  const uint8_t* start;
  size_t stride;
  const uint8_t* next;

  template <WeightType kType>
  void ask_for_next_of(size_t at) const {
    ask_for_next(next + at * kLaneRows, kLaneRows * block_layout(kType).bytes);
  }
};

inline __m128i sixteen_at(const BlockRows& rows, size_t row, size_t at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.start + row * rows.stride + at));
}

// Sixteen bytes of rows p, 4 + p, 8 + p and 12 + p
inline __m512i sixteen_of_four_rows(const BlockRows& rows, size_t p, size_t at) {
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen_at(rows, p, at)),
                                              sixteen_at(rows, 4 + p, at), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen_at(rows, 8 + p, at)),
                                               sixteen_at(rows, 12 + p, at), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Sixteen bytes of each row: out[i] has bytes 4i … 4i + 3 of every row.
inline void transpose_sixteen(const BlockRows& rows, size_t at, __m512i* out) {
  const __m512i row_0 = sixteen_of_four_rows(rows, 0, at), row_1 = sixteen_of_four_rows(rows, 1, at);
  const __m512i row_2 = sixteen_of_four_rows(rows, 2, at), row_3 = sixteen_of_four_rows(rows, 3, at);
  const __m512i low_01 = _mm512_unpacklo_epi32(row_0, row_1), high_01 = _mm512_unpackhi_epi32(row_0, row_1);
  const __m512i low_23 = _mm512_unpacklo_epi32(row_2, row_3), high_23 = _mm512_unpackhi_epi32(row_2, row_3);
  out[0] = _mm512_unpacklo_epi64(low_01, low_23);
  out[1] = _mm512_unpackhi_epi64(low_01, low_23);
  out[2] = _mm512_unpacklo_epi64(high_01, high_23);
  out[3] = _mm512_unpackhi_epi64(high_01, high_23);
}

inline __m512i all_bytes(uint8_t byte) { return _mm512_set1_epi8(char(byte)); }

inline __m512i shifted(__m512i lanes, size_t bits) { return _mm512_srlv_epi32(lanes, _mm512_set1_epi32(int32_t(bits))); }

inline __m512i low_nibbles(__m512i bytes) { return _mm512_and_si512(bytes, all_bytes(15)); }
inline __m512i high_nibbles(__m512i bytes) { return low_nibbles(shifted(bytes, 4)); }

// Bits 4s … 4s + 3 of each lane → 16 or 0 in each of its bytes. No two products meet in a bit.
inline __m512i fifth_bits(__m512i bits, size_t s) {
  const __m512i four = _mm512_and_si512(shifted(bits, 4 * s), _mm512_set1_epi32(15));
  return _mm512_and_si512(_mm512_mullo_epi32(four, _mm512_set1_epi32(0x02040810)), all_bytes(16));
}

inline void store_codes(Panel& panel, size_t step, size_t row, __m512i codes) {
  _mm512_store_si512(panel.codes[step][row], codes);
}

// The half in the low 16 bits of each lane
inline __m512 floats_of_halves(__m512i lanes) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(lanes)); }

// Rows `row` … `row` + 15 of the panel. A block's factors and fifth bits are among its first eight bytes.
template <WeightType kType>
inline void pack_blocks_of_32(const BlockRows& rows, size_t groups, size_t row, Panel& panel) {
  constexpr size_t block_bytes = block_layout(kType).bytes;
  constexpr bool kMinimum = codes_of(kType) == Codes::minimum;
  constexpr bool kFifth = kType == WeightType::Q5_0 || kType == WeightType::Q5_1;
  for (size_t g = 0; g < groups; g++) {
    const size_t at = g * block_bytes, codes_at = at + (kMinimum ? 4 : 2) + (kFifth ? 4 : 0);
    rows.ask_for_next_of<kType>(at);
    __m512i head[4];
    transpose_sixteen(rows, at, head);
    _mm512_store_ps(panel.factors.scales[g] + row, floats_of_halves(head[0]));
    if constexpr (kMinimum) _mm512_store_ps(panel.factors.minimums[g] + row, floats_of_halves(shifted(head[0], 16)));
    __m512i raw[8];
    transpose_sixteen(rows, codes_at, raw);
    if constexpr (kType == WeightType::Q8_0) {
      transpose_sixteen(rows, codes_at + 16, raw + 4);
#pragma GCC unroll 8
      for (size_t s = 0; s < 8; s++) store_codes(panel, g * 8 + s, row, _mm512_xor_si512(raw[s], all_bytes(128)));
    } else {
      const __m512i bits = kMinimum ? head[1] : _mm512_or_si512(shifted(head[0], 16), _mm512_slli_epi32(head[1], 16));
#pragma GCC unroll 4
      for (size_t s = 0; s < 4; s++) {
        __m512i low = low_nibbles(raw[s]), high = high_nibbles(raw[s]);
        if constexpr (kFifth) low = _mm512_or_si512(low, fifth_bits(bits, s));
        if constexpr (kFifth) high = _mm512_or_si512(high, fifth_bits(bits, s + 4));
        store_codes(panel, g * 8 + s, row, low);
        store_codes(panel, g * 8 + 4 + s, row, high);
      }
    }
  }
}

// 32 bytes of each row
inline void transpose_thirty_two(const BlockRows& rows, size_t at, __m512i (&out)[8]) {
  transpose_sixteen(rows, at, out);
  transpose_sixteen(rows, at + 16, out + 4);
}

// Byte `i` of each lane
inline __m512i byte_of(__m512i lanes, size_t i) { return _mm512_and_si512(shifted(lanes, 8 * i), _mm512_set1_epi32(255)); }

// Scales and minimums of the eight groups of a Q4_K or Q5_K block of each row; unpack_scales, four numbers to a lane.
inline void pack_k45_factors(const BlockRows& rows, size_t at, size_t group, size_t row, PanelFactors& factors) {
  __m512i head[4];
  transpose_sixteen(rows, at, head);
  const __m512 d = floats_of_halves(head[0]);
  const __m512 minus_minimum = _mm512_sub_ps(_mm512_setzero_ps(), floats_of_halves(shifted(head[0], 16)));
  const __m512i six = all_bytes(63), top = all_bytes(0x30);
  const __m512i codes[4] = {
      _mm512_and_si512(head[1], six),
      _mm512_or_si512(low_nibbles(head[3]), _mm512_and_si512(shifted(head[1], 2), top)),
      _mm512_and_si512(head[2], six),
      _mm512_or_si512(high_nibbles(head[3]), _mm512_and_si512(shifted(head[2], 2), top)),
  };
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; i++) {
    const __m512 scale = _mm512_cvtepi32_ps(byte_of(codes[i / 4], i % 4));
    const __m512 minimum = _mm512_cvtepi32_ps(byte_of(codes[2 + i / 4], i % 4));
    _mm512_store_ps(factors.scales[group + i] + row, _mm512_mul_ps(d, scale));
    _mm512_store_ps(factors.minimums[group + i] + row, _mm512_mul_ps(minus_minimum, minimum));
  }
}

// Q4_K and Q5_K
template <WeightType kType>
inline void pack_k45(const BlockRows& rows, size_t groups, size_t row, Panel& panel) {
  constexpr bool kFifth = kType == WeightType::Q5_K;
  for (size_t g = 0; g < groups; g += 8) {
    const size_t at = g / 8 * block_layout(kType).bytes;
    rows.ask_for_next_of<kType>(at);
    pack_k45_factors(rows, at, g, row, panel.factors);
    __m512i bits[8] = {};
    if constexpr (kFifth) transpose_thirty_two(rows, at + 16, bits);
    for (size_t pair = 0; pair < 4; pair++) {
      __m512i raw[8];
      transpose_thirty_two(rows, at + (kFifth ? 48 : 16) + pair * 32, raw);
#pragma GCC unroll 8
      for (size_t s = 0; s < 8; s++) {
        __m512i low = low_nibbles(raw[s]), high = high_nibbles(raw[s]);
        if constexpr (kFifth) {
          const __m512i two = shifted(bits[s], 2 * pair);
          low = _mm512_or_si512(low, _mm512_and_si512(_mm512_slli_epi32(two, 4), all_bytes(16)));
          high = _mm512_or_si512(high, _mm512_and_si512(_mm512_slli_epi32(two, 3), all_bytes(16)));
        }
        store_codes(panel, (g + 2 * pair) * 8 + s, row, low);
        store_codes(panel, (g + 2 * pair + 1) * 8 + s, row, high);
      }
    }
  }
}

// Scales of the sixteen half groups of a Q6_K block of each row
inline void pack_q6_k_factors(const BlockRows& rows, size_t at, size_t half_group, size_t row, PanelFactors& factors) {
  __m512i scales[4], tail[4];
  transpose_sixteen(rows, at + 192, scales);
  transpose_sixteen(rows, at + 194, tail);
  const __m512 d = floats_of_halves(shifted(tail[3], 16));
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; i++) {
    const __m512i code = _mm512_srai_epi32(_mm512_slli_epi32(scales[i / 4], 24 - 8 * uint32_t(i % 4)), 24);
    _mm512_store_ps(factors.scales[half_group + i] + row, _mm512_mul_ps(d, _mm512_cvtepi32_ps(code)));
  }
}

inline void pack_q6_k(const BlockRows& rows, size_t groups, size_t row, Panel& panel) {
  for (size_t g = 0; g < groups; g += 8) {
    const size_t at = g / 8 * block_layout(WeightType::Q6_K).bytes;
    rows.ask_for_next_of<WeightType::Q6_K>(at);
    pack_q6_k_factors(rows, at, 2 * g, row, panel.factors);
    for (size_t half = 0; half < 2; half++) {
      __m512i pairs[8];
      transpose_thirty_two(rows, at + 128 + half * 32, pairs);
      for (size_t side = 0; side < 2; side++) {
        __m512i raw[8];
        transpose_thirty_two(rows, at + half * 64 + side * 32, raw);
        const size_t first = g + 4 * half + side;
#pragma GCC unroll 8
        for (size_t s = 0; s < 8; s++) {
          const __m512i low_pair = _mm512_and_si512(shifted(pairs[s], 2 * side), all_bytes(3));
          const __m512i high_pair = _mm512_and_si512(shifted(pairs[s], 2 * side + 4), all_bytes(3));
          store_codes(panel, first * 8 + s, row, _mm512_or_si512(low_nibbles(raw[s]), _mm512_slli_epi32(low_pair, 4)));
          store_codes(panel, (first + 2) * 8 + s, row,
                      _mm512_or_si512(high_nibbles(raw[s]), _mm512_slli_epi32(high_pair, 4)));
        }
      }
    }
  }
}

// As pack_panel, which takes the last rows of a matrix that are no whole panel.
template <WeightType kType>
void pack_panel_avx512(const Matmul& m, size_t row, size_t start, size_t groups, Panel& panel) {
  if (m.rows - row < kPanelRows) return pack_panel<kType, Sums::in32Bits>(m, row, start, groups, panel);
  const size_t stride = blocks_bytes(kType, m.columns);
  const uint8_t* blocks = m.weight + row * stride + blocks_bytes(kType, start);
  const uint8_t* next = next_panel<kType>(m, row, start, panel);
  for (size_t r = 0; r < kPanelRows; r += kLaneRows) {
    const BlockRows rows{blocks + r * stride, stride, next + r * blocks_bytes(kType, groups * 32)};
    if constexpr (kType == WeightType::Q6_K)
      pack_q6_k(rows, groups, r, panel);
    else if constexpr (block_layout(kType).values == 256)
      pack_k45<kType>(rows, groups, r, panel);
    else
      pack_blocks_of_32<kType>(rows, groups, r, panel);
  }
}

}  // namespace
}  // namespace compactor
