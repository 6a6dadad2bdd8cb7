// What the machine gives at best, as the yardstick of benchmarks: multiply-adds in registers, bytes read from memory.
// AVX2 only.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

// Runs `rounds` × kFmaRoundFlops floating-point operations on every thread; false when aborted.
constexpr size_t kFmaRoundFlops = 12 * 8 * 2 * 1024;
bool measure_fma_avx2(Pool& pool, size_t rounds);

// Reads every byte once, in tasks of 1 MB.
bool measure_read_avx2(Pool& pool, const uint8_t* bytes, size_t count);

}  // namespace compactor
