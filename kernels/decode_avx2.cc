// Weight blocks to f32 with AVX2: the same operations in the same order as decode.cc, eight values at a time.
#include "decode.h"

#include "blocks.h"
#include "cpu.h"

#if COMPACTOR_X86
#include "avx2.h"

namespace compactor {
namespace {

// Eight of 32 signed bytes as floats.
template <int kEighth>
inline __m256 floats_of(__m256i bytes) {
  const __m128i half = kEighth < 2 ? _mm256_castsi256_si128(bytes) : _mm256_extracti128_si256(bytes, 1);
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(kEighth % 2 == 0 ? half : _mm_srli_si128(half, 8)));
}

// out = d · q
inline void store_scaled(__m256i q, __m256 d, float* out) {
  _mm256_storeu_ps(out, _mm256_mul_ps(d, floats_of<0>(q)));
  _mm256_storeu_ps(out + 8, _mm256_mul_ps(d, floats_of<1>(q)));
  _mm256_storeu_ps(out + 16, _mm256_mul_ps(d, floats_of<2>(q)));
  _mm256_storeu_ps(out + 24, _mm256_mul_ps(d, floats_of<3>(q)));
}

// out = d · q + m; rounded twice, no FMA
inline void store_scaled(__m256i q, __m256 d, __m256 m, float* out) {
  _mm256_storeu_ps(out, _mm256_add_ps(_mm256_mul_ps(d, floats_of<0>(q)), m));
  _mm256_storeu_ps(out + 8, _mm256_add_ps(_mm256_mul_ps(d, floats_of<1>(q)), m));
  _mm256_storeu_ps(out + 16, _mm256_add_ps(_mm256_mul_ps(d, floats_of<2>(q)), m));
  _mm256_storeu_ps(out + 24, _mm256_add_ps(_mm256_mul_ps(d, floats_of<3>(q)), m));
}

inline __m256 half_splat(const uint8_t* bytes) { return _mm256_set1_ps(half_at(bytes)); }

void decode_q4_0(const uint8_t* block, float* out) {
  store_scaled(_mm256_sub_epi8(nibbles_32(block + 2), _mm256_set1_epi8(8)), half_splat(block), out);
}

void decode_q4_1(const uint8_t* block, float* out) {
  store_scaled(nibbles_32(block + 4), half_splat(block), half_splat(block + 2), out);
}

void decode_q5_0(const uint8_t* block, float* out) {
  const __m256i q = _mm256_or_si256(nibbles_32(block + 6), fifth_bits_32(block + 2));
  store_scaled(_mm256_sub_epi8(q, _mm256_set1_epi8(16)), half_splat(block), out);
}

void decode_q5_1(const uint8_t* block, float* out) {
  const __m256i q = _mm256_or_si256(nibbles_32(block + 8), fifth_bits_32(block + 4));
  store_scaled(q, half_splat(block), half_splat(block + 2), out);
}

void decode_q8_0(const uint8_t* block, float* out) {
  store_scaled(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 2)), half_splat(block), out);
}

// d · q − m is d · q + (−m), bit for bit
void decode_k45(const uint8_t* block, const uint8_t* high, const uint8_t* nibbles, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  uint8_t scales[8], minimums[8];
  unpack_scales(block + 4, scales, minimums);
  for (int group = 0; group < 8; group++) {
    const __m256 scale = _mm256_set1_ps(d * float(scales[group]));
    const __m256 minimum = _mm256_set1_ps(-(dmin * float(minimums[group])));
    store_scaled(quants_k45(nibbles, high, group), scale, minimum, out + group * 32);
  }
}

void decode_q4_k(const uint8_t* block, float* out) { decode_k45(block, nullptr, block + 16, out); }

void decode_q5_k(const uint8_t* block, float* out) { decode_k45(block, block + 16, block + 48, out); }

void decode_q6_k(const uint8_t* block, float* out) {
  const float d = half_at(block + 208);
  const int8_t* scales = reinterpret_cast<const int8_t*>(block + 192);
  for (int group = 0; group < 8; group++, out += 32) {
    const __m256i q = _mm256_sub_epi8(quants_q6_k(block, group), _mm256_set1_epi8(32));
    const __m256 first = _mm256_set1_ps(d * float(scales[group * 2]));
    const __m256 second = _mm256_set1_ps(d * float(scales[group * 2 + 1]));
    _mm256_storeu_ps(out, _mm256_mul_ps(first, floats_of<0>(q)));
    _mm256_storeu_ps(out + 8, _mm256_mul_ps(first, floats_of<1>(q)));
    _mm256_storeu_ps(out + 16, _mm256_mul_ps(second, floats_of<2>(q)));
    _mm256_storeu_ps(out + 24, _mm256_mul_ps(second, floats_of<3>(q)));
  }
}

void decode_f16_row(const uint8_t* halves, float* out, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(bits));
  }
  for (; i < count; i++) out[i] = half_at(halves + 2 * i);
}

void decode_bf16_row(const uint8_t* values, float* out, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
  }
  for (; i < count; i++) out[i] = f32_of_bf16(values + 2 * i);
}

// A template, so that each block decoder is inlined into its loop.
template <void (*kDecodeBlock)(const uint8_t*, float*)>
void decode_blocks(WeightType type, const uint8_t* blocks, float* out, size_t count) {
  const BlockLayout layout = block_layout(type);
  for (size_t i = 0; i < count; i += layout.values, blocks += layout.bytes) kDecodeBlock(blocks, out + i);
}

}  // namespace

void decode_row_avx2(WeightType type, const uint8_t* blocks, float* decoded, size_t count) {
  switch (type) {
    case WeightType::F32: memcpy(decoded, blocks, count * sizeof(float)); return;
    case WeightType::F16: return decode_f16_row(blocks, decoded, count);
    case WeightType::BF16: return decode_bf16_row(blocks, decoded, count);
    case WeightType::Q4_0: return decode_blocks<decode_q4_0>(type, blocks, decoded, count);
    case WeightType::Q4_1: return decode_blocks<decode_q4_1>(type, blocks, decoded, count);
    case WeightType::Q5_0: return decode_blocks<decode_q5_0>(type, blocks, decoded, count);
    case WeightType::Q5_1: return decode_blocks<decode_q5_1>(type, blocks, decoded, count);
    case WeightType::Q8_0: return decode_blocks<decode_q8_0>(type, blocks, decoded, count);
    case WeightType::Q4_K: return decode_blocks<decode_q4_k>(type, blocks, decoded, count);
    case WeightType::Q5_K: return decode_blocks<decode_q5_k>(type, blocks, decoded, count);
    case WeightType::Q6_K: return decode_blocks<decode_q6_k>(type, blocks, decoded, count);
  }
}

}  // namespace compactor
#endif
