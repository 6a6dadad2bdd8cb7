// Blocks of attention for the lanes and factors of the including file, shared by attend and chunk_attention_mass: packing
// keys and values, logits S = Q·Kᵀ, softmax of a row, O += P·V. Matrices are cut into tiles of up to kTileRows rows and
// one panel of kPanel columns, which fit into registers.
//
// A row is one query of one query head; the query heads of a KV head are rows side by side, so that a key or value is
// read and converted once for all of them.
#pragma once
#include "factors.h"
#if defined(COMPACTOR_AMX)
#include "tiles_amx.h"
#endif

namespace compactor {
namespace {

#if defined(COMPACTOR_LANES_AVX512)
constexpr size_t kTileRows = 12;
#else
constexpr size_t kTileRows = 6;
#endif
constexpr size_t kPanel = 2 * kLanes;

// Rows whose products with a panel are made in one go; what lies behind the last row may be computed with.
#if defined(COMPACTOR_AMX)
constexpr size_t kProductRows = 32;
#else
constexpr size_t kProductRows = kTileRows;
#endif

COMPACTOR_INLINE size_t padded(size_t count) { return (count + kPanel - 1) / kPanel * kPanel; }

// Asks for `count` rows that lie one after the other, so that they come while something else is computed. A little at a
// time: more requests than the core can have under way would make it wait. What lies beyond the end may be asked for.
COMPACTOR_INLINE void prefetch(const Rows& rows, size_t first, size_t count) {
  const size_t row_bytes = rows.stride * (rows.half ? sizeof(uint16_t) : sizeof(float));
  const char* start = static_cast<const char*>(rows.start) + first * row_bytes;
  for (size_t byte = 0; byte < count * row_bytes; byte += 64) __builtin_prefetch(start + byte, 0, 2);
}

// kLanes factors of each of kLanes rows, transposed: target[i · kPanel + lane] = factor i of row + lane.
COMPACTOR_INLINE void transpose_lanes(const Rows& rows, size_t row, size_t at, Factor* target) {
#if defined(COMPACTOR_LANES_AVX512)
  __m512i lanes[kLanes];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) lanes[i] = __m512i(load_row_factors(rows, row + i, at));
  transpose(lanes);
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) save_factors(target + i * kPanel, FactorLanes(lanes[i]));
#elif defined(COMPACTOR_LANES_AVX2)
  __m256 r[8], pairs[8], quads[8];
  for (size_t i = 0; i < 8; i++) r[i] = load_row(rows, row + i, at);
  for (size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (size_t i = 0; i < 8; i += 4) {
    quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (size_t i = 0; i < 4; i++) {
    save(target + i * kPanel, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20));
    save(target + (i + 4) * kPanel, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31));
  }
#else
  for (size_t lane = 0; lane < kLanes; lane++) {
    const Lanes values = load_row(rows, row + lane, at);
    for (size_t i = 0; i < kLanes; i++) target[i * kPanel + lane] = values[i];
  }
#endif
}

constexpr size_t kMostFilled = 256;  // values of a row

// `count` rows from `first` on, and zeros up to `whole` rows, in memory for that many
COMPACTOR_INLINE Rows filled_up(const Rows& rows, size_t first, size_t count, size_t whole, size_t width, void* memory) {
  const size_t element = rows.half ? sizeof(uint16_t) : sizeof(float);
  unsigned char* bytes = static_cast<unsigned char*>(memory);
  for (size_t i = 0; i < count; i++)
    memcpy(bytes + i * width * element, static_cast<const char*>(rows.start) + (first + i) * rows.stride * element,
           width * element);
  memset(bytes + count * width * element, 0, (whole - count) * width * element);
  return {memory, width, rows.half};
}

