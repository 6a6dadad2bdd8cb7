// leverage_task.h compiled for AVX2; the plan and the scalar variant are in leverage.cc.
#include "cpu.h"
#include "leverage.h"

#if COMPACTOR_X86
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "leverage_task.h"

namespace compactor {

void leverage_gram_avx2(void* plan, size_t task, int thread) {
  const LeveragePlan& leverage = *static_cast<const LeveragePlan*>(plan);
  gram_of_span(leverage, task, static_cast<double*>(pool_scratch(*leverage.pool, thread)));
}

void leverage_rows_avx2(void* plan, size_t task, int thread) {
  const LeveragePlan& leverage = *static_cast<const LeveragePlan*>(plan);
  rows_of_span(leverage, task, static_cast<double*>(pool_scratch(*leverage.pool, thread)));
}

}  // namespace compactor
#endif
