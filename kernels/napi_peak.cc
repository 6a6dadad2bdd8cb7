// The yardsticks of peak.h for bench/; the caller measures the time.
#include "cpu.h"
#include "napi.h"
#include "napi_arguments.h"
#include "peak.h"

namespace compactor {

// measureFma(pool, rounds) → floating-point operations done
napi_value measure_fma(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "measureFma", 2);
  const PoolHandle handle = arguments.pool(0);
  const size_t rounds = arguments.size(1, "rounds");
  arguments.require(rounds <= 1u << 20, "rounds must be at most 2^20, got %zu", rounds);
  arguments.require(handle.isa >= Isa::avx2, "peaks are measured with the avx2 kernels and above");
  if (!arguments.ok()) return nullptr;
  double operations = 0;
#if COMPACTOR_X86
  if (measure_fma_avx2(*handle.pool, rounds))
    operations = double(rounds) * double(kFmaRoundFlops) * pool_thread_count(*handle.pool);
#endif
  napi_value result = nullptr;
  napi_create_double(env, operations, &result);
  return result;
}

// measureProducts(pool, rounds) → operations done, by the instructions that the pool's products for many tokens are made of
napi_value measure_products(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "measureProducts", 2);
  const PoolHandle handle = arguments.pool(0);
  const size_t rounds = arguments.size(1, "rounds");
  arguments.require(rounds <= 1u << 20, "rounds must be at most 2^20, got %zu", rounds);
  arguments.require(handle.isa >= Isa::avx2, "peaks are measured with the avx2 kernels and above");
  if (!arguments.ok()) return nullptr;
  double operations = 0;
#if COMPACTOR_X86
  const bool amx = handle.isa >= Isa::amx, avx512 = handle.isa >= Isa::avx512;
  const auto measure = amx ? measure_products_amx : avx512 ? measure_products_avx512 : measure_products_avx2;
  const size_t of_round = amx ? kTileRoundOperations : avx512 ? kDotRoundOperations : kPairRoundOperations;
  if (measure(*handle.pool, rounds)) operations = double(rounds) * double(of_round) * pool_thread_count(*handle.pool);
#endif
  napi_value result = nullptr;
  napi_create_double(env, operations, &result);
  return result;
}

// measureRead(pool, bytes) → whether every byte was read
napi_value measure_read(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "measureRead", 2);
  const PoolHandle handle = arguments.pool(0);
  const Span<uint8_t> bytes = arguments.bytes(1, "bytes");
  arguments.require(handle.isa >= Isa::avx2, "peaks are measured with the avx2 kernels and above");
  if (!arguments.ok()) return nullptr;
  (void)bytes;
  bool complete = false;
#if COMPACTOR_X86
  complete = measure_read_avx2(*handle.pool, bytes.data, bytes.count);
#endif
  return boolean_value(env, complete);
}

}  // namespace compactor
