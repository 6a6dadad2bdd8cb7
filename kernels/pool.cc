// The thread pool of pool.h. Workers claim tasks by compare-and-swap on one word that holds the run's number and the
// next task; a worker that slept through a run can therefore never claim a task of a later one with stale arguments.
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace compactor {
namespace {

constexpr uint32_t kClosed = UINT32_MAX;  // next task of a run whose arguments are being written
constexpr int kSpins = 4000;              // about 50 to 100 µs before a thread sleeps or yields

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

uint64_t ticket_of(uint32_t run, uint32_t next) { return uint64_t{run} << 32 | next; }
uint32_t run_of(uint64_t ticket) { return uint32_t(ticket >> 32); }
uint32_t next_of(uint64_t ticket) { return uint32_t(ticket); }

void* map_memory(size_t bytes) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  // Panels and tiles are read in strides that few small pages cover. Refused where the system has none: nothing is lost then.
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace

struct Worker {
  Pool* pool;
  int thread;
  pthread_t handle;
};

struct Pool {
  int thread_count = 0;
  int started = 0;  // workers whose thread exists
  Worker* workers = nullptr;
  char* scratch = nullptr;
  char* shared_scratch = nullptr;

  alignas(64) std::atomic<uint64_t> ticket{ticket_of(0, kClosed)};
  alignas(64) std::atomic<uint32_t> done{0};
  std::atomic<bool> cut{false};
  std::atomic<bool> stopping{false};
  std::atomic<const volatile int32_t*> abort_word{nullptr};

  // The run: written only while the ticket is closed.
  std::atomic<uint32_t> task_count{0};
  std::atomic<Task> task{nullptr};
  std::atomic<void*> arguments{nullptr};

  std::atomic<int> sleepers{0};
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
};

namespace {

bool is_aborted(const Pool& pool) {
  const volatile int32_t* word = pool.abort_word.load(std::memory_order_relaxed);
  return word != nullptr && *word != 0;
}

// Claim and run tasks of one run until none is left.
void work(Pool& pool, uint32_t run, int thread) {
  uint64_t ticket = pool.ticket.load(std::memory_order_acquire);
  for (;;) {
    const uint32_t next = next_of(ticket);
    const uint32_t count = pool.task_count.load(std::memory_order_relaxed);
    if (run_of(ticket) != run || next == kClosed || next >= count) return;
    const Task task = pool.task.load(std::memory_order_relaxed);
    void* const arguments = pool.arguments.load(std::memory_order_relaxed);
    const bool aborted = is_aborted(pool);
    const uint32_t claimed = aborted ? count - next : 1;
    if (!pool.ticket.compare_exchange_weak(ticket, ticket + claimed, std::memory_order_acq_rel,
                                           std::memory_order_acquire))
      continue;
    if (aborted)
      pool.cut.store(true, std::memory_order_relaxed);
    else
      task(arguments, next, thread);
    pool.done.fetch_add(claimed, std::memory_order_release);
    ticket = pool.ticket.load(std::memory_order_acquire);
  }
}

// Wait until a run other than `seen` is open or the pool stops; gives that run.
uint32_t await_run(Pool& pool, uint32_t seen) {
  uint64_t ticket = 0;
  const auto is_new = [&] {
    ticket = pool.ticket.load(std::memory_order_seq_cst);
    return (run_of(ticket) != seen && next_of(ticket) != kClosed) || pool.stopping.load(std::memory_order_seq_cst);
  };
  for (int i = 0; i < kSpins; i++) {
    if (is_new()) return run_of(ticket);
    relax();
  }
  pthread_mutex_lock(&pool.mutex);
  pool.sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (!is_new()) pthread_cond_wait(&pool.wake, &pool.mutex);
  pool.sleepers.fetch_sub(1, std::memory_order_seq_cst);
  pthread_mutex_unlock(&pool.mutex);
  return run_of(ticket);
}

void wake_all(Pool& pool) {
  if (pool.sleepers.load(std::memory_order_seq_cst) == 0) return;
  pthread_mutex_lock(&pool.mutex);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.mutex);
}

void* worker_main(void* argument) {
  const Worker worker = *static_cast<Worker*>(argument);
  Pool& pool = *worker.pool;
  uint32_t run = 0;
  for (;;) {
    run = await_run(pool, run);
    if (pool.stopping.load(std::memory_order_acquire)) return nullptr;
    work(pool, run, worker.thread);
  }
}

}  // namespace

Pool* pool_create(int thread_count) {
  Pool* pool = new (std::nothrow) Pool;
  if (pool == nullptr) return nullptr;
  pool->thread_count = thread_count;
  pool->scratch = static_cast<char*>(map_memory(kScratchBytes * size_t(thread_count)));
  pool->shared_scratch = static_cast<char*>(map_memory(kSharedScratchBytes));
  pool->workers = new (std::nothrow) Worker[size_t(thread_count)];
  bool complete = pool->scratch != nullptr && pool->shared_scratch != nullptr && pool->workers != nullptr;
  for (int i = 1; complete && i < thread_count; i++) {
    Worker& worker = pool->workers[i];
    worker.pool = pool;
    worker.thread = i;
    complete = pthread_create(&worker.handle, nullptr, worker_main, &worker) == 0;
    if (complete) pool->started++;
  }
  if (complete) return pool;
  pool_destroy(pool);
  return nullptr;
}

void pool_destroy(Pool* pool) {
  pool->stopping.store(true, std::memory_order_seq_cst);
  wake_all(*pool);
  for (int i = 1; i <= pool->started; i++) pthread_join(pool->workers[i].handle, nullptr);
  if (pool->scratch != nullptr) munmap(pool->scratch, kScratchBytes * size_t(pool->thread_count));
  if (pool->shared_scratch != nullptr) munmap(pool->shared_scratch, kSharedScratchBytes);
  delete[] pool->workers;
  delete pool;
}

int pool_thread_count(const Pool& pool) { return pool.thread_count; }

bool pool_run(Pool& pool, size_t task_count, Task task, void* arguments) {
  if (is_aborted(pool)) return false;
  if (task_count == 0) return true;
  // One task, or nobody to share with: no hand-over. Also the way out for a count that the ticket cannot hold.
  if (task_count == 1 || pool.thread_count == 1 || task_count >= kClosed) {
    for (size_t i = 0; i < task_count; i++) {
      if (is_aborted(pool)) return false;
      task(arguments, i, 0);
    }
    return true;
  }
  const uint32_t run = run_of(pool.ticket.load(std::memory_order_relaxed)) + 1;
  pool.ticket.store(ticket_of(run, kClosed), std::memory_order_seq_cst);
  pool.done.store(0, std::memory_order_relaxed);
  pool.cut.store(false, std::memory_order_relaxed);
  pool.task_count.store(uint32_t(task_count), std::memory_order_relaxed);
  pool.task.store(task, std::memory_order_relaxed);
  pool.arguments.store(arguments, std::memory_order_relaxed);
  pool.ticket.store(ticket_of(run, 0), std::memory_order_seq_cst);
  wake_all(pool);
  work(pool, run, 0);
  for (int i = 0; pool.done.load(std::memory_order_acquire) != task_count; i++) {
    if (i < kSpins)
      relax();
    else
      sched_yield();  // the other thread lost its core: give it ours
  }
  return !pool.cut.load(std::memory_order_relaxed);
}

void pool_set_abort_word(Pool& pool, const volatile int32_t* word) {
  pool.abort_word.store(word, std::memory_order_relaxed);
}

void* pool_scratch(Pool& pool, int thread) { return pool.scratch + kScratchBytes * size_t(thread); }

void* pool_shared_scratch(Pool& pool) { return pool.shared_scratch; }

}  // namespace compactor
