// The contract of the native backend: every op of src/backends/ops.ts as a C function, with its shapes.
// One .cc per op. Kernels neither throw nor allocate: napi_*.cc check shapes and sizes, a kernel computes.
// Row-major. f16 values are IEEE half bits in uint16_t. All work is split into tasks of at most about 20 ms, handed to
// the pool (pool.h); between tasks the pool looks at the abort word, and a kernel whose run was cut returns false.
// The same thread count gives the same bits: who computes a task may vary, what a task computes does not.
#pragma once
#include <cstddef>
#include <cstdint>

namespace compactor {

struct Pool;  // pool.h: threads, per-thread scratch memory, the abort word

enum class WeightType : int { F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16 };

// Instruction sets this binary has variants for, each a superset of the one before it: an op without a variant for one
// runs that of the next lower. The machine decides (cpu.h), COMPACTOR_ISA or an option may lower it.
enum class Isa : int { scalar, avx2, avx512, amx };

// The longest row that matmul_f32 takes; the binding refuses more.
constexpr size_t kMaxColumns = 1u << 20;

// The widest head of rope, attend, store, leverage and chunkAttentionMass (mostHeadDim in ops.ts): what scratch memory
// is laid out for. The binding refuses more.
constexpr size_t kMostHeadDim = 1024;

// decoded[0 .. count) ← weight values of `count` consecutive values from `blocks` (count a multiple of the block size)
void decode_row(Isa isa, WeightType type, const uint8_t* blocks, float* decoded, size_t count);

// out[i][:] = row ids[i] of the matrix
bool embed(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t columns, const uint32_t* ids, size_t n,
           float* out);

// out[n][rows] = x[n][columns] · Wᵀ (+ bias[rows]) (+ add[n][rows]); bias, add may be null; out may equal add.
// int8 = true allows activations quantised per 32 values to int8 where that is faster; false keeps f32.
bool matmul_f32(Pool& pool, Isa isa, WeightType type, const uint8_t* weight, size_t rows, size_t columns, const float* x,
                size_t n, const float* bias, const float* add, float* out, bool int8);

// A gated feed-forward network: what its norm multiplies with, and matrices [hidden][dim], [hidden][dim], [dim][hidden].
struct FeedForward {
  struct Matrix {
    WeightType type;
    const uint8_t* data;
  };
  size_t dim;
  size_t hidden;
  const float* gain;
  float eps;
  Matrix gate;
  Matrix up;
  Matrix down;
  bool gelu;
};

// out = gated(normed · gateᵀ, normed · upᵀ) · downᵀ (+ add), see feedForward in ops.ts; x, out [n][dim], add the same or null;
// between [n · (dim + 2 · hidden)]
bool feed_forward_f32(Pool& pool, Isa isa, const FeedForward& layer, const float* x, size_t n, const float* add,
                      float* between, float* out, bool int8);

// out = mixed + its feed-forward network, mixed = x + attended · outputᵀ; attended [n][width], output [dim][width],
// between [n · (2 · dim + 2 · hidden)]
bool finish_layer_f32(Pool& pool, Isa isa, const FeedForward::Matrix& output, size_t width, const FeedForward& layer,
                      const float* x, const float* attended, size_t n, float* between, float* out, bool int8);

// One of several matrices that the same x is multiplied with; bias [rows] may be null, out [n][rows].
struct Product {
  WeightType type;
  const uint8_t* weight;
  size_t rows;
  const float* bias;
  float* out;
};

constexpr size_t kMostProducts = 3;

// As matmul_f32 for each of up to kMostProducts, to the bit. For few tokens in one go: each ending would cost as much as a small
// matrix does.
bool matmul_each_f32(Pool& pool, Isa isa, const Product* products, size_t count, size_t columns, const float* x, size_t n,
                     bool int8);

// out = x / sqrt(mean(x²) + eps) * gain
bool rms_norm_f32(Pool& pool, Isa isa, const float* x, const float* gain, float eps, size_t n, size_t dim, float* out);

// out = silu(gate) * up, count values
bool swiglu_f32(Pool& pool, Isa isa, const float* gate, const float* up, size_t count, float* out);

// out = gelu(gate) * up by the tanh formula (geglu in ops.ts), count values
bool geglu_f32(Pool& pool, Isa isa, const float* gate, const float* up, size_t count, float* out);

// x, out [n][heads][head_dim]
struct Rotated {
  const float* x;
  size_t heads;
  float* out;
};

constexpr size_t kMostRotated = 4;

// Each of them; frequencies [head_dim / 2] are the angles at position 1. Angles in f64 or by an accurate recurrence: position up
// to 2^20 must stay within 1e-6.
bool rope_f32(Pool& pool, const Rotated* rotated, size_t count, const uint32_t* positions, size_t n, size_t head_dim,
              const double* frequencies, bool interleaved);

// Of a segment without a window: as far back as an index can be.
constexpr uint32_t kNoWindow = UINT32_MAX;

constexpr uint32_t kAllQueries = UINT32_MAX;

// One run of rows per KV head, see Segment in ops.ts. half = rows are f16.
struct Segment {
  const void* k;           // [rows][head_dim]
  const void* v;           // [rows][head_dim]
  const float* bias;       // [rows] or null
  const uint32_t* starts;  // [kv_heads]
  const uint32_t* counts;  // [kv_heads]
  bool half;
  bool causal;
  uint32_t causal_from;
  uint32_t window;  // of a causal segment: a query sees this many indices, up to its own
  uint32_t first_query;
  uint32_t query_count;  // from first_query on, for which the segment is; kAllQueries: for all
};

// q, out [n][heads][head_dim]. A query that sees nothing gets zeros.
// bf16 = true allows products of numbers rounded to bfloat16, summed in f32, where that is faster; false keeps f32.
bool attend_f32(Pool& pool, Isa isa, const float* q, size_t n, size_t heads, size_t kv_heads, size_t head_dim,
                const Segment* segments, size_t segment_count, float scale, uint32_t first_index, float* out,
                bool bf16);

// target [kv_heads][capacity][head_dim], f16 if half; source [n][kv_heads][head_dim]
struct Stored {
  void* target;
  bool half;
  const float* source;
};

constexpr size_t kMostStored = 2;

// Of each: rows at … at+n of each head of the target ← source
bool store_kv(Pool& pool, Isa isa, const Stored* stored, size_t count, size_t capacity, size_t at, size_t n,
              size_t kv_heads, size_t head_dim);

// f32 ↔ f16, round to nearest even, NaN stays NaN
void f16_from_f32(Isa isa, const float* source, uint16_t* target, size_t count);
void f32_from_f16(Isa isa, const uint16_t* source, float* target, size_t count);

// target[i][:] = source[picks[i]][:], width_bytes per row
bool gather(Pool& pool, const void* source, const uint32_t* picks, size_t count, size_t width_bytes, void* target);

// k [tokens][kv_heads][head_dim] → out [kv_heads][tokens]; sketch [head_dim][sketch_size] or null; chunk 0 = whole.
// Per KV head and chunk: X = (K − column means) Φ, G = XᵀX + ridge·I in f64, l_i = x_iᵀ G⁻¹ x_i by Cholesky.
bool leverage_f32(Pool& pool, Isa isa, const float* k, size_t tokens, size_t kv_heads, size_t head_dim,
                  const float* sketch, size_t sketch_size, double ridge, size_t chunk, float* out);

// Attention received by the runs of segments[0], whose counts are all the same (attentionReceived in ops.ts): the sum, or
// the maximum, over rows; bf16 as for attend. out [kv_heads][count]. At most kMostReceivedKeys keys over all KV heads and
// kMostReceivingHeads query heads, so that scratch memory suffices.
constexpr size_t kMostReceivedKeys = 1u << 22;
constexpr size_t kMostReceivingHeads = 1u << 16;
bool attention_received_f32(Pool& pool, Isa isa, const float* q, size_t n, size_t heads, size_t kv_heads,
                            size_t head_dim, const Segment* segments, size_t segment_count, float scale,
                            uint32_t first_index, bool maximum, float* out, bool bf16);

// x [tokens][kv_heads][head_dim] → out [kv_heads][tokens], cosine with the mean of x / max(‖x‖, 1e-12); f64
bool cosine_to_mean_f32(Pool& pool, Isa isa, const float* x, size_t tokens, size_t kv_heads, size_t head_dim, float* out);

// The longest document that lag_spread, lag_ranks and expected_attention take.
constexpr size_t kMostScoredTokens = 1u << 21;

// see lagSpread in ops.ts; x [tokens][kv_heads][head_dim] → out [kv_heads][tokens]; f64
bool lag_spread_f32(Pool& pool, const float* x, size_t tokens, size_t kv_heads, size_t head_dim, size_t first,
                    size_t partition, float* out);

// see lagRanks in ops.ts; x, out [kv_heads][tokens]
bool lag_ranks_f32(Pool& pool, const float* x, size_t tokens, size_t kv_heads, size_t first, size_t partition,
                   float* out);

// q [tokens][heads][head_dim], k [tokens][kv_heads][head_dim], rotation [head_dim][head_dim] → out [kv_heads][tokens].
// Per query head over tokens ≥ first: mean μ and covariance Σ of q, R = rotationᵀ, softmax of scale·kᵀRμ +
// scale²/2·kᵀRΣRᵀk; averaged over the group. f64
bool expected_attention_f32(Pool& pool, Isa isa, const float* q, const float* k, size_t tokens, size_t heads,
                            size_t kv_heads, size_t head_dim, const float* rotation, double scale, size_t first,
                            float* out);

// out[row][:] = softmax of x[row][:]
bool softmax_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, float* out);

