// Rotary embedding. The angle of a pair at position p is p · theta^(-2·pair/head_dim) (/ factor), up to a million
// radians, so sines are taken in f64. Sines are slow: p is split into 64·a + b, and cos and sin of the two parts are combined by
// the addition theorem. That costs one pair of sines per 64 positions, and the result depends on p alone, never on
// which tokens are rotated together.
#include <cmath>
#include <cstring>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr uint32_t kStep = 64;

struct Angle {
  double cosine;
  double sine;
};

constexpr size_t kMostPairs = kMostHeadDim / 2;
static_assert(kMostPairs * (sizeof(Angle) + 2 * sizeof(float)) <= kScratchBytes, "a position's angles fit");
static_assert(kMostPairs * (sizeof(double) + kStep * sizeof(Angle)) <= kSharedScratchBytes, "the table fits");

struct Rope {
  const Rotated* rotated;
  size_t count;
  const uint32_t* positions;
  size_t n;
  size_t head_dim;
  bool interleaved;
  size_t tokens;            // of one task
  const double* frequency;  // [pairs]
  const Angle* low;         // [kStep][pairs], angles of b = 0 … 63; null when few tokens are rotated
  Pool* pool;
};

Angle angle_of(uint32_t position, double frequency) {
  const double radians = double(position) * frequency;
  return {std::cos(radians), std::sin(radians)};
}

// cos and sin of every pair at `position`; `high` remembers the part above 64 from call to call.
void angles_at(const Rope& run, uint32_t position, uint32_t* high_position, Angle* high, float* cosines, float* sines) {
  const size_t pairs = run.head_dim / 2;
  const uint32_t b = position % kStep;
  if (*high_position != position - b) {
    *high_position = position - b;
    for (size_t i = 0; i < pairs; i++) high[i] = angle_of(position - b, run.frequency[i]);
  }
  for (size_t i = 0; i < pairs; i++) {
    const Angle low = run.low ? run.low[b * pairs + i] : angle_of(b, run.frequency[i]);
    cosines[i] = float(high[i].cosine * low.cosine - high[i].sine * low.sine);
    sines[i] = float(high[i].sine * low.cosine + high[i].cosine * low.sine);
  }
}

void rotate_interleaved(const float* x, const float* cosines, const float* sines, size_t pairs, float* out) {
  for (size_t i = 0; i < pairs; i++) {
    const float first = x[2 * i];
    const float second = x[2 * i + 1];
    out[2 * i] = first * cosines[i] - second * sines[i];
    out[2 * i + 1] = first * sines[i] + second * cosines[i];
  }
}

void rotate_halves(const float* x, const float* cosines, const float* sines, size_t pairs, float* out) {
  for (size_t i = 0; i < pairs; i++) {
    const float first = x[i];
    const float second = x[i + pairs];
    out[i] = first * cosines[i] - second * sines[i];
    out[i + pairs] = first * sines[i] + second * cosines[i];
  }
}

void rope_task(void* arguments, size_t task, int thread) {
  const Rope& run = *static_cast<const Rope*>(arguments);
  const size_t pairs = run.head_dim / 2;
  Angle* high = static_cast<Angle*>(pool_scratch(*run.pool, thread));
  float* cosines = reinterpret_cast<float*>(high + pairs);
  float* sines = cosines + pairs;
  uint32_t high_position = 1;  // never a multiple of 64
  const size_t start = task * run.tokens;
  const size_t end = start + task_size(run.n, start, run.tokens);
  for (size_t token = start; token < end; token++) {
    angles_at(run, run.positions[token], &high_position, high, cosines, sines);
    for (size_t i = 0; i < run.count; i++) {
      const Rotated& own = run.rotated[i];
      for (size_t head = 0; head < own.heads; head++) {
        const size_t at = (token * own.heads + head) * run.head_dim;
        if (run.interleaved)
          rotate_interleaved(own.x + at, cosines, sines, pairs, own.out + at);
        else
          rotate_halves(own.x + at, cosines, sines, pairs, own.out + at);
      }
    }
  }
}

}  // namespace

bool rope_f32(Pool& pool, const Rotated* rotated, size_t count, const uint32_t* positions, size_t n, size_t head_dim,
              const double* frequencies, bool interleaved) {
  const size_t pairs = head_dim / 2;
  // Copied: another thread of the host could change them while they are read.
  double* frequency = static_cast<double*>(pool_shared_scratch(pool));
  memcpy(frequency, frequencies, pairs * sizeof(double));
  Angle* low = reinterpret_cast<Angle*>(frequency + pairs);
  const bool tabled = n >= kStep;
  for (uint32_t b = 0; tabled && b < kStep; b++)
    for (size_t i = 0; i < pairs; i++) low[b * pairs + i] = angle_of(b, frequency[i]);
  Rope run{rotated, count, positions, n, head_dim, interleaved, kStep, frequency, tabled ? low : nullptr, &pool};
  return pool_run(pool, task_count(n, run.tokens), rope_task, &run);
}

}  // namespace compactor
