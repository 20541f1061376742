// The solve of trees that gap junctions join, on a tile: conjugate gradients with the tree solve as preconditioner.
//
// A lane goes on until its residual is rounding, as if it were alone; then it stays as it is until all lanes are done.

#include <algorithm>
#include <limits>

#include "lanes.h"
#include "ops.h"

namespace cajax::program {

namespace {

// Rows of numbers of all lanes, one array after the other.
template <typename T, int W>
struct Work {
  T *diagonal, *loaded, *g, *w, *x, *r, *p, *z, *image, *a, *b, *weight;

  Work(const Forest& forest, T* at) {
    const std::int64_t rows = (forest.cvs + forest.junctions) * W;
    for (T** array : {&diagonal, &loaded, &x, &r, &p, &z, &image, &a, &b, &weight}) {
      *array = at;
      at += rows;
    }
    g = at;
    w = g + forest.edges * W;
  }
};

template <typename T, int W>
CAJAX_INLINE void spread_out(const Array<const T>& from, std::int64_t count, T* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (int j = 0; j < W; ++j) to[i * W + j] = from.at[from.wide ? i * W + j : i];
  }
}

// The voltage of a massless junction of branches is the mean of its neighbours, weighted by their conductances.
template <typename T, int W>
CAJAX_INLINE void fill_in(const Forest& forest, const Work<T, W>& work, T* x) {
  const std::int64_t first = forest.cvs * W, end = first + forest.junctions * W;
  std::fill(x + first, x + end, T(0));
  std::fill(work.weight + first, work.weight + end, T(0));
  for (const Stand& stand : forest.stands) {
    for (const Step& step : stand.steps) {
      if (step.row < forest.cvs && step.parent < forest.cvs) continue;
      const std::int64_t hub = std::max(step.row, step.parent), cv = std::min(step.row, step.parent);
      for (std::int64_t k = 0; k < stand.lanes * W; ++k) {
        const T g = work.g[step.edge * std::int64_t{W} + k];
        x[hub * W + k] += g * x[cv * W + k];
        work.weight[hub * W + k] += g;
      }
    }
  }
  for (std::int64_t i = first; i < end; ++i) x[i] = x[i] / work.weight[i];
}

// out = A x: what leaves every control volume.
template <typename T, int W>
CAJAX_INLINE void product(const Forest& forest, const Joints& joints, const Work<T, W>& work, T* x, T* out) {
  if (forest.junctions) fill_in<T, W>(forest, work, x);
  for (std::int64_t i = 0; i < forest.cvs * W; ++i) out[i] = work.diagonal[i] * x[i];
  for (const Stand& stand : forest.stands) {
    for (const Step& step : stand.steps) {
      const std::int64_t row = std::int64_t{step.row} * W, above = std::int64_t{step.parent} * W;
      for (std::int64_t k = 0; k < stand.lanes * W; ++k) {
        const T flow = work.g[step.edge * std::int64_t{W} + k] * (x[row + k] - x[above + k]);
        out[row + k] += flow;
        out[above + k] -= flow;
      }
    }
  }
  for (std::int64_t i = 0; i < joints.count; ++i) {
    const std::int64_t a = std::int64_t{joints.a[i]} * W, b = std::int64_t{joints.b[i]} * W;
    for (int j = 0; j < W; ++j) {
      const T flow = work.w[i * W + j] * (x[a + j] - x[b + j]);
      out[a + j] += flow;
      out[b + j] -= flow;
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void precondition(const Forest& forest, const Work<T, W>& work, const T* r, T* z) {
  std::copy(work.loaded, work.loaded + forest.cvs * W, work.a);
  std::copy(r, r + forest.cvs * W, work.b);
  constexpr bool kWide = W > 1;
  solve(forest, W, Array<T>{work.a, kWide}, Array<const T>{work.g, kWide}, Array<T>{work.b, kWide}, z, nullptr);
}

template <typename T, int W>
CAJAX_INLINE void dot(std::int64_t count, const T* x, const T* y, T* sum) {
  std::fill(sum, sum + W, T(0));
  for (std::int64_t i = 0; i < count; ++i) {
    for (int j = 0; j < W; ++j) sum[j] += x[i * W + j] * y[i * W + j];
  }
}

template <typename T, int W>
CAJAX_INLINE void iterate(const Forest& forest, const Joints& joints, std::int64_t most, const Array<const T>& b,
                          const Work<T, W>& work, T* out) {
  const std::int64_t n = forest.cvs;
  constexpr T kUnits = T(4) * std::numeric_limits<T>::epsilon();
  T enough[W], rr[W], rz[W], scale[W], ahead[W];
  spread_out<T, W>(b, n, work.r);
  dot<T, W>(n, work.r, work.r, enough);
  for (int j = 0; j < W; ++j) enough[j] = kUnits * kUnits * enough[j];
  precondition<T, W>(forest, work, work.r, work.x);
  product<T, W>(forest, joints, work, work.x, work.image);
  for (std::int64_t i = 0; i < n * W; ++i) work.r[i] = work.r[i] - work.image[i];
  precondition<T, W>(forest, work, work.r, work.p);
  dot<T, W>(n, work.r, work.p, rz);
  dot<T, W>(n, work.r, work.r, rr);
  const auto waits = [&](int j) { return rr[j] > enough[j]; };
  for (std::int64_t k = 0; k < most; ++k) {
    bool any = false;
    for (int j = 0; j < W; ++j) any = any || waits(j);
    if (!any) break;
    product<T, W>(forest, joints, work, work.p, work.image);
    dot<T, W>(n, work.p, work.image, scale);
    for (int j = 0; j < W; ++j) scale[j] = rz[j] / scale[j];
    for (std::int64_t i = 0; i < n; ++i) {
      for (int j = 0; j < W; ++j) {
        const T x = work.x[i * W + j], r = work.r[i * W + j];
        work.x[i * W + j] = waits(j) ? x + scale[j] * work.p[i * W + j] : x;
        work.r[i * W + j] = waits(j) ? r - scale[j] * work.image[i * W + j] : r;
      }
    }
    precondition<T, W>(forest, work, work.r, work.z);
    dot<T, W>(n, work.r, work.z, ahead);
    for (int j = 0; j < W; ++j) scale[j] = ahead[j] / rz[j];
    for (std::int64_t i = 0; i < n; ++i) {
      for (int j = 0; j < W; ++j) work.p[i * W + j] = work.z[i * W + j] + scale[j] * work.p[i * W + j];
    }
    std::copy(ahead, ahead + W, rz);
    dot<T, W>(n, work.r, work.r, rr);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (int j = 0; j < W; ++j) {
      out[i * W + j] = rr[j] <= enough[j] ? work.x[i * W + j] : std::numeric_limits<T>::quiet_NaN();
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void solve_tile(const Forest& forest, const Joints& joints, std::int64_t most, const Joined<T>& of, T* x,
                             T* scratch) {
  const Work<T, W> work(forest, scratch);
  spread_out<T, W>(of.diagonal, forest.cvs, work.diagonal);
  spread_out<T, W>(of.g, forest.edges, work.g);
  spread_out<T, W>(of.w, joints.count, work.w);
  std::copy(work.diagonal, work.diagonal + forest.cvs * W, work.loaded);
  for (const std::int32_t* ends : {joints.a, joints.b}) {
    for (std::int64_t i = 0; i < joints.count; ++i) {
      for (int j = 0; j < W; ++j) work.loaded[std::int64_t{ends[i]} * W + j] += work.w[i * W + j];
    }
  }
  iterate<T, W>(forest, joints, most, of.b, work, x);
}

#define CAJAX_TILE(T, W)                                                                                            \
  CAJAX_CLONES void tile_##T##_##W(const Forest& forest, const Joints& joints, std::int64_t most, const Joined<T>& of, \
                                   T* x, T* scratch) {                                                              \
    solve_tile<T, W>(forest, joints, most, of, x, scratch);                                                         \
  }
CAJAX_TILE(float, 1)
CAJAX_TILE(float, 4)
CAJAX_TILE(float, 8)
CAJAX_TILE(float, 16)
CAJAX_TILE(double, 1)
CAJAX_TILE(double, 2)
CAJAX_TILE(double, 4)
CAJAX_TILE(double, 8)
#undef CAJAX_TILE

template <typename T>
bool any_wide(const Joined<T>& of) {
  return of.diagonal.wide || of.g.wide || of.b.wide || of.w.wide;
}

}  // namespace

std::int64_t joined_scratch(const Forest& forest, std::int64_t joints, int width) {
  return (10 * (forest.cvs + forest.junctions) + forest.edges + joints) * width;
}

void solve_joined(const Forest& forest, const Joints& joints, std::int64_t most, int width, const Joined<float>& of,
                  float* x, float* scratch) {
  if (width == 1 || !any_wide(of)) return tile_float_1(forest, joints, most, of, x, scratch);
  if (width == 4) return tile_float_4(forest, joints, most, of, x, scratch);
  if (width == 8) return tile_float_8(forest, joints, most, of, x, scratch);
  tile_float_16(forest, joints, most, of, x, scratch);
}

void solve_joined(const Forest& forest, const Joints& joints, std::int64_t most, int width, const Joined<double>& of,
                  double* x, double* scratch) {
  if (width == 1 || !any_wide(of)) return tile_double_1(forest, joints, most, of, x, scratch);
  if (width == 2) return tile_double_2(forest, joints, most, of, x, scratch);
  if (width == 4) return tile_double_4(forest, joints, most, of, x, scratch);
  tile_double_8(forest, joints, most, of, x, scratch);
}

}  // namespace cajax::program