// The longest row that argmax and describe_rows take: an index is exact.
constexpr size_t kMostRowValues = 1u << 24;

// out[row] = index of the largest of x[row][:], the first of equals, NaN passed over, 0 if nothing is above −∞; width from 1 to
// kMostRowValues
bool argmax_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, float* out);

// out[row] = {log-sum-exp, index of the largest, Σ weights[row mod period]·x over weights ≠ 0, x[picks[row mod period]]};
// width from 1 to kMostRowValues
constexpr size_t kRowFigures = 4;
bool describe_rows_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, const float* weights,
                       const uint32_t* picks, size_t period, float* out);

// see chunkAttentionMass in ops.ts; out [kv_heads][tokens]. min(chunk, tokens) is at most
// kMostChunkTokens, and kMostChunkKeys over all KV heads, so that scratch memory suffices.
constexpr size_t kMostChunkKeys = 1u << 20;
constexpr size_t kMostChunkTokens = 1u << 18;
bool chunk_attention_mass_f32(Pool& pool, Isa isa, const float* q, const float* k, size_t tokens, size_t heads,
                              size_t kv_heads, size_t head_dim, size_t chunk, float scale, float* out);

// small ones over [kv_heads][tokens]; plain loops, f64 accumulation
void norms_f32(const float* x, size_t tokens, size_t kv_heads, size_t head_dim, float* out);
void z_score_f32(const float* x, size_t count, float* out);
void add_scaled_f32(const float* a, const float* b, double factor, size_t count, float* out);
void multiply_f32(const float* a, const float* b, size_t count, float* out);
void soft_cap_f32(const float* x, double cap, size_t count, float* out);  // cap · tanh(x / cap)
void mean_over_heads_f32(const float* x, size_t heads, size_t tokens, float* out);
void average_pool_f32(const float* x, size_t rows, size_t length, size_t width, float* out);

}  // namespace compactor
