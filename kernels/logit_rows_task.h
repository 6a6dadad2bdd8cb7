// Rows of logits for the lanes of the including file: softmax, argmax, and the figures of describe_rows. A row is looked at in
// blocks that stay in the first cache; f32 sums of a block are added in f64.
#pragma once
#include <cmath>

#include "lanes.h"
#include "logit_rows.h"

namespace compactor {
namespace {

constexpr size_t kRowBlock = 2048;  // a multiple of all lanes

// `count` values from `source` on, the rest of the lanes filled.
COMPACTOR_INLINE Lanes load_some(const float* source, size_t count, float fill) {
  float values[kLanes];
  for (size_t i = 0; i < kLanes; i++) values[i] = i < count ? source[i] : fill;
  return load(values);
}

COMPACTOR_INLINE void save_some(float* target, size_t count, Lanes lanes) {
  float values[kLanes];
  save(values, lanes);
  for (size_t i = 0; i < count; i++) target[i] = values[i];
}

COMPACTOR_INLINE Lanes load_at_most(const float* source, size_t count, float fill) {
  return count >= kLanes ? load(source) : load_some(source, count, fill);
}

COMPACTOR_INLINE size_t block_size(size_t width, size_t start) {
  return width - start < kRowBlock ? width - start : kRowBlock;
}

// NaN is passed over.
COMPACTOR_INLINE float largest_in(const float* x, size_t count) {
  const float nothing = -__builtin_inff();
  Lanes a = all(nothing), b = a;
  size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    a = larger(load(x + i), a);
    b = larger(load(x + i + kLanes), b);
  }
  for (; i < count; i += kLanes) a = larger(load_at_most(x + i, count - i, nothing), a);
  return largest_of(larger(a, b));
}

// Σ e^(x − shift); written to `out` too unless that is null.
template <bool kSave>
COMPACTOR_INLINE double sum_of_powers(const float* x, size_t count, float shift, float* out) {
  Lanes left = {}, right = {};
  size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const Lanes a = exp_of_negative(load(x + i) - shift);
    const Lanes b = exp_of_negative(load(x + i + kLanes) - shift);
    if (kSave) save(out + i, a);
    if (kSave) save(out + i + kLanes, b);
    left += a;
    right += b;
  }
  for (; i < count; i += kLanes) {
    const Lanes a = exp_of_negative(load_at_most(x + i, count - i, -__builtin_inff()) - shift);
    if (kSave) save_some(out + i, count - i < kLanes ? count - i : kLanes, a);
    left += a;
  }
  return sum_of(left + right);
}

COMPACTOR_INLINE void softmax_row(const float* x, size_t width, float* out) {
  const float largest = largest_in(x, width);
  const float shift = largest == -__builtin_inff() ? 0.0f : largest;
  double sum = 0;
  for (size_t start = 0; start < width; start += kRowBlock)
    sum += sum_of_powers<true>(x + start, block_size(width, start), shift, out + start);
  const float factor = sum == 0 ? 0.0f : float(1 / sum);
  size_t i = 0;
  for (; i + kLanes <= width; i += kLanes) save(out + i, load(out + i) * factor);
  for (; i < width; i++) out[i] *= factor;
}

// Σ weights·x over the weights that are not 0
COMPACTOR_INLINE double weighted_sum(const float* x, const float* weights, size_t count) {
  WideLanes low = {}, high = {};
  for (size_t i = 0; i < count; i += kLanes) {
    const Lanes w = load_at_most(weights + i, count - i, 0);
    const Lanes counted = lanes_of_bits(bits_of_lanes(load_at_most(x + i, count - i, 0)) & IntLanes(w != 0.0f));
    low = multiply_add_wide(widen(w, 0), widen(counted, 0), low);
    high = multiply_add_wide(widen(w, 1), widen(counted, 1), high);
  }
  return sum_of_wide(low + high);
}

// Of the first value that is `largest`, which the block from `start` on holds; 0 if no block does (start = width). Never past the row:
// memory that JavaScript shares may have been written since.
COMPACTOR_INLINE size_t index_of(const float* x, size_t width, size_t start, float largest) {
  if (start == width) return 0;
  size_t index = start;
  while (index + 1 < width && x[index] != largest) index++;
  return index;
}

COMPACTOR_INLINE size_t argmax_row(const float* x, size_t width) {
  float largest = -__builtin_inff();
  size_t at = width;  // the block that holds it
  for (size_t start = 0; start < width; start += kRowBlock) {
    const float here = largest_in(x + start, block_size(width, start));
    if (here > largest) {
      largest = here;
      at = start;
    }
  }
  return index_of(x, width, at, largest);
}

// figures ← log-sum-exp, index of the largest, weighted sum, picked value
COMPACTOR_INLINE void describe_row(const float* x, size_t width, const float* weights, uint32_t pick, float* figures) {
  float largest = -__builtin_inff();
  size_t at = width;  // the block that holds it
  double powers = 0, weighted = 0;
  for (size_t start = 0; start < width; start += kRowBlock) {
    const size_t count = block_size(width, start);
    const float here = largest_in(x + start, count);
    if (here > largest) {
      powers = powers == 0 ? 0 : powers * std::exp(double(largest) - double(here));
      largest = here;
      at = start;
    }
    const float shift = largest == -__builtin_inff() ? 0.0f : largest;
    powers += sum_of_powers<false>(x + start, count, shift, nullptr);
    weighted += weighted_sum(x + start, weights + start, count);
  }
  const bool nothing = powers == 0;
  figures[0] = nothing ? -__builtin_inff() : float(double(largest) + std::log(powers));
  figures[1] = float(index_of(x, width, at, largest));
  figures[2] = float(weighted);
  figures[3] = x[pick];
}

COMPACTOR_INLINE void softmax_rows(const RowsPlan& plan, size_t task) {
  const size_t start = task * plan.rows_per_task;
  for (size_t row = start; row < start + plan.rows_of(task); row++)
    softmax_row(plan.x + row * plan.width, plan.width, plan.out + row * plan.width);
}

COMPACTOR_INLINE void argmax_rows(const RowsPlan& plan, size_t task) {
  const size_t start = task * plan.rows_per_task;
  for (size_t row = start; row < start + plan.rows_of(task); row++)
    plan.out[row] = float(argmax_row(plan.x + row * plan.width, plan.width));
}

COMPACTOR_INLINE void describe_rows(const RowsPlan& plan, size_t task) {
  const size_t start = task * plan.rows_per_task;
  for (size_t row = start; row < start + plan.rows_of(task); row++) {
    const size_t kind = row % plan.period;
    describe_row(plan.x + row * plan.width, plan.width, plan.weights + kind * plan.width, plan.picks[kind],
                 plan.out + row * kRowFigures);
  }
}

}  // namespace
}  // namespace compactor
