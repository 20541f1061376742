// Threads that take the steps of one tile together, operation by operation.
//
// An operation takes microseconds, so they wait for one another by spinning. Who waits for long sleeps: a thread that
// wakes up is put on a core that is idle, one that only gives way stays where others are.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace cajax::program {

// The share of one of `of` threads.
struct Share {
  int rank = 0, of = 1;

  // Where the share of [0, n) begins and ends, in whole multiples of `unit` but for the last.
  std::int64_t begin(std::int64_t n, std::int64_t unit) const { return std::min(n, (n + unit - 1) / unit * rank / of * unit); }
  std::int64_t end(std::int64_t n, std::int64_t unit) const { return Share{rank + 1, of}.begin(n, unit); }
};

class Team {
 public:
  explicit Team(int size) : size_(size), cores_(size) {
    for (auto& core : cores_) core = -1;
    for (int rank = 1; rank < size; ++rank) others_.emplace_back([this, rank] { serve(rank); });
  }
  ~Team() {
    work_ = nullptr;
    meet();
    for (std::thread& other : others_) other.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // work(share) on every thread; returns when all are done.
  template <typename F>
  void all(const F& work) {
    if (size_ > 1) {
      what_ = &work;
      work_ = [](const void* what, Share share) { (*static_cast<const F*>(what))(share); };
      keep_apart(0);
      meet();
    }
    work(Share{0, size_});
    meet();
  }

  // Returns when every thread is here.
  void meet() {
    if (size_ == 1) return;
    const std::uint32_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1);
      if (asleep_.load() == 0) return;
      const std::lock_guard<std::mutex> lock(mutex_);
      awake_.notify_all();
      return;
    }
    for (int spins = 0; spins < kSpins; ++spins) {
      if (round_.load(std::memory_order_acquire) != round) return;
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ++asleep_;
    awake_.wait(lock, [&] { return round_.load() != round; });
    --asleep_;
  }

 private:
  static constexpr int kSpins = 2000;

  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  // Two of a team on one core would take turns for as long as the system lets them, which may be long, since each looks
  // busy: the one of higher rank goes elsewhere.
  void keep_apart(int rank) {
#if defined(__linux__)
    const int core = sched_getcpu();
    cores_[rank].store(core, std::memory_order_relaxed);
    const auto taken = cores_.begin() + rank;
    if (std::find(cores_.begin(), taken, core) == taken) return;
    cpu_set_t others = allowed_;
    for (auto at = cores_.begin(); at != taken; ++at) {
      if (const int of = at->load(std::memory_order_relaxed); of >= 0 && of < CPU_SETSIZE) CPU_CLR(of, &others);
    }
    if (CPU_COUNT(&others) > 0) sched_setaffinity(0, sizeof(others), &others);
#else
    (void)rank;
#endif
  }

  void serve(int rank) {
    for (;;) {
      meet();
      if (!work_) return;
      keep_apart(rank);
      work_(what_, Share{rank, size_});
      meet();
    }
  }

  const int size_;
  void (*work_)(const void*, Share) = nullptr;
  const void* what_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> round_{0};
  alignas(64) std::atomic<int> arrived_{0};
  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::condition_variable awake_;
#if defined(__linux__)
  cpu_set_t allowed_ = allowed();
  static cpu_set_t allowed() {
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof(cores), &cores) != 0) CPU_ZERO(&cores);
    return cores;
  }
#endif
  std::vector<std::atomic<int>> cores_;  // on which each one was last seen
  std::vector<std::thread> others_;
};

}  // namespace cajax::program
