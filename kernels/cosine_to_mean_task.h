// The two passes of cosine_to_mean for the lanes of the including file, in f64.
#pragma once
#include <cmath>

#include "cosine_to_mean.h"
#include "lanes.h"

namespace compactor {
namespace {

// The first is larger or NaN; else `least`.
COMPACTOR_INLINE double at_least(double value, double least) { return value < least ? least : value; }

struct Products {
  double squares;  // x · x
  double product;  // x · anchor
};

// In sums side by side: one after another each would wait for the last. Without an anchor, squares alone.
template <bool kAnchor>
COMPACTOR_INLINE Products products_of(const float* x, const double* anchor, size_t count) {
  constexpr size_t kSums = 4;
  WideLanes squares[kSums] = {}, products[kSums] = {};
  const auto add = [&](size_t d, size_t i) {
    const WideLanes values = load_widened(x + d);
    squares[i] = multiply_add_wide(values, values, squares[i]);
    if (kAnchor) products[i] = multiply_add_wide(values, load_wide(anchor + d), products[i]);
  };
  size_t d = 0;
  for (; d + kSums * kWideLanes <= count; d += kSums * kWideLanes)
    for (size_t i = 0; i < kSums; i++) add(d + i * kWideLanes, i);
  for (; d + kWideLanes <= count; d += kWideLanes) add(d, 0);
  Products sums = {sum_of_wide((squares[0] + squares[1]) + (squares[2] + squares[3])),
                   sum_of_wide((products[0] + products[1]) + (products[2] + products[3]))};
  for (; d < count; d++) {
    sums.squares += double(x[d]) * double(x[d]);
    if (kAnchor) sums.product += double(x[d]) * anchor[d];
  }
  return sums;
}

COMPACTOR_INLINE void add_directions(const CosinePlan& plan, size_t task) {
  double* anchors = plan.anchors + task * plan.heads * plan.head_dim;
  for (size_t i = 0; i < plan.heads * plan.head_dim; i++) anchors[i] = 0;
  for (size_t token = plan.span_start(task); token < plan.span_end(task); token++)
    for (size_t head = 0; head < plan.heads; head++) {
      const float* x = plan.vector(token, head);
      double* anchor = anchors + head * plan.head_dim;
      const double norm = std::sqrt(products_of<false>(x, nullptr, plan.head_dim).squares);
      const double factor = 1 / at_least(norm, kLeastNormInMean);
      size_t d = 0;
      for (; d + kWideLanes <= plan.head_dim; d += kWideLanes)
        save_wide(anchor + d, multiply_add_wide(load_widened(x + d), all_wide(factor), load_wide(anchor + d)));
      for (; d < plan.head_dim; d++) anchor[d] += x[d] * factor;
    }
}

COMPACTOR_INLINE void compare_directions(const CosinePlan& plan, size_t task) {
  for (size_t token = plan.span_start(task); token < plan.span_end(task); token++)
    for (size_t head = 0; head < plan.heads; head++) {
      const double* anchor = plan.anchors + head * plan.head_dim;
      const Products sums = products_of<true>(plan.vector(token, head), anchor, plan.head_dim);
      const double norms = at_least(std::sqrt(sums.squares), kLeastNormInCosine) * plan.anchor_norms[head];
      plan.out[(plan.first_head + head) * plan.tokens + token] = float(sums.product / norms);
    }
}

constexpr CosineTasks kTasks = {
    [](void* plan, size_t task, int) { add_directions(*static_cast<const CosinePlan*>(plan), task); },
    [](void* plan, size_t task, int) { compare_directions(*static_cast<const CosinePlan*>(plan), task); },
};

}  // namespace
}  // namespace compactor
