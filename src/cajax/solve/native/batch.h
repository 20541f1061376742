// Where the batch elements of a product lie: three operands [leading dims..., entries], whose leading dims are those of
// the batch, or 1 where an operand is shared (read again for each element) or summed (added to by each).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "xla/ffi/api/ffi.h"

namespace cajax {

// What the entries of an operand belong to; of a product the third is the sum over the other two.
enum Side { kEdge = 0, kPre = 1, kSite = 2 };
constexpr int kSides = 3;
using Offsets = std::array<std::int64_t, kSides>;  // in elements, one per operand

// Batch dims, row-major, and how far apart the elements are in each operand (0: shared or summed).
class Axes {
 public:
  static constexpr std::size_t kMost = 16;

  Axes() {}  // writes none of the axes, which most calls have no use for

  bool push(std::int64_t size, const Offsets& stride) {  // the innermost comes first
    if (count_ == kMost) return false;
    axis_[count_++] = {size, stride};
    size_ *= size;
    return true;
  }
  std::int64_t size() const { return size_; }
  Offsets offsets(std::int64_t index) const {
    Offsets at{};
    for (std::size_t i = 0; i < count_; ++i) {
      for (int side = 0; side < kSides; ++side) at[side] += axis_[i].stride[side] * (index % axis_[i].size);
      index /= axis_[i].size;
    }
    return at;
  }
  // Whether more than one element falls on the same place of an operand.
  bool folds(Side side) const {
    return std::any_of(axis_.begin(), axis_.begin() + count_, [&](const Axis& a) { return a.stride[side] == 0; });
  }

 private:
  struct Axis {
    std::int64_t size;
    Offsets stride;
  };
  std::array<Axis, kMost> axis_;
  std::size_t count_ = 0;
  std::int64_t size_ = 1;
};

// The dims in which the weights differ, and, inside of those, the lanes that share their weights.
struct Batch {
  Axes elements;
  Axes lanes;
  bool empty = false;

  // Returns false if the dims do not fit one another or the entries.
  bool init(const std::array<xla::ffi::AnyBuffer::Dimensions, kSides>& dims, const Offsets& entries) {
    const std::size_t rank = dims[0].size();
    for (int side = 0; side < kSides; ++side) {
      if (rank < 1 || dims[side].size() != rank || dims[side].back() != entries[side]) return false;
    }
    Offsets stride = entries;
    for (std::size_t i = rank - 1; i-- > 0;) {
      const Offsets size{dims[kEdge][i], dims[kPre][i], dims[kSite][i]};
      const std::int64_t most = *std::max_element(size.begin(), size.end());
      const auto full = std::count(size.begin(), size.end(), most);
      const auto once = std::count(size.begin(), size.end(), std::int64_t{1});
      empty = empty || std::count(size.begin(), size.end(), std::int64_t{0}) > 0;
      if (most > 1 && !empty) {
        // One operand at most has a single entry: otherwise the others have nothing to be multiplied with.
        if (full < 2 || full + once != kSides) return false;
        Offsets step = stride;
        for (int side = 0; side < kSides; ++side) step[side] = size[side] == 1 ? 0 : stride[side];
        if (!(step[kEdge] == 0 && size[kEdge] == 1 ? lanes : elements).push(most, step)) return false;
      }
      for (int side = 0; side < kSides; ++side) stride[side] *= size[side];
    }
    return true;
  }
};

}  // namespace cajax
