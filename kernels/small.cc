// Ops over [kv_heads][tokens]: a few numbers per token, so plain loops on the calling thread, f64 inside.
#include <cmath>

#include "kernels.h"

namespace compactor {
namespace {

// Σ term(i), in eight sums side by side: one after another each would wait for the last.
template <typename Term>
double sum_of_terms(size_t count, Term term) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= count; i += kSums)
    for (size_t s = 0; s < kSums; s++) sums[s] += term(i + s);
  for (; i < count; i++) sums[0] += term(i);
  for (size_t s = 1; s < kSums; s++) sums[0] += sums[s];
  return sums[0];
}

}  // namespace

void norms_f32(const float* x, size_t tokens, size_t kv_heads, size_t head_dim, float* out) {
  for (size_t token = 0; token < tokens; token++) {
    for (size_t head = 0; head < kv_heads; head++) {
      const float* row = x + (token * kv_heads + head) * head_dim;
      const double squares = sum_of_terms(head_dim, [row](size_t d) { return double(row[d]) * double(row[d]); });
      out[head * tokens + token] = float(std::sqrt(squares));
    }
  }
}

// Relative to the first value, so that equal values have a deviation of exactly 0.
void z_score_f32(const float* x, size_t count, float* out) {
  if (count == 0) return;
  const double shift = x[0];
  const double mean = sum_of_terms(count, [=](size_t i) { return x[i] - shift; }) / double(count);
  const auto difference = [=](size_t i) { return x[i] - shift - mean; };
  const double squares = sum_of_terms(count, [=](size_t i) { return difference(i) * difference(i); });
  const double deviation = std::sqrt(squares / double(count));
  const double factor = deviation == 0 ? 0 : 1 / deviation;
  for (size_t i = 0; i < count; i++) out[i] = deviation == 0 ? 0.0f : float(difference(i) * factor);
}

void add_scaled_f32(const float* a, const float* b, double factor, size_t count, float* out) {
  for (size_t i = 0; i < count; i++) out[i] = float(double(a[i]) + factor * double(b[i]));
}

void multiply_f32(const float* a, const float* b, size_t count, float* out) {
  for (size_t i = 0; i < count; i++) out[i] = a[i] * b[i];
}

void soft_cap_f32(const float* x, double cap, size_t count, float* out) {
  for (size_t i = 0; i < count; i++) out[i] = float(cap * std::tanh(double(x[i]) / cap));
}

void mean_over_heads_f32(const float* x, size_t heads, size_t tokens, float* out) {
  for (size_t token = 0; token < tokens; token++) {
    double sum = 0;
    for (size_t head = 0; head < heads; head++) sum += x[head * tokens + token];
    for (size_t head = 0; head < heads; head++) out[head * tokens + token] = float(sum / double(heads));
  }
}

void average_pool_f32(const float* x, size_t rows, size_t length, size_t width, float* out) {
  const size_t reach = width / 2;
  for (size_t row = 0; row < rows; row++) {
    for (size_t i = 0; i < length; i++) {
      const size_t first = i < reach ? 0 : i - reach;
      const size_t end = i + reach + 1 < length ? i + reach + 1 : length;
      double sum = 0;
      for (size_t j = first; j < end; j++) sum += x[row * length + j];
      out[row * length + i] = float(sum / double(end - first));
    }
  }
}

}  // namespace compactor
