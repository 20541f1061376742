// Moving rows within a tile, and lanes between a tile and memory in which they lie one after the other.

#include <algorithm>
#include <cstring>

#include "../../solve/native/tile.h"
#include "lanes.h"
#include "ops.h"

namespace cajax::program {

namespace {

// Rows of a run, on average, from which on runs are copied whole.
constexpr std::int64_t kWorthRun = 8;

// Rows of kBytes; a copy of known length is a few moves.
template <int kBytes>
CAJAX_INLINE void pick(const Rows& rows, const char* x, const char* fill, char* out) {
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t from = rows.index[i];
    std::memcpy(out + i * kBytes, from < 0 ? fill : x + from * kBytes, kBytes);
  }
}

#define CAJAX_PICK(bytes) \
  CAJAX_CLONES void pick_##bytes(const Rows& rows, const char* x, const char* fill, char* out) { \
    pick<bytes>(rows, x, fill, out);                                                              \
  }
CAJAX_PICK(1)
CAJAX_PICK(2)
CAJAX_PICK(4)
CAJAX_PICK(8)
CAJAX_PICK(16)
CAJAX_PICK(32)
CAJAX_PICK(64)
CAJAX_PICK(128)
#undef CAJAX_PICK

void copy_runs(const Rows& rows, std::int64_t bytes, const char* x, const char* fill, char* out) {
  for (const Run& run : rows.runs) {
    char* const to = out + run.to * bytes;
    if (run.from >= 0) {
      std::memcpy(to, x + run.from * bytes, static_cast<std::size_t>(run.count * bytes));
    } else {
      for (std::int64_t i = 0; i < run.count; ++i) std::memcpy(to + i * bytes, fill, static_cast<std::size_t>(bytes));
    }
  }
}

// A square of numbers that registers of 16 bytes, which every clone has, transpose; single bytes go one by one.
template <typename T>
struct Block {
  static constexpr int kSide = sizeof(T) == 1 ? 1 : 16 / sizeof(T);

  // Column i of the square at `from`, whose rows are `apart`, becomes row i of that at `to`.
  CAJAX_INLINE static void transpose(const T* const* from, T* to, std::int64_t apart) {
    if constexpr (sizeof(T) == 4) {
      Square<T> square;
      for (int i = 0; i < 4; ++i) std::memcpy(square.at[i], from[i], sizeof(square.at[i]));
      square.transpose();
      for (int i = 0; i < 4; ++i) std::memcpy(to + i * apart, square.at[i], sizeof(square.at[i]));
    } else {
      for (int i = 0; i < kSide; ++i) {
        const T row[2] = {from[0][i], from[kSide - 1][i]};
        std::memcpy(to + i * apart, row, kSide * sizeof(T));
      }
    }
  }
};

template <typename T, int W>
CAJAX_INLINE void in(std::int64_t n, const T* from, std::int64_t first, int count, T* tile) {
  constexpr int kSide = Block<T>::kSide <= W ? Block<T>::kSide : 1;
  const T* lane[W];
  for (int j = 0; j < W; ++j) lane[j] = from + (first + std::min(j, count - 1)) * n;
  for (std::int64_t begin = 0; begin < n; begin += kRun<T>) {
    const std::int64_t end = std::min(begin + kRun<T>, n);
    for (int j = 0; j < W; j += kSide) {
      std::int64_t k = begin;
      if constexpr (kSide > 1) {
        for (; k + kSide <= end; k += kSide) {
          const T* square[kSide];
          for (int i = 0; i < kSide; ++i) square[i] = lane[j + i] + k;
          Block<T>::transpose(square, tile + k * W + j, W);
        }
      }
      for (; k < end; ++k) {
        for (int i = 0; i < kSide; ++i) tile[k * W + j + i] = lane[j + i][k];
      }
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void out(std::int64_t n, const T* tile, std::int64_t first, int count, T* to) {
  constexpr int kSide = Block<T>::kSide <= W ? Block<T>::kSide : 1;
  for (std::int64_t begin = 0; begin < n; begin += kRun<T>) {
    const std::int64_t end = std::min(begin + kRun<T>, n);
    for (int j = 0; j < count; j += kSide) {
      T* const lane = to + (first + j) * n;
      std::int64_t k = begin;
      if constexpr (kSide > 1) {
        for (; j + kSide <= count && k + kSide <= end; k += kSide) {
          const T* square[kSide];
          for (int i = 0; i < kSide; ++i) square[i] = tile + (k + i) * W + j;
          Block<T>::transpose(square, lane + k, n);
        }
      }
      for (int i = 0; i < std::min(kSide, count - j); ++i) {
        for (std::int64_t row = k; row < end; ++row) lane[i * n + row] = tile[row * W + j + i];
      }
    }
  }
}

#define CAJAX_MOVE(T, W)                                                                               \
  CAJAX_CLONES void in_##T##_##W(std::int64_t n, const T* from, std::int64_t first, int count, T* tile) { \
    in<T, W>(n, from, first, count, tile);                                                             \
  }                                                                                                    \
  CAJAX_CLONES void out_##T##_##W(std::int64_t n, const T* tile, std::int64_t first, int count, T* to) {  \
    out<T, W>(n, tile, first, count, to);                                                              \
  }
#define CAJAX_MOVES(T) \
  CAJAX_MOVE(T, 1)     \
  CAJAX_MOVE(T, 2)     \
  CAJAX_MOVE(T, 4)     \
  CAJAX_MOVE(T, 8)     \
  CAJAX_MOVE(T, 16)
using std::uint32_t;
using std::uint64_t;
using std::uint8_t;
CAJAX_MOVES(uint8_t)
CAJAX_MOVES(uint32_t)
CAJAX_MOVES(uint64_t)
#undef CAJAX_MOVES
#undef CAJAX_MOVE

}  // namespace

