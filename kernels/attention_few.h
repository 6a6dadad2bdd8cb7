// Few rows against keys and values straight from where they lie, for the lanes of the including file: what the queries of
// one token need. Packing as attention_tiles.h has it would cost more than so few rows save by it.
//
// Four keys are transposed by quarters of a vector, in half the steps of transposing vectors whole: lane 4j + k has factor
// 4j + c of key k. A query's factor 4j + c lies in all four lanes of quarter j, and a logit is the sum of its lane over the
// quarters. Values are multiplied in the order that converting leaves them in; the sums are put in order at the end.
#pragma once
#include "attend_rows.h"

namespace compactor {
namespace {

#if defined(COMPACTOR_LANES_AVX512)
constexpr size_t kLogitRows = kFewRows;  // whose sums registers hold
#else
constexpr size_t kLogitRows = 8;
#endif

// Rows that will be read next, asked for evenly while others are computed with: a core that asks for many at once waits for
// them. What lies beyond the end may be asked for.
class Ahead {
 public:
  explicit Ahead(const Rows& rows) : next_(static_cast<const char*>(rows.start)) {}

  // As many bytes as that many values of 16 bits have.
  void ask(size_t values) {
    for (const char* end = next_ + values * sizeof(uint16_t); next_ < end; next_ += 64) __builtin_prefetch(next_, 0, 2);
  }

 private:
  const char* next_;
};

// Quads of four rows, transposed: lanes[c] has in lane 4j + k what lanes[k] had in lane 4j + c.
COMPACTOR_INLINE void transpose_quads(FactorLanes (&lanes)[kQuad]) {
#if defined(COMPACTOR_LANES_AVX512)
  const __m512i a = _mm512_unpacklo_epi32(__m512i(lanes[0]), __m512i(lanes[1]));
  const __m512i b = _mm512_unpackhi_epi32(__m512i(lanes[0]), __m512i(lanes[1]));
  const __m512i c = _mm512_unpacklo_epi32(__m512i(lanes[2]), __m512i(lanes[3]));
  const __m512i d = _mm512_unpackhi_epi32(__m512i(lanes[2]), __m512i(lanes[3]));
  lanes[0] = FactorLanes(_mm512_unpacklo_epi64(a, c));
  lanes[1] = FactorLanes(_mm512_unpackhi_epi64(a, c));
  lanes[2] = FactorLanes(_mm512_unpacklo_epi64(b, d));
  lanes[3] = FactorLanes(_mm512_unpackhi_epi64(b, d));
#elif defined(COMPACTOR_LANES_AVX2)
  const __m256 a = _mm256_unpacklo_ps(lanes[0], lanes[1]);
  const __m256 b = _mm256_unpackhi_ps(lanes[0], lanes[1]);
  const __m256 c = _mm256_unpacklo_ps(lanes[2], lanes[3]);
  const __m256 d = _mm256_unpackhi_ps(lanes[2], lanes[3]);
  lanes[0] = _mm256_shuffle_ps(a, c, 0x44);
  lanes[1] = _mm256_shuffle_ps(a, c, 0xee);
  lanes[2] = _mm256_shuffle_ps(b, d, 0x44);
  lanes[3] = _mm256_shuffle_ps(b, d, 0xee);
#else
  const FactorLanes rows[kQuad] = {lanes[0], lanes[1], lanes[2], lanes[3]};
  for (size_t c = 0; c < kQuad; c++)
    for (size_t k = 0; k < kQuad; k++) lanes[c][k] = rows[k][c];
#endif
}

// spread [height / kLanes][kQuad][kLanes] ← the factors of a row, the ones that transpose_quads leaves in a vector together
COMPACTOR_INLINE void spread_row(const Factor* q, size_t height, Factor* spread) {
  for (size_t i = 0; i < height; i += kLanes)
    for (size_t c = 0; c < kQuad; c++) {
      FactorLanes lanes;
      for (size_t lane = 0; lane < kLanes; lane++) lanes[lane] = q[i + lane / kQuad * kQuad + c];
      save_factors(spread + i * kQuad + c * kLanes, lanes);
    }
}

// The sums over quads, one for each of four keys.
COMPACTOR_INLINE void save_logits(Lanes sums, float* logits) {
#if defined(COMPACTOR_LANES_AVX512)
  const __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums), 1));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(sums), upper);
  _mm_storeu_ps(logits, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
#elif defined(COMPACTOR_LANES_AVX2)
  _mm_storeu_ps(logits, _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1)));
