// What this machine's processor can do, found once by asking it (not by what the compiler assumed).
#pragma once
#include "kernels.h"

// Whether the AVX2 and AVX-512 variants are built. They are compiled by GCC's pragma for a target, which Clang does not have.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define COMPACTOR_X86 1
#else
#define COMPACTOR_X86 0
#endif

namespace compactor {

const char* isa_name(Isa isa);
bool isa_from_name(const char* name, Isa* isa);

// Whether processor and operating system can run a variant.
bool isa_available(Isa isa);

constexpr Isa kIsas[] = {Isa::scalar, Isa::avx2, Isa::avx512, Isa::amx};

// Whether the products of bfloat16 pairs that some processors have beside AVX-512 can be used.
bool bf16_available();

// Why the amx variants are not available although the processor has them, or null.
const char* amx_refusal();

// A processor feature worth naming in `inspect cpu`, whether a kernel uses it or not.
struct CpuFeature {
  const char* name;
  bool present;
};
constexpr size_t kCpuFeatureCount = 12;
void cpu_features(CpuFeature (&features)[kCpuFeatureCount]);

}  // namespace compactor
