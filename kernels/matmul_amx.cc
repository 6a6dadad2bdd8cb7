// Matrix products for many tokens by the tile registers of AMX: weights and activations rounded to bfloat16, sums in f32.
//
// A task takes 32 weight rows and up to 512 tokens. 512 columns at a time, codes are unpacked (as for the 8-bit products) and
// become pairs of bfloat16 in a panel that stays in the first-level cache, which every 32 tokens are multiplied with: two by two
// tiles of sums, four instructions to four tiles read. What the instructions leave of the time is unpacking, a sixth of it for
// 512 tokens.
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

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16,amx-tile,amx-bf16")
#include "pack_panel_avx512.h"
#include "tiles_amx.h"

namespace compactor {
namespace {

constexpr size_t kBlockTokens = 2 * kTileSide;
constexpr size_t kAmxTaskTokens = 512;  // of sums in a thread's scratch, and of one unpacking
static_assert(kAmxTaskTokens <= kTaskTokens, "their sums fit");

struct Tile {
  alignas(64) uint32_t pairs[kTileSide][kTilePairs];  // of bfloat16, the earlier column in the low half
};

// In a thread's scratch.
struct AmxPanel {
  Panel codes;
  Tile tiles[kPanelGroups][2];  // [32 columns][16 rows]: a row of a tile is a pair of columns
};
static_assert(sizeof(AmxPanel) <= kScratchBytes, "the working set fits into a thread's scratch");

struct AmxRun {
  const Matmul* matmuls;  // of the same x
  size_t count;
  Pool* pool;
  const PackPanel* packs;
  Tile* activations;  // [tokens / 16][columns / 32] of the tokens below: a row of a tile is a token
  size_t token;
  size_t token_count;
  size_t token_blocks;
  RowRanges blocks;  // of all products, one after another: a panel of weights with kAmxTaskTokens tokens

  const Matmul& x() const { return matmuls[0]; }
  size_t groups() const { return x().columns / kTileDepth; }
};

// Tokens that the last tile lacks are left as they are: their products are never written out.
void round_tile_task(void* arguments, size_t tile, int) {
  const AmxRun& run = *static_cast<const AmxRun*>(arguments);
  const size_t first = tile * kTileSide, count = task_size(run.token_count, first, kTileSide);
  for (size_t t = 0; t < count; t++) {
    const float* x = run.x().x + (run.token + first + t) * run.x().columns;
    Tile* tiles = run.activations + tile * run.groups();
    for (size_t g = 0; g < run.groups(); g++) {
      const __m512 low = _mm512_loadu_ps(x + g * kTileDepth), high = _mm512_loadu_ps(x + g * kTileDepth + 16);
      _mm512_store_si512(tiles[g].pairs[t], __m512i(_mm512_cvtne2ps_pbh(high, low)));
    }
  }
}

// 1 + code / 256 of a byte of each lane, given where it is after a shift: bits 15 to 22 of a number between 1 and 2.
inline __m512 one_and_code(__m512i shifted) {
  const __m512i kept = _mm512_ternarylogic_epi32(shifted, _mm512_set1_epi32(0x7f8000), _mm512_set1_epi32(0x3f800000), 0xea);
  return _mm512_castsi512_ps(kept);
}

// Rounded to nearest, what is half way away from zero.
inline __m512i pair_of(__m512 early, __m512 late) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  const __m512i low = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(early), half), 16);
  const __m512i high = _mm512_add_epi32(_mm512_castps_si512(late), half);
  return _mm512_ternarylogic_epi32(high, _mm512_set1_epi32(int32_t(0xffff0000)), low, 0xea);
}

// Four columns of sixteen rows, in order of columns
inline void round_four(__m512i codes, __m512 scale, __m512 shift, uint32_t* pairs) {
  const __m512 a = _mm512_fmadd_ps(one_and_code(_mm512_slli_epi32(codes, 15)), scale, shift);
  const __m512 b = _mm512_fmadd_ps(one_and_code(_mm512_slli_epi32(codes, 7)), scale, shift);
  const __m512 c = _mm512_fmadd_ps(one_and_code(_mm512_srli_epi32(codes, 1)), scale, shift);
  const __m512 d = _mm512_fmadd_ps(one_and_code(_mm512_srli_epi32(codes, 9)), scale, shift);
  _mm512_store_si512(pairs, pair_of(a, b));
  _mm512_store_si512(pairs + kTilePairs, pair_of(c, d));
}

// The weights of a panel's codes: scale · (code − offset) or scale · code + minimum.
template <WeightType kType>
inline void round_panel(AmxPanel& panel, size_t groups) {
  constexpr Codes kCodes = codes_of(kType);
  const __m512 wide = _mm512_set1_ps(256.0f), before = _mm512_set1_ps(-256.0f - float(code_offset(kType)));
  for (size_t g = 0; g < groups; g++)
    for (size_t h = 0; h < 2; h++) {
      __m512 scale{}, shift{};
#pragma GCC unroll 8
      for (size_t s = 0; s < kTileDepth / 4; s++) {
        if (s == 0 || (kCodes == Codes::halves && s == 4)) {
          const size_t factor = kCodes == Codes::halves ? 2 * g + s / 4 : g;
          const __m512 step = _mm512_load_ps(panel.codes.scales[factor] + h * kTileSide);
          scale = _mm512_mul_ps(step, wide);
          shift = kCodes == Codes::minimum
                      ? _mm512_sub_ps(_mm512_load_ps(panel.codes.minimums[g] + h * kTileSide), scale)
                      : _mm512_mul_ps(step, before);
        }
        round_four(_mm512_load_si512(panel.codes.codes[g * 8 + s][h * kTileSide]), scale, shift,
                   panel.tiles[g][h].pairs[2 * s]);
      }
    }
}

