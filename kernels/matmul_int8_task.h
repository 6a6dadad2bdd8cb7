// A matrix product for few tokens, for the instruction set of the including file: activations are quantised to int8 in groups of 32, weights are read once
// from their blocks and multiplied as integers (8 × 8 → 16 → 32 bits), group by group. Weights are taken as unsigned
// (63 at most, times 127, two products: below 2^15, so 16 bits never saturate); what the format subtracts from them or
// adds is applied to the sums of the activations. Q8_0 is signed: |w| ≤ 128 times 127 twice is below 2^15 as well. With
// VNNI one instruction adds up four products in 32 bits: the same integers, so the same results.
//
// Included after avx2.h. Everything has internal linkage, as in lanes.h and for the same reason.
#pragma once
#include "blocks.h"
#include "matmul.h"
#include "matmul_int8.h"
#include "pool.h"
#include "row_ranges.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kPieceBytes = 1u << 15;  // of weights, about: what a thread takes at a time, small so that all end together
constexpr size_t kNearRows = 16;           // read again for the next tokens while they are in the cache

inline float sum_of(__m256 lanes) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// 32 products, added up in fours: w unsigned
inline __m256i dot_unsigned(__m256i w, __m256i x) {
#if defined(COMPACTOR_VNNI)
  return _mm256_dpbusd_epi32(_mm256_setzero_si256(), w, x);
#else
  return _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
#endif
}

inline __m256i dot_signed(__m256i w, __m256i x) {
  return dot_unsigned(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}

inline __m256i load_32(const void* bytes) { return _mm256_loadu_si256(static_cast<const __m256i*>(bytes)); }

// Weights are read once, in order. The processor fetches ahead within a page of memory, not beyond its end, and badly
// where a block is read in several places at once: so they are asked for a page before they are needed.
// Intel's first-level caches can have sixteen requests under way, the second 48: there the second asks (measured: 20 to 25 GB/s
// instead of 18 to 20, with AVX2 18 instead of 16; the same on Zen 4).
constexpr size_t kAheadBytes = 8192;
constexpr _mm_hint kAskedLevel = _MM_HINT_T1;

template <size_t kBytes>
inline void ask_for(const uint8_t* blocks) {
#pragma GCC unroll 8
  for (size_t at = 0; at < kBytes; at += 64) _mm_prefetch(reinterpret_cast<const char*>(blocks) + kAheadBytes + at, kAskedLevel);
}

// The types with blocks of 32: w = d · q + kOffset · d, or d · q + m
template <WeightType kType>
constexpr bool kHasMinimum = kType == WeightType::Q4_1 || kType == WeightType::Q5_1;

template <WeightType kType>
constexpr float kOffset = kType == WeightType::Q4_0 ? -8.0f : kType == WeightType::Q5_0 ? -16.0f : 1.0f;

// One or four halves, `stride` bytes apart, as floats; missing ones are zero.
template <int kCount>
inline __m128 halves_at(const uint8_t* bytes, size_t stride) {
  uint16_t halves[4] = {};
#pragma GCC unroll 4
  for (int i = 0; i < kCount; i++) memcpy(&halves[i], bytes + size_t(i) * stride, sizeof(uint16_t));
  const __m128i packed = _mm_set_epi16(0, 0, 0, 0, int16_t(halves[3]), int16_t(halves[2]), int16_t(halves[1]),
                                       int16_t(halves[0]));
  return _mm_cvtph_ps(packed);
}

template <int kCount>
inline __m128 floats_at(const float* values) {
  return kCount == 4 ? _mm_loadu_ps(values) : _mm_load_ss(values);
}

// Sums of one row with kTokens tokens, while its groups go by. Few tokens have two chains each, because the next
// addition to the same sum has to wait four cycles.
template <int kTokens>
struct Totals {
  static constexpr int kChains = kTokens <= 3 ? 2 : 1;
  __m256 products[kTokens][kChains] = {};

  __m256& at(int token, int group) { return products[token][group % kChains]; }
  __m256 of(int token) const {
    return kChains == 1 ? products[token][0] : _mm256_add_ps(products[token][0], products[token][kChains - 1]);
  }
};

// kCount groups of a row: totals += products, offsets += d or m times the sums of the activations. The scales go
// through memory because a broadcasting load leaves the vector units free.
template <WeightType kType, int kTokens, int kCount>
inline void add_blocks(const uint8_t* blocks, size_t group, const Activations* x, Totals<kTokens>& totals,
                       __m128* offsets) {
  constexpr size_t block_bytes = block_layout(kType).bytes;
  ask_for<kCount * block_bytes>(blocks);
  const __m128 d = halves_at<kCount>(blocks, block_bytes);
  const __m128 offset = kHasMinimum<kType> ? halves_at<kCount>(blocks + 2, block_bytes) : d;
  alignas(16) float scales[kTokens][4];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    _mm_store_ps(scales[t], _mm_mul_ps(d, floats_at<kCount>(x[t].scales + group)));
    if constexpr (kType != WeightType::Q8_0)
      offsets[t] = _mm_fmadd_ps(offset, floats_at<kCount>(x[t].sums_32 + group), offsets[t]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kCount; i++) {
    const __m256i w = quants_32<kType>(blocks + size_t(i) * block_bytes);
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) {
      const __m256i q = load_32(x[t].q + (group + size_t(i)) * kGroup);
      const __m256i products = kType == WeightType::Q8_0 ? dot_signed(w, q) : dot_unsigned(w, q);
      __m256& total = totals.at(t, i);
      total = _mm256_fmadd_ps(_mm256_broadcast_ss(&scales[t][i]), _mm256_cvtepi32_ps(products), total);
    }
  }
}

