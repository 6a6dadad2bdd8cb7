// Variants of decode_row (kernels.h); each gives the same bits.
#pragma once
#include "kernels.h"

namespace compactor {

void decode_row_avx2(WeightType type, const uint8_t* blocks, float* decoded, size_t count);

}  // namespace compactor
