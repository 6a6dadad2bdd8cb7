// The thread pool: runs numbered tasks on `thread_count` threads, the caller among them; spins briefly, then sleeps.
#pragma once
#include <cstddef>
#include <cstdint>

namespace compactor {

struct Pool;

// One task of a run. `arguments` is the caller's struct; `thread` is 0 … thread_count-1, for per-thread memory only:
// what a task computes must not depend on it.
using Task = void (*)(void* arguments, size_t task, int thread);

Pool* pool_create(int thread_count);
void pool_destroy(Pool*);
int pool_thread_count(const Pool&);

// Tasks are taken in ascending order by whoever is free. Returns false, with tasks left undone, once the abort word is set.
bool pool_run(Pool&, size_t task_count, Task task, void* arguments);

// The word is shared memory of the host (Int32 in a SharedArrayBuffer) or null; nonzero means stop.
void pool_set_abort_word(Pool&, const volatile int32_t* word);

// Memory of one thread, 64-byte aligned, contents undefined between runs. Committed by the system only when touched.
constexpr size_t kScratchBytes = 16u << 20;
void* pool_scratch(Pool&, int thread);

// The same, one block that all threads of a run may share (packed panels).
constexpr size_t kSharedScratchBytes = 64u << 20;
void* pool_shared_scratch(Pool&);

}  // namespace compactor
