// Memory on whole cache lines, counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

namespace cajax::program {

// How many bytes all blocks hold now, and held at most since that was last asked.
inline std::atomic<std::int64_t> held{0}, most_held{0};

class Block {
 public:
  explicit Block(std::int64_t bytes, bool zero = true) : data_(new char[bytes + 64], Freed{bytes}) {
    const std::int64_t now = held += bytes;
    for (std::int64_t most = most_held; most < now && !most_held.compare_exchange_weak(most, now);) {
    }
    at_ = reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(data_.get()) + 63) / 64 * 64);
    if (zero) std::memset(at_, 0, bytes);
  }
  char* get() const { return at_; }

 private:
  struct Freed {
    std::int64_t bytes;
    void operator()(char* data) const {
      held -= bytes;
      delete[] data;
    }
  };

  std::unique_ptr<char[], Freed> data_;
  char* at_;
};

}  // namespace cajax::program
