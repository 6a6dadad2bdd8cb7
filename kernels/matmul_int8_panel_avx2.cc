// The inner loop of matmul_int8_panel_task.h with AVX2: four codes of eight rows times four activations give pairs of
// products in 16 bits. As many steps are added up there as the width of the codes allows (2 · 127 · code each, below
// 2^15 together), then in 32 bits. Q8_0 is multiplied with its sign moved to the activations: 2 · 128 · 127 in one step.
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

// Steps of four columns that 16 bits hold.
constexpr int steps_in_16_bits(WeightType type) {
  switch (type) {
    case WeightType::Q4_0:
    case WeightType::Q4_1:
    case WeightType::Q4_K: return 8;  // 15 · 127 · 2 · 8 = 30480
    case WeightType::Q5_0:
    case WeightType::Q5_1:
    case WeightType::Q5_K: return 4;  // 31 · 127 · 2 · 4 = 31496
    case WeightType::Q6_K: return 2;  // 63 · 127 · 2 · 2 = 32004
    default: return 1;                // 128 · 127 · 2 = 32512
  }
}

template <WeightType kType>
inline __m256i multiply_codes(__m256i codes, __m256i q) {
  if constexpr (kType == WeightType::Q8_0) {
    const __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
  }
  return _mm256_maddubs_epi16(codes, q);
}

inline __m256i four_of_each(const int8_t* q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return _mm256_set1_epi32(four);
}

inline __m256i codes_at(const uint8_t (*codes)[kPanelRows][4], int step, int row) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(codes[step][row]));
}

inline __m256i add_widened(__m256i acc, __m256i near) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(near, _mm256_set1_epi16(1)));
}

// acc += codes · q over 4 · kSteps columns that are added up in 16 bits first: four or eight steps, each for all tokens.
// The empty assembly keeps GCC from reordering the additions, which needs more registers than there are.
template <WeightType kType, int kTokens, int kSteps>
inline void add_long_run(const uint8_t (*codes)[kPanelRows][4], const PanelGroup* x, int from,
                         __m256i (&acc)[kTokens][2]) {
  __m256i near[kTokens][2];
#pragma GCC unroll 8
  for (int k = 0; k < kSteps; k++) {
    const __m256i low = codes_at(codes, k, 0), high = codes_at(codes, k, 8);
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; t++) {
      const __m256i q = four_of_each(x[t].q + from + 4 * k);
      const __m256i product_low = multiply_codes<kType>(low, q), product_high = multiply_codes<kType>(high, q);
      near[t][0] = k == 0 ? product_low : _mm256_add_epi16(near[t][0], product_low);
      near[t][1] = k == 0 ? product_high : _mm256_add_epi16(near[t][1], product_high);
      asm("" : "+x"(near[t][0]), "+x"(near[t][1]));
      if (k < kSteps - 1) continue;
      acc[t][0] = add_widened(acc[t][0], near[t][0]);
      acc[t][1] = add_widened(acc[t][1], near[t][1]);
    }
  }
}

// The same for one or two steps, token by token.
template <WeightType kType, int kTokens, int kSteps>
inline void add_short_run(const uint8_t (*codes)[kPanelRows][4], const PanelGroup* x, int from,
                          __m256i (&acc)[kTokens][2]) {
  __m256i w[kSteps][2];
#pragma GCC unroll 2
  for (int k = 0; k < kSteps; k++) {
    w[k][0] = codes_at(codes, k, 0);
    w[k][1] = codes_at(codes, k, 8);
  }
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; t++) {
    __m256i near[2];
#pragma GCC unroll 2
    for (int k = 0; k < kSteps; k++) {
      const __m256i q = four_of_each(x[t].q + from + 4 * k);
      const __m256i product_low = multiply_codes<kType>(w[k][0], q), product_high = multiply_codes<kType>(w[k][1], q);
      near[0] = k == 0 ? product_low : _mm256_add_epi16(near[0], product_low);
      near[1] = k == 0 ? product_high : _mm256_add_epi16(near[1], product_high);
    }
    acc[t][0] = add_widened(acc[t][0], near[0]);
    acc[t][1] = add_widened(acc[t][1], near[1]);
    asm("" : "+x"(acc[t][0]), "+x"(acc[t][1]));
  }
}

