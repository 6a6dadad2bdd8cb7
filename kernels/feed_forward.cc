// The feed-forward network of a layer, and all that follows attention: other kernels, one after another, but for the variant of
// feed_forward_amx.cc.
#include "feed_forward.h"

#include "cpu.h"
#include "kernels.h"
#include "matmul.h"
#include "pool.h"

namespace compactor {

bool feed_forward_f32(Pool& pool, Isa isa, const FeedForward& layer, const float* x, size_t n, const float* add,
                      float* between, float* out, bool int8) {
#if COMPACTOR_X86
  if (multiplies_by_tiles(isa, layer.gate.type, n, int8) && multiplies_by_tiles(isa, layer.up.type, n, int8) &&
      multiplies_by_tiles(isa, layer.down.type, n, int8))
    return feed_forward_amx(pool, layer, x, n, add, out);
#endif
  float* const normed = between;
  float* const gate = normed + n * layer.dim;
  float* const up = gate + n * layer.hidden;
  const Product products[] = {{layer.gate.type, layer.gate.data, layer.hidden, nullptr, gate},
                              {layer.up.type, layer.up.data, layer.hidden, nullptr, up}};
  const auto gated = layer.gelu ? geglu_f32 : swiglu_f32;
  return rms_norm_f32(pool, isa, x, layer.gain, layer.eps, n, layer.dim, normed) &&
         matmul_each_f32(pool, isa, products, 2, layer.dim, normed, n, int8) &&
         gated(pool, isa, gate, up, n * layer.hidden, gate) &&
         matmul_f32(pool, isa, layer.down.type, layer.down.data, layer.dim, layer.hidden, gate, n, nullptr, add, out, int8);
}

bool finish_layer_f32(Pool& pool, Isa isa, const FeedForward::Matrix& output, size_t width, const FeedForward& layer,
                      const float* x, const float* attended, size_t n, float* between, float* out, bool int8) {
  float* const mixed = between;
  return matmul_f32(pool, isa, output.type, output.data, layer.dim, width, attended, n, nullptr, x, mixed, int8) &&
         feed_forward_f32(pool, isa, layer, mixed, n, mixed, between + n * layer.dim, out, int8);
}

}  // namespace compactor
