// What the 8-bit matrix products for many tokens share: how activations lie in memory and how the codes of a weight type
// become sums. The work itself is in matmul_int8_panel_task.h, compiled once per instruction set.
#pragma once
#include "kernels.h"

namespace compactor {

// Tokens of a tile stand side by side group by group, [tile][group][token of the tile], so that the inner loop reads one
// stream with constant distances.
constexpr size_t kTileTokens = 6;

// 32 values of one token, x ≈ scale · q, with what does not depend on the weights.
struct PanelGroup {
  int8_t q[32];
  float scale;
  float sum;          // scale · Σ q
  int32_t starts[2];  // where integer sums begin, −offset · Σ q: of either half for Codes::halves, else of all 32 first;
                      // for Sums::in16Bits of pairs 0, 2, 4 … in the low 16 bits, of pairs 1, 3, 5 … in the high ones
};
static_assert(sizeof(PanelGroup) == 48, "no padding: activations are sized by it");

// What is done with the integer products of 32 columns.
enum class Codes {
  centred,  // w = d (q − offset)
  minimum,  // w = d q + m
  halves    // w = d (q − offset), with a d for each half of the 32
};

constexpr Codes codes_of(WeightType type) {
  switch (type) {
    case WeightType::Q4_1:
    case WeightType::Q5_1:
    case WeightType::Q4_K:
    case WeightType::Q5_K: return Codes::minimum;
    case WeightType::Q6_K: return Codes::halves;
    default: return Codes::centred;
  }
}

// In how many bits the inner loop adds up products. 16 bits hold the sum of 16 products of centred codes of 5 bits, or of 8
// of 6 bits, whatever comes in between (additions wrap around); what has a minimum is centred for them as well.
enum class Sums { in16Bits, in32Bits };

// Codes are unsigned; those of Q8_0 are its signed values + 128, but the signed ones themselves for sums in 16 bits, which are
// multiplied as numbers of 16 bits.
constexpr int code_offset(WeightType type, Sums sums) {
  switch (type) {
    case WeightType::Q4_0: return 8;
    case WeightType::Q5_0: return 16;
    case WeightType::Q5_1:
    case WeightType::Q5_K: return sums == Sums::in16Bits ? 16 : 0;
    case WeightType::Q6_K: return 32;
    case WeightType::Q8_0: return sums == Sums::in16Bits ? 0 : 128;
    default: return 0;
  }
}

// x [columns] → one group after another, kTileTokens apart. A group with NaN or infinity gets the scale NaN, so that its
// products show it; a group below 1e-30 becomes zero.
void quantise_panel_token_avx2(const float* x, size_t columns, WeightType type, Sums sums, PanelGroup* groups);

}  // namespace compactor
