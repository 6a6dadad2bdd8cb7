// The scoring ops for JavaScript: check, then compute.
#include "napi.h"
#include "napi_arguments.h"

namespace compactor {
namespace {

// k or q [tokens][heads][head_dim], out [kv_heads][tokens]
void check_scores(Arguments& arguments, const char* name, size_t count, size_t tokens, size_t heads, size_t head_dim) {
  arguments.require(head_dim > 0 && head_dim <= kMostHeadDim, "headDim must be from 1 to %zu, got %zu", kMostHeadDim,
                    head_dim);
  arguments.require(heads > 0, "at least one head is needed");
  arguments.require(count == product(tokens, heads, head_dim), "%s has %zu values for %zu × %zu × %zu", name, count,
                    tokens, heads, head_dim);
}

void check_length(Arguments& arguments, size_t tokens) {
  arguments.require(tokens <= kMostScoredTokens, "%zu tokens are too many, at most %zu", tokens, kMostScoredTokens);
}

void check_out(Arguments& arguments, size_t count, size_t kv_heads, size_t tokens) {
  arguments.require(count == product(kv_heads, tokens), "out has %zu values for %zu × %zu", count, kv_heads, tokens);
}

}  // namespace

// leverage(pool, k, tokens, kvHeads, headDim, sketch | undefined, ridge, chunk, out); chunk 0 = whole
napi_value leverage_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "leverage", 9);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> k = arguments.f32(1, "k");
  const size_t tokens = arguments.size(2, "tokens"), kv_heads = arguments.size(3, "kvHeads");
  const size_t head_dim = arguments.size(4, "headDim");
  const Span<float> sketch = arguments.optional_f32(5, "sketch");
  const double ridge = arguments.number(6, "ridge");
  const size_t chunk = arguments.size(7, "chunk");
  const Span<float> out = arguments.f32(8, "out");
  check_scores(arguments, "k", k.count, tokens, kv_heads, head_dim);
  check_out(arguments, out.count, kv_heads, tokens);
  arguments.require(ridge > 0, "ridge must be above 0, got %g", ridge);
  if (!arguments.ok()) return nullptr;
  const size_t sketch_size = sketch.count / head_dim;
  arguments.require(arguments.absent(5) ||
                        (sketch_size > 0 && sketch_size <= kMostHeadDim && sketch_size * head_dim == sketch.count),
                    "sketch has %zu values, expected %zu rows of 1 to %zu", sketch.count, head_dim, kMostHeadDim);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, leverage_f32(*handle.pool, handle.isa, k.data, tokens, kv_heads, head_dim, sketch.data,
                                         sketch_size, ridge, chunk, out.data));
}

// chunkAttentionMass(pool, q, k, tokens, heads, kvHeads, headDim, chunk, scale, out)
napi_value chunk_attention_mass_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "chunkAttentionMass", 10);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> q = arguments.f32(1, "q"), k = arguments.f32(2, "k");
  const size_t tokens = arguments.size(3, "tokens"), heads = arguments.size(4, "heads");
  const size_t kv_heads = arguments.size(5, "kvHeads"), head_dim = arguments.size(6, "headDim");
  const size_t chunk = arguments.size(7, "chunk");
  const double scale = arguments.number(8, "scale");
  const Span<float> out = arguments.f32(9, "out");
  check_scores(arguments, "q", q.count, tokens, heads, head_dim);
  check_scores(arguments, "k", k.count, tokens, kv_heads, head_dim);
  check_out(arguments, out.count, kv_heads, tokens);
  arguments.require(chunk > 0, "chunk must be above 0");
  const size_t chunk_tokens = chunk < tokens ? chunk : tokens;
  arguments.require(chunk_tokens <= kMostChunkTokens && chunk_tokens * kv_heads <= kMostChunkKeys,
                    "chunks of %zu tokens for %zu KV heads are too long, at most %zu tokens and %zu over all KV heads; "
                    "use a smaller chunk",
                    chunk_tokens, kv_heads, kMostChunkTokens, kMostChunkKeys);
  if (!arguments.ok() ||
      !arguments.require(heads % kv_heads == 0, "%zu heads are not a multiple of %zu KV heads", heads, kv_heads))
    return nullptr;
  return boolean_value(env, chunk_attention_mass_f32(*handle.pool, handle.isa, q.data, k.data, tokens, heads, kv_heads,
                                                     head_dim, chunk, float(scale), out.data));
}

