// The yardsticks of peak.h with AVX2: twelve independent chains of multiply-adds, which hide their latency, and a sum
// over all bytes. No op uses them.
#include <atomic>

#include "cpu.h"
#include "peak.h"
#include "tasks.h"

#if COMPACTOR_X86
#include <cstring>

#include "avx2.h"

namespace compactor {
namespace {

constexpr size_t kReadTaskBytes = 1u << 20;

// `sink` takes a value that depends on every operation, so that the compiler can leave none out.
struct FmaRun {
  size_t rounds;
  std::atomic<uint32_t> sink;
};

struct ReadRun {
  const uint8_t* bytes;
  size_t count;
  std::atomic<uint64_t> sink;
};

void fma_task(void* arguments, size_t, int) {
  FmaRun& run = *static_cast<FmaRun*>(arguments);
  __m256 sums[12];
  for (int i = 0; i < 12; i++) sums[i] = _mm256_set1_ps(float(i));
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (size_t round = 0; round < run.rounds * 1024; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) sums[i] = _mm256_fmadd_ps(sums[i], a, b);
  }
  for (int i = 1; i < 12; i++) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  run.sink.fetch_add(_mm256_cvtss_f32(sums[0]) > 0 ? 1 : 0, std::memory_order_relaxed);
}

// sum += codes · factors, as assembly: of equal products a compiler makes one and adds it eight times.
#define COMPACTOR_ADD_PRODUCT(multiply, add, sum) \
  multiply " %[factors], %[codes], %[product]\n\t" add " %[product], %[" sum "], %[" sum "]\n\t"
#define COMPACTOR_ADD_PRODUCTS(multiply, add)                                                                     \
  asm volatile(COMPACTOR_ADD_PRODUCT(multiply, add, "a") COMPACTOR_ADD_PRODUCT(multiply, add, "b")                \
                   COMPACTOR_ADD_PRODUCT(multiply, add, "c") COMPACTOR_ADD_PRODUCT(multiply, add, "d")            \
                       COMPACTOR_ADD_PRODUCT(multiply, add, "e") COMPACTOR_ADD_PRODUCT(multiply, add, "f")        \
                           COMPACTOR_ADD_PRODUCT(multiply, add, "g") COMPACTOR_ADD_PRODUCT(multiply, add, "h")    \
               : [a] "+x"(a), [b] "+x"(b), [c] "+x"(c), [d] "+x"(d), [e] "+x"(e), [f] "+x"(f), [g] "+x"(g),       \
                 [h] "+x"(h), [product] "=&x"(product)                                                            \
               : [codes] "x"(codes), [factors] "x"(factors))

#define COMPACTOR_PRODUCTS_TASK(name, multiply, add)                                                              \
  void name(void* arguments, size_t, int) {                                                                       \
    FmaRun& run = *static_cast<FmaRun*>(arguments);                                                               \
    const __m256i codes = _mm256_set1_epi8(3), factors = _mm256_set1_epi8(-5);                                    \
    __m256i a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, product;                                                      \
    for (size_t round = 0; round < run.rounds * 1024; round++) COMPACTOR_ADD_PRODUCTS(multiply, add);             \
    run.sink.fetch_add(uint32_t(_mm256_extract_epi16(a, 0)), std::memory_order_relaxed);                          \
  }
COMPACTOR_PRODUCTS_TASK(products_task, "vpmaddubsw", "vpaddw")
COMPACTOR_PRODUCTS_TASK(wide_products_task, "vpmaddwd", "vpaddd")

void read_task(void* arguments, size_t task, int) {
  ReadRun& run = *static_cast<ReadRun*>(arguments);
  const size_t start = task * kReadTaskBytes;
  const size_t end = run.count - start < kReadTaskBytes ? run.count : start + kReadTaskBytes;
  __m256i sums[4] = {};
  for (size_t i = start; i + 128 <= end; i += 128)
    for (int part = 0; part < 4; part++) {
      const uint8_t* bytes = run.bytes + i + part * 32;
      sums[part] = _mm256_add_epi64(sums[part], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
    }
  const __m256i all = _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  uint64_t words[4];
  memcpy(words, &all, sizeof words);
  run.sink.fetch_add(words[0] + words[1] + words[2] + words[3], std::memory_order_relaxed);
}

}  // namespace

bool measure_fma_avx2(Pool& pool, size_t rounds) {
  FmaRun run{rounds, {0}};
  return pool_run(pool, size_t(pool_thread_count(pool)), fma_task, &run);
}

bool measure_products_avx2(Pool& pool, size_t rounds) {
  FmaRun run{rounds, {0}};
  return pool_run(pool, size_t(pool_thread_count(pool)), products_task, &run);
}

bool measure_wide_products_avx2(Pool& pool, size_t rounds) {
  FmaRun run{rounds, {0}};
  return pool_run(pool, size_t(pool_thread_count(pool)), wide_products_task, &run);
}

bool measure_read_avx2(Pool& pool, const uint8_t* bytes, size_t count) {
  ReadRun run{bytes, count, {0}};
  return pool_run(pool, task_count(count, kReadTaskBytes), read_task, &run);
}

}  // namespace compactor
#endif
