// Matrix products for many tokens by the tile registers of AMX: matmul_amx_task.h, and sums written out as they are.
#include "blocks.h"
#include "cpu.h"
#include "matmul.h"
#include "matmul_int8_panel.h"
#include "row_ranges.h"
#include "tasks.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include "avx2.h"

#include "matmul_int8_panel_task.h"

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16")
#include "matmul_amx_task.h"

namespace compactor {
namespace {

constexpr size_t kKeptColumns = 1024;  // of the activations of a task, from one task to the next

struct MatmulRun {
  AmxRun amx;
  const Matmul* matmuls;  // of the same x
  size_t count;
  size_t token;
  size_t panels;  // of a task

  size_t blocks_of(const Matmul& m) const { return task_count(m.rows, panels * kPanelRows) * amx.token_blocks(); }
};

struct RoundRun {
  const float* x;  // [tokens][columns]
  size_t groups;
  size_t token_count;
  Tile* tiles;
};

// Tokens that the last tile lacks are left as they are: their products are never written out.
void round_tile_task(void* arguments, size_t tile, int) {
  const RoundRun& run = *static_cast<const RoundRun*>(arguments);
  const size_t first = tile * kTileSide, count = task_size(run.token_count, first, kTileSide);
  for (size_t t = 0; t < count; t++)
    round_token(run.x + (first + t) * run.groups * kTileDepth, run.groups, t, run.tiles + tile * run.groups);
}

// out = sums + bias + add of a whole panel
void write_panel(const Matmul& m, const float (*sums)[kPanelRows], size_t token, size_t token_count, size_t row) {
  for (size_t t = 0; t < token_count; t++) {
    const size_t at = (token + t) * m.rows + row;
#pragma GCC unroll 2
    for (size_t h = 0; h < kPanelRows; h += kTileSide) {
      __m512 sum = _mm512_load_ps(sums[t] + h);
      if (m.bias != nullptr) sum = _mm512_add_ps(sum, _mm512_loadu_ps(m.bias + row + h));
      if (m.add != nullptr) sum = _mm512_add_ps(sum, _mm512_loadu_ps(m.add + at + h));
      _mm512_storeu_ps(m.out + at + h, sum);
    }
  }
}

void multiply_amx_block(const MatmulRun& run, const Matmul& m, size_t block, AmxPanel& panel) {
  const size_t token_blocks = run.amx.token_blocks(), token = block % token_blocks * kAmxTaskTokens;
  const size_t first = block / token_blocks * run.panels * kPanelRows;
  const size_t row_count = task_size(m.rows, first, run.panels * kPanelRows);
  fetch_matrix_rows(m, first, row_count);
  const size_t slice = slice_groups(block_groups(m.type), run.amx.groups);
  for (size_t group = 0; group < run.amx.groups; group += slice)
    for (size_t p = 0; p * kPanelRows < row_count; p++) {
      const size_t row = first + p * kPanelRows;
      float(*sums)[kPanelRows] = panel.sums[p];
      const auto write = m.rows - row < kPanelRows ? write_out : write_panel;
      multiply_panel(run.amx, m, group, slice, row, token, panel, sums,
                     [&](size_t t, size_t tokens) { write(m, sums + t, run.token + token + t, tokens, row); });
    }
}

void multiply_task(void* arguments, size_t task, int thread) {
  MatmulRun& run = *static_cast<MatmulRun*>(arguments);
  AmxPanel& panel = *static_cast<AmxPanel*>(pool_scratch(*run.amx.pool, thread));
  panel.codes.rows_ahead = run.panels * kPanelRows;
  const Tiles tiles;
  run.amx.blocks.work(task, [&run, &panel](size_t first, size_t last) {
    for (size_t block = first; block < last; block++) {
      size_t own = block, i = 0;
      for (; own >= run.blocks_of(run.matmuls[i]); i++) own -= run.blocks_of(run.matmuls[i]);
      multiply_amx_block(run, run.matmuls[i], own, panel);
    }
  });
}

// Many, for activations are fetched from the third-level cache for each task, again and again if they are more than the second-level
// cache keeps; as many tasks for each thread, and few enough panels that their sums stay in the second-level cache.
size_t panels_of_task(const Matmul* matmuls, size_t count, size_t threads) {
  size_t panels = 0;
  for (size_t i = 0; i < count; i++) panels += task_count(matmuls[i].rows, kPanelRows);
  if (panels == 0) return 1;  // matrices without rows
  const bool kept = matmuls[0].columns <= kKeptColumns;
  const size_t most = kept ? kMostPanels / 2 : kMostPanels, fewest_tasks = kept ? 2 : 1;
  const size_t tasks = task_count(panels, most * threads);
  return task_count(panels, (tasks > fewest_tasks ? tasks : fewest_tasks) * threads);
}

}  // namespace

bool matmul_amx_rounded(Pool& pool, const Matmul* matmuls, size_t count, const void* tiles, size_t token,
                        size_t token_count) {
  const size_t groups = matmuls[0].columns / kTileDepth, threads = size_t(pool_thread_count(pool));
  MatmulRun run{{&pool, static_cast<const Tile*>(tiles), groups, token_count, RowRanges()}, matmuls, count, token,
                panels_of_task(matmuls, count, threads)};
  size_t blocks = 0;
  for (size_t i = 0; i < count; i++) blocks += run.blocks_of(matmuls[i]);
  run.amx.blocks.share_out(blocks, 1, threads);
  return pool_run(pool, threads, multiply_task, &run);
}

bool matmul_amx(Pool& pool, const Matmul* matmuls, size_t count) {
  const Matmul& x = matmuls[0];
  const size_t groups = x.columns / kTileDepth;
  const size_t most_tokens = kSharedScratchBytes / (groups * sizeof(Tile)) * kTileSide;
  Tile* const tiles = static_cast<Tile*>(pool_shared_scratch(pool));
  for (size_t token = 0; token < x.n; token += most_tokens) {
    const size_t token_count = task_size(x.n, token, most_tokens);
    RoundRun run{x.x + token * x.columns, groups, token_count, tiles};
    if (!pool_run(pool, task_count(token_count, kTileSide), round_tile_task, &run)) return false;
    if (!matmul_amx_rounded(pool, matmuls, count, tiles, token, token_count)) return false;
  }
  return true;
}

}  // namespace compactor
#endif
