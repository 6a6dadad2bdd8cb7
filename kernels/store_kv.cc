// New keys or values into the cache: token-major f32 rows to head-major f32 or f16 rows.
#include <cstring>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

struct StoreKv {
  Isa isa;
  void* target;
  bool half;
  size_t capacity;
  size_t at;
  const float* source;
  size_t n;
  size_t kv_heads;
  size_t head_dim;
  size_t tokens;  // of one task
};

void store_kv_task(void* arguments, size_t task, int) {
  const StoreKv& run = *static_cast<const StoreKv*>(arguments);
  const size_t start = task * run.tokens;
  const size_t end = start + task_size(run.n, start, run.tokens);
  for (size_t head = 0; head < run.kv_heads; head++) {
    for (size_t token = start; token < end; token++) {
      const float* source = run.source + (token * run.kv_heads + head) * run.head_dim;
      const size_t row = (head * run.capacity + run.at + token) * run.head_dim;
      if (run.half)
        f16_from_f32(run.isa, source, static_cast<uint16_t*>(run.target) + row, run.head_dim);
      else
        memcpy(static_cast<float*>(run.target) + row, source, run.head_dim * sizeof(float));
    }
  }
}

}  // namespace

bool store_kv(Pool& pool, Isa isa, void* target, bool half, size_t capacity, size_t at, const float* source, size_t n,
              size_t kv_heads, size_t head_dim) {
  StoreKv run{isa, target, half, capacity, at, source, n, kv_heads, head_dim, rows_per_task(kv_heads * head_dim)};
  return pool_run(pool, task_count(n, run.tokens), store_kv_task, &run);
}

}  // namespace compactor
