// Attention that each key receives inside its own chunk: the plan and the sum of the parts. The work is in
// chunk_attention_mass_task.h. A chunk's rows (queries times query heads) are cut into parts of a size that depends on
// sizes alone; their column sums are added in order.
#include "chunk_attention_mass.h"

#include "chunk_attention_mass_task.h"
#include "cpu.h"
#include "tasks.h"

namespace compactor {
namespace {

// Multiples of the heights of tiles and of the lanes, of all instruction sets
constexpr size_t kMassBlockRows = 192;
constexpr size_t kFewMassBlockRows = 48;       // whose logits stay near the first-level cache
constexpr size_t kLogitsBytes = 6u << 20;      // of a task's scratch
constexpr size_t kMassTaskWork = 48u << 20;    // rows · keys · head_dim, about 10 ms
constexpr size_t kMassTilesWork = 4 * kMassTaskWork;  // by tile registers
constexpr size_t kTilesDims = 32;
constexpr size_t kMostSplitValues = 1u << 18;  // of the keys of a chunk: they stay in the second-level cache

static_assert(kLogitsBytes / (kMostChunkTokens * sizeof(float)) >= kTileRows, "the longest rows fit, one tile of them");
static_assert(kSharedScratchBytes / (kMostChunkKeys * sizeof(float)) >= 1, "one part of every head fits");

bool goes_by_tiles(const MassPlan& plan, Isa isa) {
  return isa >= Isa::amx && plan.head_dim % kTilesDims == 0 && plan.chunk * plan.head_dim <= kMostSplitValues;
}

void share_out(MassPlan& plan, bool tiles) {
  const size_t keys = plan.chunk_tokens(0);
  const size_t rows = keys * plan.group();
  plan.block_rows = kLogitsBytes / (padded(keys) * sizeof(float)) / kTileRows * kTileRows;
  // Keys that do not fit into one block are packed for every block of rows, so that is to have many.
  const size_t most = keys <= kMassKeyBlock ? kFewMassBlockRows : kMassBlockRows;
  if (plan.block_rows > most) plan.block_rows = most;
  const size_t blocks = (tiles ? kMassTilesWork : kMassTaskWork) / (keys * plan.head_dim * plan.block_rows);
  plan.task_rows = plan.block_rows * (blocks > 1 ? blocks : 1);
  const size_t most_parts = kSharedScratchBytes / (plan.kv_heads * keys * sizeof(float));
  while (task_count(rows, plan.task_rows) > most_parts) plan.task_rows *= 2;
  plan.parts = task_count(rows, plan.task_rows);
}

}  // namespace

void mass_task_scalar(void* plan, size_t task, int thread) {
  const MassPlan& mass = *static_cast<const MassPlan*>(plan);
  mass_part(mass, task, static_cast<float*>(pool_scratch(*mass.pool, thread)));
}

// The parts of one run of chunks, added in order.
static void add_parts(const MassPlan& plan) {
  for (size_t of_chunk = 0; of_chunk < plan.chunk_count * plan.kv_heads; of_chunk++) {
    const MassPart first = plan.part(of_chunk * plan.parts);
    const size_t parts = task_count(first.keys * plan.group(), plan.task_rows);
    for (size_t key = 0; key < first.keys; key++) {
      double sum = 0;
      for (size_t part = 0; part < parts; part++) sum += first.mass[part * plan.chunk + key];
      plan.out[first.kv_head * plan.tokens + first.first_token + key] = float(sum);
    }
  }
}

bool chunk_attention_mass_f32(Pool& pool, Isa isa, const float* q, const float* k, size_t tokens, size_t heads,
                              size_t kv_heads, size_t head_dim, size_t chunk, float scale, float* out) {
  if (tokens * kv_heads == 0) return true;
  MassPlan plan{};
  plan.q = q;
  plan.k = k;
  plan.tokens = tokens;
  plan.heads = heads;
  plan.kv_heads = kv_heads;
  plan.head_dim = head_dim;
  plan.chunk = chunk < tokens ? chunk : tokens;
  plan.scale = scale;
  plan.out = out;
  plan.chunks = task_count(tokens, plan.chunk);
  plan.partials = static_cast<float*>(pool_shared_scratch(pool));
  plan.pool = &pool;
  const bool tiles = goes_by_tiles(plan, isa);
  share_out(plan, tiles);
  Task task = mass_task_scalar;
#if COMPACTOR_X86
  if (isa >= Isa::avx2) task = isa >= Isa::avx512 ? mass_task_avx512 : mass_task_avx2;
  if (tiles) task = mass_task_amx;
#endif
  const size_t per_run = kSharedScratchBytes / (kv_heads * plan.parts * plan.chunk * sizeof(float));
  for (plan.first_chunk = 0; plan.first_chunk < plan.chunks; plan.first_chunk += plan.chunk_count) {
    plan.chunk_count = task_size(plan.chunks, plan.first_chunk, per_run);
    if (!pool_run(pool, kv_heads * plan.chunk_count * plan.parts, task, &plan)) return false;
    if (plan.parts > 1) add_parts(plan);
  }
  return true;
}

}  // namespace compactor
