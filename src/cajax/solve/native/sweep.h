// One tile of columns through one tree: elimination child to parent, substitution parent to child.
//
// A column is one independent system (a lane of a batch element). The arithmetic of a column never depends on the
// tile's width or on the other columns, so every batch size, tail and lane position gives the same bits. That needs
// contraction and fast-math off: w * s + t must round twice in every clone of the code.
//
// With s_k the node's own conductance plus what its subtree adds, and g_k the conductance to the parent,
//     d = s + g,  s_parent += g * s / d,  b_parent += g / d * b,  x = b / d + g / d * x_parent.
// This is the series rule for conductances. It adds and multiplies only, so for a >= 0 no digits cancel however
// stiff the tree is, which the textbook update d_parent -= g * g / d cannot claim in float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __FAST_MATH__
#error "compile without -ffast-math: results must not depend on the tile width"
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CAJAX_INLINE inline __attribute__((always_inline))
#else
#define CAJAX_INLINE inline
#endif

namespace cajax {

// The scratch of a tile holds one record per node: W entries each of s, g (then w) and b (then y, then x).
constexpr int kFields = 3;

// W numbers side by side, in parts of at most 64 bytes that one register, or a few, can hold.
template <typename T, int W>
struct Part {
#if defined(__GNUC__) || defined(__clang__)
  static constexpr int kWidth = W * sizeof(T) <= 64 ? W : static_cast<int>(64 / sizeof(T));
  typedef T type __attribute__((vector_size(kWidth * sizeof(T))));
#else
  static constexpr int kWidth = 1;
  using type = T;
#endif
};
template <typename T>
struct Part<T, 1> {
  static constexpr int kWidth = 1;
  using type = T;
};

template <typename T, int W>
struct Row {
  static constexpr int kParts = W / Part<T, W>::kWidth;
  typename Part<T, W>::type part[kParts];

  CAJAX_INLINE void read(const T* from) {
    if constexpr (W == 1) {
      part[0] = *from;  // a copy of bytes would go through an integer register
      return;
    }
    for (int i = 0; i < kParts; ++i) std::memcpy(&part[i], from + i * Part<T, W>::kWidth, sizeof(part[i]));
  }
  CAJAX_INLINE void write(T* to) const {
    if constexpr (W == 1) {
      *to = part[0];
      return;
    }
    for (int i = 0; i < kParts; ++i) std::memcpy(to + i * Part<T, W>::kWidth, &part[i], sizeof(part[i]));
  }
  CAJAX_INLINE void add(const Row& other) {
    for (int i = 0; i < kParts; ++i) part[i] = part[i] + other.part[i];
  }
};

// The sweep visits the nodes in `order`, parents first (null: as numbered), and eliminates from the end. Siblings must
// keep their order: it is the order of summation.
CAJAX_INLINE std::int64_t visited(const std::int32_t* order, std::int64_t i) { return order ? order[i] : i; }

template <typename T, int W>
CAJAX_INLINE void eliminate(std::int64_t n, const std::int32_t* parent, const std::int32_t* order, T* records) {
  // A node visited directly after its parent hands its sums over in registers: going through memory would add the
  // store-to-load latency to the critical path of an unbranched cable.
  using Numbers = typename Part<T, W>::type;
  constexpr int kParts = Row<T, W>::kParts;
  Row<T, W> s, g, b, up_s{}, up_b{};
  bool carried = false;
  for (std::int64_t i = n - 1, k = visited(order, i), next; i >= 0; --i, k = next) {
    next = i > 0 ? visited(order, i - 1) : -1;
    T* node = records + k * (kFields * W);
    s.read(node);
    b.read(node + 2 * W);
    if (carried) {
      s.add(up_s);
      b.add(up_b);
    }
    const std::int64_t p = parent[k];
    carried = p == next && p >= 0;
    if (p < 0) {
      for (int q = 0; q < kParts; ++q) b.part[q] = b.part[q] * (T(1) / s.part[q]);
      b.write(node + 2 * W);
      continue;
    }
    g.read(node + W);
    for (int q = 0; q < kParts; ++q) {
      const Numbers r = T(1) / (s.part[q] + g.part[q]);
      const Numbers w = g.part[q] * r;
      up_s.part[q] = g.part[q] * s.part[q] * r;  // the product is off the chain of dependent operations
      up_b.part[q] = w * b.part[q];
      g.part[q] = w;
      b.part[q] = b.part[q] * r;
    }
    g.write(node + W);
    b.write(node + 2 * W);
    if (!carried) {
      T* above = records + p * (kFields * W);
      s.read(above);
      s.add(up_s);
      s.write(above);
      b.read(above + 2 * W);
      b.add(up_b);
      b.write(above + 2 * W);
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void substitute(std::int64_t n, const std::int32_t* parent, const std::int32_t* order, T* records) {
  constexpr int kParts = Row<T, W>::kParts;
  Row<T, W> w, y, x{};  // x: the solution at the node before, which usually is the parent
  for (std::int64_t i = 0, last = -1; i < n; ++i) {
    const std::int64_t k = visited(order, i), p = parent[k];
    T* node = records + k * (kFields * W);
    if (p < 0) {
      x.read(node + 2 * W);
      last = k;
      continue;
    }
    if (p != last) x.read(records + p * (kFields * W) + 2 * W);
    w.read(node + W);
    y.read(node + 2 * W);
    for (int q = 0; q < kParts; ++q) x.part[q] = y.part[q] + w.part[q] * x.part[q];
    x.write(node + 2 * W);
    last = k;
  }
}

}  // namespace cajax
