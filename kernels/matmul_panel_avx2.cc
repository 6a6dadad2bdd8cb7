// A matrix product for many tokens with AVX2: blocks of weight rows are decoded once to f32 into panels of 16 rows,
// [k][16], and multiplied with tokens in tiles of 6 tokens × 16 rows that stay in registers. The decoded block
// (32 rows × 256 columns, 32 kB) and the tile sums of a task (512 tokens × 32 rows) stay in the second-level cache.
#include "blocks.h"
#include "cpu.h"
#include "matmul.h"
#include "tasks.h"

#if COMPACTOR_X86
#include "avx2.h"

namespace compactor {
namespace {

constexpr size_t kPanelRows = 16;
constexpr size_t kPanels = 2;
constexpr size_t kTaskRows = kPanelRows * kPanels;
constexpr size_t kTaskTokens = 504;  // a multiple of the tile
constexpr size_t kTileTokens = 6;
constexpr size_t kBlockColumns = 256;  // a multiple of every block size

// In a thread's scratch.
struct PanelScratch {
  float panels[kPanels][kBlockColumns][kPanelRows];
  float decoded[kPanelRows][kBlockColumns];
  float sums[kTaskTokens][kTaskRows];
};
static_assert(sizeof(PanelScratch) <= kScratchBytes, "the working set fits into a thread's scratch");

// [8][8] at `source` (rows `stride` apart) → its transpose at `target` (rows kPanelRows apart)
inline void transpose_8x8(const float* source, size_t stride, float* target) {
  __m256 r[8], t[8];
  for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(source + size_t(i) * stride);
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    _mm256_store_ps(target + size_t(i) * kPanelRows, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_store_ps(target + size_t(i + 4) * kPanelRows, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

// Decode columns `start` … `start + width` of up to 16 rows into one panel; missing rows become zeros.
void pack_panel(const Matmul& m, size_t row, size_t start, size_t width, PanelScratch& scratch, size_t panel) {
  const size_t row_bytes = blocks_bytes(m.type, m.columns);
  const size_t row_count = row < m.rows ? (m.rows - row < kPanelRows ? m.rows - row : kPanelRows) : 0;
  const uint8_t* blocks = m.weight + row * row_bytes + blocks_bytes(m.type, start);
  for (size_t i = 0; i < row_count; i++) decode_row(m.isa, m.type, blocks + i * row_bytes, scratch.decoded[i], width);
  for (size_t i = row_count; i < kPanelRows; i++) memset(scratch.decoded[i], 0, width * sizeof(float));
  size_t k = 0;
  for (; k + 8 <= width; k += 8) {
    transpose_8x8(&scratch.decoded[0][k], kBlockColumns, &scratch.panels[panel][k][0]);
    transpose_8x8(&scratch.decoded[8][k], kBlockColumns, &scratch.panels[panel][k][8]);
  }
  for (; k < width; k++)
    for (size_t i = 0; i < kPanelRows; i++) scratch.panels[panel][k][i] = scratch.decoded[i][k];
}

// All loops over tokens are unrolled, else the compiler keeps the sums in memory.
// sums[kTokens][16] (+)= x[kTokens][width] · panel[width][16]
template <int kTokens>
void multiply_tile(const float* x, size_t x_stride, const float* panel, size_t width, bool first, float* sums) {
  __m256 low[kTokens], high[kTokens];
#pragma GCC unroll 6
  for (int t = 0; t < kTokens; t++) {
    low[t] = first ? _mm256_setzero_ps() : _mm256_load_ps(sums + size_t(t) * kTaskRows);
    high[t] = first ? _mm256_setzero_ps() : _mm256_load_ps(sums + size_t(t) * kTaskRows + 8);
  }
#pragma GCC unroll 4
  for (size_t k = 0; k < width; k++) {
    const __m256 w_low = _mm256_load_ps(panel + k * kPanelRows), w_high = _mm256_load_ps(panel + k * kPanelRows + 8);
#pragma GCC unroll 6
    for (int t = 0; t < kTokens; t++) {
      const __m256 value = _mm256_broadcast_ss(x + size_t(t) * x_stride + k);
      low[t] = _mm256_fmadd_ps(value, w_low, low[t]);
      high[t] = _mm256_fmadd_ps(value, w_high, high[t]);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < kTokens; t++) {
    _mm256_store_ps(sums + size_t(t) * kTaskRows, low[t]);
    _mm256_store_ps(sums + size_t(t) * kTaskRows + 8, high[t]);
  }
}

using MultiplyTile = void (*)(const float*, size_t, const float*, size_t, bool, float*);

constexpr MultiplyTile kMultiplyTile[kTileTokens + 1] = {nullptr,          multiply_tile<1>, multiply_tile<2>,
                                                         multiply_tile<3>, multiply_tile<4>, multiply_tile<5>,
                                                         multiply_tile<6>};

struct PanelRun {
  Matmul matmul;
  Pool* pool;
  size_t row_groups;
};

// out = sums + bias + add for the task's tokens and rows
void write_out(const Matmul& m, const float (*sums)[kTaskRows], size_t token, size_t tokens, size_t row) {
  const size_t row_count = m.rows - row < kTaskRows ? m.rows - row : kTaskRows;
  for (size_t t = 0; t < tokens; t++) {
    const size_t at = (token + t) * m.rows + row;
    for (size_t r = 0; r < row_count; r++) {
      float sum = sums[t][r];
      if (m.bias != nullptr) sum += m.bias[row + r];
      if (m.add != nullptr) sum += m.add[at + r];
      m.out[at + r] = sum;
    }
  }
}

void panel_task(void* arguments, size_t task, int thread) {
  const PanelRun& run = *static_cast<const PanelRun*>(arguments);
  const Matmul& m = run.matmul;
  PanelScratch& scratch = *static_cast<PanelScratch*>(pool_scratch(*run.pool, thread));
  const size_t row = task % run.row_groups * kTaskRows;
  const size_t token = task / run.row_groups * kTaskTokens;
  const size_t tokens = m.n - token < kTaskTokens ? m.n - token : kTaskTokens;
  const size_t panel_count = m.rows - row > kPanelRows ? kPanels : 1;
  for (size_t start = 0; start < m.columns; start += kBlockColumns) {
    const size_t width = m.columns - start < kBlockColumns ? m.columns - start : kBlockColumns;
    for (size_t p = 0; p < panel_count; p++) pack_panel(m, row + p * kPanelRows, start, width, scratch, p);
    for (size_t t = 0; t < tokens; t += kTileTokens) {
      const size_t count = tokens - t < kTileTokens ? tokens - t : kTileTokens;
      const float* x = m.x + (token + t) * m.columns + start;
      for (size_t p = 0; p < panel_count; p++)
        kMultiplyTile[count](x, m.columns, &scratch.panels[p][0][0], width, start == 0,
                             &scratch.sums[t][p * kPanelRows]);
    }
  }
  write_out(m, scratch.sums, token, tokens, row);
}

}  // namespace

bool matmul_panel_avx2(Pool& pool, const Matmul& matmul) {
  PanelRun run{matmul, &pool, task_count(matmul.rows, kTaskRows)};
  return pool_run(pool, run.row_groups * task_count(matmul.n, kTaskTokens), panel_task, &run);
}

}  // namespace compactor
#endif
