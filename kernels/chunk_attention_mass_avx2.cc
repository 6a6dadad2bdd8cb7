// chunk_attention_mass_task.h compiled for AVX2; the plan and the scalar variant are in chunk_attention_mass.cc.
#include "chunk_attention_mass.h"
#include "cpu.h"

#if COMPACTOR_X86
#include "half.h"
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "chunk_attention_mass_task.h"

namespace compactor {

void mass_task_avx2(void* plan, size_t task, int thread) {
  const MassPlan& mass = *static_cast<const MassPlan*>(plan);
  mass_part(mass, task, static_cast<float*>(pool_scratch(*mass.pool, thread)));
}

}  // namespace compactor
#endif
