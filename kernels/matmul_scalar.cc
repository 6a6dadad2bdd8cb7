// The plain variant of a matrix product: a few weight rows are decoded to f32, then multiplied with every token of a
// group. Plain loops over eight lanes that any compiler can vectorise; f32 activations always.
#include "blocks.h"
#include "matmul.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kRows = 4;      // decoded at a time
constexpr size_t kTokens = 128;  // of one task
constexpr size_t kLanes = 8;

float dot(const float* a, const float* b, size_t count) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (size_t lane = 0; lane < kLanes; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  for (; i < count; i++) lanes[i % kLanes] += a[i] * b[i];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

struct ScalarRun {
  Matmul matmul;
  Pool* pool;
  size_t row_groups;
};

void scalar_task(void* arguments, size_t task, int thread) {
  const ScalarRun& run = *static_cast<const ScalarRun*>(arguments);
  const Matmul& m = run.matmul;
  const size_t row_start = task % run.row_groups * kRows;
  const size_t row_count = m.rows - row_start < kRows ? m.rows - row_start : kRows;
  const size_t token_start = task / run.row_groups * kTokens;
  const size_t token_end = m.n - token_start < kTokens ? m.n : token_start + kTokens;
  float* decoded = static_cast<float*>(pool_scratch(*run.pool, thread));
  const size_t row_bytes = blocks_bytes(m.type, m.columns);
  decode_row(m.isa, m.type, m.weight + row_start * row_bytes, decoded, row_count * m.columns);
  for (size_t t = token_start; t < token_end; t++) {
    for (size_t r = row_start; r < row_start + row_count; r++) {
      float sum = dot(m.x + t * m.columns, decoded + (r - row_start) * m.columns, m.columns);
      if (m.bias != nullptr) sum += m.bias[r];
      if (m.add != nullptr) sum += m.add[t * m.rows + r];
      m.out[t * m.rows + r] = sum;
    }
  }
}

static_assert(kRows * kMaxColumns * sizeof(float) <= kScratchBytes, "decoded rows fit into a thread's scratch");

}  // namespace

bool matmul_scalar(Pool& pool, const Matmul& matmul) {
  ScalarRun run{matmul, &pool, task_count(matmul.rows, kRows)};
  return pool_run(pool, run.row_groups * task_count(matmul.n, kTokens), scalar_task, &run);
}

}  // namespace compactor