#else
  save(logits, sums);
#endif
}

// How many keys are computed side by side: each factor of a query is loaded once for all of them.
constexpr size_t quads_of(size_t rows) {
#if defined(COMPACTOR_LANES_AVX512)
  return rows <= 8 ? 2 : 1;
#else
  return rows <= 3 ? 2 : 1;
#endif
}

// Logits [kRows][kKeyBlock] with the keys from `key` on, a quad or two of them.
template <size_t kRows>
COMPACTOR_INLINE void quads_of_logits(const Factor* spread, size_t height, const Rows& keys, size_t key, float* logits,
                                      Ahead& ahead) {
  constexpr size_t kQuads = quads_of(kRows);
  Lanes sums[kRows][kQuads];
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++)
#pragma GCC unroll 2
    for (size_t quad = 0; quad < kQuads; quad++) sums[r][quad] = Lanes{};
  for (size_t i = 0; i < height; i += kLanes) {
    FactorLanes columns[kQuads][kQuad];
#pragma GCC unroll 2
    for (size_t quad = 0; quad < kQuads; quad++) {
#pragma GCC unroll 4
      for (size_t k = 0; k < kQuad; k++)
        columns[quad][k] = load_row_factors(keys, key + quad * kQuad + k, i * kDepth);
      transpose_quads(columns[quad]);
    }
    ahead.ask(kQuads * kQuad * kLanes * kDepth);
#pragma GCC unroll 4
    for (size_t c = 0; c < kQuad; c++)
#pragma GCC unroll 12
      for (size_t r = 0; r < kRows; r++) {
        const FactorLanes q = load_factors(spread + (r * height + i) * kQuad + c * kLanes);
#pragma GCC unroll 2
        for (size_t quad = 0; quad < kQuads; quad++)
          sums[r][quad] = add_products(q, columns[quad][c], sums[r][quad]);
      }
  }
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++)
#pragma GCC unroll 2
    for (size_t quad = 0; quad < kQuads; quad++)
      save_logits(sums[r][quad], logits + r * kKeyBlock + quad * kQuad);
}

// Logits with the keys from `first` to `count`, and with zeros up to a whole number of quads.
template <size_t kRows>
void logits_straight(const Factor* spread, size_t head_dim, const Rows& keys, size_t first, size_t count, float* logits,
                     Ahead& ahead) {
  constexpr size_t kKeys = quads_of(kRows) * kQuad;
  const size_t height = factor_count(head_dim);
  size_t key = first / kKeys * kKeys;
  for (; key + kKeys <= count; key += kKeys) quads_of_logits<kRows>(spread, height, keys, key, logits + key, ahead);
  if (key >= count) return;
  unsigned char memory[kKeys * kMostFilled * sizeof(float)];
  const Rows filled = filled_up(keys, key, count - key, kKeys, head_dim, memory);
  quads_of_logits<kRows>(spread, height, filled, 0, logits + key, ahead);
}

// Columns of values from `at` on, 2 · kLanes of them, as factors of the rows `row` and following; in an order of its own.
COMPACTOR_INLINE void load_columns(const Rows& values, size_t row, size_t count, size_t at, FactorLanes& first,
                                   FactorLanes& second) {
#if defined(COMPACTOR_BF16)
  const size_t next = row + 1 < count ? row + 1 : row;  // past the end: anything finite, its weight is 0
  const __m512i upper = __m512i(load_row_factors(values, row, at));
  const __m512i lower = __m512i(load_row_factors(values, next, at));
  first = FactorLanes(_mm512_unpacklo_epi16(upper, lower));
  second = FactorLanes(_mm512_unpackhi_epi16(upper, lower));
#else
  (void)count;
  first = load_row(values, row, at);
  second = load_row(values, row, at + kLanes);
#endif
}

// Sums of such columns, in the order of the values.
COMPACTOR_INLINE void put_in_order(Lanes& first, Lanes& second) {
#if defined(COMPACTOR_BF16)
  const Lanes a = first;
  const Lanes b = second;
  const __m512i low = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
  const __m512i high = _mm512_set_epi32(31, 30, 29, 28, 15, 14, 13, 12, 27, 26, 25, 24, 11, 10, 9, 8);
  first = _mm512_permutex2var_ps(a, low, b);
  second = _mm512_permutex2var_ps(a, high, b);
#else
  (void)first;
  (void)second;
#endif
}

