// The tile registers of AMX: eight of sixteen rows of 64 bytes, or as many as the shapes say. For products of bfloat16, tiles 0 to 3 are
// two by two sums of 16 × 16 numbers, 4 and 5 rows of the left matrix, 32 numbers of each, 6 and 7 columns of the right one: their
// rows are pairs along the axis that is summed over, one pair of each column.
//
// Everything has internal linkage, as in lanes.h and for the same reason.
#pragma once
#include <cstddef>
#include <cstdint>

namespace compactor {
namespace {

constexpr size_t kTileSide = 16;   // rows of a tile, and columns of 32 bits
constexpr size_t kTileDepth = 32;  // bfloat16 numbers that a row of a left tile has
constexpr size_t kTilePairs = kTileDepth / 2;

struct Tile {
  alignas(64) uint32_t pairs[kTileSide][kTilePairs];  // of bfloat16, the earlier column in the low half
};
constexpr size_t kTileRowBytes = kTilePairs * sizeof(uint32_t);

// As the instruction wants it.
struct alignas(64) TileShapes {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileShapes) == 64, "what the instruction reads");

constexpr TileShapes kWholeTiles = {
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// The instructions as functions. The compiler's own intrinsics do not say that loading reads memory, so that what was stored just
// before might be stored after.
template <int kTile>
inline void load_tile(const void* rows, size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
}

// What is not needed again soon: it does not stay in the first-level cache.
template <int kTile>
inline void load_passing_tile(const void* rows, size_t stride) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
inline void store_tile(void* rows, size_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(kTile) : "memory");
}

template <int kTile>
inline void clear_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

template <int kSums, int kLeft, int kRight>
inline void add_tile_products() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kLeft), "i"(kRight));
}

// Signed bytes: four along the axis that is summed over where there are two bfloat16 numbers.
template <int kSums, int kLeft, int kRight>
inline void add_tile_int8_products() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kLeft), "i"(kRight));
}

// The thread's tile registers for as long as this lives; given back, for else the system saves them with every change of threads.
// Takes 45 ns. The constraint names all of the memory: the compiler's own intrinsic names its first eight bytes.
class Tiles {
 public:
  explicit Tiles(const TileShapes& shapes = kWholeTiles) { asm volatile("ldtilecfg %0" : : "m"(shapes)); }
  ~Tiles() { asm volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

}  // namespace
}  // namespace compactor
