// attention_received_task.h compiled for the tile registers of AMX; the plan and the scalar variant are in attention_received.cc.
#include "attention_received.h"
#include "cpu.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include "half.h"
#define COMPACTOR_LANES_AVX512
#define COMPACTOR_BF16
#define COMPACTOR_AMX
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#include "attention_received_task.h"

namespace compactor {

void received_rows_amx(void* plan, size_t task, int thread) {
  const ReceivedPlan& received = *static_cast<const ReceivedPlan*>(plan);
  const Tiles tiles;
  received_rows(received, task, pool_scratch(*received.rows.pool, thread));
}

void received_columns_amx(void* plan, size_t task, int thread) {
  const ReceivedPlan& received = *static_cast<const ReceivedPlan*>(plan);
  const Tiles tiles;
  received_columns(received, task, pool_scratch(*received.rows.pool, thread));
}

}  // namespace compactor
#endif
