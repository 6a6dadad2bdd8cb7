// What matrix products by the tile registers of AMX share: weights and activations rounded to bfloat16, sums in f32.
//
// A task takes a few panels of 32 weight rows and up to 512 tokens. Columns are taken a slice of up to 640 at a time, of which the
// activations stay in the second-level cache from one panel to the next. A panel's codes are unpacked (as for the 8-bit products)
// and become pairs of bfloat16, which stay in the first-level cache and are multiplied with 32 tokens after another: two by two
// tiles of sums, four instructions to four tiles read. Those of tokens are read as what is not needed again soon, or they would
// drive out the weights. Between the instructions of a block there is time for what vectors do: sums of the block before are
// finished meanwhile.
//
// Included after matmul_int8_panel_task.h and the pragma for AVX-512.
#pragma once
#include "pack_panel_avx512.h"
#include "tiles_amx.h"

namespace compactor {
namespace {

constexpr size_t kBlockTokens = 2 * kTileSide;
constexpr size_t kAmxTaskTokens = 512;  // of sums in a thread's scratch, and of one unpacking

constexpr size_t kMostPanels = 16;  // of a task

// In a thread's scratch.
struct AmxPanel {
  Panel codes;
  Tile tiles[kPanelGroups][2];  // [32 columns][16 rows]: a row of a tile is a pair of columns
  alignas(64) float sums[kMostPanels][kAmxTaskTokens][kPanelRows];
};
static_assert(sizeof(AmxPanel) <= kScratchBytes, "the working set fits into a thread's scratch");

// Activations of some tokens, and how their products are shared out.
struct AmxRun {
  Pool* pool;
  const Tile* x;  // [tokens / 16][groups]: a row of a tile is a token
  size_t groups;  // of 32 columns
  size_t token_count;
  RowRanges blocks;  // of the products: panels of weights with kAmxTaskTokens tokens

