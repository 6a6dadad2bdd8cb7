// The yardstick of peak.h with AVX-512 VNNI: sixteen independent chains of 8-bit products. No op uses it.
#include <atomic>

#include "cpu.h"
#include "peak.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // both said by GCC 12 of its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni")

namespace compactor {
namespace {

struct DotRun {
  size_t rounds;
  std::atomic<uint32_t> sink;
};

void dot_task(void* arguments, size_t, int) {
  DotRun& run = *static_cast<DotRun*>(arguments);
  __m512i sums[16];
  for (int i = 0; i < 16; i++) sums[i] = _mm512_set1_epi32(i);
  const __m512i codes = _mm512_set1_epi8(3), factors = _mm512_set1_epi8(-5);
  for (size_t round = 0; round < run.rounds * 1024; round++) {
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], codes, factors);
  }
  for (int i = 1; i < 16; i++) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  run.sink.fetch_add(uint32_t(_mm_cvtsi128_si32(_mm512_castsi512_si128(sums[0]))), std::memory_order_relaxed);
}

}  // namespace

bool measure_products_avx512(Pool& pool, size_t rounds) {
  DotRun run{rounds, {0}};
  return pool_run(pool, size_t(pool_thread_count(pool)), dot_task, &run);
}

}  // namespace compactor
#endif
