// gated_lanes.h compiled for AVX2; the scalar variants are in gated.cc.
#include "cpu.h"
#include "gated.h"

#if COMPACTOR_X86
#include <cstdint>
#include <cstring>
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "gated_lanes.h"

namespace compactor {

void swiglu_avx2(const float* gate, const float* up, size_t count, float* out) {
  gated_values<Activation::silu>(gate, up, count, out);
}

void geglu_avx2(const float* gate, const float* up, size_t count, float* out) {
  gated_values<Activation::gelu>(gate, up, count, out);
}

}  // namespace compactor
#endif
