// How a range of work is cut into tasks. The cut depends on sizes only, so that any thread count gives the same bits.
#pragma once
#include <cstddef>

namespace compactor {

constexpr size_t task_count(size_t items, size_t items_per_task) {
  return (items + items_per_task - 1) / items_per_task;
}

// Items of one task that are left of `items` from `start` on.
constexpr size_t task_size(size_t items, size_t start, size_t items_per_task) {
  return items - start < items_per_task ? items - start : items_per_task;
}

// Rows that make a task worth handing out: about 16k values.
constexpr size_t rows_per_task(size_t row_values) { return row_values >= 16384 ? 1 : 16384 / (row_values + 1) + 1; }

}  // namespace compactor
