// gated_lanes.h compiled for AVX-512; the scalar variants are in gated.cc.
#include "cpu.h"
#include "gated.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include <cstdint>
#include <cstring>
#define COMPACTOR_LANES_AVX512
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl")
#include "gated_lanes.h"

namespace compactor {

void swiglu_avx512(const float* gate, const float* up, size_t count, float* out) {
  gated_values<Activation::silu>(gate, up, count, out);
}

void geglu_avx512(const float* gate, const float* up, size_t count, float* out) {
  gated_values<Activation::gelu>(gate, up, count, out);
}

}  // namespace compactor
#endif
