// silu(gate) · up for the lanes of the including file. silu(g) = g / (1 + e^-g), written with e^-|g| so that the
// exponential never overflows. Below a gate of -87.3 that exponential is taken as 0, so a silu smaller than 1.1e-36
// becomes -0.
#pragma once
#include "lanes.h"

namespace compactor {
namespace {

COMPACTOR_INLINE Lanes swiglu(Lanes gate, Lanes up) {
  const Lanes magnitude = lanes_of_bits(bits_of_lanes(gate) & 0x7fffffff);
  const Lanes e = exp_of_negative(-magnitude);
  const IntLanes negative = gate < 0.0f;
  const Lanes numerator = lanes_of_bits((bits_of_lanes(e) & negative) | (bits_of_lanes(all(1.0f)) & ~negative));
  return gate * (numerator / (e + 1.0f)) * up;
}

COMPACTOR_INLINE void swiglu_values(const float* gate, const float* up, size_t count, float* out) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) save(out + i, swiglu(load(gate + i), load(up + i)));
  if (i == count) return;
  float gates[kLanes] = {};
  float ups[kLanes] = {};
  memcpy(gates, gate + i, (count - i) * sizeof(float));
  memcpy(ups, up + i, (count - i) * sizeof(float));
  save(gates, swiglu(load(gates), load(ups)));
  memcpy(out + i, gates, (count - i) * sizeof(float));
}

}  // namespace
}  // namespace compactor
