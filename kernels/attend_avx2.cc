// attend_task.h compiled for AVX2; the plan and the scalar variant are in attend.cc.
#include "attend.h"
#include "cpu.h"

#if COMPACTOR_X86
#include "half.h"
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "attend_task.h"

namespace compactor {

void attend_task_avx2(void* plan, size_t task, int thread) {
  const AttendPlan& attend = *static_cast<const AttendPlan*>(plan);
  attend_block(attend, task, pool_scratch(*attend.pool, thread));
}

}  // namespace compactor
#endif
