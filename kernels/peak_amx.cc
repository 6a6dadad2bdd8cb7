// The yardstick of peak.h with AMX: two by two tiles of sums. Their factors are drawn numbers: with zeros the clock is a fifth faster.
// No op uses it.
#include "cpu.h"
#include "peak.h"

#if COMPACTOR_X86
#pragma GCC target("avx512f")
#include "tiles_amx.h"

namespace compactor {
namespace {

struct TileRun {
  Pool* pool;
  size_t rounds;
};

void tile_task(void* arguments, size_t, int thread) {
  const TileRun& run = *static_cast<const TileRun*>(arguments);
  constexpr size_t kTileNumbers = kTileSide * kTileDepth;
  uint16_t* const numbers = static_cast<uint16_t*>(pool_scratch(*run.pool, thread));
  uint32_t drawn = 1;
  for (size_t i = 0; i < 4 * kTileNumbers; i++) {
    drawn = drawn * 1664525u + 1013904223u;
    numbers[i] = uint16_t(0x3c00 | (drawn >> 16 & 0x83ff));  // between 2^-7 and 2, of either sign
  }
  const Tiles tiles;
  load_tile<4>(numbers, 64);
  load_tile<5>(numbers + kTileNumbers, 64);
  load_tile<6>(numbers + 2 * kTileNumbers, 64);
  load_tile<7>(numbers + 3 * kTileNumbers, 64);
  for (size_t round = 0; round < run.rounds * 128; round++) {
    add_tile_products<0, 4, 6>();
    add_tile_products<1, 4, 7>();
    add_tile_products<2, 5, 6>();
    add_tile_products<3, 5, 7>();
  }
}

}  // namespace

bool measure_products_amx(Pool& pool, size_t rounds) {
  TileRun run{&pool, rounds};
  return pool_run(pool, size_t(pool_thread_count(pool)), tile_task, &run);
}

}  // namespace compactor
#endif
