// A matrix product for many tokens in 8 bits, for the instruction set of the including file, which brings the inner loop.
// Activations are quantised once into tiles of six tokens (matmul_int8_panel.h). A task takes 32 weight rows and up to
// 516 tokens: up to 640 columns at a time, codes are unpacked and transposed into a panel that stays in the first-level cache,
// and multiplied with every tile; the f32 sums of the task stay in the second-level cache.
//
// Included after avx2.h. Everything has internal linkage, as in lanes.h and for the same reason.
#pragma once
#include "blocks.h"
#include "matmul.h"
#include "matmul_int8_panel.h"
#include "pool.h"
#include "row_ranges.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kPanelRows = 32;
constexpr size_t kPanelColumns = 640;  // at most, and half of that where codes are of two bytes
constexpr size_t kPanelGroups = kPanelColumns / 32;
constexpr size_t kTaskTiles = 86;  // the panel of 512 tokens that prefill hands over is one task high
constexpr size_t kTaskTokens = kTaskTiles * kTileTokens;

// By columns, then rows
struct PanelFactors {
  alignas(64) float scales[2 * kPanelGroups][kPanelRows];  // of each group, or of each half
  alignas(64) float minimums[kPanelGroups][kPanelRows];
  alignas(64) float units[kPanelRows];  // what a row's scales and minimums are multiples of, for Sums::in16Bits
};

// In a thread's scratch. Rows that a matrix does not have are left as they are: their products are never written out.
struct Panel {
  size_t rows_ahead;  // from its first row to the one whose memory is asked for while it is packed
  alignas(64) uint8_t codes[kPanelColumns / 4][kPanelRows][4];
  PanelFactors factors;
  alignas(64) uint8_t rows[kPanelRows][kPanelColumns];  // codes before they are transposed
  alignas(64) float sums[kTaskTokens][kPanelRows];
};
static_assert(sizeof(Panel) <= kScratchBytes, "the working set fits into a thread's scratch");

// sums [tokens][kPanelRows] (+)= x [groups][kTileTokens] · panel; `first` means = instead of +=. `next` is the x of the
// tile after this one, whose memory is asked for meanwhile.
using MultiplyTile = void (*)(const PanelGroup* x, const PanelGroup* next, const Panel& panel, size_t groups, bool first,
                              float* sums);

// Slices of nearly equal size, of whole blocks: a short one would cost as much reading and writing of sums as a long one.
inline size_t slice_groups(size_t block_groups, size_t groups, size_t most_groups = kPanelGroups) {
  const size_t slices = task_count(groups, most_groups / block_groups * block_groups);
  return task_count(task_count(groups, slices), block_groups) * block_groups;
}

inline size_t block_groups(WeightType type) { return block_layout(type).values / 32; }

constexpr size_t code_bytes(WeightType type, Sums sums) {
  return type == WeightType::Q8_0 && sums == Sums::in16Bits ? 2 : 1;
}

// d q + m as d (q − offset) + what this returns
template <WeightType kType, Sums kSums>
inline float centred_minimum(float d, float minimum) {
  constexpr int kOffset = code_offset(kType, kSums);
  return kOffset == 0 ? minimum : minimum + float(kOffset) * d;
}

inline void store_32(uint8_t* at, __m256i bytes) { _mm256_store_si256(reinterpret_cast<__m256i*>(at), bytes); }

// One row: `groups` × 32 columns → codes in order; scales and minimums kPanelRows apart.
template <WeightType kType, Sums kSums>
inline void unpack_blocks_of_32(const uint8_t* block, size_t groups, uint8_t* codes, float* scales, float* minimums) {
  for (size_t g = 0; g < groups; g++, block += block_layout(kType).bytes, codes += 32 * code_bytes(kType, kSums)) {
    const __m256i q = quants_32<kType>(block);
    if constexpr (code_bytes(kType, kSums) == 2) {
      store_32(codes, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(q)));
      store_32(codes + 32, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(q, 1)));
    } else {
      store_32(codes, kType == WeightType::Q8_0 ? _mm256_xor_si256(q, _mm256_set1_epi8(-128)) : q);
    }
    const float d = half_at(block);
    scales[g * kPanelRows] = d;
    if constexpr (codes_of(kType) == Codes::minimum)
      minimums[g * kPanelRows] = centred_minimum<kType, kSums>(d, half_at(block + 2));
  }
}