// cosineToMean(pool, x, tokens, kvHeads, headDim, out)
napi_value cosine_to_mean_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "cosineToMean", 6);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const size_t tokens = arguments.size(2, "tokens"), kv_heads = arguments.size(3, "kvHeads");
  const size_t head_dim = arguments.size(4, "headDim");
  const Span<float> out = arguments.f32(5, "out");
  check_scores(arguments, "x", x.count, tokens, kv_heads, head_dim);
  check_out(arguments, out.count, kv_heads, tokens);
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, cosine_to_mean_f32(*handle.pool, handle.isa, x.data, tokens, kv_heads, head_dim, out.data));
}

// lagSpread(pool, x, tokens, kvHeads, headDim, first, partition, out)
napi_value lag_spread_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "lagSpread", 8);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const size_t tokens = arguments.size(2, "tokens"), kv_heads = arguments.size(3, "kvHeads");
  const size_t head_dim = arguments.size(4, "headDim");
  const size_t first = arguments.size(5, "first"), partition = arguments.size(6, "partition");
  const Span<float> out = arguments.f32(7, "out");
  check_scores(arguments, "x", x.count, tokens, kv_heads, head_dim);
  check_out(arguments, out.count, kv_heads, tokens);
  check_length(arguments, tokens);
  arguments.require(partition > 0, "partition must be above 0");
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, lag_spread_f32(*handle.pool, x.data, tokens, kv_heads, head_dim, first, partition, out.data));
}

// lagRanks(pool, x, tokens, kvHeads, first, partition, out)
napi_value lag_ranks_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "lagRanks", 7);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> x = arguments.f32(1, "x");
  const size_t tokens = arguments.size(2, "tokens"), kv_heads = arguments.size(3, "kvHeads");
  const size_t first = arguments.size(4, "first"), partition = arguments.size(5, "partition");
  const Span<float> out = arguments.f32(6, "out");
  arguments.require(x.count == product(kv_heads, tokens), "x has %zu values for %zu × %zu", x.count, kv_heads, tokens);
  check_out(arguments, out.count, kv_heads, tokens);
  check_length(arguments, tokens);
  arguments.require(partition > 0, "partition must be above 0");
  if (!arguments.ok()) return nullptr;
  return boolean_value(env, lag_ranks_f32(*handle.pool, x.data, tokens, kv_heads, first, partition, out.data));
}

// expectedAttention(pool, q, k, tokens, heads, kvHeads, headDim, rotation, scale, first, out)
napi_value expected_attention_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "expectedAttention", 11);
  const PoolHandle handle = arguments.pool(0);
  const Span<float> q = arguments.f32(1, "q"), k = arguments.f32(2, "k");
  const size_t tokens = arguments.size(3, "tokens"), heads = arguments.size(4, "heads");
  const size_t kv_heads = arguments.size(5, "kvHeads"), head_dim = arguments.size(6, "headDim");
  const Span<float> rotation = arguments.f32(7, "rotation");
  const double scale = arguments.number(8, "scale");
  const size_t first = arguments.size(9, "first");
  const Span<float> out = arguments.f32(10, "out");
  check_scores(arguments, "q", q.count, tokens, heads, head_dim);
  check_scores(arguments, "k", k.count, tokens, kv_heads, head_dim);
  check_out(arguments, out.count, kv_heads, tokens);
  check_length(arguments, tokens);
  arguments.require(rotation.count == product(head_dim, head_dim), "rotation has %zu values for %zu × %zu",
                    rotation.count, head_dim, head_dim);
  if (!arguments.ok() ||
      !arguments.require(heads % kv_heads == 0, "%zu heads are not a multiple of %zu KV heads", heads, kv_heads))
    return nullptr;
  return boolean_value(env, expected_attention_f32(*handle.pool, handle.isa, q.data, k.data, tokens, heads, kv_heads,
                                                   head_dim, rotation.data, scale, first, out.data));
}

