// The gated activation of the MLP, value by value.
#include "swiglu.h"

#include "cpu.h"
#include "kernels.h"
#include "pool.h"
#include "swiglu_lanes.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kValuesPerTask = 16384;

struct Swiglu {
  Isa isa;
  const float* gate;
  const float* up;
  size_t count;
  float* out;
};

void swiglu_task(void* arguments, size_t task, int) {
  const Swiglu& run = *static_cast<const Swiglu*>(arguments);
  const size_t start = task * kValuesPerTask;
  const size_t count = task_size(run.count, start, kValuesPerTask);
#if COMPACTOR_X86
  if (run.isa >= Isa::avx2) return swiglu_avx2(run.gate + start, run.up + start, count, run.out + start);
#endif
  swiglu_scalar(run.gate + start, run.up + start, count, run.out + start);
}

}  // namespace

void swiglu_scalar(const float* gate, const float* up, size_t count, float* out) {
  swiglu_values(gate, up, count, out);
}

bool swiglu_f32(Pool& pool, Isa isa, const float* gate, const float* up, size_t count, float* out) {
  Swiglu run{isa, gate, up, count, out};
  return pool_run(pool, task_count(count, kValuesPerTask), swiglu_task, &run);
}

}  // namespace compactor
