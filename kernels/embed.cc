// Rows of an embedding matrix, decoded. Few rows and no arithmetic worth sharing out: a task is a run of rows.
#include "blocks.h"
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kRowsPerTask = 64;

struct EmbedRun {
  Isa isa;
  WeightType type;
  const uint8_t* weight;
  size_t columns;
  const uint32_t* ids;
  size_t n;
  float* out;
};

void embed_task(void* arguments, size_t task, int) {
  const EmbedRun& run = *static_cast<const EmbedRun*>(arguments);
  const size_t row_bytes = blocks_bytes(run.type, run.columns);
  const size_t start = task * kRowsPerTask;
  const size_t end = start + task_size(run.n, start, kRowsPerTask);
  for (size_t i = start; i < end; i++)
    decode_row(run.isa, run.type, run.weight + run.ids[i] * row_bytes, run.out + i * run.columns, run.columns);
}

}  // namespace

bool embed(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t columns, const uint32_t* ids, size_t n,
           float* out) {
  EmbedRun run{isa, type, weight, columns, ids, n, out};
  return pool_run(pool, task_count(n, kRowsPerTask), embed_task, &run);
}

}  // namespace compactor
