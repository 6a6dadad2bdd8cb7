// Included last by files of AVX2 kernels: everything after it is compiled for AVX2, FMA and F16C, whatever the compiler's
// flags are, and is called only where cpu.h says so. Included last, so that no inline function of another header is
// compiled this way and then kept by the linker for everybody. With COMPACTOR_VNNI it is for AVX-512 VNNI too, in vectors of
// the same width.
#include <immintrin.h>

#include "kernels.h"

#if defined(COMPACTOR_VNNI)
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")
#else
#pragma GCC target("avx2,fma,f16c")
#endif

namespace compactor {
namespace {

// 16 bytes of nibbles → 32 bytes: low halves, then high halves.
inline __m256i nibbles_32(const uint8_t* bytes) {
  const __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm256_and_si256(_mm256_srlv_epi64(twice, _mm256_set_epi64x(4, 4, 0, 0)), _mm256_set1_epi8(15));
}

// 32 bits → 32 bytes of 16 or 0
inline __m256i fifth_bits_32(const uint8_t* bytes) {
  int32_t bits;
  memcpy(&bits, bytes, sizeof bits);
#if defined(COMPACTOR_VNNI)
  return _mm256_maskz_mov_epi8(uint32_t(bits), _mm256_set1_epi8(16));
#else
  const __m256i byte_of_value = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
  const __m256i bit_of_value = _mm256_set1_epi64x(int64_t(0x8040201008040201u));
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte_of_value);
  const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of_value), bit_of_value);
  return _mm256_and_si256(is_set, _mm256_set1_epi8(16));
#endif
}

// The codes of a type with blocks of 32; those of Q8_0 are signed.
template <WeightType kType>
inline __m256i quants_32(const uint8_t* block) {
  if constexpr (kType == WeightType::Q4_0) return nibbles_32(block + 2);
  if constexpr (kType == WeightType::Q4_1) return nibbles_32(block + 4);
  if constexpr (kType == WeightType::Q5_0) return _mm256_or_si256(nibbles_32(block + 6), fifth_bits_32(block + 2));
  if constexpr (kType == WeightType::Q5_1) return _mm256_or_si256(nibbles_32(block + 8), fifth_bits_32(block + 4));
  if constexpr (kType == WeightType::Q8_0) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 2));
}

// Group `group` of 32 values of a Q4_K or Q5_K block: 0 … 15, or 0 … 31 with high bits.
inline __m256i quants_k45(const uint8_t* nibbles, const uint8_t* high, int group) {
  const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(nibbles + group / 2 * 32));
  const __m256i low = _mm256_and_si256(group % 2 == 0 ? raw : _mm256_srli_epi16(raw, 4), _mm256_set1_epi8(15));
  if (high == nullptr) return low;
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high));
  const __m256i bit = _mm256_set1_epi8(char(1 << group));
  const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, bit), bit);
  return _mm256_or_si256(low, _mm256_and_si256(is_set, _mm256_set1_epi8(16)));
}

// Group `group` of 32 values of a Q6_K block, 0 … 63 (the value is 32 less).
inline __m256i quants_q6_k(const uint8_t* block, int group) {
  const int half = group / 4, quarter = group % 4;
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + half * 64 + quarter % 2 * 32));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 128 + half * 32));
  const __m256i nibble = _mm256_and_si256(quarter < 2 ? low : _mm256_srli_epi16(low, 4), _mm256_set1_epi8(15));
  const __m256i pair = _mm256_and_si256(_mm256_srli_epi16(high, 2 * quarter), _mm256_set1_epi8(3));
  return _mm256_or_si256(nibble, _mm256_slli_epi16(pair, 4));
}

inline float half_at(const uint8_t* bytes) {
  uint16_t half;
  memcpy(&half, bytes, sizeof half);
  return _cvtsh_ss(half);
}

}  // namespace
}  // namespace compactor
