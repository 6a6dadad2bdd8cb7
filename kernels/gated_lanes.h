// f(gate) · up for the lanes of the including file. Both activations are g / (1 + e^-s), written with e^-|s| so that the
// exponential never overflows: silu has s = g, and gelu by its tanh formula s = √(8/π) · (g + 0.044715 g³), because
// (1 + tanh z) / 2 = 1 / (1 + e^-2z). Below an s of -87.3 that exponential is taken as 0, so a result smaller than
// 1.1e-36 · up becomes -0.
#pragma once
#include "lanes.h"

namespace compactor {
namespace {

enum class Activation { silu, gelu };

template <Activation kActivation>
COMPACTOR_INLINE Lanes gated(Lanes gate, Lanes up) {
  Lanes s = gate;
  if (kActivation == Activation::gelu) {
    const Lanes inner = multiply_add(gate * gate, all(0.044715f), all(1.0f));
    s = gate * inner * all(1.5957691216057308f);
  }
  const Lanes magnitude = lanes_of_bits(bits_of_lanes(s) & 0x7fffffff);
  const Lanes e = exp_of_negative(-magnitude);
  const IntLanes negative = s < 0.0f;
  const Lanes numerator = lanes_of_bits((bits_of_lanes(e) & negative) | (bits_of_lanes(all(1.0f)) & ~negative));
  return gate * (numerator / (e + 1.0f)) * up;
}

template <Activation kActivation>
COMPACTOR_INLINE void gated_values(const float* gate, const float* up, size_t count, float* out) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) save(out + i, gated<kActivation>(load(gate + i), load(up + i)));
  if (i == count) return;
  float gates[kLanes] = {};
  float ups[kLanes] = {};
  memcpy(gates, gate + i, (count - i) * sizeof(float));
  memcpy(ups, up + i, (count - i) * sizeof(float));
  save(gates, gated<kActivation>(load(gates), load(ups)));
  memcpy(out + i, gates, (count - i) * sizeof(float));
}

}  // namespace
}  // namespace compactor