  size_t token_blocks() const { return task_count(token_count, kAmxTaskTokens); }
};

// Values of one token, by tiles
inline void round_token(const float* x, size_t groups, size_t token, Tile* tiles) {
  for (size_t g = 0; g < groups; g++) {
    const __m512 low = _mm512_loadu_ps(x + g * kTileDepth), high = _mm512_loadu_ps(x + g * kTileDepth + 16);
    _mm512_store_si512(tiles[g].pairs[token % kTileSide], __m512i(_mm512_cvtne2ps_pbh(high, low)));
  }
}

// 1 + code / 256 of a byte of each lane, given where it is after a shift: bits 15 to 22 of a number between 1 and 2.
inline __m512 one_and_code(__m512i shifted) {
  const __m512i kept = _mm512_ternarylogic_epi32(shifted, _mm512_set1_epi32(0x7f8000), _mm512_set1_epi32(0x3f800000), 0xea);
  return _mm512_castsi512_ps(kept);
}

// Rounded to nearest, what is half way away from zero. Of NaN, only the one that the processor itself makes stays NaN: others can be
// the largest integers of all.
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
  const __m512 wide = _mm512_set1_ps(256.0f), before = _mm512_set1_ps(-256.0f - float(code_offset(kType, Sums::in32Bits)));
  for (size_t g = 0; g < groups; g++)
    for (size_t h = 0; h < 2; h++) {
      __m512 scale{}, shift{};
#pragma GCC unroll 8
      for (size_t s = 0; s < kTileDepth / 4; s++) {
        if (s == 0 || (kCodes == Codes::halves && s == 4)) {
          const size_t factor = kCodes == Codes::halves ? 2 * g + s / 4 : g;
          const __m512 step = _mm512_load_ps(panel.codes.factors.scales[factor] + h * kTileSide);
          scale = _mm512_mul_ps(step, wide);
          shift = kCodes == Codes::minimum
                      ? _mm512_sub_ps(_mm512_load_ps(panel.codes.factors.minimums[g] + h * kTileSide), scale)
                      : _mm512_mul_ps(step, before);
          // A scale or minimum of NaN, whatever its bits, makes NaN as pair_of wants it.
          const __mmask16 sound = _mm512_cmp_ps_mask(shift, shift, _CMP_ORD_Q);
          scale = _mm512_maskz_mov_ps(sound, scale);
          shift = _mm512_mask_mov_ps(_mm512_set1_ps(__builtin_nanf("")), sound, shift);
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

// sums [32][kPanelRows] (+)= 32 tokens · panel; the upper sixteen tokens only if `both`. beside(group) is done while tiles are multiplied.
template <typename Beside>
inline void multiply_tiles(const Tile* x, size_t stride, const AmxPanel& panel, size_t groups, bool first, bool both,
                           float (*sums)[kPanelRows], Beside beside) {
  constexpr size_t kSumBytes = kPanelRows * sizeof(float);
  if (first) {
    clear_tile<0>();
    clear_tile<1>();
    clear_tile<2>();
    clear_tile<3>();
  } else {
    load_tile<0>(sums[0], kSumBytes);
    load_tile<1>(sums[0] + kTileSide, kSumBytes);
    load_tile<2>(sums[kTileSide], kSumBytes);
    load_tile<3>(sums[kTileSide] + kTileSide, kSumBytes);
  }
  const Tile* upper = x + (both ? stride : 0);
  for (size_t g = 0; g < groups; g++) {
    load_passing_tile<4>(x + g, kTileRowBytes);
    load_tile<6>(panel.tiles[g], kTileRowBytes);
    add_tile_products<0, 4, 6>();
    load_tile<7>(panel.tiles[g] + 1, kTileRowBytes);
    add_tile_products<1, 4, 7>();
    beside(g);
    if (!both) continue;
    load_passing_tile<5>(upper + g, kTileRowBytes);
    add_tile_products<2, 5, 6>();
    add_tile_products<3, 5, 7>();
  }
  store_tile<0>(sums[0], kSumBytes);
  store_tile<1>(sums[0] + kTileSide, kSumBytes);
  store_tile<2>(sums[kTileSide], kSumBytes);
  store_tile<3>(sums[kTileSide] + kTileSide, kSumBytes);
}

constexpr PackPanels kPackAmx = COMPACTOR_PACKING(pack_amx);

inline void fetch_sums(const float* sums) {
  for (size_t h = 0; h < kPanelRows; h += kTileSide) __builtin_prefetch(sums + h);
}

// sums of rows `row` … with the columns of a slice; finish(first token of the task, count) for a few whose sums are complete.
template <typename Finish>
inline void multiply_panel(const AmxRun& run, const Matmul& m, size_t group, size_t slice, size_t row, size_t token,
                           AmxPanel& panel, float (*sums)[kPanelRows], Finish finish) {
  const size_t groups = task_size(run.groups, group, slice);
  const size_t token_count = task_size(run.token_count, token, kAmxTaskTokens);
  kPackAmx[size_t(m.type)](m, row, group * kTileDepth, groups, panel.codes);
  const bool last = group + groups == run.groups;
  for (size_t t = 0; t < token_count; t += kBlockTokens) {
    const size_t tokens = task_size(token_count, t, kBlockTokens);
    const Tile* x = run.x + (token + t) / kTileSide * run.groups + group;
    multiply_tiles(x, run.groups, panel, groups, group == 0, tokens > kTileSide, sums + t, [&](size_t g) {
      const size_t from = kBlockTokens * g / groups, to = kBlockTokens * (g + 1) / groups;
      if (last && t > 0) finish(t - kBlockTokens + from, to - from);
      if (group > 0 && t + kBlockTokens < token_count)
        for (size_t i = from; i < to; i++) fetch_sums(sums[t + kBlockTokens + i]);
    });
    if (last && t + tokens == token_count) finish(t, tokens);
  }
}

inline void fetch_matrix_rows(const Matmul& m, size_t row, size_t row_count) {
  const size_t row_bytes = blocks_bytes(m.type, m.columns);
  fetch_rows(m.weight + row * row_bytes, row_count * row_bytes);
}

}  // namespace
}  // namespace compactor
