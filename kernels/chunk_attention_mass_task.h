// One task of chunk_attention_mass for the lanes of the including file: softmax of a stretch of rows over the whole
// chunk, and the sum of its columns.
#pragma once
#include "attention_tiles.h"
#include "chunk_attention_mass.h"

namespace compactor {
namespace {

constexpr size_t kMassKeyBlock = 256;

struct MassBlock {
  size_t first_token;  // of the chunk
  size_t keys;         // of the chunk
  size_t stride;       // of a row of logits
  size_t kv_head;
  Factor* q;       // [block_rows][factors of head_dim], scaled
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
  for (size_t row = 0; row < rows; row++) {
    const size_t token = block.first_token + (first_row + row) / plan.group();
    const size_t head = block.kv_head * plan.group() + (first_row + row) % plan.group();
    const float* q = plan.q + (token * plan.heads + head) * plan.head_dim;
    make_factors(q, plan.head_dim, plan.scale, block.q + row * height);
  }
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

// mass += softmax of one row of logits; a row whose logits are all −∞ gives nothing.
COMPACTOR_INLINE void add_softmax(float* logits, size_t keys, size_t stride, float* mass) {
  for (size_t i = keys; i < stride; i++) logits[i] = -__builtin_inff();
  const float largest = largest_value(logits, stride, -__builtin_inff());
  const float sum = exponentiate(logits, stride, largest == -__builtin_inff() ? 0.0f : largest);
  if (sum == 0) return;
  const Lanes factor = all(1.0f / sum);
  for (size_t i = 0; i < stride; i += kLanes) save(mass + i, multiply_add(load(logits + i), factor, load(mass + i)));
}

COMPACTOR_INLINE void mass_part(const MassPlan& plan, size_t task, float* scratch) {
  const size_t part = task % plan.parts;
  const size_t index = plan.first_chunk + task / plan.parts % plan.chunk_count;
  MassBlock block;
  block.kv_head = task / plan.parts / plan.chunk_count;
  block.first_token = index * plan.chunk;
  block.keys = plan.chunk_tokens(index);
  block.stride = padded(block.keys);
  float* mass = scratch;  // [stride]
  block.logits = mass + block.stride;
  block.q = reinterpret_cast<Factor*>(block.logits + plan.block_rows * block.stride);
  block.packed = block.q + plan.block_rows * factor_count(plan.head_dim);
  for (size_t i = 0; i < block.stride; i++) mass[i] = 0;
  if (block.keys <= kMassKeyBlock) pack_chunk_keys(plan, block, 0);
  const size_t rows = block.keys * plan.group();
  const size_t end = (part + 1) * plan.task_rows < rows ? (part + 1) * plan.task_rows : rows;
  for (size_t row = part * plan.task_rows; row < end; row += plan.block_rows) {
    const size_t count = end - row < plan.block_rows ? end - row : plan.block_rows;
    chunk_logits(plan, block, row, count);
    for (size_t i = 0; i < count; i++) add_softmax(block.logits + i * block.stride, block.keys, block.stride, mass);
  }
  memcpy(plan.partials + task * plan.chunk, mass, block.keys * sizeof(float));
}

}  // namespace
}  // namespace compactor