template <WeightType kType, int kTokens>
void dot_32(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  constexpr size_t block_bytes = block_layout(kType).bytes;
  const size_t groups = columns / kGroup;
  Totals<kTokens> totals;
  __m128 offsets[kTokens] = {};
  size_t g = 0;
  for (; g + 4 <= groups; g += 4) add_blocks<kType, kTokens, 4>(row + g * block_bytes, g, x, totals, offsets);
  for (; g < groups; g++) add_blocks<kType, kTokens, 1>(row + g * block_bytes, g, x, totals, offsets);
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++)
    sums[t] = sum_of(_mm256_fmadd_ps(_mm256_set1_ps(kOffset<kType>), _mm256_zextps128_ps256(offsets[t]), totals.of(t)));
}

inline __m256 floats_of_8(const uint8_t* bytes) {
  const __m128i raw = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(raw));
}

// Scale and minimum of each group of a Q4_K or Q5_K block
struct FactorsK45 {
  __m256 d;
  __m256 minimum;
};

inline FactorsK45 factors_k45(const uint8_t* block) {
  uint8_t scale_bytes[8], minimum_bytes[8];
  unpack_scales(block + 4, scale_bytes, minimum_bytes);
  return {_mm256_mul_ps(_mm256_set1_ps(half_at(block)), floats_of_8(scale_bytes)),
          _mm256_mul_ps(_mm256_set1_ps(half_at(block + 2)), floats_of_8(minimum_bytes))};
}

// One group of a block of 256, for every token: totals += scale of the group · products
template <int kGroupIndex, int kTokens>
inline void add_group(__m256i w, size_t at, const Activations* x, const float (*scales)[8],
                      Totals<kTokens>& totals) {
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    const __m256i products = dot_unsigned(w, load_32(x[t].q + at + kGroupIndex * kGroup));
    __m256& total = totals.at(t, kGroupIndex);
    total = _mm256_fmadd_ps(_mm256_broadcast_ss(&scales[t][kGroupIndex]), _mm256_cvtepi32_ps(products), total);
  }
}

// Q4_K and Q5_K
template <WeightType kType, int kTokens>
void dot_k45(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  constexpr bool kHigh = kType == WeightType::Q5_K;
  Totals<kTokens> totals;
  __m256 offsets[kTokens] = {};
  const uint8_t* block = row;
  for (size_t at = 0; at < columns; at += 256, block += block_layout(kType).bytes) {
    ask_for<block_layout(kType).bytes>(block);
    const auto [d, minimum] = factors_k45(block);
    alignas(32) float scales[kTokens][8];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) {
      _mm256_store_ps(scales[t], _mm256_mul_ps(d, _mm256_loadu_ps(x[t].scales + at / kGroup)));
      offsets[t] = _mm256_fmadd_ps(minimum, _mm256_loadu_ps(x[t].sums_32 + at / kGroup), offsets[t]);
    }
    const uint8_t* high = kHigh ? block + 16 : nullptr;
    const uint8_t* nibbles = kHigh ? block + 48 : block + 16;
    add_group<0, kTokens>(quants_k45(nibbles, high, 0), at, x, scales, totals);
    add_group<1, kTokens>(quants_k45(nibbles, high, 1), at, x, scales, totals);
    add_group<2, kTokens>(quants_k45(nibbles, high, 2), at, x, scales, totals);
    add_group<3, kTokens>(quants_k45(nibbles, high, 3), at, x, scales, totals);
    add_group<4, kTokens>(quants_k45(nibbles, high, 4), at, x, scales, totals);
    add_group<5, kTokens>(quants_k45(nibbles, high, 5), at, x, scales, totals);
    add_group<6, kTokens>(quants_k45(nibbles, high, 6), at, x, scales, totals);
    add_group<7, kTokens>(quants_k45(nibbles, high, 7), at, x, scales, totals);
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) sums[t] = sum_of(_mm256_sub_ps(totals.of(t), offsets[t]));
}

