// SHA-256 with the SHA extensions of x86, and how pieces are handed out: to every thread sixteen at a time where sha256_avx512.cc does
// them, else two. The round instruction takes four cycles and another can begin after two, so that one piece alone would leave half of
// them unused.
#include "sha256.h"

#include "cpu.h"
#include "sha256_block.h"
#include "tasks.h"

#if COMPACTOR_X86
#include <cpuid.h>

#pragma GCC target("sse4.1,sha")
#include <immintrin.h>

namespace compactor {
namespace {

constexpr size_t kTaskBytes = 1u << 20;

// The eight words A … H as the instructions want them, the first named in the highest lane.
struct State {
  __m128i abef, cdgh;
};

State first_state() {
  const auto word = [](int i) { return int(kFirstState[i]); };
  return {_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7))};
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
  uint8_t last[N][kMostEndBytes];
  const uint8_t* ends[N];
  State states[N];
  size_t last_blocks = 0;
  for (int n = 0; n < N; n++) {
    states[n] = first_state();
    last_blocks = write_end(pieces[n], count, last[n]);
    ends[n] = last[n];
  }
  absorb(states, pieces, count / kBlockBytes);
  absorb(states, ends, last_blocks);
  for (int n = 0; n < N; n++) write_digest(states[n], out + n * kSha256Bytes);
}

struct Run {
  const uint8_t* bytes;
  size_t count, piece_bytes, pieces, task_pieces;
  bool is_wide;  // sixteen pieces at a time
  uint8_t* out;
};

void task(void* arguments, size_t index, int) {
  const Run& run = *static_cast<Run*>(arguments);
  const size_t end = run.pieces - index * run.task_pieces < run.task_pieces ? run.pieces : (index + 1) * run.task_pieces;
  for (size_t piece = index * run.task_pieces; piece < end;) {
    const uint8_t* bytes = run.bytes + piece * run.piece_bytes;
    uint8_t* out = run.out + piece * kSha256Bytes;
    const size_t left = run.count - piece * run.piece_bytes;
    if (run.is_wide && piece + kWidePieces <= end && left >= kWidePieces * run.piece_bytes) {
      sha256_wide_avx512(bytes, run.piece_bytes, out);
      piece += kWidePieces;
    } else if (piece + 2 <= end && left >= 2 * run.piece_bytes) {
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

bool sha256_pieces(Pool& pool, Isa isa, const uint8_t* bytes, size_t count, size_t piece_bytes, uint8_t* out) {
  const size_t pieces = task_count(count, piece_bytes);
  const size_t task_pieces = piece_bytes * 2 < kTaskBytes ? kTaskBytes / piece_bytes : 2;
  Run run{bytes, count, piece_bytes, pieces, task_pieces, isa >= Isa::avx512, out};
  return pool_run(pool, task_count(pieces, task_pieces), task, &run);
}

}  // namespace compactor
#else

namespace compactor {

bool sha256_available() { return false; }
bool sha256_pieces(Pool&, Isa, const uint8_t*, size_t, size_t, uint8_t*) { return false; }

}  // namespace compactor
#endif
