// The tree solve of a tile, in place in its operands. See solve/native/sweep.h for the arithmetic.

#include <algorithm>

#include "lanes.h"
#include "ops.h"

namespace cajax::program {

namespace {

// Where the operands of a sweep begin, at the first of its columns.
template <typename T>
struct Columns {
  T* a;
  const T* g;
  T* b;
  T* x;
};

// Columns of a stand: kSide registers, or sets of them, of V columns each, one beside the other, since a cable alone
// would wait for its divisions. Rows are kRow numbers apart; conductances kEdge, and all V columns share one if
// kShared. Afterwards a holds the factor of each row's parent.
template <typename T, int V, int kRow, int kEdge, bool kShared, int kSide>
CAJAX_INLINE void eliminate(const Stand& stand, const Columns<T>& at) {
  constexpr int kShift = kShared ? 1 : V;
  Lanes<T, V> s, y, g, up_s, up_y;
  for (const Step& step : stand.steps) {
    T *a = at.a + std::int64_t{step.row} * kRow, *b = at.b + std::int64_t{step.row} * kRow;
    T *above_a = at.a + std::int64_t{step.parent} * kRow, *above_b = at.b + std::int64_t{step.parent} * kRow;
    const T* conductance = at.g + std::int64_t{step.edge} * kEdge;
    for (int side = 0; side < kSide; ++side, conductance += kShift) {
      s.read(a + side * V);
      y.read(b + side * V);
      up_s.read(above_a + side * V);
      up_y.read(above_b + side * V);
      if constexpr (kShared) {
        g.fill(*conductance);
      } else {
        g.read(conductance);
      }
      CAJAX_EACH(T, V) {
        const auto r = T(1) / (s.part[q] + g.part[q]);
        const auto w = g.part[q] * r;
        up_s.part[q] = up_s.part[q] + g.part[q] * s.part[q] * r;  // the product is off the critical path
        up_y.part[q] = up_y.part[q] + w * y.part[q];
        s.part[q] = w;
        y.part[q] = y.part[q] * r;
      }
      s.write(a + side * V);
      y.write(b + side * V);
      up_s.write(above_a + side * V);
      up_y.write(above_b + side * V);
    }
  }
}

template <typename T, int V, int kRow, int kSide>
CAJAX_INLINE void substitute(const Stand& stand, const Columns<T>& at) {
  Lanes<T, V> value, w, y;
  for (const std::int32_t root : stand.roots) {
    for (std::int64_t i = std::int64_t{root} * kRow, end = i + kSide * V; i < end; i += V) {
      w.read(at.a + i);
      y.read(at.b + i);
      CAJAX_EACH(T, V) y.part[q] = y.part[q] * (T(1) / w.part[q]);
      y.write(at.x + i);
    }
  }
  for (auto step = stand.steps.rbegin(); step != stand.steps.rend(); ++step) {
    const std::int64_t row = std::int64_t{step->row} * kRow, above = std::int64_t{step->parent} * kRow;
    for (int side = 0; side < kSide * V; side += V) {
      value.read(at.x + above + side);
      w.read(at.a + row + side);
      y.read(at.b + row + side);
      CAJAX_EACH(T, V) value.part[q] = y.part[q] + w.part[q] * value.part[q];
      value.write(at.x + row + side);
    }
  }
}

// Cells from `cell` to before `end`, as many at a time as fit; returns the first that is left.
template <typename T, int V, int kRow, int kEdge, bool kShared, int kSide>
CAJAX_INLINE std::int64_t sweep(const Stand& stand, const Columns<T>& at, std::int64_t cell, std::int64_t end) {
  constexpr int kCells = kSide * V / kRow;
  for (; cell + kCells <= end; cell += kCells) {
    const std::int64_t shift = cell * kRow;
    const Columns<T> here{at.a + shift, at.g + cell * kEdge, at.b + shift, at.x + shift};
    eliminate<T, V, kRow, kEdge, kShared, kSide>(stand, here);
    substitute<T, V, kRow, kSide>(stand, here);
  }
  return cell;
}

// The factors of one column of narrow a and g: r and w of every step, then r of every root.
template <typename T>
CAJAX_INLINE void factor(const Stand& stand, T* a, const T* g, T* factors) {
  for (const Step& step : stand.steps) {
    const T s = a[step.row], conductance = g[step.edge], r = T(1) / (s + conductance);
    a[step.parent] = a[step.parent] + conductance * s * r;
    *factors++ = r;
    *factors++ = conductance * r;
  }
  for (const std::int32_t root : stand.roots) *factors++ = T(1) / a[root];
}

template <typename T, int W>
CAJAX_INLINE void apply(const Stand& stand, const T* factors, T* b, T* x) {
  Lanes<T, W> y, up, value;
  const T* f = factors;
  for (const Step& step : stand.steps) {
    const T r = *f++, w = *f++;
    T *const row = b + std::int64_t{step.row} * W, *const above = b + std::int64_t{step.parent} * W;
    y.read(row);
    up.read(above);
    CAJAX_EACH(T, W) {
      up.part[q] = up.part[q] + w * y.part[q];
      y.part[q] = y.part[q] * r;
    }
    y.write(row);
    up.write(above);
  }
  for (const std::int32_t root : stand.roots) {
    const T r = *f++;
    y.read(b + std::int64_t{root} * W);
    CAJAX_EACH(T, W) y.part[q] = y.part[q] * r;
    y.write(x + std::int64_t{root} * W);
  }
  f = factors + 2 * stand.steps.size();
  for (auto step = stand.steps.rbegin(); step != stand.steps.rend(); ++step) {
    const T w = *--f;
    --f;
    y.read(b + std::int64_t{step->row} * W);
    value.read(x + std::int64_t{step->parent} * W);
    CAJAX_EACH(T, W) value.part[q] = y.part[q] + w * value.part[q];
    value.write(x + std::int64_t{step->row} * W);
  }
}

// Cells of one CV: quotients, rounded as a sweep rounds them.
template <typename T>
CAJAX_INLINE void divide(const T* a, const T* b, T* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = b[i] * (T(1) / a[i]);
}

// Of a share of all trees: the cells of one control volume at once, then sweep(stand, first cell, end) of every stand,
// whose junctions are empty. `unit` cells are swept together.
template <typename T, int kRow, typename F>
CAJAX_INLINE void each_stand(const Forest& forest, const Columns<T>& at, std::int64_t unit, Share share, const F& sweep) {
  for (const Points& p : forest.points) {
    const std::int64_t first = (p.first + share.begin(p.count, unit)) * kRow, end = (p.first + share.end(p.count, unit)) * kRow;
    divide(at.a + first, at.b + first, at.x + first, end - first);
  }
  for (std::size_t k = 0; k < forest.stands.size(); ++k) {
    const Stand& stand = forest.stands[k];
    const bool whole = stand.lanes == 1;
    if (whole && static_cast<int>(k % share.of) != share.rank) continue;
    const std::int64_t first = whole ? 0 : share.begin(stand.lanes, unit), end = whole ? 1 : share.end(stand.lanes, unit);
    if (first == end) continue;
    // At once what lies together: of a single cell, or of all cells, every junction.
    const bool together = end - first == stand.lanes;
    const std::int64_t runs = together ? 1 : stand.junctions, length = together ? stand.junctions * stand.lanes : end - first;
    for (std::int64_t j = 0; j < runs; ++j) {
      const std::int64_t row = (stand.junction + j * stand.lanes + first) * kRow;
      std::fill(at.a + row, at.a + row + length * kRow, T(0));
      std::fill(at.b + row, at.b + row + length * kRow, T(0));
    }
    sweep(stand, first, end);
  }
}

template <typename T>
CAJAX_INLINE void solve_narrow(const Forest& forest, const Columns<T>& at, Share share) {
  constexpr int kMost = 64 / sizeof(T);
  each_stand<T, 1>(forest, at, 2 * kMost, share, [&](const Stand& stand, std::int64_t cell, std::int64_t end) CAJAX_INLINED {
    if (stand.lanes > 1) {
      cell = sweep<T, kMost, 1, 1, false, 2>(stand, at, cell, end);
      cell = sweep<T, kMost, 1, 1, false, 1>(stand, at, cell, end);
      cell = sweep<T, kMost / 2, 1, 1, false, 1>(stand, at, cell, end);
      cell = sweep<T, kMost / 4, 1, 1, false, 1>(stand, at, cell, end);
    }
    sweep<T, 1, 1, 1, false, 1>(stand, at, cell, end);
  });
}

template <typename T, int W, bool kShared>
CAJAX_INLINE void solve_wide(const Forest& forest, const Columns<T>& at, Share share) {
  constexpr int kEdge = kShared ? 1 : W, kSide = 4;
  each_stand<T, W>(forest, at, kSide, share, [&](const Stand& stand, std::int64_t cell, std::int64_t end) CAJAX_INLINED {
    cell = sweep<T, W, W, kEdge, kShared, kSide>(stand, at, cell, end);
    sweep<T, W, W, kEdge, kShared, 1>(stand, at, cell, end);
  });
}

template <typename T, int W>
CAJAX_INLINE void solve_factored(const Forest& forest, const Columns<T>& at, T* factors) {
  std::fill(at.a + forest.cvs, at.a + forest.cvs + forest.junctions, T(0));
  std::fill(at.b + forest.cvs * W, at.b + (forest.cvs + forest.junctions) * W, T(0));
  for (const Points& p : forest.points) {
    for (std::int64_t row = p.first; row < p.first + p.count; ++row) {
      const T r = T(1) / at.a[row];
      for (int j = 0; j < W; ++j) at.x[row * W + j] = at.b[row * W + j] * r;
    }
  }
  for (const Stand& stand : forest.stands) {
    for (std::int64_t cell = 0; cell < stand.lanes; ++cell) {
      factor(stand, at.a + cell, at.g + cell, factors);
      apply<T, W>(stand, factors, at.b + cell * W, at.x + cell * W);
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void widen(const T* from, std::int64_t count, T* to) {
  Lanes<T, W> value;
  for (std::int64_t i = 0; i < count; ++i) {
    value.fill(from[i]);
    value.write(to + i * W);
  }
}

// A narrow a or b is made wide where the sums of a tree are.
template <typename T, int W>
CAJAX_INLINE void solve_tile(const Forest& forest, Array<T> a, Array<const T> g, Array<T> b, T* x, T* scratch,
                             Share share) {
  if (!a.wide && !g.wide) return solve_factored<T, W>(forest, {a.at, g.at, b.at, x}, scratch);
  if (!a.wide) {
    widen<T, W>(a.at, forest.cvs, scratch);
    a.at = scratch;
  }
  if (!b.wide) {
    widen<T, W>(b.at, forest.cvs, x);
    b.at = x;
  }
  const Columns<T> at{a.at, g.at, b.at, x};
  g.wide ? solve_wide<T, W, false>(forest, at, share) : solve_wide<T, W, true>(forest, at, share);
}

#define CAJAX_TILE(T, W)                                                                                    \
  CAJAX_CLONES void solve_##T##_##W(const Forest& forest, Array<T> a, Array<const T> g, Array<T> b, T* x,   \
                                    T* scratch, Share share) {                                              \
    solve_tile<T, W>(forest, a, g, b, x, scratch, share);                                                   \
  }
CAJAX_TILE(float, 4)
CAJAX_TILE(float, 8)
CAJAX_TILE(float, 16)
CAJAX_TILE(double, 2)
CAJAX_TILE(double, 4)
CAJAX_TILE(double, 8)
#undef CAJAX_TILE

CAJAX_CLONES void solve_float(const Forest& forest, const Columns<float>& at, Share share) {
  solve_narrow(forest, at, share);
}
CAJAX_CLONES void solve_double(const Forest& forest, const Columns<double>& at, Share share) {
  solve_narrow(forest, at, share);
}

}  // namespace

std::int64_t solve_scratch(const Forest& forest, int width, bool wide_a, bool wide_g, bool wide_b) {
  if (!wide_a && !wide_g) return wide_b ? 2 * forest.largest : 0;
  return wide_a ? 0 : (forest.cvs + forest.junctions) * width;
}

bool solve_is_shared(int width, bool wide_a, bool wide_g, bool wide_b) {
  return width == 1 || (wide_a && wide_b) || !(wide_a || wide_g || wide_b);
}

void solve(const Forest& forest, int width, Array<float> a, Array<const float> g, Array<float> b, float* x,
           float* scratch, Share share) {
  if (width == 1 || !(a.wide || g.wide || b.wide)) return solve_float(forest, {a.at, g.at, b.at, x}, share);
  if (width == 4) return solve_float_4(forest, a, g, b, x, scratch, share);
  if (width == 8) return solve_float_8(forest, a, g, b, x, scratch, share);
  solve_float_16(forest, a, g, b, x, scratch, share);
}

void solve(const Forest& forest, int width, Array<double> a, Array<const double> g, Array<double> b, double* x,
           double* scratch, Share share) {
  if (width == 1 || !(a.wide || g.wide || b.wide)) return solve_double(forest, {a.at, g.at, b.at, x}, share);
  if (width == 2) return solve_double_2(forest, a, g, b, x, scratch, share);
  if (width == 4) return solve_double_4(forest, a, g, b, x, scratch, share);
  solve_double_8(forest, a, g, b, x, scratch, share);
}

}  // namespace cajax::program