// Of the eight groups of a Q4_K or Q5_K block, kPanelRows apart
template <WeightType kType, Sums kSums>
inline void unpack_k45_scales(const uint8_t* block, float* scales, float* minimums) {
  const float d = half_at(block), dmin = half_at(block + 2);
  uint8_t scale_codes[8], minimum_codes[8];
  unpack_scales(block + 4, scale_codes, minimum_codes);
  for (size_t i = 0; i < 8; i++) {
    const float scale = d * float(scale_codes[i]);
    scales[i * kPanelRows] = scale;
    minimums[i * kPanelRows] = centred_minimum<kType, kSums>(scale, -(dmin * float(minimum_codes[i])));
  }
}

// Of the sixteen half groups of a Q6_K block, kPanelRows apart
inline void unpack_q6_k_scales(const uint8_t* block, float* scales) {
  const float d = half_at(block + 208);
  const int8_t* scale_codes = reinterpret_cast<const int8_t*>(block + 192);
  for (size_t i = 0; i < 16; i++) scales[i * kPanelRows] = d * float(scale_codes[i]);
}

// Q4_K and Q5_K
template <WeightType kType, Sums kSums>
inline void unpack_k45(const uint8_t* block, size_t groups, uint8_t* codes, float* scales, float* minimums) {
  constexpr bool kHigh = kType == WeightType::Q5_K;
  for (size_t g = 0; g < groups; g += 8, block += block_layout(kType).bytes) {
    unpack_k45_scales<kType, kSums>(block, scales + g * kPanelRows, minimums + g * kPanelRows);
    for (size_t i = 0; i < 8; i++) {
      store_32(codes + (g + i) * 32, quants_k45(block + (kHigh ? 48 : 16), kHigh ? block + 16 : nullptr, int(i)));
    }
  }
}

inline void unpack_q6_k(const uint8_t* block, size_t groups, uint8_t* codes, float* scales) {
  for (size_t g = 0; g < groups; g += 8, block += block_layout(WeightType::Q6_K).bytes) {
    unpack_q6_k_scales(block, scales + 2 * g * kPanelRows);
    for (size_t i = 0; i < 8; i++) store_32(codes + (g + i) * 32, quants_q6_k(block, int(i)));
  }
}

template <WeightType kType, Sums kSums>
inline void unpack_row(const uint8_t* blocks, size_t groups, uint8_t* codes, float* scales, float* minimums) {
  if constexpr (kType == WeightType::Q6_K)
    unpack_q6_k(blocks, groups, codes, scales);
  else if constexpr (block_layout(kType).values == 256)
    unpack_k45<kType, kSums>(blocks, groups, codes, scales, minimums);
  else
    unpack_blocks_of_32<kType, kSums>(blocks, groups, codes, scales, minimums);
}

// Four codes at a time: [8 rows][8] (rows kPanelColumns bytes apart) → [8][8 rows] (kPanelRows fours apart)
inline void transpose_fours(const uint8_t* source, uint8_t* target) {
  __m256i r[8], t[8];
  for (size_t i = 0; i < 8; i++)
    r[i] = _mm256_load_si256(reinterpret_cast<const __m256i*>(source + i * kPanelColumns));
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    uint8_t* out = target + size_t(i) * kPanelRows * 4;
    _mm256_store_si256(reinterpret_cast<__m256i*>(out), _mm256_permute2x128_si256(r[i], r[i + 4], 0x20));
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + 4 * kPanelRows * 4),
                       _mm256_permute2x128_si256(r[i], r[i + 4], 0x31));
  }
}

// Where the memory is that belongs to columns `start` … of a panel that is packed later: as many bytes as those of this one,
// asked for while it is packed, in the order in which they lie there and not that of rows.
template <WeightType kType>
inline const uint8_t* next_panel(const Matmul& m, size_t row, size_t start, const Panel& panel) {
  return m.weight + (row + panel.rows_ahead) * blocks_bytes(kType, m.columns) + kPanelRows * blocks_bytes(kType, start);
}

inline void ask_for_next(const uint8_t* bytes, size_t count) {
  for (size_t at = 0; at < count; at += 64) _mm_prefetch(reinterpret_cast<const char*>(bytes) + at, _MM_HINT_T1);
}