// packed [panels][factors of head_dim][kPanel] ← keys [count][head_dim]; keys beyond `count` are zero.
COMPACTOR_INLINE void pack_keys(const Rows& keys, size_t count, size_t head_dim, Factor* packed) {
  const size_t height = factor_count(head_dim);
  for (size_t first = 0; first < count; first += kLanes) {
    Factor* target = packed + first / kPanel * kPanel * height + first % kPanel;
    size_t i = 0;
    const bool whole = count - first >= kLanes;
    if (whole || head_dim <= kMostFilled) {
      unsigned char filled[kLanes * kMostFilled * sizeof(float)];
      const Rows rows = whole ? keys : filled_up(keys, first, count - first, kLanes, head_dim, filled);
      for (; (i + kLanes) * kDepth <= head_dim; i += kLanes)
        transpose_lanes(rows, whole ? first : 0, i * kDepth, target + i * kPanel);
    }
    for (; i < height; i++)
      for (size_t lane = 0; lane < kLanes; lane++)
        target[i * kPanel + lane] = first + lane < count ? load_factor(keys, first + lane, i * kDepth, head_dim) : Factor{};
  }
  // A panel whose second half holds no key at all.
  const size_t rest = count % kPanel;
  if (rest == 0 || rest > kLanes) return;
  Factor* target = packed + count / kPanel * kPanel * height + kLanes;
  for (size_t i = 0; i < height; i++) save_factors(target + i * kPanel, FactorLanes{});
}

COMPACTOR_INLINE bool are_finite(IntLanes magnitudes) {
  bool finite = true;
  for (size_t i = 0; i < kLanes; i++) finite = finite && magnitudes[i] < kEndlessBits;
  return finite;
}

// The values at `at` … of the rows that make one factor, kLanes of them; a row from `count` on is zero.
COMPACTOR_INLINE FactorLanes value_factors(const Rows& values, size_t row, size_t count, size_t at, IntLanes& largest) {
  const Lanes upper = load_row(values, row, at);
  largest = larger_magnitude(upper, largest);
#if defined(COMPACTOR_BF16)
  const Lanes lower = row + 1 < count ? load_row(values, row + 1, at) : Lanes{};
  largest = larger_magnitude(lower, largest);
  return factors_across(upper, lower);
#else
  (void)count;
  return upper;
#endif
}

// Factors that `count` packed values have below one another.
COMPACTOR_INLINE size_t packed_height(size_t count) {
#if defined(COMPACTOR_AMX)
  return task_count(count, kTileDepth) * kTilePairs;
#else
  return factor_count(count);
#endif
}

// packed [panels][packed_height(count)][kPanel] ← values [count][head_dim], a factor of rows below one another; columns beyond
// head_dim and rows beyond count are zero. False if one is not finite, or not as a factor.
COMPACTOR_INLINE bool pack_values(const Rows& values, size_t count, size_t head_dim, Factor* packed) {
  IntLanes largest = {};  // magnitudes as integers: infinity and NaN are the largest of all
  const size_t height = packed_height(count);
  for (size_t i = factor_count(count); i < height; i++)
    for (size_t d = 0; d < head_dim; d += kLanes)
      save_factors(packed + d / kPanel * height * kPanel + i * kPanel + d % kPanel, FactorLanes{});
  for (size_t i = 0; i < factor_count(count); i++) {
    const size_t row = i * kDepth;
    Factor* target = packed + i * kPanel;
    size_t d = 0;
    for (; d + kPanel <= head_dim; d += kPanel) {
      save_factors(target, value_factors(values, row, count, d, largest));
      save_factors(target + kLanes, value_factors(values, row, count, d + kLanes, largest));
      target += height * kPanel;
    }
    if (d == head_dim) continue;
    float tail[kDepth * kPanel] = {};
    for (size_t j = 0; j < kDepth && row + j < count; j++)
      for (size_t c = 0; d + c < head_dim; c++) tail[j * kPanel + c] = load_value(values, row + j, d + c);
    const Rows rest{tail, kPanel, false};
    save_factors(target, value_factors(rest, 0, kDepth, 0, largest));
    save_factors(target + kLanes, value_factors(rest, 0, kDepth, kLanes, largest));
  }
  return are_finite(largest);
}

// sums[r] += Σ_i a[r · stride + i] · b[i · kPanel …] over `count` factors, for one tile
template <size_t kRows>
COMPACTOR_INLINE void multiply_tile(const Factor* a, size_t stride, const Factor* b, size_t count,
                                    Lanes (&sums)[kRows][2]) {
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++) sums[r][0] = sums[r][1] = Lanes{};
  for (size_t i = 0; i < count; i++) {
    const FactorLanes left = load_factors(b + i * kPanel);
    const FactorLanes right = load_factors(b + i * kPanel + kLanes);
#pragma GCC unroll 12
    for (size_t r = 0; r < kRows; r++) {
      const FactorLanes value = all_factors(a[r * stride + i]);
      sums[r][0] = add_products(value, left, sums[r][0]);
      sums[r][1] = add_products(value, right, sums[r][1]);
    }
  }
}

