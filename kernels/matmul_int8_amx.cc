// Matrix products for few tokens by the tile registers of AMX, in 8 bits: what matmul_int8_panel_avx512.cc computes, with the same bits,
// for the 12 to 19 tokens that matmul.cc gives it, and as many as 32. The left side is sixteen weight rows, whose codes become signed bytes where they lie, the right side up to sixteen
// tokens, so that nothing of the weights is transposed; a tile of integer sums takes 32 columns (16, if a scale has no more),
// and is stored, scaled and added in f32.
//
// A task takes strips of sixteen rows, 256 columns at a time. Three things go on beside one another, group by group, because each
// waits for something else: tiles of one chunk of columns are multiplied, the sums of the one before are scaled, the codes of the
// next one are unpacked.
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

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq")
#define COMPACTOR_LANES_AVX512
#include "lanes.h"
#include "pack_panel_avx512.h"
#include "tiles_amx.h"
#include "unpack_rows_avx512.h"

namespace compactor {
namespace {

constexpr size_t kStripRows = kTileSide;
constexpr size_t kMostTokenTiles = kMostFewTokens / kTileSide;
constexpr size_t kChunkGroups = 8;  // the columns of the largest blocks
constexpr size_t kChunkPairs = kChunkGroups / 2;
constexpr size_t kStripsOfPiece = 4;
constexpr size_t kRowsOfGroup = kTileSide / kChunkGroups;  // unpacked beside a group

// 32 columns of sixteen tokens
struct TokenGroup {
  alignas(64) int8_t q[8][kTileSide][4];  // four columns of every token are a row of a tile
  float scales[kTileSide];
  float sums[kTileSide];  // scale · Σ q
};

// Weights of a strip
struct Chunk {
  alignas(64) int8_t codes[kChunkPairs][kStripRows][kPairColumns];
  alignas(64) uint32_t heads[kChunkGroups][kStripRows];  // first bytes of blocks of 32
  PanelFactors factors;
};

using Products = int32_t[kStripRows][kTileSide];

// In a thread's scratch.
struct Strip {
  Chunk chunks[2];
  alignas(64) Products products[2][2 * kChunkGroups];
  alignas(64) float sums[kMostTokenTiles][kStripRows][kTileSide];
};
static_assert(sizeof(Strip) <= kScratchBytes, "the working set fits into a thread's scratch");

constexpr TileShapes shapes_of(Codes codes) {
  const uint8_t columns = codes == Codes::halves ? 16 : 32, rows = columns / 4;
  return {1, 0, {}, {64, 64, 64, 64, columns, columns, 64, 64}, {16, 16, 16, 16, 16, 16, rows, rows}};
}
constexpr TileShapes kGroupTiles = shapes_of(Codes::centred), kHalfGroupTiles = shapes_of(Codes::halves);

// Where a strip's weights are, and those that are read after it.
struct StripRows {
  const uint8_t* start;
  size_t stride;
  size_t count;
  const uint8_t* next;
};

// Factors of `groups` blocks of 32 of each row
template <WeightType kType>
inline void convert_heads(size_t groups, Chunk& chunk) {
  for (size_t g = 0; g < groups; g++) {
    const __m512i heads = _mm512_load_si512(chunk.heads[g]);
    _mm512_store_ps(chunk.factors.scales[g], floats_of_halves(heads));
    if constexpr (codes_of(kType) == Codes::minimum)
      _mm512_store_ps(chunk.factors.minimums[g], floats_of_halves(shifted(heads, 16)));
  }
}

// Those of a block of 256 of each row
template <WeightType kType>
inline void unpack_large_factors(const StripRows& rows, size_t at, PanelFactors& factors) {
  if (rows.count == kStripRows) {
    const BlockRows blocks{rows.start, rows.stride, nullptr};
    if constexpr (kType == WeightType::Q6_K)
      pack_q6_k_factors(blocks, at, 0, 0, factors);
    else
      pack_k45_factors(blocks, at, 0, 0, factors);
    return;
  }
  for (size_t r = 0; r < rows.count; r++) {
    const uint8_t* block = rows.start + r * rows.stride + at;
    if constexpr (kType == WeightType::Q6_K)
      unpack_q6_k_scales(block, &factors.scales[0][r]);
    else
      unpack_k45_scales<kType, Sums::in32Bits>(block, &factors.scales[0][r], &factors.minimums[0][r]);
  }
}

// Columns of a strip that become a chunk
struct Columns {
  StripRows rows;
  size_t at;  // byte of a row
  size_t groups;
};

template <WeightType kType>
inline void unpack_row(const Columns& columns, size_t r, Chunk& chunk) {
  constexpr BlockLayout kBlock = block_layout(kType);
  const StripRows& rows = columns.rows;
  if (r >= rows.count) return;
  const size_t bytes = columns.groups * 32 / kBlock.values * kBlock.bytes;
  ask_for_next(rows.next + columns.at * kStripRows + r * bytes, bytes);
  const uint8_t* block = rows.start + r * rows.stride + columns.at;
  if constexpr (kBlock.values == 256) {
    __m512i pairs[kChunkPairs];
    if constexpr (kType == WeightType::Q6_K)
      unpack_q6_k_pairs(block, pairs);
    else
      unpack_k45_pairs<kType>(block, pairs);
    for (size_t p = 0; p < kChunkPairs; p++) _mm512_store_si512(chunk.codes[p][r], pairs[p]);
  } else {
    for (size_t g = 0; g < columns.groups; g += 2, block += 2 * kBlock.bytes) {
      const uint8_t* const second = g + 1 < columns.groups ? block + kBlock.bytes : block;
      memcpy(&chunk.heads[g][r], block, sizeof(uint32_t));
      memcpy(&chunk.heads[g + 1][r], second, sizeof(uint32_t));
      _mm512_store_si512(chunk.codes[g / 2][r], unpack_pair<kType>(block, second));
    }
  }
}

template <int kSums>
inline void multiply_group(const int8_t* codes, const int8_t (*q)[kTileSide][4], Products& products) {
  constexpr int kLeft = 4 + kSums % 2, kRight = 6 + kSums % 2;
  load_tile<kLeft>(codes, kPairColumns);
  load_tile<kRight>(q, sizeof(*q));
  clear_tile<kSums>();
  add_tile_int8_products<kSums, kLeft, kRight>();
  store_tile<kSums>(products, sizeof(*products));
}

// Tiles that are multiplied: products of each group, or of each half.
struct Multiplied {
  const Chunk* chunk;
  const TokenGroup* x;
  size_t groups;
  Products* products;

