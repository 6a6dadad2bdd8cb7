// softmax, argmax and describe_rows (ops.ts): a task is a few rows, or one long one. The work is in logit_rows_task.h.
#include "logit_rows.h"

#include "cpu.h"
#include "logit_rows_task.h"

namespace compactor {

void softmax_rows_scalar(void* plan, size_t task, int) { softmax_rows(*static_cast<const RowsPlan*>(plan), task); }

void argmax_rows_scalar(void* plan, size_t task, int) { argmax_rows(*static_cast<const RowsPlan*>(plan), task); }

void describe_rows_scalar(void* plan, size_t task, int) { describe_rows(*static_cast<const RowsPlan*>(plan), task); }

#if COMPACTOR_X86
#define COMPACTOR_VARIANT_OF(name) (isa != Isa::scalar ? name##_avx2 : name##_scalar)
#else
#define COMPACTOR_VARIANT_OF(name) ((void)isa, name##_scalar)
#endif

static bool run_rows(Pool& pool, Task task, RowsPlan plan) {
  plan.rows_per_task = rows_per_task(plan.width);
  return pool_run(pool, task_count(plan.rows, plan.rows_per_task), task, &plan);
}

bool softmax_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, float* out) {
  return run_rows(pool, COMPACTOR_VARIANT_OF(softmax_rows), {x, rows, width, 0, out, nullptr, nullptr, 0});
}

bool argmax_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, float* out) {
  return run_rows(pool, COMPACTOR_VARIANT_OF(argmax_rows), {x, rows, width, 0, out, nullptr, nullptr, 0});
}

bool describe_rows_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, const float* weights,
                       const uint32_t* picks, size_t period, float* out) {
  return run_rows(pool, COMPACTOR_VARIANT_OF(describe_rows), {x, rows, width, 0, out, weights, picks, period});
}

}  // namespace compactor
