// A task of chunk_attention_mass by the tile registers of AMX. They multiply bfloat16 numbers, which are too rough for logits that
// are not divided by √head_dim. So a number is split into two: the nearest bfloat16 and the nearest to what is left. Three of their
// four products are made, sums in f32: each product of two numbers is then off by 2^-16 of itself at most, 2^-19 usually.
//
// A softmax does not change when the same vector is taken from all keys: all logits of a query fall by the same. Taken is where the
// middle of the chunk's keys is. That leaves much smaller numbers, and errors, where keys have components that are large for all tokens.
//
// Numbers that are not finite or beyond 2^60 are left to the task of AVX-512.
#include "chunk_attention_mass.h"
#include "cpu.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include "half.h"
#define COMPACTOR_LANES_AVX512
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
#include "chunk_attention_mass_task.h"
#include "tiles_amx.h"

namespace compactor {
namespace {

constexpr size_t kSpanColumns = 4;  // tiles of sixteen keys whose sums are in registers at once
constexpr size_t kSpanKeys = kSpanColumns * kTileSide;
constexpr size_t kQuarters = 4;       // of the products of a span with one step of 32 dims
constexpr size_t kAheadTokens = 32;   // that queries are asked for ahead: some microseconds
constexpr uint16_t kMostMagnitude = (127 + 60) << 7;  // 2^60 as bfloat16

// A step of sixteen rows or keys: tiles of numbers rounded to bfloat16, and of what is left of them. A pair is of dims i and i + 16.
struct SplitTile {
  Tile near;
  Tile rest;
};

struct SplitPairs {
  __m512i near;
  __m512i rest;
};

COMPACTOR_INLINE __m512i rounded(Lanes values) { return _mm512_add_epi32(_mm512_castps_si512(values), _mm512_set1_epi32(0x8000)); }

COMPACTOR_INLINE Lanes left_of(Lanes values, __m512i near) {
  return values - Lanes(_mm512_castsi512_ps(_mm512_and_si512(near, _mm512_set1_epi32(int32_t(0xffff0000)))));
}

// The upper halves, the first in the low half
COMPACTOR_INLINE __m512i paired(__m512i first, __m512i second) {
  return _mm512_ternarylogic_epi32(second, _mm512_set1_epi32(int32_t(0xffff0000)), _mm512_srli_epi32(first, 16), 0xea);
}

// NaN becomes infinity: as integers, those with the largest bits would be rounded to 0.
COMPACTOR_INLINE Lanes without_nan(Lanes values) { return _mm512_min_ps(values, all(__builtin_inff())); }

COMPACTOR_INLINE SplitPairs split(Lanes first, Lanes second) {
  const __m512i near_first = rounded(without_nan(first)), near_second = rounded(without_nan(second));
  return {paired(near_first, near_second), paired(rounded(left_of(first, near_first)), rounded(left_of(second, near_second)))};
}

// The larger of the magnitudes of bfloat16 numbers and those so far
COMPACTOR_INLINE __m512i larger_of_pairs(__m512i near, __m512i largest) {
  return _mm512_max_epu16(_mm512_and_si512(near, _mm512_set1_epi16(0x7fff)), largest);
}

// Logits of sixteen rows with all keys of the chunk, made a little at a time, so that they can be made while something else is
// computed. Keys come from the second-level cache and pass by the first, which holds logits.
class Products {
 public:
  Products(const SplitTile* q, const SplitTile* keys, size_t steps, size_t stride)
      : q_(q), keys_(keys), steps_(steps), stride_(stride), spans_(stride / kSpanKeys) {}

  COMPACTOR_INLINE_MEMBER void start(float* logits) {
    logits_ = logits;
    left_ = spans_ * steps_ * kQuarters;
    span_ = step_ = quarter_ = 0;
  }

  // As add_softmax calls it: once for every two vectors of sixteen rows, by the end of which all is done.
  COMPACTOR_INLINE_MEMBER void go_on() {
    constexpr size_t kCalls = kTileSide * (kSpanKeys / kPanel) / kQuarters;
    for (due_ += steps_; due_ >= kCalls; due_ -= kCalls)
      if (left_ > 0) advance();
  }

  COMPACTOR_INLINE_MEMBER void finish() {
    while (left_ > 0) advance();
  }

