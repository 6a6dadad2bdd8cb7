// Root mean square norm of rows. Bound by memory, and a thousandth of a layer's time: one plain variant, f64 inside.
#include "kernels.h"
#include "pool.h"
#include "rms_norm_row.h"
#include "tasks.h"

namespace compactor {
namespace {

struct RmsNorm {
  const float* x;
  const float* gain;
  double eps;
  size_t n;
  size_t dim;
  float* out;
  size_t rows;  // of one task
};

void rms_norm_task(void* arguments, size_t task, int) {
  const RmsNorm& run = *static_cast<const RmsNorm*>(arguments);
  const size_t start = task * run.rows;
  const size_t end = start + task_size(run.n, start, run.rows);
  for (size_t i = start; i < end; i++) {
    rms_norm_row(run.x + i * run.dim, run.gain, run.eps, run.dim, run.out + i * run.dim);
  }
}

}  // namespace

bool rms_norm_f32(Pool& pool, Isa, const float* x, const float* gain, float eps, size_t n, size_t dim, float* out) {
  RmsNorm run{x, gain, eps, n, dim, out, rows_per_task(dim)};
  return pool_run(pool, task_count(n, run.rows), rms_norm_task, &run);
}

}  // namespace compactor
