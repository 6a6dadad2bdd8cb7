// The GGUF block formats as bytes: sizes and the few reads that several kernels share. Layouts follow the GGUF
// specification (ggml's quantised types); all integers and halves are little-endian, as are the machines supported.
#pragma once
#include <cstring>

#include "half.h"
#include "kernels.h"

namespace compactor {

struct BlockLayout {
  size_t values;
  size_t bytes;
};

constexpr size_t kWeightTypeCount = 11;

// In the order of WeightType.
constexpr BlockLayout kBlockLayouts[kWeightTypeCount] = {
    {1, 4},     // F32
    {1, 2},     // F16
    {32, 18},   // Q4_0: f16 d, 16 bytes of nibbles                       w = d (q − 8)
    {32, 20},   // Q4_1: f16 d, f16 m, 16 bytes of nibbles                w = d q + m
    {32, 22},   // Q5_0: f16 d, 32 high bits, 16 bytes of nibbles         w = d (q − 16)
    {32, 24},   // Q5_1: f16 d, f16 m, 32 high bits, 16 bytes of nibbles  w = d q + m
    {32, 34},   // Q8_0: f16 d, 32 int8                                   w = d q
    {256, 144}, // Q4_K: f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 128 bytes of nibbles
    {256, 176}, // Q5_K: the same with 32 bytes of high bits before the nibbles
    {256, 210}, // Q6_K: 128 bytes low nibbles, 64 bytes high pairs, 16 int8 scales, f16 d
    {1, 2},     // BF16: the upper half of an f32
};

constexpr BlockLayout block_layout(WeightType type) { return kBlockLayouts[size_t(type)]; }

constexpr size_t blocks_bytes(WeightType type, size_t values) {
  return values / block_layout(type).values * block_layout(type).bytes;
}

inline float f32_of_bf16(const uint8_t* bytes) {
  const uint32_t bits = uint32_t(bytes[0] | bytes[1] << 8) << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline float f32_of_half(const uint8_t* bytes) { return f32_of_half(uint16_t(bytes[0] | bytes[1] << 8)); }

// The eight 6-bit scales and minimums of a Q4_K or Q5_K block, packed into 12 bytes: groups 0 to 3 in the low six bits
// of bytes 0 to 3 (scales) and 4 to 7 (minimums); groups 4 to 7 in the nibbles of bytes 8 to 11, their two high bits in
// the high bits of bytes 0 to 7.
inline void unpack_scales(const uint8_t* packed, uint8_t (&scales)[8], uint8_t (&minimums)[8]) {
  uint32_t low, middle, high;  // four bytes at a time
  memcpy(&low, packed, 4);
  memcpy(&middle, packed + 4, 4);
  memcpy(&high, packed + 8, 4);
  const uint32_t four_scales[2] = {low & 0x3f3f3f3f, (high & 0x0f0f0f0f) | (low >> 6 & 0x03030303) << 4};
  const uint32_t four_minimums[2] = {middle & 0x3f3f3f3f, (high >> 4 & 0x0f0f0f0f) | (middle >> 6 & 0x03030303) << 4};
  memcpy(scales, four_scales, 8);
  memcpy(minimums, four_minimums, 8);
}

}  // namespace compactor
