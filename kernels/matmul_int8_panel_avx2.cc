// The inner loop of matmul_int8_panel_task.h with AVX2: four codes of eight rows times four activations give pairs of
// products in 16 bits, where they are added up. Centred codes of 4 and 5 bits stay below 2^15 over all 32 columns (16 · 127 ·
// 16 at most), those of 6 bits over the 16 that a scale is for. What is added first is −offset · Σ q, so that codes are
// centred; sums in between may wrap around. Codes of 8 bits fit only once, and are multiplied as numbers of 16 bits in 32.
#include "blocks.h"
#include "cpu.h"
#include "matmul.h"
#include "matmul_int8_panel.h"
#include "row_ranges.h"
#include "tasks.h"

#if COMPACTOR_X86
#include "avx2.h"

#include "matmul_int8_panel_task.h"

namespace compactor {
namespace {

// Of a tile, three tokens × 16 rows go by at a time, so that their sums fit into 16 registers.
constexpr int kNearTokens = 3;
constexpr size_t kNearRows = 16;

// Whether scales are codes of 16 bits: where sums are in 16 bits, they can be multiplied with them.
constexpr bool has_scale_codes(WeightType type) { return type != WeightType::Q8_0; }

using PanelCodes = const uint8_t (*)[kPanelRows][4];

inline __m256i all_of(const void* four_bytes) {
  int32_t four;
  memcpy(&four, four_bytes, sizeof four);
  return _mm256_set1_epi32(four);
}

inline __m256i codes_at(PanelCodes codes, int step, int row) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[step][row]));
}

// near = start + codes · q over 4 · kSteps columns, in 16 bits.
// The empty assembly keeps GCC from reordering the additions, which needs more registers than there are.
template <bool kStarts, int kTokens, int kSteps>
inline void add_in_16_bits(PanelCodes codes, const PanelGroup* x, int first, __m256i (&near)[kTokens][2]) {
#pragma GCC unroll 3
  for (int t = 0; kStarts && t < kTokens; t++) near[t][0] = near[t][1] = all_of(&x[t].starts[first / 4]);
#pragma GCC unroll 8
  for (int k = 0; k < kSteps; k++) {
    const __m256i low = codes_at(codes, first + k, 0), high = codes_at(codes, first + k, 8);
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; t++) {
      const __m256i q = all_of(x[t].q + 4 * (first + k));
      const __m256i product_low = _mm256_maddubs_epi16(low, q), product_high = _mm256_maddubs_epi16(high, q);
      near[t][0] = !kStarts && k == 0 ? product_low : _mm256_add_epi16(near[t][0], product_low);
      near[t][1] = !kStarts && k == 0 ? product_high : _mm256_add_epi16(near[t][1], product_high);
      asm("" : "+x"(near[t][0]), "+x"(near[t][1]));
    }
  }
}

// The activations of one tile's slice as numbers of 16 bits, where codes have as many
template <WeightType kType>
struct WideTile {
  void fill(const PanelGroup*, size_t, size_t) {}
};

template <>
struct WideTile<WeightType::Q8_0> {
  alignas(32) int16_t q[kPanelGroups / 2][kTileTokens][32];

  void fill(const PanelGroup* x, size_t tokens, size_t groups) {
    for (size_t g = 0; g < groups; g++)
      for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < 32; i += 16) {
          const __m128i half = _mm_load_si128(reinterpret_cast<const __m128i*>(x[g * kTileTokens + t].q + i));
          _mm256_store_si256(reinterpret_cast<__m256i*>(q[g][t] + i), _mm256_cvtepi8_epi16(half));
        }
  }
};

// acc = codes · q over 32 columns, both of 16 bits, two to a step
template <int kTokens>
inline void add_in_32_bits(PanelCodes codes, const int16_t (*q)[32], __m256i (&acc)[kTokens][2]) {
#pragma GCC unroll 16
  for (int k = 0; k < 16; k++) {
    const __m256i low = codes_at(codes, k, 0), high = codes_at(codes, k, 8);
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; t++) {
      const __m256i two = all_of(q[t] + 2 * k);
      const __m256i product_low = _mm256_madd_epi16(low, two), product_high = _mm256_madd_epi16(high, two);
      acc[t][0] = k == 0 ? product_low : _mm256_add_epi32(acc[t][0], product_low);
      acc[t][1] = k == 0 ? product_high : _mm256_add_epi32(acc[t][1], product_high);
      asm("" : "+x"(acc[t][0]), "+x"(acc[t][1]));
    }
  }
}

