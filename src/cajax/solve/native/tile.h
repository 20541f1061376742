// Moving columns between the operands, laid out [batch, entry * lanes + lane], and the scratch of a tile.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "forest.h"
#include "sweep.h"

namespace cajax {

// Nodes per cache line: a line of a column is used up before the next column's is fetched.
template <typename T>
constexpr std::int64_t kRun = 64 / sizeof(T);

// Where the columns of a tile start in one operand.
template <typename P, int W>
struct Columns {
  P start[W];         // element 0 of every column; the padding repeats the last one
  int count;          // columns that are no padding
  bool same = true;   // every column is the same one: an operand without a batch dimension
  bool lanes = true;  // the columns are neighbours in memory
};

template <typename P, int W>
CAJAX_INLINE void classify(Columns<P, W>& columns, int count) {
  columns.count = count;
  columns.same = columns.lanes = true;
  for (int j = 1; j < count; ++j) {
    columns.same = columns.same && columns.start[j] == columns.start[0];
    columns.lanes = columns.lanes && columns.start[j] == columns.start[0] + j;
  }
  for (int j = count; j < W; ++j) columns.start[j] = columns.start[count - 1];
}

// Where the entries of an operand lie in the tree: `entry` by node (negative at a junction), `slot` back again.
struct Entries {
  const std::int32_t *entry, *slot;
  std::int64_t count;
};
CAJAX_INLINE Entries cvs_of(const Tree& tree) { return {tree.cv.data(), tree.cv_slot.data(), tree.cvs}; }
CAJAX_INLINE Entries edges_of(const Tree& tree) { return {tree.edge.data(), tree.edge_slot.data(), tree.nodes}; }

// Four columns of four consecutive entries are transposed in registers.
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CAJAX_SHUFFLE 1
#endif
#endif

template <typename T>
struct Square {
  T at[4][4];

