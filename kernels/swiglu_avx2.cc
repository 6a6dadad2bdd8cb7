// swiglu_lanes.h compiled for AVX2; the scalar variant is in swiglu.cc.
#include "cpu.h"
#include "swiglu.h"

#if COMPACTOR_X86
#include <cstdint>
#include <cstring>
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "swiglu_lanes.h"

namespace compactor {

void swiglu_avx2(const float* gate, const float* up, size_t count, float* out) { swiglu_values(gate, up, count, out); }

}  // namespace compactor
#endif