// meanOverHeads(x, heads, tokens, out)
napi_value mean_over_heads_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "meanOverHeads", 4);
  const Span<float> x = arguments.f32(0, "x");
  const size_t heads = arguments.size(1, "heads"), tokens = arguments.size(2, "tokens");
  const Span<float> out = arguments.f32(3, "out");
  arguments.require(x.count == product(heads, tokens), "x has %zu values for %zu × %zu", x.count, heads, tokens);
  arguments.require(out.count == x.count, "out has %zu values, x has %zu", out.count, x.count);
  if (arguments.ok() && x.count > 0) mean_over_heads_f32(x.data, heads, tokens, out.data);
  return nullptr;
}

// norms(x, tokens, kvHeads, headDim, out)
napi_value norms_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "norms", 5);
  const Span<float> x = arguments.f32(0, "x");
  const size_t tokens = arguments.size(1, "tokens"), kv_heads = arguments.size(2, "kvHeads");
  const size_t head_dim = arguments.size(3, "headDim");
  const Span<float> out = arguments.f32(4, "out");
  arguments.require(x.count == product(tokens, kv_heads, head_dim), "x has %zu values for %zu × %zu × %zu", x.count,
                    tokens, kv_heads, head_dim);
  check_out(arguments, out.count, kv_heads, tokens);
  if (arguments.ok()) norms_f32(x.data, tokens, kv_heads, head_dim, out.data);
  return nullptr;
}

// zScore(x, out)
napi_value z_score_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "zScore", 2);
  const Span<float> x = arguments.f32(0, "x"), out = arguments.f32(1, "out");
  arguments.require(out.count == x.count, "out has %zu values, x has %zu", out.count, x.count);
  if (arguments.ok()) z_score_f32(x.data, x.count, out.data);
  return nullptr;
}

// addScaled(a, b, factor, out)
napi_value add_scaled_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "addScaled", 4);
  const Span<float> a = arguments.f32(0, "a"), b = arguments.f32(1, "b");
  const double factor = arguments.number(2, "factor");
  const Span<float> out = arguments.f32(3, "out");
  arguments.require(a.count == b.count && b.count == out.count, "a, b and out have %zu, %zu and %zu values", a.count,
                    b.count, out.count);
  if (arguments.ok()) add_scaled_f32(a.data, b.data, factor, a.count, out.data);
  return nullptr;
}

// multiply(a, b, out)
napi_value multiply_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "multiply", 3);
  const Span<float> a = arguments.f32(0, "a"), b = arguments.f32(1, "b"), out = arguments.f32(2, "out");
  arguments.require(a.count == b.count && b.count == out.count, "a, b and out have %zu, %zu and %zu values", a.count,
                    b.count, out.count);
  if (arguments.ok()) multiply_f32(a.data, b.data, a.count, out.data);
  return nullptr;
}

// softCap(x, cap, out)
napi_value soft_cap_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "softCap", 3);
  const Span<float> x = arguments.f32(0, "x");
  const double cap = arguments.number(1, "cap");
  const Span<float> out = arguments.f32(2, "out");
  arguments.require(cap > 0, "cap must be above 0, got %g", cap);
  arguments.require(x.count == out.count, "x and out have %zu and %zu values", x.count, out.count);
  if (arguments.ok()) soft_cap_f32(x.data, cap, x.count, out.data);
  return nullptr;
}

// averagePool(x, length, width, out): rows of `length`
napi_value average_pool_call(napi_env env, napi_callback_info info) {
  Arguments arguments(env, info, "averagePool", 4);
  const Span<float> x = arguments.f32(0, "x");
  const size_t length = arguments.size(1, "length"), width = arguments.size(2, "width");
  const Span<float> out = arguments.f32(3, "out");
  arguments.require(width % 2 == 1, "width must be odd, got %zu", width);
  arguments.require(length > 0 ? x.count % length == 0 : x.count == 0, "x has %zu values, not rows of %zu", x.count,
                    length);
  arguments.require(out.count == x.count, "out has %zu values, x has %zu", out.count, x.count);
  if (arguments.ok() && x.count > 0) average_pool_f32(x.data, x.count / length, length, width, out.data);
  return nullptr;
}

}  // namespace compactor
