// Root mean square norm of rows. Bound by memory, and a thousandth of a layer's time: one plain variant, f64 inside.
#include <cmath>

#include "kernels.h"
#include "pool.h"
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

// Eight sums side by side, so that the loop can be vectorised without reordering a single sum.
double sum_of_squares(const float* x, size_t count) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (size_t lane = 0; lane < 8; lane++) sums[lane] += double(x[i + lane]) * double(x[i + lane]);
  for (; i < count; i++) sums[i % 8] += double(x[i]) * double(x[i]);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

void rms_norm_task(void* arguments, size_t task, int) {
  const RmsNorm& run = *static_cast<const RmsNorm*>(arguments);
  const size_t start = task * run.rows;
  const size_t end = start + task_size(run.n, start, run.rows);
  for (size_t i = start; i < end; i++) {
    const float* x = run.x + i * run.dim;
    float* out = run.out + i * run.dim;
    const double factor = 1.0 / std::sqrt(sum_of_squares(x, run.dim) / double(run.dim) + run.eps);
    for (size_t d = 0; d < run.dim; d++) out[d] = float(double(x[d]) * factor * double(run.gain[d]));
  }
}

}  // namespace

bool rms_norm_f32(Pool& pool, Isa, const float* x, const float* gain, float eps, size_t n, size_t dim, float* out) {
  RmsNorm run{x, gain, eps, n, dim, out, rows_per_task(dim)};
  return pool_run(pool, task_count(n, run.rows), rms_norm_task, &run);
}

}  // namespace compactor