// Rows `row` … of the matrix, `groups` × 32 columns from `start` on
template <WeightType kType, Sums kSums>
void pack_panel(const Matmul& m, size_t row, size_t start, size_t groups, Panel& panel) {
  const size_t row_bytes = blocks_bytes(kType, m.columns), part_bytes = blocks_bytes(kType, groups * 32);
  const uint8_t* blocks = m.weight + row * row_bytes + blocks_bytes(kType, start);
  const uint8_t* next = next_panel<kType>(m, row, start, panel);
  const size_t row_count = task_size(m.rows, row, kPanelRows);
  for (size_t r = 0; r < row_count; r++) {
    ask_for_next(next + r * part_bytes, part_bytes);
    float *const scales = &panel.factors.scales[0][r], *const minimums = &panel.factors.minimums[0][r];
    unpack_row<kType, kSums>(blocks + r * row_bytes, groups, panel.rows[r], scales, minimums);
  }
  for (size_t r = 0; r < kPanelRows; r += 8)
    for (size_t i = 0; i < groups * code_bytes(kType, kSums); i++)
      transpose_fours(&panel.rows[r][i * 32], panel.codes[i * 8][r]);
}

// For 0 … kTileTokens tokens.
using MultiplyTiles = MultiplyTile[kTileTokens + 1];

using PackPanel = void (*)(const Matmul& m, size_t row, size_t start, size_t groups, Panel& panel);

// Of each type that has codes, the packing by a function template; null for the others.
#define COMPACTOR_PACKING(pack)                                                                             \
  {nullptr,                nullptr,                pack<WeightType::Q4_0>, pack<WeightType::Q4_1>,          \
   pack<WeightType::Q5_0>, pack<WeightType::Q5_1>, pack<WeightType::Q8_0>, pack<WeightType::Q4_K>,          \
   pack<WeightType::Q5_K>, pack<WeightType::Q6_K>, nullptr}
using PackPanels = PackPanel[kWeightTypeCount];

// What an instruction set brings.
struct PanelKernels {
  Sums sums;
  const MultiplyTiles& (*multiply_of)(WeightType type);
  const PackPanels& pack;
};

struct PanelRun {
  const Matmul* matmuls;
  size_t count;
  Pool* pool;
  const PanelKernels& kernels;
  PanelGroup* activations;  // of the tokens below
  size_t token;
  size_t token_count;
  RowRanges blocks;  // of the products: a row group of weights with kTaskTokens tokens

  size_t blocks_of(const Matmul& m) const { return task_count(m.rows, kPanelRows) * task_count(token_count, kTaskTokens); }
};

inline PanelGroup* tile_at(const PanelRun& run, size_t tile) {
  return run.activations + tile * (run.matmuls[0].columns / 32) * kTileTokens;
}

void quantise_tile_task(void* arguments, size_t tile, int) {
  const PanelRun& run = *static_cast<const PanelRun*>(arguments);
  const Matmul& m = run.matmuls[0];
  const size_t first = tile * kTileTokens, count = task_size(run.token_count, first, kTileTokens);
  for (size_t t = 0; t < count; t++)
    quantise_panel_token_avx2(m.x + (run.token + first + t) * m.columns, m.columns, m.type, run.kernels.sums,
                              tile_at(run, tile) + t);
}

// Asks for the memory that write_out will read and write, which is far from what is being read.
inline void prefetch_out(const Matmul& m, size_t token, size_t token_count, size_t row) {
  const size_t row_count = task_size(m.rows, row, kPanelRows);
  for (size_t t = 0; t < token_count; t++)
    for (size_t r = 0; r < row_count; r += 16) {
      const size_t at = (token + t) * m.rows + row + r;
      __builtin_prefetch(m.out + at, 1);
      if (m.add != nullptr) __builtin_prefetch(m.add + at);
    }
}

// out = sums + bias + add, row by row
inline void write_rows(const Matmul& m, const float* sums, size_t token, size_t row, size_t row_count) {
  const size_t at = token * m.rows + row;
  for (size_t r = 0; r < row_count; r++) {
    float sum = sums[r];
    if (m.bias != nullptr) sum += m.bias[row + r];
    if (m.add != nullptr) sum += m.add[at + r];
    m.out[at + r] = sum;
  }
}

// The same for some tokens and the task's rows
inline void write_out(const Matmul& m, const float (*sums)[kPanelRows], size_t token, size_t token_count, size_t row) {
  const size_t row_count = task_size(m.rows, row, kPanelRows);
  for (size_t t = 0; t < token_count; t++) {
    if (row_count < kPanelRows) {
      write_rows(m, sums[t], token + t, row, row_count);
      continue;
    }
    const size_t at = (token + t) * m.rows + row;
#pragma GCC unroll 4
    for (size_t r = 0; r < kPanelRows; r += 8) {
      __m256 sum = _mm256_load_ps(sums[t] + r);
      if (m.bias != nullptr) sum = _mm256_add_ps(sum, _mm256_loadu_ps(m.bias + row + r));
      if (m.add != nullptr) sum = _mm256_add_ps(sum, _mm256_loadu_ps(m.add + at + r));
      _mm256_storeu_ps(m.out + at + r, sum);
    }
  }
}

