// Asks processor and operating system what they can run. Which variant an op then takes is said in the op's own file.
#include "cpu.h"

#include <cstring>

#include "sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace compactor {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::amx: return "amx";
  }
  return "";
}

bool isa_from_name(const char* name, Isa* isa) {
  for (Isa candidate : kIsas) {
    if (strcmp(name, isa_name(candidate)) != 0) continue;
    *isa = candidate;
    return true;
  }
  return false;
}

#if defined(__x86_64__)
// Read from its bit (leaf 1, ECX 29), because older compilers refuse the name; the registers it needs are those of AVX.
static bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx >> 29 & 1) != 0;
}
#endif

// __builtin_cpu_supports also looks at XCR0: a feature whose registers the operating system does not save is absent.
void cpu_features(CpuFeature (&features)[kCpuFeatureCount]) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const CpuFeature found[kCpuFeatureCount] = {
      {"sse4.2", __builtin_cpu_supports("sse4.2") != 0},
      {"avx", __builtin_cpu_supports("avx") != 0},
      {"f16c", has_f16c()},
      {"fma", __builtin_cpu_supports("fma") != 0},
      {"avx2", __builtin_cpu_supports("avx2") != 0},
      {"avx512f", __builtin_cpu_supports("avx512f") != 0},
      {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
      {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
      {"avx512vnni", __builtin_cpu_supports("avx512vnni") != 0},
      {"avx512bf16", __builtin_cpu_supports("avx512bf16") != 0},
      {"amx", isa_available(Isa::amx)},
      {"sha", sha256_available()},
  };
#else
  const CpuFeature found[kCpuFeatureCount] = {};
#endif
  for (size_t i = 0; i < kCpuFeatureCount; i++) features[i] = found[i];
}

#if COMPACTOR_X86
// Tiles, their products of 8 bits and of bfloat16, and AVX-512's conversions to bfloat16 (leaf 7, EDX bits 24, 25 and 22). Older
// compilers refuse the names.
static bool has_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return bf16_available() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx >> 24 & 1) != 0 &&
         (edx >> 25 & 1) != 0 && (edx >> 22 & 1) != 0;
}

// Linux gives a process the eight kilobytes of tile registers only on request, which may be refused (no support, a filter of
// system calls, alternate signal stacks that are too small). Asked for once, for all threads to come.
static bool tiles_granted() {
#if defined(__linux__)
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
  static const bool granted = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}
#endif

const char* amx_refusal() {
#if COMPACTOR_X86
  if (has_amx() && !tiles_granted()) return "the system does not give this process the tile registers of AMX";
#endif
  return nullptr;
}

bool isa_available(Isa isa) {
  if (isa == Isa::scalar) return true;
#if COMPACTOR_X86
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) return false;
  if (isa == Isa::avx2) return true;
  if (isa == Isa::amx) return has_amx() && tiles_granted();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool bf16_available() {
#if COMPACTOR_X86
  static const bool available = isa_available(Isa::avx512) && __builtin_cpu_supports("avx512bf16") != 0;
  return available;
#else
  return false;
#endif
}

}  // namespace compactor