  template <Codes kCodes, int kGroup>
  void multiply(size_t g) const {
    const int8_t* const codes = chunk->codes[g / 2][0] + g % 2 * 32;
    if constexpr (kCodes == Codes::halves) {
      constexpr int kFirst = kGroup % 2 * 2;
      multiply_group<kFirst>(codes, x[g].q, products[2 * g]);
      multiply_group<kFirst + 1>(codes + 16, x[g].q + 4, products[2 * g + 1]);
    } else {
      multiply_group<kGroup>(codes, x[g].q, products[g]);
    }
  }
};

// Products that are scaled and added: sums (+)= scale · x.scale · products (+ minimum · x.sum), in the order of
// matmul_int8_panel_avx512.cc.
struct Scaled {
  const PanelFactors* factors;
  const TokenGroup* x;
  size_t groups;
  const Products* products;
  bool first;
  float (*target)[kTileSide];

  template <Codes kCodes>
  void add(size_t g, __m512 (&sums)[kStripRows]) const {
    constexpr size_t kParts = kCodes == Codes::halves ? 2 : 1;
    const __m512 scale = _mm512_load_ps(x[g].scales), sum = _mm512_load_ps(x[g].sums);
    for (size_t part = kParts * g; part < kParts * (g + 1); part++) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kStripRows; r++) {
        const __m512 whole = _mm512_cvtepi32_ps(_mm512_load_si512(products[part][r]));
        const __m512 product = _mm512_mul_ps(whole, _mm512_set1_ps(factors->scales[part][r]));
        sums[r] = _mm512_fmadd_ps(product, scale, sums[r]);
        if constexpr (kCodes == Codes::minimum)
          sums[r] = _mm512_fmadd_ps(_mm512_set1_ps(factors->minimums[part][r]), sum, sums[r]);
      }
    }
  }
};

template <WeightType kType>
struct Step {
  static constexpr Codes kCodes = codes_of(kType);
  Multiplied multiplied;
  Scaled scaled;
  const Columns* columns;  // that are unpacked, or null
  Chunk* unpacked;

