// Root mean square norm of rows, f64 inside. The row itself is in rms_norm_row.h, compiled for each instruction set.
#include "cpu.h"
#include "kernels.h"
#include "pool.h"
#include "rms_norm.h"
#include "rms_norm_row.h"
#include "tasks.h"

namespace compactor {
namespace {

struct RmsNorm {
  RmsNormRow* row;
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
  for (size_t i = start; i < end; i++)
    run.row(run.x + i * run.dim, run.gain, run.eps, run.dim, run.out + i * run.dim);
}

}  // namespace

bool rms_norm_f32(Pool& pool, Isa isa, const float* x, const float* gain, float eps, size_t n, size_t dim, float* out) {
  RmsNorm run{rms_norm_row, x, gain, eps, n, dim, out, rows_per_task(dim)};
#if COMPACTOR_X86
  if (isa >= Isa::avx2) run.row = rms_norm_row_avx2;
#endif
  (void)isa;
  return pool_run(pool, task_count(n, run.rows), rms_norm_task, &run);
}

}  // namespace compactor
