#include "cpu.h"

#include <cstring>

namespace compactor {

const char* isa_name(Isa isa) { return isa == Isa::avx2 ? "avx2" : "scalar"; }

bool isa_from_name(const char* name, Isa* isa) {
  for (Isa candidate : kIsas) {
    if (strcmp(name, isa_name(candidate)) != 0) continue;
    *isa = candidate;
    return true;
  }
  return false;
}

// __builtin_cpu_supports also looks at XCR0: a feature whose registers the operating system does not save is absent.
void cpu_features(CpuFeature (&features)[kCpuFeatureCount]) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const CpuFeature found[kCpuFeatureCount] = {
      {"sse4.2", __builtin_cpu_supports("sse4.2") != 0},
      {"avx", __builtin_cpu_supports("avx") != 0},
      {"f16c", __builtin_cpu_supports("f16c") != 0},
      {"fma", __builtin_cpu_supports("fma") != 0},
      {"avx2", __builtin_cpu_supports("avx2") != 0},
      {"avx512f", __builtin_cpu_supports("avx512f") != 0},
      {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
      {"avx512vnni", __builtin_cpu_supports("avx512vnni") != 0},
      {"avx512bf16", __builtin_cpu_supports("avx512bf16") != 0},
  };
#else
  const CpuFeature found[kCpuFeatureCount] = {};
#endif
  for (size_t i = 0; i < kCpuFeatureCount; i++) features[i] = found[i];
}

bool isa_available(Isa isa) {
  if (isa == Isa::scalar) return true;
#if COMPACTOR_X86
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

Isa isa_best() { return isa_available(Isa::avx2) ? Isa::avx2 : Isa::scalar; }

}  // namespace compactor
