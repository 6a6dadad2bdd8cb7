// The inner loop of matmul_int8_panel_task.h with AVX-512 VNNI: sums of six tokens × 32 rows stay in registers; one
// instruction multiplies four codes of 16 rows with four activations of a token and adds them up in 32 bits. What each
// 32 columns cost besides (conversion, scale, minimum) is a fifth to a third of that.
#include "blocks.h"
#include "cpu.h"
#include "matmul.h"
#include "matmul_int8_panel.h"
#include "row_ranges.h"
#include "tasks.h"

#if COMPACTOR_X86
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // said by GCC 12 of its own intrinsics
#include "avx2.h"

#include "matmul_int8_panel_task.h"

#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vnni")
#include "pack_panel_avx512.h"

namespace compactor {
namespace {

// acc += codes · q over 4 · kSteps columns, for kTokens × 32 rows
template <int kTokens, int kSteps>
inline void add_products(const uint8_t (*codes)[kPanelRows][4], const PanelGroup* x, size_t from,
                         __m512i (&acc)[kTokens][2]) {
#pragma GCC unroll 8
  for (int k = 0; k < kSteps; k++) {
    const __m512i low = _mm512_load_si512(codes[k][0]), high = _mm512_load_si512(codes[k][16]);
#pragma GCC unroll 6
    for (int t = 0; t < kTokens; t++) {
      int32_t four;
      memcpy(&four, x[t].q + from + 4 * size_t(k), sizeof four);
      const __m512i q = _mm512_set1_epi32(four);
      acc[t][0] = _mm512_dpbusd_epi32(acc[t][0], low, q);
      acc[t][1] = _mm512_dpbusd_epi32(acc[t][1], high, q);
    }
  }
}

// sums += scale · x.scale · acc (+ minimum · x.sum)
template <Codes kCodes, int kTokens>
inline void add_scaled(const Panel& panel, size_t group, const PanelGroup* x, const __m512i (&acc)[kTokens][2],
                       __m512 (&sums)[kTokens][2]) {
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    const __m512 scale = _mm512_load_ps(panel.factors.scales[group] + 16 * h);
    const __m512 minimum = kCodes == Codes::minimum ? _mm512_load_ps(panel.factors.minimums[group] + 16 * h) : scale;
#pragma GCC unroll 6
    for (int t = 0; t < kTokens; t++) {
      const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[t][h]), scale);
      sums[t][h] = _mm512_fmadd_ps(product, _mm512_set1_ps(x[t].scale), sums[t][h]);
      if constexpr (kCodes == Codes::minimum)
        sums[t][h] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(x[t].sum), sums[t][h]);
    }
  }
}

template <int kTokens>
inline void start_sums(const PanelGroup* x, int half, bool zero, __m512i (&acc)[kTokens][2]) {
#pragma GCC unroll 6
  for (int t = 0; t < kTokens; t++)
    acc[t][0] = acc[t][1] = zero ? _mm512_setzero_si512() : _mm512_set1_epi32(x[t].starts[half]);
}

template <Codes kCodes, int kTokens>
inline void add_group(const Panel& panel, size_t group, const PanelGroup* x, __m512 (&sums)[kTokens][2]) {
  __m512i acc[kTokens][2];
  start_sums<kTokens>(x, 0, kCodes == Codes::minimum, acc);
  if constexpr (kCodes == Codes::halves) {
    add_products<kTokens, 4>(panel.codes + group * 8, x, 0, acc);
    add_scaled<kCodes, kTokens>(panel, 2 * group, x, acc, sums);
    start_sums<kTokens>(x, 1, false, acc);
    add_products<kTokens, 4>(panel.codes + group * 8 + 4, x, 16, acc);
    add_scaled<kCodes, kTokens>(panel, 2 * group + 1, x, acc, sums);
  } else {
    add_products<kTokens, 8>(panel.codes + group * 8, x, 0, acc);
    add_scaled<kCodes, kTokens>(panel, group, x, acc, sums);
  }
}

template <Codes kCodes, int kTokens>
void multiply_tile(const PanelGroup* x, const PanelGroup*, const Panel& panel, size_t groups, bool first, float* out) {
  __m512 sums[kTokens][2];
#pragma GCC unroll 6
  for (int t = 0; t < kTokens; t++) {
    sums[t][0] = first ? _mm512_setzero_ps() : _mm512_load_ps(out + size_t(t) * kPanelRows);
    sums[t][1] = first ? _mm512_setzero_ps() : _mm512_load_ps(out + size_t(t) * kPanelRows + 16);
  }
  for (size_t g = 0; g < groups; g++, x += kTileTokens) add_group<kCodes, kTokens>(panel, g, x, sums);
#pragma GCC unroll 6
  for (int t = 0; t < kTokens; t++) {
    _mm512_store_ps(out + size_t(t) * kPanelRows, sums[t][0]);
    _mm512_store_ps(out + size_t(t) * kPanelRows + 16, sums[t][1]);
  }
}

#define COMPACTOR_TILES(codes)                                                                             \
  {nullptr, multiply_tile<codes, 1>, multiply_tile<codes, 2>, multiply_tile<codes, 3>, multiply_tile<codes, 4>, \
   multiply_tile<codes, 5>, multiply_tile<codes, 6>}

constexpr MultiplyTiles kMultiply[3] = {COMPACTOR_TILES(Codes::centred), COMPACTOR_TILES(Codes::minimum),
                                                        COMPACTOR_TILES(Codes::halves)};

const MultiplyTiles& multiply_tiles_of(WeightType type) { return kMultiply[int(codes_of(type))]; }

constexpr PackPanels kPack = COMPACTOR_PACKING(pack_panel_avx512);

}  // namespace

bool matmul_int8_panel_avx512(Pool& pool, const Matmul* matmuls, size_t count) {
  return run_panels(pool, matmuls, count, {Sums::in32Bits, multiply_tiles_of, kPack});
}

}  // namespace compactor
#endif
