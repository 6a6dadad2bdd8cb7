// SHA-256 of the pieces of a file (FIPS 180-4), with the processor's instructions for it. Only where those are: without
// them JavaScript's own library is as good (src/backends/digests.ts). Checksums against damage, nothing secret.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu.h"
#include "pool.h"

namespace compactor {

constexpr size_t kSha256Bytes = 32;

bool sha256_available();

// Sixteen pieces of `piece_bytes`, one after another; out [16][32]
constexpr size_t kWidePieces = 16;
void sha256_wide_avx512(const uint8_t* bytes, size_t piece_bytes, uint8_t* out);

// out[i] ← SHA-256 of bytes[i · piece_bytes …), the last piece being what is left. out [ceil(count / piece_bytes)][32].
// False when aborted, with part of `out` unwritten.
bool sha256_pieces(Pool& pool, Isa isa, const uint8_t* bytes, size_t count, size_t piece_bytes, uint8_t* out);

}  // namespace compactor