 private:
  COMPACTOR_INLINE_MEMBER void advance() {
    const SplitTile* const q = q_ + step_;
    const SplitTile* const key = keys_ + (span_ * kSpanColumns + quarter_ / 2 * 2) * steps_ + step_;
    left_--;
    switch (quarter_++) {
      case 0:
        if (step_ == 0) {
          clear_tile<0>();
          clear_tile<1>();
          clear_tile<2>();
          clear_tile<3>();
        }
        load_tile<4>(&q->near, kTileRowBytes);
        load_tile<5>(&q->rest, kTileRowBytes);
        first_half<0>(key);
        break;
      case 1: second_half<0>(key); break;
      case 2: first_half<2>(key); break;
      default:
        second_half<2>(key);
        quarter_ = 0;
        if (++step_ == steps_) store();
    }
  }

  // Sums kSums and kSums + 1 are those of two columns one after the other.
  template <int kSums>
  COMPACTOR_INLINE_MEMBER void first_half(const SplitTile* key) {
    load_passing_tile<6>(&key->near, kTileRowBytes);
    add_tile_products<kSums, 5, 6>();
    load_passing_tile<7>(&key[steps_].near, kTileRowBytes);
    add_tile_products<kSums + 1, 5, 7>();
    add_tile_products<kSums, 4, 6>();
  }

  template <int kSums>
  COMPACTOR_INLINE_MEMBER void second_half(const SplitTile* key) {
    add_tile_products<kSums + 1, 4, 7>();
    load_passing_tile<6>(&key->rest, kTileRowBytes);
    add_tile_products<kSums, 4, 6>();
    load_passing_tile<7>(&key[steps_].rest, kTileRowBytes);
    add_tile_products<kSums + 1, 4, 7>();
  }

  COMPACTOR_INLINE_MEMBER void store() {
    float* const target = logits_ + span_ * kSpanKeys;
    const size_t row_bytes = stride_ * sizeof(float);
    store_tile<0>(target, row_bytes);
    store_tile<1>(target + kTileSide, row_bytes);
    store_tile<2>(target + 2 * kTileSide, row_bytes);
    store_tile<3>(target + 3 * kTileSide, row_bytes);
    step_ = 0;
    span_++;
  }

