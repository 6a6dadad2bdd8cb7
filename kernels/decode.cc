// Weight blocks to f32, scalar. Every product and difference is rounded where the Python `gguf` package rounds, so that
// both give the same bits; hence also no contraction to FMA anywhere in decoding.
#include "decode.h"

#include "blocks.h"
#include "cpu.h"

namespace compactor {
namespace {

void decode_f32(const uint8_t* block, float* out) { memcpy(out, block, 4); }

void decode_f16(const uint8_t* block, float* out) { *out = f32_of_half(block); }

void decode_q4_0(const uint8_t* block, float* out) {
  const float d = f32_of_half(block);
  const uint8_t* nibbles = block + 2;
  for (int i = 0; i < 16; i++) {
    out[i] = d * float(int(nibbles[i] & 15) - 8);
    out[i + 16] = d * float(int(nibbles[i] >> 4) - 8);
  }
}

void decode_q4_1(const uint8_t* block, float* out) {
  const float d = f32_of_half(block), m = f32_of_half(block + 2);
  const uint8_t* nibbles = block + 4;
  for (int i = 0; i < 16; i++) {
    out[i] = d * float(nibbles[i] & 15) + m;
    out[i + 16] = d * float(nibbles[i] >> 4) + m;
  }
}

uint32_t high_bits_of(const uint8_t* bytes) {
  uint32_t bits;
  memcpy(&bits, bytes, sizeof bits);
  return bits;
}

void decode_q5_0(const uint8_t* block, float* out) {
  const float d = f32_of_half(block);
  const uint32_t high = high_bits_of(block + 2);
  const uint8_t* nibbles = block + 6;
  for (int i = 0; i < 16; i++) {
    out[i] = d * float(int((nibbles[i] & 15) | (high >> i & 1) << 4) - 16);
    out[i + 16] = d * float(int((nibbles[i] >> 4) | (high >> (i + 16) & 1) << 4) - 16);
  }
}

void decode_q5_1(const uint8_t* block, float* out) {
  const float d = f32_of_half(block), m = f32_of_half(block + 2);
  const uint32_t high = high_bits_of(block + 4);
  const uint8_t* nibbles = block + 8;
  for (int i = 0; i < 16; i++) {
    out[i] = d * float((nibbles[i] & 15) | (high >> i & 1) << 4) + m;
    out[i + 16] = d * float((nibbles[i] >> 4) | (high >> (i + 16) & 1) << 4) + m;
  }
}

void decode_q8_0(const uint8_t* block, float* out) {
  const float d = f32_of_half(block);
  for (int i = 0; i < 32; i++) out[i] = d * float(int8_t(block[2 + i]));
}

// 32 bytes of nibbles hold two groups of 32 values: the even one in the low halves, the odd one in the high halves.
// `high` is null for Q4_K; in Q5_K bit g of byte i is bit 4 of value i of group g.
void decode_k45(const uint8_t* block, const uint8_t* high, const uint8_t* nibbles, float* out) {
  const float d = f32_of_half(block), dmin = f32_of_half(block + 2);
  uint8_t scales[8], minimums[8];
  unpack_scales(block + 4, scales, minimums);
  for (int group = 0; group < 8; group++) {
    const float scale = d * float(scales[group]), minimum = dmin * float(minimums[group]);
    const uint8_t* bytes = nibbles + group / 2 * 32;
    for (int i = 0; i < 32; i++) {
      const uint32_t low = group % 2 == 0 ? bytes[i] & 15 : bytes[i] >> 4;
      const uint32_t top = high == nullptr ? 0 : (high[i] >> group & 1) << 4;
      out[group * 32 + i] = scale * float(low | top) - minimum;
    }
  }
}

void decode_q4_k(const uint8_t* block, float* out) { decode_k45(block, nullptr, block + 16, out); }

void decode_q5_k(const uint8_t* block, float* out) { decode_k45(block, block + 16, block + 48, out); }

// Two halves of 128 values; in each, 64 bytes of low nibbles and 32 bytes of high pairs hold four groups of 32.
void decode_q6_k(const uint8_t* block, float* out) {
  const float d = f32_of_half(block + 208);
  for (int half = 0; half < 2; half++) {
    const uint8_t* low = block + half * 64;
    const uint8_t* high = block + 128 + half * 32;
    const int8_t* scales = reinterpret_cast<const int8_t*>(block + 192 + half * 8);
    for (int i = 0; i < 32; i++) {
      const int nibbles[4] = {low[i] & 15, low[i + 32] & 15, low[i] >> 4, low[i + 32] >> 4};
      for (int group = 0; group < 4; group++) {
        const int q = (nibbles[group] | (high[i] >> 2 * group & 3) << 4) - 32;
        out[half * 128 + group * 32 + i] = d * float(scales[group * 2 + i / 16]) * float(q);
      }
    }
  }
}

void decode_bf16(const uint8_t* block, float* out) { *out = f32_of_bf16(block); }

using DecodeBlock = void (*)(const uint8_t* block, float* out);

constexpr DecodeBlock kDecoders[kWeightTypeCount] = {decode_f32,  decode_f16,  decode_q4_0, decode_q4_1, decode_q5_0,
                                                     decode_q5_1, decode_q8_0, decode_q4_k, decode_q5_k, decode_q6_k,
                                                     decode_bf16};

}  // namespace

void decode_row(Isa isa, WeightType type, const uint8_t* blocks, float* decoded, size_t count) {
#if COMPACTOR_X86
  if (isa >= Isa::avx2) return decode_row_avx2(type, blocks, decoded, count);
#endif
  (void)isa;
  const BlockLayout layout = block_layout(type);
  const DecodeBlock decode = kDecoders[size_t(type)];
  for (size_t i = 0; i < count; i += layout.values, blocks += layout.bytes) decode(blocks, decoded + i);
}

}  // namespace compactor
