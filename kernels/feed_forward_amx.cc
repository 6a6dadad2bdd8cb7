// The feed-forward network for many tokens by the tile registers of AMX: what its norm gives and what is between its products is
// rounded to bfloat16 at once, where the next product reads it, and never written as f32. Same bits as its ops one after another.
#include "blocks.h"
#include "cpu.h"
#include "feed_forward.h"
#include "matmul.h"
#include "matmul_int8_panel.h"
#include "row_ranges.h"
#include "tasks.h"

#if COMPACTOR_X86
#include <cmath>
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include "avx2.h"

#include "matmul_int8_panel_task.h"

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16")
#define COMPACTOR_LANES_AVX512
#include "gated_lanes.h"
#include "matmul_amx_task.h"
#include "rms_norm_row.h"

namespace compactor {
namespace {

constexpr size_t kGatedPanels = 4;  // of each of two matrices, of a task

static_assert(2 * kGatedPanels <= kMostPanels, "their sums have room");

struct FeedForwardRun {
  AmxRun amx;  // of the product that is being made
  const FeedForward* layer;
  const float* x;
  size_t token;
  Tile* normed;  // [tokens / 16][dim / 32]
  Tile* between;  // [tokens / 16][hidden / 32]
};

void norm_tile_task(void* arguments, size_t tile, int thread) {
  const FeedForwardRun& run = *static_cast<const FeedForwardRun*>(arguments);
  const FeedForward& layer = *run.layer;
  float* const normed = static_cast<float*>(pool_scratch(*run.amx.pool, thread));
  const size_t first = tile * kTileSide, count = task_size(run.amx.token_count, first, kTileSide);
  for (size_t t = 0; t < count; t++) {
    rms_norm_row(run.x + (run.token + first + t) * layer.dim, layer.gain, layer.eps, layer.dim, normed);
    round_token(normed, layer.dim / kTileDepth, t, run.normed + tile * (layer.dim / kTileDepth));
  }
}

// Tokens of two panels of sums → a column of tiles
template <Activation kActivation>
inline void round_gated(const float (*gate)[kPanelRows], const float (*up)[kPanelRows], size_t token, size_t tokens,
                        size_t columns, Tile* between) {
  for (size_t t = 0; t < tokens; t++) {
    const Lanes low = gated<kActivation>(load(gate[t]), load(up[t]));
    const Lanes high = gated<kActivation>(load(gate[t] + kLanes), load(up[t] + kLanes));
    Tile& tile = between[(token + t) / kTileSide * columns];
    _mm512_store_si512(tile.pairs[(token + t) % kTileSide], __m512i(_mm512_cvtne2ps_pbh(high, low)));
  }
}

void gated_block(const FeedForwardRun& run, size_t block, AmxPanel& panel) {
  const FeedForward& layer = *run.layer;
  const size_t token_blocks = run.amx.token_blocks(), token = block % token_blocks * kAmxTaskTokens;
  const size_t first = block / token_blocks * kGatedPanels * kPanelRows, columns = layer.hidden / kTileDepth;
  const size_t row_count = task_size(layer.hidden, first, kGatedPanels * kPanelRows);
  Matmul gate{}, up{};
  gate.type = layer.gate.type;
  gate.weight = layer.gate.data;
  up.type = layer.up.type;
  up.weight = layer.up.data;
  gate.rows = up.rows = layer.hidden;
  gate.columns = up.columns = layer.dim;
  fetch_matrix_rows(gate, first, row_count);
  fetch_matrix_rows(up, first, row_count);
  const auto round = layer.gelu ? round_gated<Activation::gelu> : round_gated<Activation::silu>;
  const size_t of_gate = block_groups(gate.type), of_up = block_groups(up.type);
  const size_t slice = slice_groups(of_gate > of_up ? of_gate : of_up, run.amx.groups);  // one is a whole number of the other
  for (size_t group = 0; group < run.amx.groups; group += slice)
    for (size_t p = 0; p * kPanelRows < row_count; p++) {
      const size_t row = first + p * kPanelRows;
      float(*gates)[kPanelRows] = panel.sums[2 * p], (*ups)[kPanelRows] = panel.sums[2 * p + 1];
      multiply_panel(run.amx, gate, group, slice, row, token, panel, gates, [](size_t, size_t) {});
      multiply_panel(run.amx, up, group, slice, row, token, panel, ups, [&](size_t t, size_t tokens) {
        round(gates + t, ups + t, token + t, tokens, columns, run.between + row / kTileDepth);
      });
    }
}

void gated_task(void* arguments, size_t task, int thread) {
  FeedForwardRun& run = *static_cast<FeedForwardRun*>(arguments);
  AmxPanel& panel = *static_cast<AmxPanel*>(pool_scratch(*run.amx.pool, thread));
  panel.codes.rows_ahead = kGatedPanels * kPanelRows;
  const Tiles tiles;
  run.amx.blocks.work(task, [&run, &panel](size_t first, size_t last) {
    for (size_t block = first; block < last; block++) gated_block(run, block, panel);
  });
}

}  // namespace

bool feed_forward_amx(Pool& pool, const FeedForward& layer, const float* x, size_t n, const float* add, float* out) {
  const size_t groups = layer.dim / kTileDepth, columns = layer.hidden / kTileDepth;
  const size_t threads = size_t(pool_thread_count(pool));
  const size_t most_tokens = kSharedScratchBytes / ((groups + columns) * sizeof(Tile)) * kTileSide;
  const Matmul down{Isa::amx, layer.down.type, layer.down.data, layer.dim, layer.hidden, nullptr, n, nullptr, add, out};
  for (size_t token = 0; token < n; token += most_tokens) {
    const size_t token_count = task_size(n, token, most_tokens), tiles = task_count(token_count, kTileSide);
    Tile* const normed = static_cast<Tile*>(pool_shared_scratch(pool));
    FeedForwardRun run{{&pool, normed, groups, token_count, RowRanges()}, &layer, x, token, normed, normed + tiles * groups};
    const size_t blocks = task_count(layer.hidden, kGatedPanels * kPanelRows) * run.amx.token_blocks();
    run.amx.blocks.share_out(blocks, 1, threads);
    if (!pool_run(pool, tiles, norm_tile_task, &run)) return false;
    if (!pool_run(pool, threads, gated_task, &run)) return false;
    if (!matmul_amx_rounded(pool, &down, 1, run.between, token, token_count)) return false;
  }
  return true;
}

}  // namespace compactor
#endif
