// What forward passes keep for the way back.
//
// It never passes through XLA, whose buffers are fresh memory at every call: to have the system map and clear their
// pages costs more than to compute a step. A run that keeps hands out a number; the reverse that comes with it takes
// what is kept, once, and its memory is used again by the next run. What is not there any more (taken, or given up for
// others) is computed again by the reverse, to the same bits: so this is a cache, and forgetting is always right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "block.h"

namespace cajax::program {

struct Keep {
  std::unique_ptr<Block> block;
  std::int64_t bytes = 0, number = 0, signature = 0;
};

class Store {
 public:
  static Store& get() {
    static Store* store = new Store;  // never destroyed: threads may outlive the end of the program
    return *store;
  }

  // Memory for `bytes`, that of an earlier run if one fits.
  Keep room(std::int64_t bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      auto best = idle_.end();
      for (auto at = idle_.begin(); at != idle_.end(); ++at) {
        if (at->bytes >= bytes && at->bytes <= 2 * bytes + (1 << 20) && (best == idle_.end() || at->bytes < best->bytes)) best = at;
      }
      if (best != idle_.end()) {
        Keep found = std::move(*best);
        idle_.erase(best);
        idle_bytes_ -= found.bytes;
        return found;
      }
    }
    Keep fresh;
    fresh.block = std::make_unique<Block>(bytes, false);
    fresh.bytes = bytes;
    return fresh;
  }

  // Keeps it until it is taken; returns its number.
  std::int64_t put(Keep keep, std::int64_t signature) {
    const std::lock_guard<std::mutex> lock(mutex_);
    keep.signature = signature;
    const std::int64_t number = keep.number = ++last_;
    kept_bytes_ += keep.bytes;
    kept_.push_back(std::move(keep));
    // Nobody may ever come for the oldest ones.
    while (kept_.size() > 1 && kept_bytes_ > kMostKept) {
      kept_bytes_ -= kept_.front().bytes;
      kept_.pop_front();
    }
    return number;
  }

  // Returns what is kept under a number, or nothing.
  Keep take(std::int64_t number, std::int64_t signature) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto at = kept_.begin(); at != kept_.end(); ++at) {
      if (at->number != number || at->signature != signature) continue;
      Keep found = std::move(*at);
      kept_.erase(at);
      kept_bytes_ -= found.bytes;
      return found;
    }
    return {};
  }

  // Memory that may be used again; some of it goes back to the system.
  void free(Keep keep) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (keep.bytes > kMostIdle) return;
    idle_bytes_ += keep.bytes;
    idle_.push_back(std::move(keep));
    while (idle_bytes_ > kMostIdle) {
      idle_bytes_ -= idle_.front().bytes;
      idle_.pop_front();
    }
  }

  // Gives up everything.
  void clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_.clear();
    idle_.clear();
    kept_bytes_ = idle_bytes_ = 0;
  }

 private:
  static constexpr std::int64_t kMostKept = std::int64_t{4} << 30, kMostIdle = std::int64_t{1} << 29;

  std::mutex mutex_;
  std::list<Keep> kept_, idle_;
  std::int64_t last_ = 0, kept_bytes_ = 0, idle_bytes_ = 0;
};

}  // namespace cajax::program
