// One task of chunk_attention_mass for the lanes of the including file: softmax of a stretch of rows over the whole
// chunk, and the sum of its columns.
#pragma once
#include "chunk_attention_mass.h"
#include "chunk_attention_mass_rows.h"

namespace compactor {
namespace {

constexpr size_t kMassKeyBlock = 256;

struct MassBlock {
  size_t first_token;  // of the chunk
  size_t keys;         // of the chunk
  size_t stride;       // of a row of logits
  size_t kv_head;
  Factor* q;       // [block_rows][factors of head_dim], scaled for powers of 2
  Factor* packed;  // one block of keys
  float* logits;   // [block_rows][stride]
};

COMPACTOR_INLINE size_t keys_from(const MassBlock& block, size_t first) {
  return block.keys - first < kMassKeyBlock ? block.keys - first : kMassKeyBlock;
}

COMPACTOR_INLINE void pack_chunk_keys(const MassPlan& plan, const MassBlock& block, size_t first) {
  const float* start = plan.k + ((block.first_token + first) * plan.kv_heads + block.kv_head) * plan.head_dim;
  pack_keys(Rows{start, plan.kv_heads * plan.head_dim, false}, keys_from(block, first), plan.head_dim, block.packed);
}

// Logits of `rows` rows from `first_row` on with all keys of the chunk; keys of one block are packed already.
COMPACTOR_INLINE void chunk_logits(const MassPlan& plan, const MassBlock& block, size_t first_row, size_t rows) {
  const size_t height = factor_count(plan.head_dim);
  for (size_t row = 0; row < rows; row++)
    make_factors(plan.query(block.first_token, block.kv_head, first_row + row), plan.head_dim, plan.scale * kLog2E,
                 block.q + row * height);
  const Tiling tiling(rows);
  for (size_t first = 0; first < block.keys; first += kMassKeyBlock) {
    if (block.keys > kMassKeyBlock) pack_chunk_keys(plan, block, first);
    for (size_t panel = 0; panel * kPanel < keys_from(block, first); panel++)
      for (size_t tile = 0; tile < tiling.tiles; tile++) {
        const size_t row = tiling.start(tile);
        multiply_logits(tiling.height(tile), block.q + row * height, block.packed + panel * kPanel * height, height,
                        block.logits + row * block.stride + first + panel * kPanel, block.stride);
      }
  }
}

COMPACTOR_INLINE void mass_part(const MassPlan& plan, size_t task, float* scratch) {
  const MassPart part = plan.part(task);
  MassBlock block;
  block.kv_head = part.kv_head;
  block.first_token = part.first_token;
  block.keys = part.keys;
  block.stride = padded(block.keys);
  float* mass = scratch;  // [stride]
  block.logits = mass + block.stride;
  block.q = reinterpret_cast<Factor*>(block.logits + plan.block_rows * block.stride);
  block.packed = block.q + plan.block_rows * factor_count(plan.head_dim);
  for (size_t i = 0; i < block.stride; i++) mass[i] = 0;
  if (block.keys <= kMassKeyBlock) pack_chunk_keys(plan, block, 0);
  for (size_t row = part.first_row; row < part.end; row += plan.block_rows) {
    const size_t rows = task_size(part.end, row, plan.block_rows);
    chunk_logits(plan, block, row, rows);
    add_softmax_of_rows(block.logits, block.stride, rows, block.keys, mass, [] {});
  }
  memcpy(part.mass, mass, block.keys * sizeof(float));
}

}  // namespace
}  // namespace compactor
