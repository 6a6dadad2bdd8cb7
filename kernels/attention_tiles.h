// Blocks of attention for the lanes of the including file, shared by attend and chunk_attention_mass: packing keys and
// values, logits S = Q·Kᵀ, softmax of a row, O += P·V. Matrices are cut into tiles of up to kTileRows rows and one
// panel of kPanel columns, which fit into registers.
//
// A row is one query of one query head; the query heads of a KV head are rows side by side, so that a key or value is
// read and converted once for all of them.
#pragma once
#include "half.h"
#include "lanes.h"

namespace compactor {
namespace {

constexpr size_t kTileRows = 6;
constexpr size_t kPanel = 2 * kLanes;

COMPACTOR_INLINE size_t padded(size_t count) { return (count + kPanel - 1) / kPanel * kPanel; }

// Rows that lie `stride` elements apart: f32, or f16 if half.
struct Rows {
  const void* start;
  size_t stride;
  bool half;
};

COMPACTOR_INLINE Lanes load_row(const Rows& rows, size_t row, size_t at) {
  const size_t index = row * rows.stride + at;
  if (!rows.half) return load(static_cast<const float*>(rows.start) + index);
  const uint16_t* source = static_cast<const uint16_t*>(rows.start) + index;
#if defined(COMPACTOR_LANES_AVX2)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
#else
  float values[kLanes];
  f32_from_f16_scalar(source, values, kLanes);
  return load(values);
#endif
}

COMPACTOR_INLINE float load_value(const Rows& rows, size_t row, size_t at) {
  const size_t index = row * rows.stride + at;
  if (!rows.half) return static_cast<const float*>(rows.start)[index];
  float value;
  f32_from_f16_scalar(static_cast<const uint16_t*>(rows.start) + index, &value, 1);
  return value;
}

// Asks for `count` rows that lie one after the other, so that they come while something else is computed. A little at a
// time: more requests than the core can have under way would make it wait. What lies beyond the end may be asked for.
COMPACTOR_INLINE void prefetch(const Rows& rows, size_t first, size_t count) {
  const size_t row_bytes = rows.stride * (rows.half ? sizeof(uint16_t) : sizeof(float));
  const char* start = static_cast<const char*>(rows.start) + first * row_bytes;
  for (size_t byte = 0; byte < count * row_bytes; byte += 64) __builtin_prefetch(start + byte, 0, 2);
}

// Rows `row` … of kLanes columns, transposed: target[i · kPanel + lane] = rows[row + lane][at + i].
COMPACTOR_INLINE void transpose_lanes(const Rows& rows, size_t row, size_t at, float* target) {
#if defined(COMPACTOR_LANES_AVX2)
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

// packed [panels][head_dim][kPanel] ← keys [count][head_dim]; keys beyond `count` are zero.
COMPACTOR_INLINE void pack_keys(const Rows& keys, size_t count, size_t head_dim, float* packed) {
  for (size_t first = 0; first < count; first += kLanes) {
    float* target = packed + first / kPanel * kPanel * head_dim + first % kPanel;
    size_t d = 0;
    if (count - first >= kLanes)
      for (; d + kLanes <= head_dim; d += kLanes) transpose_lanes(keys, first, d, target + d * kPanel);
    for (; d < head_dim; d++)
      for (size_t lane = 0; lane < kLanes; lane++)
        target[d * kPanel + lane] = first + lane < count ? load_value(keys, first + lane, d) : 0.0f;
  }
  // A panel whose second half holds no key at all.
  const size_t rest = count % kPanel;
  if (rest == 0 || rest > kLanes) return;
  float* target = packed + count / kPanel * kPanel * head_dim + kLanes;
  for (size_t d = 0; d < head_dim; d++) save(target + d * kPanel, Lanes{});
}

// packed [panels][count][kPanel] ← values [count][head_dim], columns beyond head_dim zero. False if one is not finite.
COMPACTOR_INLINE bool pack_values(const Rows& values, size_t count, size_t head_dim, float* packed) {
  IntLanes largest = {};  // magnitudes as integers: infinity and NaN are the largest of all
  for (size_t row = 0; row < count; row++) {
    float* target = packed + row * kPanel;
    size_t d = 0;
    for (; d + kPanel <= head_dim; d += kPanel) {
      const Lanes left = load_row(values, row, d);
      const Lanes right = load_row(values, row, d + kLanes);
      largest = larger_magnitude(right, larger_magnitude(left, largest));
      save(target, left);
      save(target + kLanes, right);
      target += count * kPanel;
    }
    if (d == head_dim) continue;
    float tail[kPanel] = {};
    for (size_t i = 0; d + i < head_dim; i++) tail[i] = load_value(values, row, d + i);
    largest = larger_magnitude(load(tail + kLanes), larger_magnitude(load(tail), largest));
    memcpy(target, tail, sizeof tail);
  }
  bool finite = true;
  for (size_t i = 0; i < kLanes; i++) finite = finite && largest[i] < 0x7f800000;
  return finite;
}

// sums[r] += Σ_i a[r · stride + i] · b[i · kPanel …], for one tile
template <size_t kRows>
COMPACTOR_INLINE void multiply_tile(const float* a, size_t stride, const float* b, size_t count,
                                    Lanes (&sums)[kRows][2]) {
#pragma GCC unroll 6
  for (size_t r = 0; r < kRows; r++) sums[r][0] = sums[r][1] = Lanes{};
  for (size_t i = 0; i < count; i++) {
    const Lanes left = load(b + i * kPanel);
    const Lanes right = load(b + i * kPanel + kLanes);
#pragma GCC unroll 6
    for (size_t r = 0; r < kRows; r++) {
      const Lanes value = all(a[r * stride + i]);
      sums[r][0] = multiply_add(value, left, sums[r][0]);
      sums[r][1] = multiply_add(value, right, sums[r][1]);
    }
  }
}

template <size_t kRows>
void logits_tile(const float* q, const float* keys, size_t head_dim, float* logits, size_t logits_stride) {
  Lanes sums[kRows][2];
  multiply_tile<kRows>(q, head_dim, keys, head_dim, sums);
#pragma GCC unroll 6
  for (size_t r = 0; r < kRows; r++) {
    save(logits + r * logits_stride, sums[r][0]);
    save(logits + r * logits_stride + kLanes, sums[r][1]);
  }
}

// out[r] = out[r] · scales[r] + Σ weights[r][i] · values[i]
template <size_t kRows>
void values_tile(const float* weights, size_t weights_stride, const float* values, size_t count, const float* scales,
                 float* out, size_t out_stride) {
  Lanes sums[kRows][2];
  multiply_tile<kRows>(weights, weights_stride, values, count, sums);
#pragma GCC unroll 6
  for (size_t r = 0; r < kRows; r++) {
    float* target = out + r * out_stride;
    save(target, multiply_add(load(target), all(scales[r]), sums[r][0]));
    save(target + kLanes, multiply_add(load(target + kLanes), all(scales[r]), sums[r][1]));
  }
}

using LogitsTile = void (*)(const float*, const float*, size_t, float*, size_t);
using ValuesTile = void (*)(const float*, size_t, const float*, size_t, const float*, float*, size_t);

constexpr LogitsTile kLogitsTiles[kTileRows + 1] = {nullptr,        logits_tile<1>, logits_tile<2>, logits_tile<3>,
                                                    logits_tile<4>, logits_tile<5>, logits_tile<6>};
constexpr ValuesTile kValuesTiles[kTileRows + 1] = {nullptr,        values_tile<1>, values_tile<2>, values_tile<3>,
                                                    values_tile<4>, values_tile<5>, values_tile<6>};

// How `rows` are cut into tiles of nearly equal height: 7 rows are 4 + 3, not 6 + 1.
struct Tiling {
  size_t rows;
  size_t tiles;
  explicit Tiling(size_t row_count) : rows(row_count), tiles((row_count + kTileRows - 1) / kTileRows) {}
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

// values ← e^(values − largest); gives their sum. Every value is ≤ largest, −∞ or NaN; count a multiple of kPanel.
COMPACTOR_INLINE float exponentiate(float* values, size_t count, float largest) {
  const Lanes shift = all(largest);
  Lanes left = {};
  Lanes right = {};
  for (size_t i = 0; i < count; i += kPanel) {
    const Lanes a = exp_of_negative(load(values + i) - shift);
    const Lanes b = exp_of_negative(load(values + i + kLanes) - shift);
    save(values + i, a);
    save(values + i + kLanes, b);
    left += a;
    right += b;
  }
  return sum_of(left + right);
}

}  // namespace
}  // namespace compactor
