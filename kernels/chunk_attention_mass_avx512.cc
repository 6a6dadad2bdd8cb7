// chunk_attention_mass_task.h compiled for AVX-512; the plan and the scalar variant are in chunk_attention_mass.cc.
#include "chunk_attention_mass.h"
#include "cpu.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include "half.h"
#define COMPACTOR_LANES_AVX512
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")
#include "chunk_attention_mass_task.h"

namespace compactor {

void mass_task_avx512(void* plan, size_t task, int thread) {
  const MassPlan& mass = *static_cast<const MassPlan*>(plan);
  mass_part(mass, task, static_cast<float*>(pool_scratch(*mass.pool, thread)));
}

}  // namespace compactor
#endif
