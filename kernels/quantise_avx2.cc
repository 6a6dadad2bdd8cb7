// Activations to int8, in the layouts of matmul_int8.h (few tokens) and matmul_int8_panel.h (many). What is quantised
// here is one token's x; weights stay as their file has them.
#include "cpu.h"
#include "matmul_int8.h"
#include "matmul_int8_panel.h"

#if COMPACTOR_X86
#include <cfloat>
#include <cstring>

#include "avx2.h"

namespace compactor {
namespace {

constexpr float kNegligible = 1e-30f;

inline float largest_of(__m256 lanes) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Four times eight floats, rounded to nearest even → 32 bytes in order
inline __m256i round_32(const __m256 (&x)[4], __m256 inverse) {
  __m256i rounded[4];
  for (int i = 0; i < 4; i++) rounded[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x[i], inverse));
  const __m256i low = _mm256_packs_epi32(rounded[0], rounded[1]), high = _mm256_packs_epi32(rounded[2], rounded[3]);
  const __m256i lanes = _mm256_packs_epi16(low, high);  // 32-bit pieces 0 2 4 6 of the low lanes, then of the high ones
  return _mm256_permutevar8x32_epi32(lanes, _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
}

inline int sum_of_four(__m128i lanes) {
  const __m128i two = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

struct Group {
  __m256i q;
  float scale;
  __m256i pairs;  // sums of two, 16 bits each

  __m256i fours() const { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
  int first() const { return sum_of_four(_mm256_castsi256_si128(fours())); }  // Σ q of either half
  int second() const { return sum_of_four(_mm256_extracti128_si256(fours(), 1)); }
};

// 32 values: x ≈ scale · q
inline Group quantise_group(const float* x) {
  const __m256 sign = _mm256_set1_ps(-0.0f), most = _mm256_set1_ps(FLT_MAX);
  __m256 values[4], largest = _mm256_setzero_ps(), finite = _mm256_cmp_ps(most, most, _CMP_EQ_OQ);
  for (int i = 0; i < 4; i++) {
    values[i] = _mm256_loadu_ps(x + size_t(i) * 8);
    const __m256 magnitude = _mm256_andnot_ps(sign, values[i]);
    largest = _mm256_max_ps(largest, magnitude);
    finite = _mm256_and_ps(finite, _mm256_cmp_ps(magnitude, most, _CMP_LE_OQ));
  }
  const bool all_finite = _mm256_movemask_ps(finite) == 255;
  const float top = largest_of(largest);
  const bool usable = all_finite && top > kNegligible;
  const float scale = all_finite ? (usable ? top / 127.0f : 0.0f) : __builtin_nanf("");
  const __m256i q = usable ? round_32(values, _mm256_set1_ps(127.0f / top)) : _mm256_setzero_si256();
  return {q, scale, _mm256_maddubs_epi16(_mm256_set1_epi8(1), q)};
}

// Sums of even and of odd pairs of either half, or of all, times −offset
inline void set_starts_in_16_bits(__m256i pairs, int offset, bool halves, int32_t* starts) {
  const __m256i two = _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0x4e));
  const __m256i four = _mm256_add_epi16(two, _mm256_shuffle_epi32(two, 0xb1));
  const __m128i first = _mm256_castsi256_si128(four), second = _mm256_extracti128_si256(four, 1);
  const __m128i factor = _mm_set1_epi16(short(-offset));
  starts[0] = _mm_cvtsi128_si32(_mm_mullo_epi16(halves ? first : _mm_add_epi16(first, second), factor));
  starts[1] = _mm_cvtsi128_si32(_mm_mullo_epi16(second, factor));
}

}  // namespace

void quantise_token_avx2(const float* x, size_t columns, uint8_t* memory) {
  const size_t groups = columns / kGroup;
  float* scales = reinterpret_cast<float*>(memory + columns);
  float* sums_32 = scales + groups;
  float* sums_16 = sums_32 + groups;
  for (size_t g = 0; g < groups; g++) {
    const Group group = quantise_group(x + g * kGroup);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(memory + g * kGroup), group.q);
    scales[g] = group.scale;
    const int first = group.first(), second = group.second();
    sums_16[2 * g] = group.scale * float(first);
    sums_16[2 * g + 1] = group.scale * float(second);
    sums_32[g] = group.scale * float(first + second);
  }
}

void lay_quads(size_t columns, uint8_t* memory) {
  const Activations x = activations_at(memory, columns, 0);
  ActivationQuad* quads = const_cast<ActivationQuad*>(x.quads);
  const size_t groups = columns / kGroup;
  if (groups % 4 != 0) memset(&quads[groups / 4], 0, sizeof(ActivationQuad));
  for (size_t g = 0; g < groups; g++) {
    ActivationQuad& quad = quads[g / 4];
    memcpy(quad.first + g % 4 * 16, x.q + g * kGroup, 16);
    memcpy(quad.second + g % 4 * 16, x.q + g * kGroup + 16, 16);
    quad.factors[g % 4 * 2] = x.scales[g];
    quad.factors[g % 4 * 2 + 1] = x.sums_32[g];
  }
}

void quantise_panel_token_avx2(const float* x, size_t columns, WeightType type, Sums sums, PanelGroup* groups) {
  const int offset = code_offset(type, sums);
  const bool halves = codes_of(type) == Codes::halves;
  for (size_t g = 0; g < columns / kGroup; g++, groups += kTileTokens) {
    const Group group = quantise_group(x + g * kGroup);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(groups->q), group.q);
    groups->scale = group.scale;
    const int first = group.first(), second = group.second();
    groups->sum = group.scale * float(first + second);
    if (sums == Sums::in16Bits) {
      set_starts_in_16_bits(group.pairs, offset, halves, groups->starts);
    } else {
      groups->starts[0] = -offset * (halves ? first : first + second);
      groups->starts[1] = -offset * second;
    }
  }
}

}  // namespace compactor
#endif