// One group of a Q6_K block: the two scales of 16 values each multiply pairs of products (16002 · 128 · 2 < 2^23).
template <int kGroupIndex, int kTokens>
inline void add_group_q6(const uint8_t* block, __m128i scale_bytes, size_t at, const Activations* x,
                         const float (*scales)[8], Totals<kTokens>& totals) {
  const __m128i pick = _mm_set_epi64x(0x0101010101010101 * (2 * kGroupIndex + 1), 0x0101010101010101 * 2 * kGroupIndex);
  const __m256i group_scales = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scale_bytes, pick));
  const __m256i w = quants_q6_k(block, kGroupIndex);
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) {
    const __m256i pairs = _mm256_maddubs_epi16(w, load_32(x[t].q + at + kGroupIndex * kGroup));
    const __m256i products = _mm256_madd_epi16(pairs, group_scales);
    __m256& total = totals.at(t, kGroupIndex);
    total = _mm256_fmadd_ps(_mm256_broadcast_ss(&scales[t][kGroupIndex]), _mm256_cvtepi32_ps(products), total);
  }
}

template <int kTokens>
void dot_q6_k(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  Totals<kTokens> totals;
  __m256 offsets[kTokens] = {};
  const uint8_t* block = row;
  for (size_t at = 0; at < columns; at += 256, block += block_layout(WeightType::Q6_K).bytes) {
    ask_for<block_layout(WeightType::Q6_K).bytes>(block);
    const __m128i scale_bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 192));
    const __m256 d = _mm256_set1_ps(half_at(block + 208));
    const __m256 first = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(scale_bytes)));
    const __m256 second = _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(scale_bytes, 8))));
    alignas(32) float scales[kTokens][8];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) {
      _mm256_store_ps(scales[t], _mm256_mul_ps(d, _mm256_loadu_ps(x[t].scales + at / kGroup)));
      offsets[t] = _mm256_fmadd_ps(first, _mm256_loadu_ps(x[t].sums_16 + at / 16), offsets[t]);
      offsets[t] = _mm256_fmadd_ps(second, _mm256_loadu_ps(x[t].sums_16 + at / 16 + 8), offsets[t]);
    }
    add_group_q6<0, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<1, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<2, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<3, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<4, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<5, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<6, kTokens>(block, scale_bytes, at, x, scales, totals);
    add_group_q6<7, kTokens>(block, scale_bytes, at, x, scales, totals);
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++)
    sums[t] = sum_of(_mm256_fnmadd_ps(_mm256_set1_ps(32.0f), offsets[t], totals.of(t)));
}

}  // namespace
}  // namespace compactor

#if defined(COMPACTOR_VNNI)
#include "matmul_int8_wide.h"
#endif