  template <int kGroup>
  void group(size_t first, __m512 (&sums)[kStripRows]) const {
    const size_t g = first + kGroup;
    if (g < multiplied.groups) multiplied.template multiply<kCodes, kGroup>(g);
    if (columns != nullptr)
      for (size_t r = g * kRowsOfGroup; r < (g + 1) * kRowsOfGroup; r++) unpack_row<kType>(*columns, r, *unpacked);
    if (g < scaled.groups) scaled.template add<kCodes>(g, sums);
  }

  void run() const {
    __m512 sums[kStripRows];
    const bool first = scaled.first || scaled.groups == 0;
#pragma GCC unroll 16
    for (size_t r = 0; r < kStripRows; r++) sums[r] = first ? _mm512_setzero_ps() : _mm512_load_ps(scaled.target[r]);
    for (size_t g = 0; g < kChunkGroups; g += 4) {
      group<0>(g, sums);
      group<1>(g, sums);
      group<2>(g, sums);
      group<3>(g, sums);
    }
    if (scaled.groups > 0) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kStripRows; r++) _mm512_store_ps(scaled.target[r], sums[r]);
    }
    if constexpr (block_layout(kType).values == 256)
      if (columns != nullptr) unpack_large_factors<kType>(columns->rows, columns->at, unpacked->factors);
  }
};

struct FewRun {
  const Matmul* matmuls;  // of the same x
  Pool* pool;
  TokenGroup* x;  // [tiles of tokens][groups]
  RowRanges strips;

  size_t token_tiles() const { return task_count(matmuls[0].n, kTileSide); }
  size_t groups() const { return matmuls[0].columns / 32; }
  size_t chunks() const { return task_count(groups(), kChunkGroups); }
  TokenGroup* tokens(size_t tile, size_t group) const { return x + tile * groups() + group; }
};

// out = sums + bias + add of a strip's rows
void write_strip(const Matmul& m, size_t row, Strip& strip) {
  const size_t row_count = task_size(m.rows, row, kStripRows);
  const __mmask16 own = __mmask16((1u << row_count) - 1);
  const __m512 bias = m.bias != nullptr ? _mm512_maskz_loadu_ps(own, m.bias + row) : _mm512_setzero_ps();
  for (size_t token = 0; token < m.n; token += kTileSide) {
    __m512i rows[kStripRows];
    for (size_t r = 0; r < kStripRows; r++) rows[r] = _mm512_load_si512(strip.sums[token / kTileSide][r]);
    transpose(rows);
    for (size_t t = 0; t < task_size(m.n, token, kTileSide); t++) {
      const size_t at = (token + t) * m.rows + row;
      __m512 sum = _mm512_castsi512_ps(rows[t]);
      if (m.bias != nullptr) sum = _mm512_add_ps(sum, bias);
      if (m.add != nullptr) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(own, m.add + at));
      _mm512_mask_storeu_ps(m.out + at, own, sum);
    }
  }
}

// Strips `first` … `last` of a matrix
template <WeightType kType>
void multiply_strips(const FewRun& run, const Matmul& m, size_t first, size_t last, Strip& strip) {
  constexpr Codes kCodes = codes_of(kType);
  constexpr size_t kGroupsOfBlock = block_layout(kType).values / 32;
  const Tiles tiles(kCodes == Codes::halves ? kHalfGroupTiles : kGroupTiles);
  const size_t chunks = run.chunks(), token_tiles = run.token_tiles(), row_bytes = blocks_bytes(kType, m.columns);
  const auto columns_of = [&](size_t index, size_t chunk) -> Columns {
    const size_t row = index * kStripRows, group = chunk * kChunkGroups;
    const uint8_t* const start = m.weight + row * row_bytes;
    return {{start, row_bytes, task_size(m.rows, row, kStripRows), start + kStripRows * row_bytes},
            group / kGroupsOfBlock * block_layout(kType).bytes, task_size(run.groups(), group, kChunkGroups)};
  };
  Step<kType> step{};
  Columns columns = columns_of(first, 0);
  step.columns = &columns;
  step.unpacked = strip.chunks;
  step.run();
  size_t finished = first;  // strips that are written
  const auto write_if_done = [&](size_t strip_now, size_t chunk) {
    // The step before scaled the last products of the strip before.
    if (chunk == 0 && strip_now > finished) write_strip(m, finished++ * kStripRows, strip);
  };
  size_t side = 0, turn = 0;
  for (size_t s = first; s < last; s++)
    for (size_t c = 0; c < chunks; c++, side ^= 1) {
      Chunk& chunk = strip.chunks[side];
      const size_t groups = columns.groups;
      if constexpr (kGroupsOfBlock == 1) convert_heads<kType>(groups, chunk);
      const bool is_last = c + 1 == chunks, is_end = is_last && s + 1 == last;
      if (!is_end) columns = columns_of(is_last ? s + 1 : s, is_last ? 0 : c + 1);
      for (size_t t = 0; t < token_tiles; t++, turn ^= 1) {
        const TokenGroup* const x = run.tokens(t, c * kChunkGroups);
        step.columns = t == 0 && !is_end ? &columns : nullptr;
        step.unpacked = &strip.chunks[side ^ 1];
        step.multiplied = {&chunk, x, groups, strip.products[turn]};
        step.run();
        if (t == 0) write_if_done(s, c);
        step.scaled = {&chunk.factors, x, groups, strip.products[turn], c == 0, strip.sums[t]};
      }
    }
  step.columns = nullptr;
  step.multiplied.groups = 0;
  step.run();
  write_strip(m, finished * kStripRows, strip);
}

