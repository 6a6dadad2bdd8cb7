// The steps of leverage for the lanes of the including file, all in f64: products of small matrices, tile by tile, and a
// Cholesky factor.
#pragma once
#include <cmath>

#include "leverage.h"
#include "wide_tiles.h"

namespace compactor {
namespace {

constexpr size_t kRowBlock = 8;  // tokens whose leverage is computed at a time
constexpr int kRidgeTries = 20;  // each ten times stronger, as in the reference

// keys [block][key_width] ← keys of `block` tokens from `first` on, − centre; what is beyond is zero.
COMPACTOR_INLINE void read_keys(const LeveragePlan& plan, const LeverageSpan& span, size_t first, size_t block,
                                const double* centre, double* keys) {
  const size_t head_dim = plan.head_dim, key_width = plan.key_width;
  const size_t count = span.left(first, block);
  const size_t whole = head_dim / kWideLanes * kWideLanes;
  const float* k = plan.key(span.kv_head, span.start + first);
  for (size_t row = 0; row < count; row++, k += plan.kv_heads * head_dim, keys += key_width) {
    for (size_t d = 0; d < whole; d += kWideLanes) save_wide(keys + d, load_widened(k + d) - load_wide(centre + d));
    for (size_t d = whole; d < key_width; d++) keys[d] = d < head_dim ? double(k[d]) - centre[d] : 0.0;
  }
  for (size_t i = 0; i < (block - count) * key_width; i++) keys[i] = 0;
}

// Keys of a block to come, asked for evenly while others are multiplied: a core that asks for many at once waits for them.
class KeysAhead {
 public:
  KeysAhead(const LeveragePlan& plan, const LeverageSpan& span, size_t first, size_t block)
      : next_(plan.key(span.kv_head, span.start + first)),
        head_dim_(plan.head_dim),
        step_(plan.kv_heads * plan.head_dim),
        left_(span.left(first, block)) {}

  void operator()() {
    constexpr size_t kValues = 256;  // in 16 lines
    for (size_t values = 0; values < kValues && left_ > 0; values += head_dim_, next_ += step_, left_--)
      for (size_t d = 0; d < head_dim_; d += 16) __builtin_prefetch(next_ + d);
  }