// out[r] = out[r] · scales[r] + Σ weights[r][i] · values[i] for kWidth · kLanes columns from `at` on. False, with nothing
// written, if that is not finite: a value may not be that no row is to see.
template <size_t kRows, size_t kWidth>
COMPACTOR_INLINE bool add_columns(const Factor* weights, const Rows& values, size_t at, size_t count,
                                  const float* scales, float* out, size_t out_stride, Ahead& ahead) {
  Lanes sums[kRows][kWidth];
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++)
#pragma GCC unroll 4
    for (size_t c = 0; c < kWidth; c++) sums[r][c] = Lanes{};
  for (size_t i = 0; i < factor_count(count); i++) {
#pragma GCC unroll 2
    for (size_t c = 0; c < kWidth; c += 2) {
      FactorLanes first, second;
      load_columns(values, i * kDepth, count, at + c * kLanes, first, second);
#pragma GCC unroll 12
      for (size_t r = 0; r < kRows; r++) {
        const FactorLanes weight = all_factors(weights[r * kKeyBlock + i]);
        sums[r][c] = add_products(weight, first, sums[r][c]);
        sums[r][c + 1] = add_products(weight, second, sums[r][c + 1]);
      }
    }
    ahead.ask(kDepth * kWidth * kLanes);
  }
  Lanes all_sums = {};
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++)
#pragma GCC unroll 2
    for (size_t c = 0; c < kWidth; c += 2) {
      put_in_order(sums[r][c], sums[r][c + 1]);
      all_sums += sums[r][c] * 0.0f + sums[r][c + 1] * 0.0f;  // 0, or NaN
    }
  if (!are_finite(larger_magnitude(all_sums, IntLanes{}))) return false;
#pragma GCC unroll 12
  for (size_t r = 0; r < kRows; r++)
#pragma GCC unroll 4
    for (size_t c = 0; c < kWidth; c++) {
      float* target = out + r * out_stride + c * kLanes;
      save(target, multiply_add(load(target), all(scales[r]), sums[r][c]));
    }
  return true;
}

// How many columns a tile of so many rows takes at a time: 64 where the registers suffice, so that a row of so many is read
// in one go.
COMPACTOR_INLINE size_t straight_columns(size_t rows, size_t rest) {
#if defined(COMPACTOR_LANES_AVX512)
  if (rows <= 7 && rest >= 4 * kLanes) return 4 * kLanes;
#endif
  (void)rows;
  (void)rest;
  return kPanel;
}

template <size_t kRows>
bool values_straight(const Factor* weights, const Rows& values, size_t at, size_t columns, size_t count,
                     const float* scales, float* out, size_t out_stride, Ahead& ahead) {
#if defined(COMPACTOR_LANES_AVX512)
  if constexpr (kRows <= 7)
    if (columns == 4 * kLanes)
      return add_columns<kRows, 4>(weights, values, at, count, scales, out, out_stride, ahead);
#endif
  (void)columns;
  return add_columns<kRows, 2>(weights, values, at, count, scales, out, out_stride, ahead);
}

using LogitsStraight = void (*)(const Factor*, size_t, const Rows&, size_t, size_t, float*, Ahead&);
using ValuesStraight = bool (*)(const Factor*, const Rows&, size_t, size_t, size_t, const float*, float*, size_t, Ahead&);

#define COMPACTOR_EIGHT(f) nullptr, f<1>, f<2>, f<3>, f<4>, f<5>, f<6>, f<7>, f<8>
#if defined(COMPACTOR_LANES_AVX512)
constexpr LogitsStraight kLogitsStraight[kLogitRows + 1] = {
    COMPACTOR_EIGHT(logits_straight), logits_straight<9>, logits_straight<10>, logits_straight<11>, logits_straight<12>};
#else
constexpr LogitsStraight kLogitsStraight[kLogitRows + 1] = {COMPACTOR_EIGHT(logits_straight)};
#endif
constexpr ValuesStraight kValuesStraight[kTileRows + 1] = COMPACTOR_TILES(values_straight);
#undef COMPACTOR_EIGHT