// q rows and a panel of keys have `height` factors.
template <size_t kRows>
void logits_tile(const Factor* q, const Factor* keys, size_t height, float* logits, size_t logits_stride) {
  Lanes sums[kRows][2];
  multiply_tile<kRows>(q, height, keys, height, sums);
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++) {
    save(logits + r * logits_stride, sums[r][0]);
    save(logits + r * logits_stride + kLanes, sums[r][1]);
  }
}

// out[r] = out[r] · scales[r] + Σ weights[r][i] · values[i] over `count` factors
template <size_t kRows>
void values_tile(const Factor* weights, size_t weights_stride, const Factor* values, size_t count, const float* scales,
                 float* out, size_t out_stride) {
  Lanes sums[kRows][2];
  multiply_tile<kRows>(weights, weights_stride, values, count, sums);
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++) {
    float* target = out + r * out_stride;
    save(target, multiply_add(load(target), all(scales[r]), sums[r][0]));
    save(target + kLanes, multiply_add(load(target + kLanes), all(scales[r]), sums[r][1]));
  }
}

using LogitsTile = void (*)(const Factor*, const Factor*, size_t, float*, size_t);
using ValuesTile = void (*)(const Factor*, size_t, const Factor*, size_t, const float*, float*, size_t);

#if defined(COMPACTOR_LANES_AVX512)
#define COMPACTOR_TILES(tile)                                                                              \
  {nullptr, tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>, tile<7>, tile<8>, tile<9>, tile<10>, tile<11>, tile<12>}
#else
#define COMPACTOR_TILES(tile) \
  {nullptr, tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>}
#endif
constexpr LogitsTile kLogitsTiles[kTileRows + 1] = COMPACTOR_TILES(logits_tile);
constexpr ValuesTile kValuesTiles[kTileRows + 1] = COMPACTOR_TILES(values_tile);

#if defined(COMPACTOR_AMX)
// sums of `steps` products of 32 × 32 numbers for 32 rows and 32 columns, the lower half only if `both`: rows `left_stride` factors
// apart, pairs kPanel factors apart
COMPACTOR_INLINE void multiply_steps(const Factor* left, size_t left_stride, const Factor* right, size_t steps, bool both) {
  constexpr size_t kRightBytes = kPanel * sizeof(Factor);
  const size_t left_bytes = left_stride * sizeof(Factor);
  clear_tile<0>();
  clear_tile<1>();
  clear_tile<2>();
  clear_tile<3>();
  for (size_t i = 0; i < steps; i++, left += kTilePairs, right += kTilePairs * kPanel) {
    load_tile<4>(left, left_bytes);
    load_tile<6>(right, kRightBytes);
    add_tile_products<0, 4, 6>();
    load_tile<7>(right + kTileSide, kRightBytes);
    add_tile_products<1, 4, 7>();
    if (!both) continue;
    load_tile<5>(left + kTileSide * left_stride, left_bytes);
    add_tile_products<2, 5, 6>();
    add_tile_products<3, 5, 7>();
  }
}

COMPACTOR_INLINE void store_sums(float* target, size_t stride, bool both) {
  store_tile<0>(target, stride * sizeof(float));
  store_tile<1>(target + kTileSide, stride * sizeof(float));
  if (!both) return;
  store_tile<2>(target + kTileSide * stride, stride * sizeof(float));
  store_tile<3>(target + kTileSide * stride + kTileSide, stride * sizeof(float));
}
#endif

// Logits of up to kProductRows rows with a panel of keys; q and keys have `height` factors.
COMPACTOR_INLINE void multiply_logits(size_t rows, const Factor* q, const Factor* keys, size_t height, float* logits,
                                      size_t logits_stride) {
#if defined(COMPACTOR_AMX)
  multiply_steps(q, height, keys, height / kTilePairs, rows > kTileSide);
  store_sums(logits, logits_stride, rows > kTileSide);
#else
  kLogitsTiles[rows](q, keys, height, logits, logits_stride);
#endif
}

