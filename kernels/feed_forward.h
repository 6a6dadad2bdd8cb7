// A variant of feed_forward_f32 (kernels.h), chosen in feed_forward.cc.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

// Quantised matrices only; `hidden` a multiple of 32; made for many tokens
bool feed_forward_amx(Pool& pool, const FeedForward& layer, const float* x, size_t n, const float* add, float* out);

}  // namespace compactor
