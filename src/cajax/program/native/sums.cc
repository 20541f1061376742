// Reductions over groups of entries.

#include <limits>

#include "sums.h"

namespace cajax::program {

namespace {

template <typename T>
constexpr T lowest() {
  return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
}
template <typename T>
constexpr T highest() {
  return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
}

template <typename T, int W, typename Join>
CAJAX_INLINE void tile(const Groups& groups, const T* x, T start, const Join& both, T* out) {
  const std::int32_t* const index = groups.index;
  if constexpr (W == 1) {
    const auto mix = [=](T sum, std::int64_t k) CAJAX_INLINED { return both(sum, x[index[k]]); };
    for (std::int64_t j = 0; j < groups.count; ++j) {
      out[j] = group<T>(groups.offset[j], groups.offset[j + 1], start, mix, both);
    }
  } else {
    const auto take = [=](auto& sum, std::int64_t k) CAJAX_INLINED {
      const T* const entry = x + std::int64_t{index[k]} * W;
      each(sum, [&](T s, int i) CAJAX_INLINED { return both(s, entry[i]); });
    };
    for (std::int64_t j = 0; j < groups.count; ++j) {
      group<T, W>(groups.offset[j], groups.offset[j + 1], start, take, both, out + j * W);
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void tile(Reduction kind, const Groups& groups, const T* x, T* out) {
  // What differs from itself is NaN, and stays.
  const auto sum = [](T s, T y) CAJAX_INLINED { return static_cast<T>(s + y); };
  const auto more = [](T s, T y) CAJAX_INLINED { return y > s || y != y ? y : s; };
  const auto less = [](T s, T y) CAJAX_INLINED { return y < s || y != y ? y : s; };
  if (kind == Reduction::kSum) return tile<T, W>(groups, x, T(0), sum, out);
  if (kind == Reduction::kMax) return tile<T, W>(groups, x, lowest<T>(), more, out);
  tile<T, W>(groups, x, highest<T>(), less, out);
}

#define CAJAX_TILE(T, W)                                                                      \
  CAJAX_CLONES void tile_##T##_##W(Reduction kind, const Groups& groups, const T* x, T* out) { \
    tile<T, W>(kind, groups, x, out);                                                         \
  }
#define CAJAX_TILES(T) \
  CAJAX_TILE(T, 1)     \
  CAJAX_TILE(T, 2)     \
  CAJAX_TILE(T, 4)     \
  CAJAX_TILE(T, 8)     \
  CAJAX_TILE(T, 16)
using std::int32_t;
using std::int64_t;
using std::uint8_t;
CAJAX_TILES(float)
CAJAX_TILES(double)
CAJAX_TILES(int32_t)
CAJAX_TILES(int64_t)
CAJAX_TILES(uint8_t)
#undef CAJAX_TILES
#undef CAJAX_TILE

}  // namespace

#define CAJAX_REDUCE(T)                                                                                \
  template <>                                                                                          \
  void reduce(Reduction kind, const Groups& groups, int width, Array<const T> x, T* out) {             \
    if (width == 1 || !x.wide) return tile_##T##_1(kind, groups, x.at, out);                           \
    if (width == 2) return tile_##T##_2(kind, groups, x.at, out);                                      \
    if (width == 4) return tile_##T##_4(kind, groups, x.at, out);                                      \
    if (width == 8) return tile_##T##_8(kind, groups, x.at, out);                                      \
    tile_##T##_16(kind, groups, x.at, out);                                                            \
  }
CAJAX_REDUCE(float)
CAJAX_REDUCE(double)
CAJAX_REDUCE(int32_t)
CAJAX_REDUCE(int64_t)
CAJAX_REDUCE(uint8_t)
#undef CAJAX_REDUCE

}  // namespace cajax::program
