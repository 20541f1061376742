// Threads that take the steps of one tile together, operation by operation.
//
// An operation takes microseconds, so they wait for one another by spinning, and give way to others after a while.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

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
  explicit Team(int size) : size_(size) {
    for (int rank = 1; rank < size; ++rank) others_.emplace_back([this, rank] { serve(rank); });
  }
  ~Team() {
    work_ = nullptr;
    meet();
    for (std::thread& other : others_) other.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // work(share) on every thread; returns when all are done.
  template <typename F>
  void all(const F& work) {
    if (size_ > 1) {
      what_ = &work;
      work_ = [](const void* what, Share share) { (*static_cast<const F*>(what))(share); };
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
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
      if (spins < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
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

  void serve(int rank) {
    for (;;) {
      meet();
      if (!work_) return;
      work_(what_, Share{rank, size_});
      meet();
    }
  }

  const int size_;
  void (*work_)(const void*, Share) = nullptr;
  const void* what_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> round_{0};
  alignas(64) std::atomic<int> arrived_{0};
  std::vector<std::thread> others_;
};

}  // namespace cajax::program