  const SplitTile* const q_;     // [steps]
  const SplitTile* const keys_;  // [stride / 16][steps]
  const size_t steps_, stride_, spans_;
  float* logits_ = nullptr;
  size_t left_ = 0, due_ = 0;  // quarters
  size_t span_ = 0, step_ = 0, quarter_ = 0;
};

COMPACTOR_INLINE Lanes median(Lanes a, Lanes b, Lanes c) {
  return _mm512_max_ps(_mm512_min_ps(a, b), _mm512_min_ps(_mm512_max_ps(a, b), c));
}

// Sums of the middle of `third` times three keys, `row` numbers apart, which are far from one another. Of a mean, one key much larger
// than the others would have most: these would then all be about as large, and what they differ in be lost. Two such
// keys just a third of the keys apart still do that.
COMPACTOR_INLINE void add_medians(const float* k, size_t row, size_t keys, size_t third, size_t head_dim, Lanes* sums) {
  const size_t second = third < keys ? third * row : 0, last = 2 * third < keys ? 2 * third * row : second;
  for (size_t key = 0; key < third; key++, k += row)
    for (size_t d = 0; d < head_dim; d += kLanes) sums[d / kLanes] += median(load(k + d), load(k + second + d), load(k + last + d));
}

// keys [stride / 16][steps] ← the part's keys less their middle, scaled for powers of 2; those that there are not are 0.
COMPACTOR_INLINE __m512i split_keys(const MassPlan& plan, const MassPart& part, size_t stride, SplitTile* keys) {
  const size_t steps = plan.head_dim / kTileDepth, row = plan.kv_heads * plan.head_dim;
  const float* const k = plan.k + (part.first_token * plan.kv_heads + part.kv_head) * plan.head_dim;
  const float scale = plan.scale * kLog2E;
  Lanes shift[kMostHeadDim / kLanes] = {};
  const size_t third = part.keys < 3 ? 1 : part.keys / 3;
  add_medians(k, row, part.keys, third, plan.head_dim, shift);
  for (size_t d = 0; d < plan.head_dim; d += kLanes) shift[d / kLanes] *= all(-scale / float(third));
  __m512i largest = {};
  for (size_t first = 0; first < stride; first += kTileSide)
    for (size_t step = 0; step < steps; step++, keys++) {
      __m512i near[kTileSide] = {}, rest[kTileSide] = {};
      for (size_t i = 0; i < task_size(part.keys, first < part.keys ? first : part.keys, kTileSide); i++) {
        const float* const values = k + (first + i) * row + step * kTileDepth;
        const SplitPairs pairs = split(multiply_add(load(values), all(scale), shift[2 * step]),
                                       multiply_add(load(values + kLanes), all(scale), shift[2 * step + 1]));
        near[i] = pairs.near;
        rest[i] = pairs.rest;
        largest = larger_of_pairs(pairs.near, largest);
      }
      transpose(near);
      transpose(rest);
      memcpy(&keys->near, near, sizeof near);
      memcpy(&keys->rest, rest, sizeof rest);
    }
  return largest;
}

// q [steps] ← sixteen rows from `row` on; beyond the last they are 0.
COMPACTOR_INLINE __m512i split_queries(const MassPlan& plan, const MassPart& part, size_t row, __m512i largest, SplitTile* q) {
  const size_t rows = task_size(part.end, row, kTileSide), steps = plan.head_dim / kTileDepth;
  const size_t ahead = kAheadTokens * plan.heads * plan.head_dim;
  const float* values = plan.query(part.first_token, part.kv_head, row);
  size_t head = row % plan.group();
  for (size_t i = 0; i < kTileSide; i++) {
    for (size_t step = 0; step < steps; step++, values += kTileDepth) {
      __builtin_prefetch(values + ahead, 0, 2);
      __builtin_prefetch(values + ahead + kLanes, 0, 2);
      const SplitPairs pairs = i < rows ? split(load(values), load(values + kLanes)) : SplitPairs{};
      _mm512_store_si512(q[step].near.pairs[i], pairs.near);
      _mm512_store_si512(q[step].rest.pairs[i], pairs.rest);
      largest = larger_of_pairs(pairs.near, largest);
    }
    if (++head < plan.group()) continue;
    head = 0;
    values += (plan.heads - plan.group()) * plan.head_dim;
  }
  return largest;
}

// False if some number is too large to be split.
COMPACTOR_INLINE bool mass_by_tiles(const MassPlan& plan, const MassPart& part, float* scratch) {
  const size_t steps = plan.head_dim / kTileDepth, stride = task_count(part.keys, kSpanKeys) * kSpanKeys;
  float* const mass = scratch;  // [stride]
  float* logits = mass + stride;  // [16][stride]
  float* next = logits + kTileSide * stride;
  SplitTile* const q = reinterpret_cast<SplitTile*>(next + kTileSide * stride);
  SplitTile* const keys = q + steps;
  for (size_t i = 0; i < stride; i++) mass[i] = 0;
  Products products(q, keys, steps, stride);
  __m512i largest = split_keys(plan, part, stride, keys);
  largest = split_queries(plan, part, part.first_row, largest, q);
  products.start(logits);
  products.finish();
  for (size_t row = part.first_row; row < part.end; row += kTileSide) {
    if (row + kTileSide < part.end) {
      largest = split_queries(plan, part, row + kTileSide, largest, q);
      products.start(next);
    }
    add_softmax_of_rows(logits, stride, task_size(part.end, row, kTileSide), part.keys, mass, [&] { products.go_on(); });
    products.finish();
    float* const done = logits;
    logits = next;
    next = done;
  }
  if (_mm512_cmpgt_epu16_mask(largest, _mm512_set1_epi16(int16_t(kMostMagnitude))) != 0) return false;
  memcpy(part.mass, mass, part.keys * sizeof(float));
  return true;
}

}  // namespace

void mass_task_amx(void* arguments, size_t task, int thread) {
  const MassPlan& plan = *static_cast<const MassPlan*>(arguments);
  float* const scratch = static_cast<float*>(pool_scratch(*plan.pool, thread));
  const MassPart part = plan.part(task);
  if (part.first_row >= part.end) return;
  const Tiles tiles;
  if (!mass_by_tiles(plan, part, scratch)) mass_part(plan, task, scratch);
}

}  // namespace compactor
#endif
