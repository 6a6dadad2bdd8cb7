// Rows of a matrix shared out so that each thread reads memory in one direction: a thread takes pieces of its own stretch
// in ascending order, and pieces of the others' when its own is done. Which thread computes a row decides nothing.
//
// Included before anything that asks for an instruction set: a linker may keep any file's copy for all of them (lanes.h).
#pragma once
#include <atomic>
#include <cstddef>

#include "tasks.h"

namespace compactor {

class RowRanges {
 public:
  static constexpr size_t kMost = 64;  // stretches; more threads than that begin by helping

  RowRanges() = default;  // of no rows
  RowRanges(size_t rows, size_t rows_per_piece, size_t count) { share_out(rows, rows_per_piece, count); }

  // `count` stretches of whole pieces of `rows_per_piece` rows
  void share_out(size_t rows, size_t rows_per_piece, size_t count) {
    rows_ = rows;
    rows_per_piece_ = rows_per_piece;
    count_ = count < kMost ? count : kMost;
    const size_t pieces = task_count(rows, rows_per_piece);
    for (size_t i = 0; i < count_; i++) {
      stretches_[i].next.store(pieces * i / count_, std::memory_order_relaxed);
      stretches_[i].end = pieces * (i + 1) / count_;
    }
  }

  // `count` stretches of rows that take as long together: weight(row) is how long one takes.
  template <typename Weight>
  void share_out_evenly(size_t rows, size_t count, Weight weight) {
    size_t total = 0;
    for (size_t row = 0; row < rows; row++) total += weight(row);
    rows_ = rows;
    rows_per_piece_ = 1;
    count_ = count < kMost ? count : kMost;
    size_t row = 0, before = 0;
    for (size_t i = 0; i < count_; i++) {
      stretches_[i].next.store(row, std::memory_order_relaxed);
      // A row belongs to the stretch that its middle is in.
      const size_t limit = total * (i + 1) / count_;
      for (; row < rows && (i + 1 == count_ || before + weight(row) / 2 < limit); row++) before += weight(row);
      stretches_[i].end = row;
    }
  }

  size_t count() const { return count_; }

  // Calls take(first row, end row) until no rows are left anywhere, beginning with stretch `own`.
  template <typename Take>
  void work(size_t own, Take take) {
    for (size_t i = 0; i < count_; i++) {
      Stretch& stretch = stretches_[(own + i) % count_];
      for (;;) {
        const size_t piece = stretch.next.fetch_add(1, std::memory_order_relaxed);
        if (piece >= stretch.end) break;
        const size_t first = piece * rows_per_piece_;
        take(first, first + task_size(rows_, first, rows_per_piece_));
      }
    }
  }

 private:
  struct alignas(64) Stretch {
    std::atomic<size_t> next;
    size_t end;
  };

  size_t rows_ = 0;
  size_t rows_per_piece_ = 1;
  size_t count_ = 0;
  Stretch stretches_[kMost];
};

}  // namespace compactor
