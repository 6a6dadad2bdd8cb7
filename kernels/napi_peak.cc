// The yardsticks of peak.h for bench/; the caller measures the time.
#include "blocks.h"
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

namespace {

#if COMPACTOR_X86
struct ProductsPeak {
  bool (*measure)(Pool& pool, size_t rounds);
  size_t round_operations;
};

ProductsPeak products_peak(Isa isa, WeightType type) {
  if (isa >= Isa::amx) return {measure_products_amx, kTileRoundOperations};
  if (isa >= Isa::avx512) return {measure_products_avx512, kDotRoundOperations};
  if (type == WeightType::Q8_0) return {measure_wide_products_avx2, kWidePairRoundOperations};
  return {measure_products_avx2, kPairRoundOperations};
}
#endif

}  // namespace

// measureProducts(pool, rounds, type) → operations done, by the instructions that the pool's products of a quantised type for
// many tokens are made of
napi_value measure_products(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "measureProducts", 3);
  const PoolHandle handle = arguments.pool(0);
  const size_t rounds = arguments.size(1, "rounds"), type = arguments.size(2, "weight type");
  arguments.require(type < kWeightTypeCount, "unknown weight type %zu", type);
  arguments.require(rounds <= 1u << 20, "rounds must be at most 2^20, got %zu", rounds);
  arguments.require(handle.isa >= Isa::avx2, "peaks are measured with the avx2 kernels and above");
  if (!arguments.ok()) return nullptr;
  double operations = 0;
#if COMPACTOR_X86
  const ProductsPeak peak = products_peak(handle.isa, WeightType(type));
  if (peak.measure(*handle.pool, rounds))
    operations = double(rounds) * double(peak.round_operations) * pool_thread_count(*handle.pool);
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
