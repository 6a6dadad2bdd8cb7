// logit_rows_task.h compiled for AVX2; the scalar variant is in logit_rows.cc.
#include <cmath>

#include "cpu.h"
#include "logit_rows.h"

#if COMPACTOR_X86
#define COMPACTOR_LANES_AVX2
#pragma GCC target("avx2,fma,f16c")
#include "logit_rows_task.h"

namespace compactor {

void softmax_rows_avx2(void* plan, size_t task, int) { softmax_rows(*static_cast<const RowsPlan*>(plan), task); }

void argmax_rows_avx2(void* plan, size_t task, int) { argmax_rows(*static_cast<const RowsPlan*>(plan), task); }

void describe_rows_avx2(void* plan, size_t task, int) { describe_rows(*static_cast<const RowsPlan*>(plan), task); }

}  // namespace compactor
#endif
