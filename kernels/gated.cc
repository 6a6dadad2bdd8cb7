// The gated activations of the MLP, value by value.
#include "gated.h"

#include "cpu.h"
#include "gated_lanes.h"
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kValuesPerTask = 16384;

struct Gated {
  void (*variant)(const float* gate, const float* up, size_t count, float* out);
  const float* gate;
  const float* up;
  size_t count;
  float* out;
};

void gated_task(void* arguments, size_t task, int) {
  const Gated& run = *static_cast<const Gated*>(arguments);
  const size_t start = task * kValuesPerTask;
  run.variant(run.gate + start, run.up + start, task_size(run.count, start, kValuesPerTask), run.out + start);
}

}  // namespace

void swiglu_scalar(const float* gate, const float* up, size_t count, float* out) {
  gated_values<Activation::silu>(gate, up, count, out);
}

void geglu_scalar(const float* gate, const float* up, size_t count, float* out) {
  gated_values<Activation::gelu>(gate, up, count, out);
}

bool swiglu_f32(Pool& pool, Isa isa, const float* gate, const float* up, size_t count, float* out) {
  Gated run{swiglu_scalar, gate, up, count, out};
#if COMPACTOR_X86
  if (isa >= Isa::avx2) run.variant = isa >= Isa::avx512 ? swiglu_avx512 : swiglu_avx2;
#endif
  (void)isa;
  return pool_run(pool, task_count(count, kValuesPerTask), gated_task, &run);
}

bool geglu_f32(Pool& pool, Isa isa, const float* gate, const float* up, size_t count, float* out) {
  Gated run{geglu_scalar, gate, up, count, out};
#if COMPACTOR_X86
  if (isa >= Isa::avx2) run.variant = isa >= Isa::avx512 ? geglu_avx512 : geglu_avx2;
#endif
  (void)isa;
  return pool_run(pool, task_count(count, kValuesPerTask), gated_task, &run);
}

}  // namespace compactor
