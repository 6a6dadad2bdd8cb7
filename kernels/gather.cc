// Rows of a matrix by index, whatever their type.
#include <cstring>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

struct Gather {
  const char* source;
  const uint32_t* picks;
  size_t count;
  size_t width_bytes;
  char* target;
  size_t rows;  // of one task
};

void gather_task(void* arguments, size_t task, int) {
  const Gather& run = *static_cast<const Gather*>(arguments);
  const size_t start = task * run.rows;
  const size_t end = start + task_size(run.count, start, run.rows);
  for (size_t i = start; i < end; i++)
    memcpy(run.target + i * run.width_bytes, run.source + run.picks[i] * run.width_bytes, run.width_bytes);
}

}  // namespace

bool gather(Pool& pool, const void* source, const uint32_t* picks, size_t count, size_t width_bytes, void* target) {
  Gather run{static_cast<const char*>(source), picks, count, width_bytes, static_cast<char*>(target),
             rows_per_task(width_bytes / 4)};
  return pool_run(pool, task_count(count, run.rows), gather_task, &run);
}

}  // namespace compactor
