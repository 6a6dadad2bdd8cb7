// attend_task.h compiled for the tile registers of AMX, for many rows of heads of whole tiles; the plan and the scalar variant are in attend.cc.
#include "attend.h"
#include "cpu.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // both said by GCC 12 of its own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#include "half.h"
#define COMPACTOR_LANES_AVX512
#define COMPACTOR_BF16
#define COMPACTOR_AMX
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#include "attend_task.h"

namespace compactor {

void attend_task_amx(void* plan, size_t task, int thread) {
  const AttendPlan& attend = *static_cast<const AttendPlan*>(plan);
  const Tiles tiles;
  attend_block(attend, task, pool_scratch(*attend.pool, thread));
}

}  // namespace compactor
#endif