Rows prepare_rows(const std::int32_t* index, std::int64_t count) {
  Rows rows;
  rows.count = count;
  rows.index = index;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t from = std::max(index[i], std::int32_t{-1});
    if (!rows.runs.empty()) {
      Run& run = rows.runs.back();
      if (from < 0 ? run.from < 0 : run.from >= 0 && from == run.from + run.count) {
        ++run.count;
        continue;
      }
    }
    rows.runs.push_back({i, from, 1});
  }
  if (static_cast<std::int64_t>(rows.runs.size()) * kWorthRun > count) rows.runs = {};
  return rows;
}

void rows(const Rows& rows, int width, int size, const void* x, const void* fill, void* out) {
  const int bytes = width * size;
  const auto* const from = static_cast<const char*>(x);
  auto* const to = static_cast<char*>(out);
  char full[128];
  for (int j = 0; j < width; ++j) std::memcpy(full + j * size, fill, static_cast<std::size_t>(size));
  if (!rows.runs.empty()) return copy_runs(rows, bytes, from, full, to);
  if (bytes == 1) return pick_1(rows, from, full, to);
  if (bytes == 2) return pick_2(rows, from, full, to);
  if (bytes == 4) return pick_4(rows, from, full, to);
  if (bytes == 8) return pick_8(rows, from, full, to);
  if (bytes == 16) return pick_16(rows, from, full, to);
  if (bytes == 32) return pick_32(rows, from, full, to);
  if (bytes == 64) return pick_64(rows, from, full, to);
  pick_128(rows, from, full, to);
}

#define CAJAX_WIDTHS(way, T, from, to)                                                                      \
  {                                                                                                         \
    const auto* const source = static_cast<const T*>(from);                                                 \
    auto* const target = static_cast<T*>(to);                                                               \
    if (width == 1) return way##_##T##_1(n, source, first, count, target);                                  \
    if (width == 2) return way##_##T##_2(n, source, first, count, target);                                  \
    if (width == 4) return way##_##T##_4(n, source, first, count, target);                                  \
    if (width == 8) return way##_##T##_8(n, source, first, count, target);                                  \
    return way##_##T##_16(n, source, first, count, target);                                                 \
  }
void transpose_in(int width, int size, std::int64_t n, const void* from, std::int64_t first, int count, void* tile) {
  if (size == 1) CAJAX_WIDTHS(in, uint8_t, from, tile)
  if (size == 4) CAJAX_WIDTHS(in, uint32_t, from, tile)
  CAJAX_WIDTHS(in, uint64_t, from, tile)
}

void transpose_out(int width, int size, std::int64_t n, const void* tile, std::int64_t first, int count, void* to) {
  if (size == 1) CAJAX_WIDTHS(out, uint8_t, tile, to)
  if (size == 4) CAJAX_WIDTHS(out, uint32_t, tile, to)
  CAJAX_WIDTHS(out, uint64_t, tile, to)
}
#undef CAJAX_WIDTHS

}  // namespace cajax::program
