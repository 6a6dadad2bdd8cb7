// leverage_task.h compiled for AVX2; the plan and the scalar variant are in leverage.cc.
#include <cmath>

#include "cpu.h"
#include "leverage.h"

#if COMPACTOR_X86
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "leverage_task.h"

namespace compactor {

const LeverageTasks kLeverageAvx2 = kTasks;

}  // namespace compactor
#endif