// Sums of 32 columns as 32-bit integers
template <WeightType kType, int kTokens>
inline void add_group(PanelCodes codes, const float (*scales)[kPanelRows], const PanelGroup* x,
                      const WideTile<kType>& wide, size_t g, size_t token, __m256i (&acc)[kTokens][2]) {
  if constexpr (!has_scale_codes(kType)) {
    add_in_32_bits<kTokens>(codes, wide.q[g] + token, acc);
  } else if constexpr (codes_of(kType) == Codes::halves) {
    __m256i near[kTokens][2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      add_in_16_bits<true, kTokens, 4>(codes, x, 4 * half, near);
#pragma GCC unroll 3
      for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
          const __m256i scale = _mm256_load_si256(reinterpret_cast<const __m256i*>(scales[half] + 8 * h));
          const __m256i product = _mm256_madd_epi16(near[t][h], scale);
          acc[t][h] = half == 0 ? product : _mm256_add_epi32(acc[t][h], product);
        }
    }
  } else {
    add_in_16_bits<code_offset(kType, Sums::in16Bits) != 0, kTokens, 8>(codes, x, 0, acc);
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
      for (int h = 0; h < 2; h++)
        acc[t][h] = _mm256_madd_epi16(acc[t][h], _mm256_load_si256(reinterpret_cast<const __m256i*>(*scales + 8 * h)));
  }
}

// sums += (scale ·) x.scale · acc (+ minimum · x.sum), 16 rows
template <WeightType kType, int kTokens>
inline void add_scaled(const float* scales, const float* minimums, const PanelGroup* x, const __m256i (&acc)[kTokens][2],
                       __m256 (&sums)[kTokens][2]) {
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; t++) {
    const __m256 scale = _mm256_set1_ps(x[t].scale);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
      __m256 product = _mm256_cvtepi32_ps(acc[t][h]);
      if constexpr (!has_scale_codes(kType)) product = _mm256_mul_ps(product, _mm256_load_ps(scales + 8 * h));
      sums[t][h] = _mm256_fmadd_ps(product, scale, sums[t][h]);
    }
    if constexpr (codes_of(kType) == Codes::minimum) {
      const __m256 sum = _mm256_set1_ps(x[t].sum);
#pragma GCC unroll 2
      for (int h = 0; h < 2; h++) sums[t][h] = _mm256_fmadd_ps(_mm256_load_ps(minimums + 8 * h), sum, sums[t][h]);
    }
  }
}

// out [kTokens][kPanelRows] (+)= x · 16 rows of the panel from `row` on
template <WeightType kType, int kTokens>
void multiply_rows(const PanelGroup* x, const PanelGroup* next, const WideTile<kType>& wide, size_t token, const Panel& panel, size_t groups,
                   size_t row, bool starts, float* out) {
  const char* ask = reinterpret_cast<const char*>(next) + (row / kNearRows * 2 + (token != 0)) * groups * 72;
  constexpr Codes kCodes = codes_of(kType);
  __m256 sums[kTokens][2];
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) sums[t][h] = _mm256_setzero_ps();
  for (size_t g = 0; g < groups; g++, x += kTileTokens) {
    const auto codes = reinterpret_cast<PanelCodes>(panel.codes[g * 8 * code_bytes(kType, Sums::in16Bits)][row]);
    const auto scales = reinterpret_cast<const float(*)[kPanelRows]>(panel.factors.scales[kCodes == Codes::halves ? 2 * g : g] + row);
    const float* minimums = panel.factors.minimums[g] + row;
    __m256i acc[kTokens][2];
    _mm_prefetch(ask + g * 72, _MM_HINT_T0);
    add_group<kType, kTokens>(codes, scales, x, wide, g, token, acc);
    add_scaled<kType, kTokens>(*scales, minimums, x, acc, sums);
  }
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; t++)
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
      float* const at = out + size_t(t) * kPanelRows + 8 * h;
      const __m256 unit = has_scale_codes(kType) ? _mm256_load_ps(panel.factors.units + row + 8 * h) : _mm256_set1_ps(1);
      _mm256_store_ps(at, _mm256_fmadd_ps(sums[t][h], unit, starts ? _mm256_setzero_ps() : _mm256_load_ps(at)));
    }
}