namespace compactor {
namespace {

// Wide vectors do not pay for Q8_0, whose codes need no unpacking.
template <WeightType kType, int kTokens>
inline void dot_row(const uint8_t* row, size_t columns, const Activations* x, float* sums) {
  constexpr bool kBlocksOf32 = block_layout(kType).values == kGroup;
#if defined(COMPACTOR_VNNI)
  if constexpr (kType == WeightType::Q6_K) return wide_dot_q6_k<kTokens>(row, columns, x, sums);
  else if constexpr (!kBlocksOf32) return wide_dot_k45<kType, kTokens>(row, columns, x, sums);
  else if constexpr (kType != WeightType::Q8_0) return wide_dot_32<kType, kTokens>(row, columns, x, sums);
#else
  if constexpr (kType == WeightType::Q6_K) return dot_q6_k<kTokens>(row, columns, x, sums);
  else if constexpr (!kBlocksOf32) return dot_k45<kType, kTokens>(row, columns, x, sums);
#endif
  else return dot_32<kType, kTokens>(row, columns, x, sums);
}

struct Int8Run {
  Matmul matmul;
  const uint8_t* activations;
  RowRanges ranges;
};

// Rows `start` … `end` with kTokens tokens. Rows go by one at a time: several at once would read memory in an order
// that the processor does not foresee (measured: four times slower).
template <WeightType kType, int kTokens>
void multiply_rows(const Int8Run& run, size_t start, size_t end, size_t token) {
  const Matmul& m = run.matmul;
  const size_t row_bytes = blocks_bytes(kType, m.columns);
  Activations x[kTokens];
  for (int t = 0; t < kTokens; t++) x[t] = activations_at(run.activations, m.columns, token + size_t(t));
  for (size_t row = start; row < end; row++) {
    const uint8_t* blocks = m.weight + row * row_bytes;
    float sums[kTokens];
    dot_row<kType, kTokens>(blocks, m.columns, x, sums);
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) {
      const size_t at = (token + size_t(t)) * m.rows + row;
      const float biased = m.bias == nullptr ? sums[t] : sums[t] + m.bias[row];
      m.out[at] = m.add == nullptr ? biased : biased + m.add[at];
    }
  }
}

template <WeightType kType>
void multiply_piece(const Int8Run& run, size_t first, size_t last) {
  const size_t n = run.matmul.n;
  for (size_t start = first; start < last; start += kNearRows) {
    const size_t end = last - start < kNearRows ? last : start + kNearRows;
    size_t token = 0;
    for (; token + 4 <= n; token += 4) multiply_rows<kType, 4>(run, start, end, token);
    switch (n - token) {
      case 3: multiply_rows<kType, 3>(run, start, end, token); break;
      case 2: multiply_rows<kType, 2>(run, start, end, token); break;
      case 1: multiply_rows<kType, 1>(run, start, end, token); break;
      default: break;
    }
  }
}

template <WeightType kType>
void int8_task(void* arguments, size_t task, int) {
  Int8Run& run = *static_cast<Int8Run*>(arguments);
  run.ranges.work(task, [&run](size_t first, size_t last) { multiply_piece<kType>(run, first, last); });
}

Task task_for(WeightType type) {
  switch (type) {
    case WeightType::F32:
    case WeightType::F16:
    case WeightType::BF16: return nullptr;
    case WeightType::Q4_0: return int8_task<WeightType::Q4_0>;
    case WeightType::Q4_1: return int8_task<WeightType::Q4_1>;
    case WeightType::Q5_0: return int8_task<WeightType::Q5_0>;
    case WeightType::Q5_1: return int8_task<WeightType::Q5_1>;
    case WeightType::Q8_0: return int8_task<WeightType::Q8_0>;
    case WeightType::Q4_K: return int8_task<WeightType::Q4_K>;
    case WeightType::Q5_K: return int8_task<WeightType::Q5_K>;
    case WeightType::Q6_K: return int8_task<WeightType::Q6_K>;
  }
  return nullptr;
}

struct Int8Runs {
  Int8Run runs[kMostProducts];
  size_t count;
};

void int8_tasks(void* arguments, size_t own, int thread) {
  Int8Runs& all = *static_cast<Int8Runs*>(arguments);
  for (size_t i = 0; i < all.count; i++) task_for(all.runs[i].matmul.type)(&all.runs[i], own, thread);
}

#if defined(COMPACTOR_VNNI)
bool has_quads(const Matmul* matmuls, size_t count) {
  bool some = false;
  for (size_t i = 0; i < count; i++)
    some = some || (kBlockLayouts[size_t(matmuls[i].type)].values == kGroup && matmuls[i].type != WeightType::Q8_0);
  return some;
}
#endif

// Products of one x: its activations are made once, and a thread that has no rows of one matrix left goes on with the next.
bool multiply_int8(Pool& pool, const Matmul* matmuls, size_t count) {
  const Matmul& any = matmuls[0];
  const size_t threads = size_t(pool_thread_count(pool));
  uint8_t* activations = static_cast<uint8_t*>(pool_shared_scratch(pool));
  for (size_t t = 0; t < any.n; t++)
    quantise_token_avx2(any.x + t * any.columns, any.columns, activations_memory(activations, any.columns, t));
#if defined(COMPACTOR_VNNI)
  if (has_quads(matmuls, count))
    for (size_t t = 0; t < any.n; t++) lay_quads(any.columns, activations_memory(activations, any.columns, t));
#endif
  Int8Runs all;
  all.count = count;
  for (size_t i = 0; i < count; i++) {
    const size_t rows_per_piece = kPieceBytes / blocks_bytes(matmuls[i].type, any.columns) + 1;
    all.runs[i].matmul = matmuls[i];
    all.runs[i].activations = activations;
    all.runs[i].ranges.share_out(matmuls[i].rows, rows_per_piece, threads);
  }
  return pool_run(pool, threads, int8_tasks, &all);
}

}  // namespace
}  // namespace compactor
