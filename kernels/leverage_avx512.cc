// leverage_task.h compiled for AVX-512; the plan and the scalar variant are in leverage.cc.
#include <cmath>

#include "cpu.h"
#include "leverage.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#define COMPACTOR_LANES_AVX512
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl")
#include "leverage_task.h"

namespace compactor {

const LeverageTasks kLeverageAvx512 = kTasks;

}  // namespace compactor
#endif
