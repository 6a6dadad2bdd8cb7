// SHA-256 of the pieces of a file (FIPS 180-4), with the processor's instructions for it. Only where those are: without
// them JavaScript's own library is as good (src/backends/digests.ts). Checksums against damage, nothing secret.
#pragma once
#include <cstddef>
#include <cstdint>

#include "pool.h"

namespace compactor {

constexpr size_t kSha256Bytes = 32;

bool sha256_available();

// out[i] ← SHA-256 of bytes[i · piece_bytes …), the last piece being what is left. out [ceil(count / piece_bytes)][32].
// False when aborted, with part of `out` unwritten.
bool sha256_pieces(Pool& pool, const uint8_t* bytes, size_t count, size_t piece_bytes, uint8_t* out);

}  // namespace compactor