// Columns 4 · kFirst … 4 · kEnd of a group → acc, in 32 bits, from `starts` on
template <WeightType kType, int kTokens, int kFirst, int kEnd>
inline void multiply_steps(const uint8_t (*codes)[kPanelRows][4], const PanelGroup* x, __m256i (&acc)[kTokens][2]) {
  constexpr int kRun = steps_in_16_bits(kType);
  constexpr bool kStarts = codes_of(kType) != Codes::minimum && kType != WeightType::Q8_0;
#pragma GCC unroll 3
  for (int t = 0; t < kTokens; t++)
    acc[t][0] = acc[t][1] = kStarts ? _mm256_set1_epi32(x[t].starts[kFirst / 4]) : _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int k = kFirst; k < kEnd; k += kRun) {
    if constexpr (kRun > 2)
      add_long_run<kType, kTokens, kRun>(codes + k, x, 4 * k, acc);
    else
      add_short_run<kType, kTokens, kRun>(codes + k, x, 4 * k, acc);
  }
}

// out [kTokens][kPanelRows] += scale · x.scale · acc (+ minimum · x.sum), 16 rows
template <Codes kCodes, int kTokens>
inline void add_scaled(const float* scales, const float* minimums, const PanelGroup* x,
                       const __m256i (&acc)[kTokens][2], float* out) {
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    const __m256 scale = _mm256_load_ps(scales + 8 * h);
#pragma GCC unroll 3
    for (int t = 0; t < kTokens; t++) {
      float* const at = out + size_t(t) * kPanelRows + 8 * h;
      const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[t][h]), scale);
      __m256 sum = _mm256_fmadd_ps(product, _mm256_set1_ps(x[t].scale), _mm256_load_ps(at));
      if constexpr (kCodes == Codes::minimum)
        sum = _mm256_fmadd_ps(_mm256_load_ps(minimums + 8 * h), _mm256_set1_ps(x[t].sum), sum);
      _mm256_store_ps(at, sum);
    }
  }
}

// out [kTokens][kPanelRows] += x · 16 rows of the panel from `row` on
template <WeightType kType, int kTokens>
void multiply_rows(const PanelGroup* x, const Panel& panel, size_t groups, size_t row, float* out) {
  constexpr Codes kCodes = codes_of(kType);
  for (size_t g = 0; g < groups; g++, x += kTileTokens) {
    const auto codes = reinterpret_cast<const uint8_t(*)[kPanelRows][4]>(panel.codes[g * 8][row]);
    const float* minimums = panel.factors.minimums[g] + row;
    __m256i acc[kTokens][2];
    if constexpr (kCodes == Codes::halves) {
      multiply_steps<kType, kTokens, 0, 4>(codes, x, acc);
      add_scaled<kCodes, kTokens>(panel.factors.scales[2 * g] + row, minimums, x, acc, out);
      multiply_steps<kType, kTokens, 4, 8>(codes, x, acc);
      add_scaled<kCodes, kTokens>(panel.factors.scales[2 * g + 1] + row, minimums, x, acc, out);
    } else {
      multiply_steps<kType, kTokens, 0, 8>(codes, x, acc);
      add_scaled<kCodes, kTokens>(panel.factors.scales[g] + row, minimums, x, acc, out);
    }
  }
}

template <WeightType kType, int kTokens>
void multiply_tile(const PanelGroup* x, const Panel& panel, size_t groups, bool first, float* sums) {
  constexpr int kNear = kTokens < kNearTokens ? kTokens : kNearTokens;
  if (first) memset(sums, 0, size_t(kTokens) * kPanelRows * sizeof(float));
  for (size_t row = 0; row < kPanelRows; row += kNearRows) {
    multiply_rows<kType, kNear>(x, panel, groups, row, sums + row);
    if constexpr (kTokens > kNear)
      multiply_rows<kType, kTokens - kNear>(x + kNear, panel, groups, row, sums + size_t(kNear) * kPanelRows + row);
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

constexpr PackPanels kPack = COMPACTOR_PACKING(pack_panel);

}  // namespace

bool matmul_int8_panel_avx2(Pool& pool, const Matmul& matmul) {
  return run_panels(pool, matmul, multiply_tiles_of(matmul.type), kPack[size_t(matmul.type)]);
}

}  // namespace compactor
#endif