template <WeightType kType, int kTokens>
void multiply_tile(const PanelGroup* x, const PanelGroup* next, const Panel& panel, size_t groups, bool first,
                   float* sums) {
  constexpr int kNear = kTokens < kNearTokens ? kTokens : kNearTokens;
  WideTile<kType> wide;
  wide.fill(x, kTokens, groups);
  for (size_t row = 0; row < kPanelRows; row += kNearRows) {
    multiply_rows<kType, kNear>(x, next, wide, 0, panel, groups, row, first, sums + row);
    if constexpr (kTokens > kNear)
      multiply_rows<kType, kTokens - kNear>(x + kNear, next, wide, kNear, panel, groups, row, first,
                                            sums + size_t(kNear) * kPanelRows + row);
  }
}

template <WeightType kType>
constexpr MultiplyTiles kMultiply = {nullptr,
                                     multiply_tile<kType, 1>,
                                     multiply_tile<kType, 2>,
                                     multiply_tile<kType, 3>,
                                     multiply_tile<kType, 4>,
                                     multiply_tile<kType, 5>,
                                     multiply_tile<kType, 6>};

const MultiplyTiles& multiply_tiles_of(WeightType type) {
  switch (type) {
    case WeightType::Q4_1: return kMultiply<WeightType::Q4_1>;
    case WeightType::Q5_0: return kMultiply<WeightType::Q5_0>;
    case WeightType::Q5_1: return kMultiply<WeightType::Q5_1>;
    case WeightType::Q8_0: return kMultiply<WeightType::Q8_0>;
    case WeightType::Q4_K: return kMultiply<WeightType::Q4_K>;
    case WeightType::Q5_K: return kMultiply<WeightType::Q5_K>;
    case WeightType::Q6_K: return kMultiply<WeightType::Q6_K>;
    default: return kMultiply<WeightType::Q4_0>;
  }
}

// Scales → multiples of a unit of each row, in 16 bits and twice, so that one instruction multiplies pairs of sums with
// them and adds them up; minimums → multiples of the same unit. A row with NaN or infinity among its scales gets the unit NaN.
template <WeightType kType>
void encode_scales(size_t groups, PanelFactors& factors) {
  constexpr bool kHalves = codes_of(kType) == Codes::halves;
  const size_t count = kHalves ? 2 * groups : groups;
  const __m256 most = _mm256_set1_ps(kHalves ? 16383 : 32767);  // so that 32 bits hold all products of a group
  const __m256 sign = _mm256_set1_ps(-0.0f), zero = _mm256_setzero_ps();
  for (size_t r = 0; r < kPanelRows; r += 8) {
    __m256 largest = zero, poison = zero;
    for (size_t i = 0; i < count; i++) {
      const __m256 scale = _mm256_load_ps(factors.scales[i] + r);
      largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, scale));
      poison = _mm256_fmadd_ps(scale, zero, poison);
    }
    largest = _mm256_blendv_ps(largest, most, _mm256_cmp_ps(largest, zero, _CMP_EQ_OQ));
    const __m256 inverse = _mm256_div_ps(most, largest);
    _mm256_store_ps(factors.units + r, _mm256_add_ps(_mm256_div_ps(largest, most), poison));
    for (size_t i = 0; i < count; i++) {
      const __m256i code = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_load_ps(factors.scales[i] + r), inverse));
      const __m256i twice = _mm256_blend_epi16(code, _mm256_slli_epi32(code, 16), 0xaa);
      _mm256_store_si256(reinterpret_cast<__m256i*>(factors.scales[i] + r), twice);
    }
    if constexpr (codes_of(kType) == Codes::minimum)
      for (size_t g = 0; g < groups; g++) {
        float* const minimums = factors.minimums[g] + r;
        _mm256_store_ps(minimums, _mm256_mul_ps(_mm256_load_ps(minimums), inverse));
      }
  }
}

template <WeightType kType>
void pack_panel_avx2(const Matmul& m, size_t row, size_t start, size_t groups, Panel& panel) {
  pack_panel<kType, Sums::in16Bits>(m, row, start, groups, panel);
  if constexpr (has_scale_codes(kType)) encode_scales<kType>(groups, panel.factors);
}

constexpr PackPanels kPack = COMPACTOR_PACKING(pack_panel_avx2);

}  // namespace

bool matmul_int8_panel_avx2(Pool& pool, const Matmul* matmuls, size_t count) {
  return run_panels(pool, matmuls, count, {Sums::in16Bits, multiply_tiles_of, kPack});
}

}  // namespace compactor
#endif
