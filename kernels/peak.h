// What the machine gives at best, as the yardstick of benchmarks: multiply-adds in registers, bytes read from memory.
// AVX2 and above.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

// Runs `rounds` × kFmaRoundFlops floating-point operations on every thread; false when aborted.
constexpr size_t kFmaRoundFlops = 12 * 8 * 2 * 1024;
bool measure_fma_avx2(Pool& pool, size_t rounds);

// Operations of a round of what products for many tokens are made of: sums of 16 bits of 8-bit products, or for Q8_0 sums of
// 32 bits of 16-bit ones (AVX2); 8-bit products summed in 32 bits (AVX-512 VNNI); tiles of bfloat16 (AMX). False when aborted.
constexpr size_t kPairRoundOperations = 8 * 32 * 2 * 1024;
bool measure_products_avx2(Pool& pool, size_t rounds);
constexpr size_t kWidePairRoundOperations = 8 * 16 * 2 * 1024;
bool measure_wide_products_avx2(Pool& pool, size_t rounds);
constexpr size_t kDotRoundOperations = 16 * 64 * 2 * 1024;
bool measure_products_avx512(Pool& pool, size_t rounds);
constexpr size_t kTileRoundOperations = 4 * 16 * 16 * 32 * 2 * 128;
bool measure_products_amx(Pool& pool, size_t rounds);

// Reads every byte once, in tasks of 1 MB.
bool measure_read_avx2(Pool& pool, const uint8_t* bytes, size_t count);

}  // namespace compactor