using MultiplyStrips = void (*)(const FewRun& run, const Matmul& m, size_t first, size_t last, Strip& strip);
constexpr MultiplyStrips kMultiplyStrips[kWeightTypeCount] = COMPACTOR_PACKING(multiply_strips);

void strips_task(void* arguments, size_t task, int thread) {
  FewRun& run = *static_cast<FewRun*>(arguments);
  Strip& strip = *static_cast<Strip*>(pool_scratch(*run.pool, thread));
  run.strips.work(task, [&run, &strip](size_t first, size_t last) {
    size_t before = 0;  // strips of the matrices before
    for (const Matmul* m = run.matmuls; before < last; before += task_count((m++)->rows, kStripRows)) {
      const size_t from = first > before ? first - before : 0;
      const size_t to = task_size(last, before, task_count(m->rows, kStripRows));
      if (from < to) kMultiplyStrips[size_t(m->type)](run, *m, from, to, strip);
    }
  });
}

// A chunk of a tile of tokens; those that there are not become zeros.
void lay_tokens_task(void* arguments, size_t task, int thread) {
  const FewRun& run = *static_cast<const FewRun*>(arguments);
  const Matmul& m = run.matmuls[0];
  const size_t tile = task / run.chunks(), group = task % run.chunks() * kChunkGroups;
  const size_t groups = task_size(run.groups(), group, kChunkGroups);
  PanelGroup* const quantised = static_cast<PanelGroup*>(pool_scratch(*run.pool, thread));
  TokenGroup* const target = run.tokens(tile, group);
  for (size_t lane = 0; lane < kTileSide; lane++) {
    const size_t token = tile * kTileSide + lane;
    const float* const x = m.x + token * m.columns + group * 32;
    if (token < m.n) quantise_panel_token_avx2(x, groups * 32, m.type, Sums::in32Bits, quantised);
    for (size_t g = 0; g < groups; g++) {
      const PanelGroup own = token < m.n ? quantised[g * kTileTokens] : PanelGroup{};
      for (size_t i = 0; i < 8; i++) memcpy(target[g].q[i][lane], own.q + 4 * i, 4);
      target[g].scales[lane] = own.scale;
      target[g].sums[lane] = own.sum;
    }
  }
}

}  // namespace

bool fits_int8_tiles(size_t columns) {
  return columns / 32 * kMostTokenTiles * sizeof(TokenGroup) <= kSharedScratchBytes;
}

bool matmul_int8_amx(Pool& pool, const Matmul* matmuls, size_t count) {
  FewRun run{matmuls, &pool, static_cast<TokenGroup*>(pool_shared_scratch(pool)), RowRanges()};
  size_t strips = 0;
  for (size_t i = 0; i < count; i++) strips += task_count(matmuls[i].rows, kStripRows);
  run.strips.share_out(strips, kStripsOfPiece, size_t(pool_thread_count(pool)));
  if (!pool_run(pool, run.token_tiles() * run.chunks(), lay_tokens_task, &run)) return false;
  return pool_run(pool, run.strips.count(), strips_task, &run);
}

}  // namespace compactor
#endif
