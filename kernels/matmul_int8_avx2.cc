// matmul_int8_task.h compiled for AVX2.
#include "blocks.h"
#include "cpu.h"
#include "matmul.h"
#include "matmul_int8.h"
#include "pool.h"
#include "row_ranges.h"
#include "tasks.h"

#if COMPACTOR_X86
#include "avx2.h"

#include "matmul_int8_task.h"

namespace compactor {

bool matmul_int8_avx2(Pool& pool, const Matmul* matmuls, size_t count) {
  return multiply_int8(pool, matmuls, count);
}

}  // namespace compactor
#endif
