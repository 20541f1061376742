// Memory on whole cache lines.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

namespace cajax::program {

class Block {
 public:
  explicit Block(std::int64_t bytes, bool zero = true) : data_(new char[bytes + 64]) {
    at_ = reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(data_.get()) + 63) / 64 * 64);
    if (zero) std::memset(at_, 0, bytes);
  }
  char* get() const { return at_; }

 private:
  std::unique_ptr<char[]> data_;
  char* at_;
};

}  // namespace cajax::program