// out[r] = out[r] · scales[r] + Σ weights[r][i] · values[i] over the first `count` values, up to kProductRows rows
COMPACTOR_INLINE void multiply_values(size_t rows, const Factor* weights, size_t weights_stride, const Factor* values,
                                      size_t count, const float* scales, float* out, size_t out_stride) {
#if defined(COMPACTOR_AMX)
  alignas(64) float sums[kProductRows][kPanel];
  multiply_steps(weights, weights_stride, values, task_count(count, kTileDepth), rows > kTileSide);
  store_sums(sums[0], kPanel, rows > kTileSide);
  for (size_t r = 0; r < rows; r++) {
    float* target = out + r * out_stride;
    save(target, multiply_add(load(target), all(scales[r]), load(sums[r])));
    save(target + kLanes, multiply_add(load(target + kLanes), all(scales[r]), load(sums[r] + kLanes)));
  }
#else
  kValuesTiles[rows](weights, weights_stride, values, factor_count(count), scales, out, out_stride);
#endif
}

// How `rows` are cut into tiles of nearly equal height: 7 rows are 4 + 3, not 6 + 1.
struct Tiling {
  size_t rows;
  size_t tiles;
  explicit Tiling(size_t row_count, size_t most = kProductRows) : rows(row_count), tiles((row_count + most - 1) / most) {}
  size_t start(size_t tile) const { return rows * tile / tiles; }
  size_t height(size_t tile) const { return start(tile + 1) - start(tile); }
};

// The largest of `count` (a multiple of kPanel) values and `largest`; NaN is passed over.
COMPACTOR_INLINE float largest_value(const float* values, size_t count, float largest) {
  Lanes a = all(largest);
  Lanes b = a;
  for (size_t i = 0; i < count; i += kPanel) {
    a = larger(load(values + i), a);
    b = larger(load(values + i + kLanes), b);
  }
  return largest_of(larger(a, b));
}

#if defined(COMPACTOR_BF16)
// e^(x − largest) for x ≤ largest to about the precision of a factor: 1e-4 of itself; 0 for −∞, NaN stays. As 2^t it is 2^⌊t⌋ times
// the minimax fit of 2^r, 0 ≤ r < 1. Subtracted first, which is exact where it counts: a product of logits near −1e30, as a bias can
// make them, would be rounded by more than there is between them.
COMPACTOR_INLINE Lanes exp_of_logit(Lanes x, Lanes largest) {
  constexpr int kDown = 9;  // r = t − ⌊t⌋
  const Lanes t = (x - largest) * all(kLog2E);
  const Lanes r = _mm512_reduce_ps(t, kDown);
  Lanes p = all(7.8024530e-2f);
  p = multiply_add(p, r, all(2.2606715e-1f));
  p = multiply_add(p, r, all(6.9583354e-1f));
  p = multiply_add(p, r, all(9.9992522e-1f));
  return _mm512_scalef_ps(p, t);
}

// As exponentiate below, but the first count / kDepth places hold the result as factors, and the sum is theirs.
COMPACTOR_INLINE float exponentiate_to_factors(float* values, size_t count, float largest) {
  const Lanes shift = all(largest);
  const FactorLanes ones = all_factors(0x3f803f80);
  Factor* const factors = reinterpret_cast<Factor*>(values);
  Lanes sum = {};
  for (size_t i = 0; i < count; i += kPanel) {
    const FactorLanes weights =
        factors_of(exp_of_logit(load(values + i), shift), exp_of_logit(load(values + i + kLanes), shift));
    save_factors(factors + i / kDepth, weights);
    sum = add_products(weights, ones, sum);
  }
  return sum_of(sum);
}
#else
COMPACTOR_INLINE Lanes exp_of_logit(Lanes x, Lanes largest) { return exp_of_negative(x - largest); }
#endif

// values ← e^(values − largest); gives their sum. Every value is ≤ largest, −∞ or NaN; count a multiple of kPanel.
COMPACTOR_INLINE float exponentiate(float* values, size_t count, float largest) {
  const Lanes shift = all(largest);
  Lanes left = {};
  Lanes right = {};
  for (size_t i = 0; i < count; i += kPanel) {
    const Lanes a = exp_of_logit(load(values + i), shift);
    const Lanes b = exp_of_logit(load(values + i + kLanes), shift);
    save(values + i, a);
    save(values + i + kLanes, b);
    left += a;
    right += b;
  }
  return sum_of(left + right);
}

}  // namespace
}  // namespace compactor
