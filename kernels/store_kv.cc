// New keys or values into the cache: token-major f32 rows to head-major f32 or f16 rows.
#include <cstring>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

struct StoreKv {
  Isa isa;
  const Stored* stored;
  size_t count;
  size_t capacity;
  size_t at;
  size_t n;
  size_t kv_heads;
  size_t head_dim;
  size_t tokens;  // of one task
};

void store_row(const StoreKv& run, const Stored& own, size_t head, size_t token) {
  const float* source = own.source + (token * run.kv_heads + head) * run.head_dim;
  const size_t row = (head * run.capacity + run.at + token) * run.head_dim;
  if (own.half)
    f16_from_f32(run.isa, source, static_cast<uint16_t*>(own.target) + row, run.head_dim);
  else
    memcpy(static_cast<float*>(own.target) + row, source, run.head_dim * sizeof(float));
}

void store_kv_task(void* arguments, size_t task, int) {
  const StoreKv& run = *static_cast<const StoreKv*>(arguments);
  const size_t start = task * run.tokens;
  const size_t end = start + task_size(run.n, start, run.tokens);
  for (size_t i = 0; i < run.count; i++)
    for (size_t head = 0; head < run.kv_heads; head++)
      for (size_t token = start; token < end; token++) store_row(run, run.stored[i], head, token);
}

}  // namespace

bool store_kv(Pool& pool, Isa isa, const Stored* stored, size_t count, size_t capacity, size_t at, size_t n,
              size_t kv_heads, size_t head_dim) {
  StoreKv run{isa, stored, count, capacity, at, n, kv_heads, head_dim, rows_per_task(count * kv_heads * head_dim)};
  return pool_run(pool, task_count(n, run.tokens), store_kv_task, &run);
}

}  // namespace compactor
