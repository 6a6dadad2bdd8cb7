// Checksums of a file's pieces for JavaScript: check, then compute.
#include "napi.h"
#include "napi_arguments.h"
#include "sha256.h"

namespace compactor {

// sha256(pool, bytes, pieceBytes, out): out [pieces][32], the last piece being what is left
napi_value sha256_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "sha256", 4);
  const PoolHandle handle = arguments.pool(0);
  const Span<uint8_t> bytes = arguments.bytes(1, "bytes");
  const size_t piece_bytes = arguments.size(2, "pieceBytes");
  const Span<uint8_t> out = arguments.bytes(3, "out");
  arguments.require(sha256_available(), "this processor has no instructions for SHA-256");
  if (!arguments.require(piece_bytes > 0, "pieceBytes must be at least 1, got 0")) return nullptr;
  const size_t pieces = bytes.count / piece_bytes + (bytes.count % piece_bytes != 0);
  arguments.require(out.count == product(pieces, kSha256Bytes), "out has %zu bytes for %zu pieces of %zu", out.count,
                    pieces, kSha256Bytes);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, sha256_pieces(*handle.pool, handle.isa, bytes.data, bytes.count, piece_bytes, out.data));
}

}  // namespace compactor
