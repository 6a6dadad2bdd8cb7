// matmul_int8_task.h compiled for AVX-512 VNNI on processors with AMX, whose caches are asked otherwise.
#include "blocks.h"
#include "cpu.h"
#include "matmul.h"
#include "matmul_int8.h"
#include "pool.h"
#include "row_ranges.h"
#include "tasks.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#define COMPACTOR_VNNI
#define COMPACTOR_ASK_SECOND_LEVEL
#include "avx2.h"

#include "matmul_int8_task.h"

namespace compactor {

bool matmul_int8_amx(Pool& pool, const Matmul* matmuls, size_t count) {
  return multiply_int8(pool, matmuls, count);
}

}  // namespace compactor
#endif
