// SHA-256 with the SHA extensions of x86. Two pieces at a time on every thread: the round instruction takes four cycles
// and another can begin after two, so that one piece alone would leave half of them unused.
#include "sha256.h"

#include <cstring>

#include "cpu.h"
#include "tasks.h"

#if COMPACTOR_X86
#include <cpuid.h>

#pragma GCC target("sse4.1,sha")
#include <immintrin.h>

namespace compactor {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kTaskBytes = 1u << 20;

alignas(16) constexpr uint32_t kRoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// The eight words A … H as the instructions want them, the first named in the highest lane.
struct State {
  __m128i abef, cdgh;
};

State first_state() {
  return {_mm_set_epi32(0x6a09e667, int(0xbb67ae85), 0x510e527f, int(0x9b05688c)),
          _mm_set_epi32(0x3c6ef372, int(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19)};
}

__m128i swap_bytes(__m128i words) {
  return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

// `blocks` blocks of 64 bytes from each of `N` places.
template <int N>
void absorb(State (&states)[N], const uint8_t* const (&data)[N], size_t blocks) {
  for (size_t block = 0; block < blocks; block++) {
    State before[N];
    __m128i words[N][4];
    for (int n = 0; n < N; n++) {
      before[n] = states[n];
      for (int i = 0; i < 4; i++)
        words[n][i] =
            swap_bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data[n] + block * kBlockBytes) + i));
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)  // four rounds each
      for (int n = 0; n < N; n++) {
        State& state = states[n];
        __m128i(&w)[4] = words[n];
        const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(kRoundConstants) + i);
        const __m128i sum = _mm_add_epi32(w[i % 4], k);
        state.cdgh = _mm_sha256rnds2_epu32(state.cdgh, state.abef, sum);
        state.abef = _mm_sha256rnds2_epu32(state.abef, state.cdgh, _mm_shuffle_epi32(sum, 0x0e));
        if (i >= 12) continue;
        const __m128i third = w[(i + 2) % 4], last = w[(i + 3) % 4];
        const __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                           _mm_alignr_epi8(last, third, 4));
        w[i % 4] = _mm_sha256msg2_epu32(next, last);
      }
    for (int n = 0; n < N; n++)
      states[n] = {_mm_add_epi32(states[n].abef, before[n].abef), _mm_add_epi32(states[n].cdgh, before[n].cdgh)};
  }
}

void write_digest(const State& state, uint8_t* out) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1b), dchg = _mm_shuffle_epi32(state.cdgh, 0xb1);
  const __m128i abcd = _mm_blend_epi16(feba, dchg, 0xf0), efgh = _mm_alignr_epi8(dchg, feba, 8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), swap_bytes(abcd));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out) + 1, swap_bytes(efgh));
}

// N pieces of `count` bytes each.
template <int N>
void digest(const uint8_t* const (&pieces)[N], size_t count, uint8_t* out) {
  const size_t whole = count / kBlockBytes, rest = count % kBlockBytes;
  const size_t last_blocks = rest + 9 <= kBlockBytes ? 1 : 2;  // what is left, a set bit, zeros, the length in bits
  uint8_t last[N][2 * kBlockBytes] = {};
  const uint8_t* ends[N];
  State states[N];
  for (int n = 0; n < N; n++) {
    states[n] = first_state();
    memcpy(last[n], pieces[n] + whole * kBlockBytes, rest);
    last[n][rest] = 0x80;
    const uint64_t bits = __builtin_bswap64(uint64_t(count) * 8);
    memcpy(last[n] + last_blocks * kBlockBytes - 8, &bits, 8);
    ends[n] = last[n];
  }
  absorb(states, pieces, whole);
  absorb(states, ends, last_blocks);
  for (int n = 0; n < N; n++) write_digest(states[n], out + n * kSha256Bytes);
}

struct Run {
  const uint8_t* bytes;
  size_t count, piece_bytes, pieces, task_pieces;
  uint8_t* out;
};

void task(void* arguments, size_t index, int) {
  const Run& run = *static_cast<Run*>(arguments);
  const size_t end = run.pieces - index * run.task_pieces < run.task_pieces ? run.pieces : (index + 1) * run.task_pieces;
  for (size_t piece = index * run.task_pieces; piece < end;) {
    const uint8_t* bytes = run.bytes + piece * run.piece_bytes;
    uint8_t* out = run.out + piece * kSha256Bytes;
    const size_t left = run.count - piece * run.piece_bytes;
    if (piece + 2 <= end && left >= 2 * run.piece_bytes) {
      digest<2>({bytes, bytes + run.piece_bytes}, run.piece_bytes, out);
      piece += 2;
    } else {
      digest<1>({bytes}, left < run.piece_bytes ? left : run.piece_bytes, out);
      piece += 1;
    }
  }
}

}  // namespace

bool sha256_available() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx >> 29 & 1) != 0;
}

bool sha256_pieces(Pool& pool, const uint8_t* bytes, size_t count, size_t piece_bytes, uint8_t* out) {
  const size_t pieces = task_count(count, piece_bytes);
  const size_t task_pieces = piece_bytes * 2 < kTaskBytes ? kTaskBytes / piece_bytes : 2;
  Run run{bytes, count, piece_bytes, pieces, task_pieces, out};
  return pool_run(pool, task_count(pieces, task_pieces), task, &run);
}

}  // namespace compactor
#else

namespace compactor {

bool sha256_available() { return false; }
bool sha256_pieces(Pool&, const uint8_t*, size_t, size_t, uint8_t*) { return false; }

}  // namespace compactor
#endif
