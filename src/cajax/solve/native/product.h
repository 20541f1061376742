// The products of a graph: y[site] = sum w[edge] s[pre], ds[pre] = sum w[edge] c[site], dw[edge] = s[pre] c[site].
//
// A lane is one independent pair of vectors. The `_one` kernels take one lane, the `_tile` kernels W lanes that share
// their weights, as records of W numbers per entry. Both add up in the same order, so a batch has the bits of a loop:
// into y[site] go four partial sums, of every fourth edge of the row, then (0 + 1) + (2 + 3); into ds[pre] go the edges
// one by one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tile.h"

namespace cajax {

// Edges in rows: those of site r are offset[r] to offset[r + 1], and come from pre[edge].
struct Graph {
  std::int64_t sites = 0;
  std::int64_t pres = 0;
  std::int64_t edges = 0;
  const std::int32_t* offset = nullptr;
  const std::int32_t* pre = nullptr;
};

// Partial sums of a row.
constexpr int kPartial = 4;

template <typename T>
CAJAX_INLINE T folded(const T* part) {
  return (part[0] + part[1]) + (part[2] + part[3]);
}

// sum += x * y, and sum += x * y with one y for all: rounded twice.
template <typename T, int W>
CAJAX_INLINE void add_product(Row<T, W>& sum, const Row<T, W>& x, const Row<T, W>& y) {
  for (int i = 0; i < Row<T, W>::kParts; ++i) sum.part[i] = sum.part[i] + x.part[i] * y.part[i];
}
template <typename T, int W>
CAJAX_INLINE void add_product(Row<T, W>& sum, const Row<T, W>& x, T y) {
  for (int i = 0; i < Row<T, W>::kParts; ++i) sum.part[i] = sum.part[i] + x.part[i] * y;
}

template <typename T>
CAJAX_INLINE void gather_one(const Graph& graph, const T* w, const T* s, T* y, bool add) {
  for (std::int64_t r = 0; r < graph.sites; ++r) {
    std::int64_t e = graph.offset[r];
    const std::int64_t end = graph.offset[r + 1];
    Row<T, kPartial> sum{}, weight, signal;
    for (; e + kPartial <= end; e += kPartial) {
      const T of[kPartial] = {s[graph.pre[e]], s[graph.pre[e + 1]], s[graph.pre[e + 2]], s[graph.pre[e + 3]]};
      weight.read(w + e);
      signal.read(of);
      add_product(sum, weight, signal);
    }
    T part[kPartial];
    sum.write(part);
    for (int q = 0; e < end; ++q, ++e) part[q] = part[q] + w[e] * s[graph.pre[e]];
    y[r] = add ? y[r] + folded(part) : folded(part);
  }
}

// Adds to ds.
template <typename T>
CAJAX_INLINE void scatter_one(const Graph& graph, const T* w, const T* c, T* ds) {
  for (std::int64_t r = 0; r < graph.sites; ++r) {
    for (std::int64_t e = graph.offset[r]; e < graph.offset[r + 1]; ++e) {
      ds[graph.pre[e]] = ds[graph.pre[e]] + w[e] * c[r];
    }
  }
}

template <typename T>
CAJAX_INLINE void outer_one(const Graph& graph, const T* s, const T* c, T* dw, bool add) {
  for (std::int64_t r = 0; r < graph.sites; ++r) {
    for (std::int64_t e = graph.offset[r]; e < graph.offset[r + 1]; ++e) {
      const T term = s[graph.pre[e]] * c[r];
      dw[e] = add ? dw[e] + term : term;
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void gather_tile(const Graph& graph, const T* w, const T* s, T* y) {
  for (std::int64_t r = 0; r < graph.sites; ++r) {
    std::int64_t e = graph.offset[r];
    const std::int64_t end = graph.offset[r + 1];
    Row<T, W> sum[kPartial]{}, signal;
    for (; e + kPartial <= end; e += kPartial) {
      for (int q = 0; q < kPartial; ++q) {
        signal.read(s + std::int64_t{graph.pre[e + q]} * W);
        add_product(sum[q], signal, w[e + q]);
      }
    }
    for (int q = 0; e + q < end; ++q) {
      signal.read(s + std::int64_t{graph.pre[e + q]} * W);
      add_product(sum[q], signal, w[e + q]);
    }
    sum[0].add(sum[1]);
    sum[2].add(sum[3]);
    sum[0].add(sum[2]);
    sum[0].write(y + r * W);
  }
}

// Adds to ds.
template <typename T, int W>
CAJAX_INLINE void scatter_tile(const Graph& graph, const T* w, const T* c, T* ds) {
  for (std::int64_t r = 0; r < graph.sites; ++r) {
    Row<T, W> from, sum;
    from.read(c + r * W);
    for (std::int64_t e = graph.offset[r]; e < graph.offset[r + 1]; ++e) {
      T* to = ds + std::int64_t{graph.pre[e]} * W;
      sum.read(to);
      add_product(sum, from, w[e]);
      sum.write(to);
    }
  }
}

// Eight lanes at a time are multiplied and added up, then their halves, then the four sums that are left; those of four
// edges at once, side by side.
constexpr int kSide = 8;

template <typename T, int W>
CAJAX_INLINE void products(const T* s, const T* c, T* four) {
  Row<T, kSide> sum{}, x, y;
  for (int j = 0; j < W; j += kSide) {
    x.read(s + j);
    y.read(c + j);
    add_product(sum, x, y);
  }
  T side[kSide];
  sum.write(side);
  Row<T, 4> low, high;
  low.read(side);
  high.read(side + 4);
  low.add(high);
  low.write(four);
}

template <typename T, int W>
CAJAX_INLINE void outer_tile(const Graph& graph, const T* s, const T* c, T* dw, bool add) {
  for (std::int64_t r = 0; r < graph.sites; ++r) {
    std::int64_t e = graph.offset[r];
    const std::int64_t end = graph.offset[r + 1];
    const T* from = c + r * W;
    for (; e + 4 <= end; e += 4) {
      Square<T> square;
      for (int q = 0; q < 4; ++q) products<T, W>(s + std::int64_t{graph.pre[e + q]} * W, from, square.at[q]);
      square.transpose();
      Row<T, 4> sum[4];
      for (int q = 0; q < 4; ++q) sum[q].read(square.at[q]);
      sum[0].add(sum[1]);
      sum[2].add(sum[3]);
      sum[0].add(sum[2]);
      if (add) {
        sum[1].read(dw + e);
        sum[0].add(sum[1]);
      }
      sum[0].write(dw + e);
    }
    for (; e < end; ++e) {
      T four[4];
      products<T, W>(s + std::int64_t{graph.pre[e]} * W, from, four);
      dw[e] = add ? folded(four) + dw[e] : folded(four);
    }
  }
}

// Records of `entries` entries from W vectors; a null one is read as zeros.
template <typename T, int W>
CAJAX_INLINE void interleave(const T* const (&start)[W], std::int64_t entries, T* to) {
  for (std::int64_t begin = 0; begin < entries; begin += kRun<T>) {
    const std::int64_t end = std::min(begin + kRun<T>, entries);
    for (int j = 0; j < W; j += 4) {
      std::int64_t k = begin;
      for (; k + 4 <= end; k += 4) {
        Square<T> square{};
        for (int i = 0; i < 4; ++i) {
          if (start[j + i]) std::memcpy(square.at[i], start[j + i] + k, sizeof(square.at[i]));
        }
        square.transpose();
        for (int i = 0; i < 4; ++i) std::memcpy(to + (k + i) * W + j, square.at[i], sizeof(square.at[i]));
      }
      for (; k < end; ++k) {
        for (int i = 0; i < 4; ++i) to[k * W + j + i] = start[j + i] ? start[j + i][k] : T(0);
      }
    }
  }
}

// The first `count` lanes of the records, into vectors that they replace or are added to.
template <typename T, int W>
CAJAX_INLINE void separate(const T* from, std::int64_t entries, T* const (&start)[W], int count, bool add) {
  for (std::int64_t begin = 0; begin < entries; begin += kRun<T>) {
    const std::int64_t end = std::min(begin + kRun<T>, entries);
    for (int j = 0; j < count; j += 4) {
      std::int64_t k = begin;
      for (; !add && j + 4 <= count && k + 4 <= end; k += 4) {
        Square<T> square;
        for (int i = 0; i < 4; ++i) std::memcpy(square.at[i], from + (k + i) * W + j, sizeof(square.at[i]));
        square.transpose();
        for (int i = 0; i < 4; ++i) std::memcpy(start[j + i] + k, square.at[i], sizeof(square.at[i]));
      }
      for (; k < end; ++k) {
        for (int i = 0; i < std::min(4, count - j); ++i) {
          T& to = start[j + i][k];
          to = add ? to + from[k * W + j + i] : from[k * W + j + i];
        }
      }
    }
  }
}

}  // namespace cajax