// Reads the rows of a task once, as they lie in memory: packing goes from row to row, an order in which the processor does
// not see what comes next. Most of them have been asked for while the rows before were packed.
inline void fetch_rows(const uint8_t* bytes, size_t count) {
  for (size_t at = 0; at < count; at += 64) {
    const uint8_t read = *static_cast<const volatile uint8_t*>(bytes + at);
    (void)read;
  }
}

void multiply_block(const PanelRun& run, const Matmul& m, size_t block, Panel& panel) {
  const size_t row_groups = task_count(m.rows, kPanelRows);
  const size_t row = block % row_groups * kPanelRows;
  const size_t first = block / row_groups * kTaskTokens;
  const size_t token_count = task_size(run.token_count, first, kTaskTokens);
  const size_t row_bytes = blocks_bytes(m.type, m.columns);
  const MultiplyTiles& multiply = run.kernels.multiply_of(m.type);
  fetch_rows(m.weight + row * row_bytes, task_size(m.rows, row, kPanelRows) * row_bytes);
  const size_t most_groups = kPanelGroups / code_bytes(m.type, run.kernels.sums);
  const size_t slice = slice_groups(block_groups(m.type), m.columns / 32, most_groups) * 32;
  for (size_t start = 0; start < m.columns; start += slice) {
    const size_t groups = task_size(m.columns, start, slice) / 32;
    const bool last = start + slice >= m.columns;
    run.kernels.pack[size_t(m.type)](m, row, start, groups, panel);
    for (size_t t = 0; t < token_count; t += kTileTokens) {
      const size_t tokens = task_size(token_count, t, kTileTokens);
      if (last) prefetch_out(m, run.token + first + t, tokens, row);
      const PanelGroup* x = tile_at(run, (first + t) / kTileTokens) + start / 32 * kTileTokens;
      multiply[tokens](x, x + m.columns / 32 * kTileTokens, panel, groups, start == 0, panel.sums[t]);
      if (last) write_out(m, panel.sums + t, run.token + first + t, tokens, row);
    }
  }
}

void panel_task(void* arguments, size_t task, int thread) {
  PanelRun& run = *static_cast<PanelRun*>(arguments);
  Panel& panel = *static_cast<Panel*>(pool_scratch(*run.pool, thread));
  panel.rows_ahead = kPanelRows;
  run.blocks.work(task, [&run, &panel](size_t first, size_t last) {
    for (size_t block = first; block < last; block++) {
      size_t own = block, i = 0;
      for (; own >= run.blocks_of(run.matmuls[i]); i++) own -= run.blocks_of(run.matmuls[i]);
      multiply_block(run, run.matmuls[i], own, panel);
    }
  });
}

// Whether activations are the same groups for both types.
inline bool shares_activations(WeightType a, WeightType b, Sums sums) {
  return code_offset(a, sums) == code_offset(b, sums) && (codes_of(a) == Codes::halves) == (codes_of(b) == Codes::halves);
}

// Of one x, the same groups for all; as many tokens at once as the shared scratch holds in 8 bits.
inline bool run_like_panels(Pool& pool, const Matmul* matmuls, size_t count, const PanelKernels& kernels) {
  const size_t tile_bytes = matmuls[0].columns / 32 * kTileTokens * sizeof(PanelGroup), n = matmuls[0].n;
  const size_t most_tokens = kSharedScratchBytes / tile_bytes * kTileTokens, threads = size_t(pool_thread_count(pool));
  PanelGroup* activations = static_cast<PanelGroup*>(pool_shared_scratch(pool));
  for (size_t token = 0; token < n; token += most_tokens) {
    PanelRun run{matmuls, count, &pool, kernels, activations, token, task_size(n, token, most_tokens), RowRanges()};
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++) blocks += run.blocks_of(matmuls[i]);
    run.blocks.share_out(blocks, 1, threads);
    if (!pool_run(pool, task_count(run.token_count, kTileTokens), quantise_tile_task, &run)) return false;
    if (!pool_run(pool, threads, panel_task, &run)) return false;
  }
  return true;
}

inline bool run_panels(Pool& pool, const Matmul* matmuls, size_t count, const PanelKernels& kernels) {
  for (size_t first = 0, end = 0; first < count; first = end) {
    while (end < count && shares_activations(matmuls[first].type, matmuls[end].type, kernels.sums)) end++;
    if (!run_like_panels(pool, matmuls + first, end - first, kernels)) return false;
  }
  return true;
}

}  // namespace
}  // namespace compactor
