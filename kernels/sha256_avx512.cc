// SHA-256 of sixteen pieces at a time, a lane for each: the instructions made for SHA-256 share one port, and ordinary ones of
// 512 bits do nearly twice as much in the same time.
#include "sha256.h"
#include "sha256_block.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // both said by GCC 12 of its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#define COMPACTOR_LANES_AVX512
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl")
#include "lanes.h"

namespace compactor {
namespace {

constexpr int kXor = 0x96, kChoose = 0xca, kMajority = 0xe8;  // of three words, bit by bit

template <int a, int b, int c>
COMPACTOR_INLINE __m512i xor_of_rotated(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, a), _mm512_ror_epi32(x, b), _mm512_ror_epi32(x, c), kXor);
}

template <int a, int b, int shift>
COMPACTOR_INLINE __m512i xor_of_shifted(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, a), _mm512_ror_epi32(x, b), _mm512_srli_epi32(x, shift), kXor);
}

COMPACTOR_INLINE __m512i sum(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }

COMPACTOR_INLINE __m512i swap_bytes(__m512i words) {
  return _mm512_shuffle_epi8(
      words, _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203)));
}

// words[i] ← word i of the block of each lane
COMPACTOR_INLINE void load_block(const uint8_t* blocks, size_t stride, __m512i (&words)[16]) {
#pragma GCC unroll 16
  for (size_t lane = 0; lane < 16; lane++) words[lane] = swap_bytes(_mm512_loadu_si512(blocks + lane * stride));
  transpose(words);
}

// A block of each lane, `stride` bytes apart.
COMPACTOR_INLINE void absorb_block(__m512i (&state)[8], const uint8_t* blocks, size_t stride) {
  __m512i w[16], s[8];
  load_block(blocks, stride, w);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) s[i] = state[i];
  for (int start = 0; start < 64; start += 16) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {  // s[(8 - i + n) % 8] is word n of the state: it is not moved, its names are
      const auto at = [&s, i](int n) -> __m512i& { return s[(16 - i + n) % 8]; };
      const __m512i constant = _mm512_set1_epi32(int(kRoundConstants[start + i]));
      const __m512i chosen = _mm512_ternarylogic_epi32(at(4), at(5), at(6), kChoose);
      const __m512i first = sum(sum(sum(at(7), constant), sum(w[i], chosen)), xor_of_rotated<6, 11, 25>(at(4)));
      const __m512i most = _mm512_ternarylogic_epi32(at(0), at(1), at(2), kMajority);
      at(3) = sum(at(3), first);
      at(7) = sum(first, sum(xor_of_rotated<2, 13, 22>(at(0)), most));
      if (start < 48)
        w[i] = sum(sum(w[i], xor_of_shifted<7, 18, 3>(w[(i + 1) % 16])),
                   sum(w[(i + 9) % 16], xor_of_shifted<17, 19, 10>(w[(i + 14) % 16])));
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) state[i] = sum(state[i], s[i]);
}

}  // namespace

void sha256_wide_avx512(const uint8_t* bytes, size_t piece_bytes, uint8_t* out) {
  __m512i state[8];
  for (int i = 0; i < 8; i++) state[i] = _mm512_set1_epi32(int(kFirstState[i]));
  for (size_t at = 0; at + kBlockBytes <= piece_bytes; at += kBlockBytes) absorb_block(state, bytes + at, piece_bytes);
  uint8_t ends[kWidePieces][kMostEndBytes];
  size_t blocks = 0;
  for (size_t i = 0; i < kWidePieces; i++) blocks = write_end(bytes + i * piece_bytes, piece_bytes, ends[i]);
  for (size_t block = 0; block < blocks; block++) absorb_block(state, ends[0] + block * kBlockBytes, kMostEndBytes);
  uint32_t words[8][kWidePieces];
  for (int i = 0; i < 8; i++) _mm512_storeu_si512(words[i], swap_bytes(state[i]));
  for (size_t piece = 0; piece < kWidePieces; piece++)
    for (size_t i = 0; i < 8; i++) memcpy(out + piece * kSha256Bytes + 4 * i, &words[i][piece], 4);
}

}  // namespace compactor
#endif