// The way round values that are not finite: a weight of 0 takes nothing from them. `columns` from `at` on of some rows.
void add_values_one_by_one(const Block& block, size_t row, size_t height, const Rows& values, size_t at,
                           size_t columns) {
  for (const size_t end = row + height; row < end; row++) {
    for (size_t d = at; d < at + columns; d++) {
      float sum = 0;
      for (size_t i = 0; i < block.visible[row]; i++) {
        const float weight = block.logits[row * kKeyBlock + i];
        if (weight != 0) sum += weight * load_value(values, i, d);
      }
      float& out = block.out[row * block.width + d];
      out = out * block.scales[row] + sum;
    }
  }
}

// Whether rows of this length are taken straight.
COMPACTOR_INLINE bool goes_straight(const AttendPlan& plan, const Block& block) {
  return block.rows <= kFewRows && plan.head_dim % kPanel == 0 && plan.head_dim <= kMostFilled;
}

COMPACTOR_INLINE void multiply_straight(const AttendPlan& plan, const Block& block, const Rows& keys, size_t row,
                                       size_t height, Ahead& ahead) {
  kLogitsStraight[height](block.spread + row * block.height * kQuad, plan.head_dim, keys, block.first[row],
                          block.visible[row + height - 1], block.logits + row * kKeyBlock, ahead);
}

// Weights as factors, and the softmax of every row brought up to date.
COMPACTOR_INLINE void weigh_straight(const AttendPlan& plan, const Block& block, const KeyRun& run, Ahead& ahead) {
  for (size_t row = 0; row < block.rows; row++)
    spread_row(block.q + row * block.height, block.height, block.spread + row * block.height * kQuad);
  const Tiling tiling(block.rows, kLogitRows);
  for (size_t tile = 0; tile < tiling.tiles; tile++)
    multiply_straight(plan, block, run.keys, tiling.start(tile), tiling.height(tile), ahead);
  const size_t limit = padded(block.visible[block.rows - 1]);
  for (size_t row = 0; row < block.rows; row++) weigh(block, row, run.bias, limit, Weights::factors);
}

// The weights of a few rows once more, as floats.
COMPACTOR_INLINE void weigh_again(const AttendPlan& plan, const Block& block, const KeyRun& run, size_t row,
                                  size_t height, Ahead& ahead) {
  multiply_straight(plan, block, run.keys, row, height, ahead);
  const size_t limit = padded(block.visible[block.rows - 1]);
  for (const size_t end = row + height; row < end; row++) {
    const float largest = block.states[row].largest;
    exponentiate(visible_logits(block, row, run.bias, limit), limit, largest == kMinusInfinity ? 0.0f : largest);
  }
}

// Keys that are read after key `end` of a segment's run: the run's next ones, or the first of the next run.
COMPACTOR_INLINE Rows keys_after(const AttendPlan& plan, const Segment& segment, size_t kv_head, size_t end) {
  size_t index = size_t(&segment - plan.segments), key = end;
  for (size_t head = kv_head; head < plan.kv_heads; head++, index = 0, key = 0)
    for (; index < plan.segment_count; index++, key = 0) {
      const Segment& next = plan.segments[index];
      if (key >= next.counts[head]) continue;
      const Rows rows{next.k, plan.head_dim, next.half};
      return rows.from(next.starts[head] + key);
    }
  return {segment.k, plan.head_dim, segment.half};
}

// Rows of `block` against `run`, of which visible[] says how much each sees; `next` is read after it.
COMPACTOR_INLINE void add_straight(const AttendPlan& plan, const Block& block, const KeyRun& run, const Rows& next) {
  Ahead values(run.values.from(block.first[0]));
  weigh_straight(plan, block, run, values);
  Ahead next_keys(next);
  const Tiling tiling(block.rows, kTileRows);
  for (size_t tile = 0; tile < tiling.tiles; tile++) {
    const size_t row = tiling.start(tile);
    const size_t height = tiling.height(tile);
    for (size_t d = 0, columns = 0; d < plan.head_dim; d += columns) {
      columns = straight_columns(height, plan.head_dim - d);
      if (kValuesStraight[height](reinterpret_cast<const Factor*>(block.logits + row * kKeyBlock), run.values, d, columns,
                                  block.visible[row + height - 1], block.scales + row,
                                  block.out + row * block.width + d, block.width, next_keys))
        continue;
      weigh_again(plan, block, run, row, height, next_keys);
      add_values_one_by_one(block, row, height, run.values, d, plan.head_dim - d);
      break;
    }
  }
}

}  // namespace
}  // namespace compactor
