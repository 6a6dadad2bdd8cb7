// Activations as int8 in groups of 32, the form in which matmul_int8_task.h multiplies them.
#pragma once
#include "kernels.h"

namespace compactor {

constexpr size_t kGroup = 32;

// Four groups, in the order in which matmul_int8_wide.h multiplies them; those that there are not are zeros.
struct alignas(64) ActivationQuad {
  int8_t first[64];   // the first halves of the groups
  int8_t second[64];  // the second halves
  float factors[8];   // scale and scale · Σ q of each
};

// One token: x ≈ scale · q.
struct Activations {
  const int8_t* q;       // [columns]
  const float* scales;   // [columns / 32]
  const float* sums_32;  // [columns / 32], scale · Σ q
  const float* sums_16;  // [columns / 16], the same for half groups
  const ActivationQuad* quads;  // [columns / 128, rounded up], if lay_quads made them
};

constexpr size_t quads_of(size_t columns) { return (columns / kGroup + 3) / 4; }

// Bytes of one token before its quads, and with them; multiples of 64.
constexpr size_t activation_bytes_in_order(size_t columns) {
  return (columns + columns / kGroup * 4 * sizeof(float) + 63) / 64 * 64;
}
constexpr size_t activation_bytes(size_t columns) {
  return activation_bytes_in_order(columns) + quads_of(columns) * sizeof(ActivationQuad);
}

inline uint8_t* activations_memory(uint8_t* memory, size_t columns, size_t token) {
  return memory + token * activation_bytes(columns);
}

inline Activations activations_at(const uint8_t* memory, size_t columns, size_t token) {
  const uint8_t* own = memory + token * activation_bytes(columns);
  const float* floats = reinterpret_cast<const float*>(own + columns);
  const size_t groups = columns / kGroup;
  return {reinterpret_cast<const int8_t*>(own), floats, floats + groups, floats + 2 * groups,
          reinterpret_cast<const ActivationQuad*>(own + activation_bytes_in_order(columns))};
}

// x [columns] → the memory of one token. A group with NaN or infinity gets the scale NaN, so that its products show it;
// a group below 1e-30 becomes zero.
void quantise_token_avx2(const float* x, size_t columns, uint8_t* memory);

// The quads of a token that was quantised into `memory`.
void lay_quads(size_t columns, uint8_t* memory);

}  // namespace compactor
