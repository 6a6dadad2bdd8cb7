// expected_attention_task.h compiled for AVX2; the other steps and the scalar variant are in expected_attention.cc.
#include "cpu.h"
#include "expected_attention.h"

#if COMPACTOR_X86
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "expected_attention_task.h"

namespace compactor {

void expected_moments_avx2(void* plan, size_t span, int thread) {
  const ExpectedPlan& expected = *static_cast<const ExpectedPlan*>(plan);
  moments_of_span(expected, span, static_cast<double*>(pool_scratch(*expected.pool, thread)));
}

void expected_logits_avx2(void* plan, size_t span, int thread) {
  const ExpectedPlan& expected = *static_cast<const ExpectedPlan*>(plan);
  logits_of_span(expected, span, static_cast<double*>(pool_scratch(*expected.pool, thread)));
}

}  // namespace compactor
#endif