 private:
  const float* next_;
  size_t head_dim_;
  size_t step_;
  size_t left_;
};

// A point amid the keys of a chunk, the mean of a few, so that one pass gives both the mean and squares around the point:
// moved to the mean, the squares lose nothing that counts.
COMPACTOR_INLINE void sample_centre(const LeveragePlan& plan, const LeverageSpan& span, double* centre) {
  constexpr size_t kMostSamples = 16;
  const size_t count = span.chunk_count < kMostSamples ? span.chunk_count : kMostSamples;
  for (size_t d = 0; d < plan.head_dim; d++) centre[d] = 0;
  for (size_t i = 0; i < count; i++) {
    const float* k = plan.key(span.kv_head, span.chunk_start + i * span.chunk_count / count);
    for (size_t d = 0; d < plan.head_dim; d++) centre[d] += k[d];
  }
  for (size_t d = 0; d < plan.head_dim; d++) centre[d] /= double(count);
}

// Where a row of an upper triangle begins, in whole vectors.
COMPACTOR_INLINE size_t upper_from(size_t row) { return row / kWideLanes * kWideLanes; }

COMPACTOR_INLINE void gram_of_span(const LeveragePlan& plan, size_t task, double* scratch) {
  const LeverageSpan span(plan, task);
  const size_t width = plan.gram_width, key_width = plan.key_width;
  double* gram = plan.grams + task * plan.gram_stride;
  for (size_t i = 0; i < width * width; i++) gram[i] = 0;
  double* sums = plan.sums + task * key_width;
  for (size_t d = 0; d < key_width; d++) sums[d] = 0;
  double* centre = scratch;
  double* keys = centre + key_width;
  double* projected = keys + kTokenBlock * key_width;
  sample_centre(plan, span, centre);
  for (size_t first = 0; first < span.count; first += kTokenBlock) {
    read_keys(plan, span, first, kTokenBlock, centre, keys);
    KeysAhead ahead(plan, span, first + kTokenBlock, kTokenBlock);
    for (size_t row = 0; row < kTokenBlock; row++)
      for (size_t d = 0; d < key_width; d++) sums[d] += keys[row * key_width + d];
    const double* x = keys;
    if (plan.projects) {
      for (size_t row = 0; row < kTokenBlock; row += kWideRows)
        wide_tiles<false>({keys, key_width, 1, plan.projection, projected, width, key_width}, row, 0, width, ahead);
      x = projected;
    }
    for (size_t row = 0; row < width; row += kWideRows)
      wide_tiles<true>({x, 1, width, x, gram, width, kTokenBlock}, row, upper_from(row), width, ahead);
  }
}

// Adds the upper triangles of the spans' Gram matrices to the first.
COMPACTOR_INLINE void add_spans(const LeveragePlan& plan, double* gram) {
  for (size_t s = 1; s < plan.spans; s++) {
    const double* span = gram + s * plan.gram_stride;
    for (size_t row = 0; row < plan.gram_width; row++)
      for (size_t i = row * plan.gram_width + upper_from(row); i < (row + 1) * plan.gram_width; i += kWideLanes)
        save_wide(gram + i, load_wide(gram + i) + load_wide(span + i));
  }
}

// row −= factor · other, from the lanes that hold `first` on
COMPACTOR_INLINE void subtract_row(double* row, double factor, const double* other, size_t first, size_t width) {
  const WideLanes negative = all_wide(-factor);
  for (size_t i = upper_from(first); i < width; i += kWideLanes)
    save_wide(row + i, multiply_add_wide(negative, load_wide(other + i), load_wide(row + i)));
}

// Moves the Gram matrix of a chunk from its centre to its mean, which is left in place of the sums.
COMPACTOR_INLINE void move_to_mean(const LeveragePlan& plan, size_t pair, double* gram, double* scratch) {
  const LeverageSpan span(plan, pair * plan.spans);
  double* sums = plan.sums + pair * plan.spans * plan.key_width;
  double* moved = scratch;
  double* centre = moved + plan.key_width;
  for (size_t d = 0; d < plan.key_width; d++) {
    for (size_t s = 1; s < plan.spans; s++) sums[d] += sums[s * plan.key_width + d];
    sums[d] /= double(span.chunk_count);
  }
  if (plan.projects) {
    for (size_t i = 0; i < plan.width; i++) moved[i] = 0;
    for (size_t d = 0; d < plan.key_width; d++)
      for (size_t i = 0; i < plan.width; i++) moved[i] += sums[d] * plan.projection[d * plan.width + i];
  } else {
    for (size_t i = 0; i < plan.key_width; i++) moved[i] = sums[i];
  }
  for (size_t row = 0; row < plan.gram_width; row++)
    subtract_row(gram + row * plan.gram_width, double(span.chunk_count) * moved[row], moved, row, plan.gram_width);
  sample_centre(plan, span, centre);
  for (size_t d = 0; d < plan.head_dim; d++) sums[d] += centre[d];
}

// projected [width][width] ← ΦᵀGΦ; `between` [key_width][width]
COMPACTOR_INLINE void project_gram(const LeveragePlan& plan, double* gram, double* between, double* projected) {
  const size_t key_width = plan.key_width, width = plan.width;
  for (size_t row = 1; row < key_width; row++)
    for (size_t column = 0; column < row; column++) gram[row * key_width + column] = gram[column * key_width + row];
  for (size_t row = 0; row < key_width; row += kWideRows)
    wide_tiles<false>({gram, key_width, 1, plan.projection, between, width, key_width}, row, 0, width);
  for (size_t row = 0; row < width; row += kWideRows)
    wide_tiles<false>({plan.projection, 1, width, between, projected, width, key_width}, row, upper_from(row), width);
}

// upper ← R with Rᵀ·R = gram + ridge·I, its diagonal inverted; false if that is not positive definite. Of gram only the
// upper triangle is looked at; of R, lanes left of the diagonal are zero.
COMPACTOR_INLINE bool factorise(const LeveragePlan& plan, const double* gram, double ridge, double* upper) {
  const size_t width = plan.width;
  for (size_t i = 0; i < plan.size; i++) {
    for (size_t j = upper_from(i); j < width; j++) upper[i * width + j] = gram[i * width + j];
    upper[i * width + i] += ridge;
  }
  for (size_t i = 0; i < plan.size; i++) {
    double* row = upper + i * width;
    const double rest = row[i];
    if (!(rest > 0 && rest < HUGE_VAL)) return false;
    const double inverse = 1 / std::sqrt(rest);
    for (size_t j = upper_from(i); j < i; j++) row[j] = 0;
    row[i] = inverse;
    for (size_t j = i + 1; j < width; j++) row[j] *= inverse;
    for (size_t j = i + 1; j < plan.size; j++) subtract_row(upper + j * width, row[j], row, j, width);
  }
  return true;
}

// solved [key_width][width] ← Φ·R⁻¹, kWideRows rows at a time so that they do not wait for themselves.
COMPACTOR_INLINE void solve_projection(const LeveragePlan& plan, const double* upper, double* solved) {
  const size_t width = plan.width;
  for (size_t i = 0; i < plan.key_width * width; i++) solved[i] = plan.projection[i];
  for (size_t first = 0; first < plan.key_width; first += kWideRows)
    for (size_t i = 0; i < plan.size; i++)
      for (size_t d = first; d < first + kWideRows; d++) {
        double* row = solved + d * width;
        const double value = row[i] * upper[i * width + i];
        subtract_row(row, value, upper + i * width, i, width);
        row[i] = value;
      }
}

// Leaves Φ·R⁻¹ in place of a pair's first Gram matrix; NaN if no ridge is strong enough.
COMPACTOR_INLINE void solve_gram(const LeveragePlan& plan, size_t pair, double* scratch) {
  double* gram = plan.grams + pair * plan.spans * plan.gram_stride;
  add_spans(plan, gram);
  move_to_mean(plan, pair, gram, scratch);
  double* upper = scratch;
  const double* whole = gram;
  if (plan.sketch && !plan.projects) {
    double* projected = scratch + kScratchBytes / sizeof(double) / 2;
    project_gram(plan, gram, upper, projected);
    whole = projected;
  }
  double ridge = plan.ridge;
  bool positive = false;
  for (int i = 0; i <= kRidgeTries && !positive; i++, ridge *= 10)
    positive = factorise(plan, whole, ridge, upper);
  if (positive) return solve_projection(plan, upper, gram);
  for (size_t i = 0; i < plan.key_width * plan.width; i++) gram[i] = NAN;
}

COMPACTOR_INLINE void rows_of_span(const LeveragePlan& plan, size_t task, double* scratch) {
  const LeverageSpan span(plan, task);
  const size_t width = plan.width;
  const double* matrix = plan.grams + span.pair * plan.spans * plan.gram_stride;
  const double* mean = plan.sums + span.pair * plan.spans * plan.key_width;
  double* keys = scratch;
  double* x = keys + kRowBlock * plan.key_width;
  for (size_t first = 0; first < span.count; first += kRowBlock) {
    read_keys(plan, span, first, kRowBlock, mean, keys);
    KeysAhead ahead(plan, span, first + kRowBlock, kRowBlock);
    for (size_t row = 0; row < kRowBlock; row += kWideRows)
      wide_tiles<false>({keys, plan.key_width, 1, matrix, x, width, plan.key_width}, row, 0, width, ahead);
    float* out = plan.out + span.kv_head * plan.tokens + span.start + first;
    for (size_t row = 0; row < kRowBlock && first + row < span.count; row++) {
      WideLanes squares = {};
      for (size_t i = 0; i < width; i += kWideLanes) {
        const WideLanes values = load_wide(x + row * width + i);
        squares = multiply_add_wide(values, values, squares);
      }
      out[row] = float(sum_of_wide(squares));
    }
  }
}

const LeveragePlan& plan_of(void* arguments) { return *static_cast<const LeveragePlan*>(arguments); }

double* scratch_of(const LeveragePlan& plan, int thread) {
  return static_cast<double*>(pool_scratch(*plan.pool, thread));
}

constexpr LeverageTasks kTasks = {
    [](void* plan, size_t task, int thread) { gram_of_span(plan_of(plan), task, scratch_of(plan_of(plan), thread)); },
    [](void* plan, size_t pair, int thread) { solve_gram(plan_of(plan), pair, scratch_of(plan_of(plan), thread)); },
    [](void* plan, size_t task, int thread) { rows_of_span(plan_of(plan), task, scratch_of(plan_of(plan), thread)); },
};

}  // namespace
}  // namespace compactor
