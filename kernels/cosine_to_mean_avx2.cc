// cosine_to_mean_task.h compiled for AVX2; the plan and the scalar variant are in cosine_to_mean.cc.
#include <cmath>

#include "cosine_to_mean.h"
#include "cpu.h"

#if COMPACTOR_X86
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "cosine_to_mean_task.h"

namespace compactor {

const CosineTasks kCosineAvx2 = kTasks;

}  // namespace compactor
#endif