  CAJAX_INLINE void transpose() {
#ifdef CAJAX_SHUFFLE
    typedef T Four __attribute__((vector_size(4 * sizeof(T))));
    Four r[4];
    std::memcpy(r, at, sizeof(at));
    const Four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    const Four c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    r[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    r[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    r[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    r[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
    std::memcpy(at, r, sizeof(at));
#else
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < i; ++j) std::swap(at[i][j], at[j][i]);
    }
#endif
  }
};

// Reads the entry of every node and column into field[k * kFields * W + column], 0 at junctions.
template <typename T, int W>
CAJAX_INLINE void load(const Tree& tree, const Entries& map, const Columns<const T*, W>& from, T* field) {
  constexpr int kStride = kFields * W, kStep = W % 4 ? 1 : 4;
  if (from.lanes && from.count == W) {
    for (std::int64_t k = 0; k < tree.nodes; ++k) {
      const std::int64_t at = map.entry[k] * tree.lanes;
      Row<T, W> row{};
      if (at >= 0) row.read(from.start[0] + at);
      row.write(field + k * kStride);
    }
    return;
  }
  if (from.same) {
    for (std::int64_t k = 0; k < tree.nodes; ++k) {
      const std::int64_t at = map.entry[k] * tree.lanes;
      const T value = at < 0 ? T(0) : from.start[0][at];
      for (int j = 0; j < W; ++j) field[k * kStride + j] = value;
    }
    return;
  }
  // Entries are neighbours in a column, wherever in the scratch their nodes' records lie.
  for (std::int64_t k = 0; k < tree.nodes; ++k) {
    if (map.entry[k] < 0) Row<T, W>{}.write(field + k * kStride);
  }
  for (std::int64_t begin = 0; begin < map.count; begin += kRun<T>) {
    const std::int64_t end = std::min(begin + kRun<T>, map.count);
    for (int j = 0; j < W; j += kStep) {
      for (std::int64_t c = begin; c < end;) {
        if (kStep == 4 && tree.lanes == 1 && c + 4 <= end) {
          Square<T> square;
          for (int i = 0; i < 4; ++i) std::memcpy(square.at[i], from.start[j + i] + c, sizeof(square.at[i]));
          square.transpose();
          for (int i = 0; i < 4; ++i) {
            std::memcpy(field + map.slot[c + i] * kStride + j, square.at[i], sizeof(square.at[i]));
          }
          c += 4;
          continue;
        }
        T* to = field + map.slot[c] * kStride + j;
        for (int i = 0; i < kStep; ++i) to[i] = from.start[j + i][c * tree.lanes];
        c += 1;
      }
    }
  }
}

// Writes the solution of the CVs; junctions stay inside.
template <typename T, int W>
CAJAX_INLINE void store(const Tree& tree, const T* field, const Columns<T*, W>& to) {
  constexpr int kStride = kFields * W, kStep = W % 4 ? 1 : 4;
  if (to.lanes && to.count == W) {
    for (std::int64_t k = 0; k < tree.nodes; ++k) {
      if (tree.cv[k] < 0) continue;
      Row<T, W> row;
      row.read(field + k * kStride);
      row.write(to.start[0] + tree.cv[k] * tree.lanes);
    }
    return;
  }
  for (std::int64_t begin = 0; begin < tree.cvs; begin += kRun<T>) {
    const std::int64_t end = std::min(begin + kRun<T>, tree.cvs);
    for (int j = 0; j < to.count; j += kStep) {
      const int columns = std::min(kStep, to.count - j);
      for (std::int64_t c = begin; c < end;) {
        if (kStep == 4 && columns == 4 && tree.lanes == 1 && c + 4 <= end) {
          Square<T> square;
          for (int i = 0; i < 4; ++i) {
            std::memcpy(square.at[i], field + tree.cv_slot[c + i] * kStride + j, sizeof(square.at[i]));
          }
          square.transpose();
          for (int i = 0; i < 4; ++i) std::memcpy(to.start[j + i] + c, square.at[i], sizeof(square.at[i]));
          c += 4;
          continue;
        }
        const T* from = field + tree.cv_slot[c] * kStride + j;
        for (int i = 0; i < columns; ++i) to.start[j + i][c * tree.lanes] = from[i];
        c += 1;
      }
    }
  }
}

// A single column, level by level: the nodes of different branches overlap in the pipeline, and no
// branch depends on the shape of the tree. The arithmetic is that of `eliminate` and `substitute`, in the same order.
template <typename T>
CAJAX_INLINE void solve_column(const Tree& tree, const T* a, const T* g, const T* b, T* x, T* scratch) {
  const std::int64_t n = tree.nodes, lanes = tree.lanes;
  T *s = scratch, *y = scratch + n, *w = scratch + 2 * n;
  std::fill(s, s + 2 * n, T(0));
  for (std::int64_t c = 0; c < tree.cvs; ++c) {
    s[tree.cv_slot[c]] = a[c * lanes];
    y[tree.cv_slot[c]] = b[c * lanes];
  }
  for (std::int64_t i = n - 1; i >= 0; --i) {
    const std::int64_t k = tree.order[i], p = tree.parent[k];
    if (p < 0) {
      y[k] = y[k] * (T(1) / s[k]);
      continue;
    }
    const T conductance = g[tree.edge[k] * lanes], r = T(1) / (s[k] + conductance);
    w[k] = conductance * r;
    s[p] = s[p] + conductance * s[k] * r;
    y[p] = y[p] + w[k] * y[k];
    y[k] = y[k] * r;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t k = tree.order[i], p = tree.parent[k];
    if (p >= 0) y[k] = y[k] + w[k] * y[p];
  }
  for (std::int64_t c = 0; c < tree.cvs; ++c) x[c * lanes] = y[tree.cv_slot[c]];
}

template <typename T, int W>
CAJAX_INLINE void solve_tile(const Tree& tree, const Columns<const T*, W>& a, const Columns<const T*, W>& g,
                             const Columns<const T*, W>& b, const Columns<T*, W>& x, T* records) {
  if constexpr (W == 1) {
    solve_column<T>(tree, a.start[0], g.start[0], b.start[0], x.start[0], records);
  } else {
    load<T, W>(tree, cvs_of(tree), a, records);
    load<T, W>(tree, edges_of(tree), g, records + W);
    load<T, W>(tree, cvs_of(tree), b, records + 2 * W);
    // Level by level, the nodes of different branches overlap in the pipeline, which pays where a narrow tile would
    // wait for one division after the other. Records that fit no near cache are swept in their order in memory.
    constexpr std::int64_t kNear = 1 << 18;
    const bool leveled = W * sizeof(T) < 32 && tree.nodes * std::int64_t{kFields * W * sizeof(T)} <= kNear;
    const std::int32_t* order = leveled ? tree.order.data() : nullptr;
    eliminate<T, W>(tree.nodes, tree.parent.data(), order, records);
    substitute<T, W>(tree.nodes, tree.parent.data(), order, records);
    store<T, W>(tree, records + 2 * W, x);
  }
}

}  // namespace cajax