template <WeightType kType>
void pack_amx(const Matmul& m, size_t row, size_t start, size_t groups, Panel& panel) {
  pack_panel_avx512<kType>(m, row, start, groups, panel);
  round_panel<kType>(reinterpret_cast<AmxPanel&>(panel), groups);  // of which it is the beginning
}

// sums [32][kPanelRows] (+)= 32 tokens · panel; the upper sixteen tokens only if `both`
inline void multiply_tiles(const Tile* x, size_t stride, const AmxPanel& panel, size_t groups, bool first, bool both,
                           float (*sums)[kPanelRows]) {
  constexpr int kSumBytes = int(kPanelRows * sizeof(float)), kTileBytes = int(kTilePairs * sizeof(uint32_t));
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums[0], kSumBytes);
    _tile_loadd(1, sums[0] + kTileSide, kSumBytes);
    _tile_loadd(2, sums[kTileSide], kSumBytes);
    _tile_loadd(3, sums[kTileSide] + kTileSide, kSumBytes);
  }
  const Tile* upper = x + (both ? stride : 0);
  for (size_t g = 0; g < groups; g++) {
    _tile_loadd(4, x + g, kTileBytes);
    _tile_loadd(6, panel.tiles[g], kTileBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, panel.tiles[g] + 1, kTileBytes);
    _tile_dpbf16ps(1, 4, 7);
    if (!both) continue;
    _tile_loadd(5, upper + g, kTileBytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums[0], kSumBytes);
  _tile_stored(1, sums[0] + kTileSide, kSumBytes);
  _tile_stored(2, sums[kTileSide], kSumBytes);
  _tile_stored(3, sums[kTileSide] + kTileSide, kSumBytes);
}

void multiply_amx_block(const AmxRun& run, const Matmul& m, PackPanel pack, size_t block, AmxPanel& panel) {
  const size_t row = block / run.token_blocks * kPanelRows;
  const size_t first = block % run.token_blocks * kAmxTaskTokens;
  const size_t token_count = task_size(run.token_count, first, kAmxTaskTokens);
  const size_t row_bytes = blocks_bytes(m.type, m.columns);
  fetch_rows(m.weight + row * row_bytes, task_size(m.rows, row, kPanelRows) * row_bytes);
  for (size_t start = 0; start < m.columns; start += kPanelColumns) {
    const size_t groups = task_size(m.columns, start, kPanelColumns) / kTileDepth;
    const bool last = start + kPanelColumns >= m.columns;
    pack(m, row, start, groups, panel.codes);
    for (size_t t = 0; t < token_count; t += kBlockTokens) {
      const size_t tokens = task_size(token_count, t, kBlockTokens);
      if (last) prefetch_out(m, run.token + first + t, tokens, row);
      const Tile* x = run.activations + (first + t) / kTileSide * run.groups() + start / kTileDepth;
      multiply_tiles(x, run.groups(), panel, groups, start == 0, tokens > kTileSide, panel.codes.sums + t);
      if (last) write_out(m, panel.codes.sums + t, run.token + first + t, tokens, row);
    }
  }
}

void amx_task(void* arguments, size_t task, int thread) {
  AmxRun& run = *static_cast<AmxRun*>(arguments);
  AmxPanel& panel = *static_cast<AmxPanel*>(pool_scratch(*run.pool, thread));
  const Tiles tiles;
  run.blocks.work(task, [&run, &panel](size_t first, size_t last) {
    for (size_t block = first; block < last; block++) {
      size_t own = block, i = 0;
      for (; own >= task_count(run.matmuls[i].rows, kPanelRows) * run.token_blocks; i++)
        own -= task_count(run.matmuls[i].rows, kPanelRows) * run.token_blocks;
      multiply_amx_block(run, run.matmuls[i], run.packs[size_t(run.matmuls[i].type)], own, panel);
    }
  });
}

constexpr PackPanels kPack = COMPACTOR_PACKING(pack_amx);

}  // namespace

bool matmul_amx(Pool& pool, const Matmul* matmuls, size_t count) {
  const Matmul& x = matmuls[0];
  const size_t most_tokens = kSharedScratchBytes / (x.columns / kTileDepth * sizeof(Tile)) * kTileSide;
  for (size_t token = 0; token < x.n; token += most_tokens) {
    const size_t token_count = task_size(x.n, token, most_tokens);
    const size_t token_blocks = task_count(token_count, kAmxTaskTokens);
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) blocks += task_count(matmuls[i].rows, kPanelRows) * token_blocks;
    AmxRun run{matmuls,     count, &pool, kPack, static_cast<Tile*>(pool_shared_scratch(pool)), token, token_count,
               token_blocks, RowRanges(blocks, 1, size_t(pool_thread_count(pool)))};
    if (!pool_run(pool, task_count(token_count, kTileSide), round_tile_task, &run)) return false;
    if (!pool_run(pool, size_t(pool_thread_count(pool)), amx_task, &run)) return false;
  }
  return true;
}

}  // namespace compactor
#endif
