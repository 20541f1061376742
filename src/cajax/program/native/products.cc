// Sums of products over groups of edges: the input of a cell from all its synapses.

#include <algorithm>

#include "sums.h"

namespace cajax::program {

namespace {

// Entries ahead of which the signals are fetched: they lie anywhere.
constexpr std::int64_t kAhead = 12;
constexpr std::int64_t kFar = 32;  // the same for single weights

template <typename T, int W, bool kWideW, bool kWideS, bool kEdges>
CAJAX_INLINE void tile(const Groups& groups, const std::int32_t* edge, const T* w, const T* s, T* out) {
  constexpr int kOfW = kWideW ? W : 1, kOfS = kWideS ? W : 1;
  const std::int32_t* const index = groups.index;
  const std::int64_t last = groups.offset[groups.count] - 1;
  const auto take = [&](auto& sum, std::int64_t k) CAJAX_INLINED {
    if (kWideS) CAJAX_PREFETCH(s + std::int64_t{index[k + kAhead < last ? k + kAhead : last]} * W);
    const T* const weight = w + (kEdges ? std::int64_t{edge[k]} : k) * kOfW;
    const T* const signal = s + std::int64_t{index[k]} * kOfS;
    each(sum, [&](T x, int i) CAJAX_INLINED {  // the compiler needs the wide factor first
      return kWideW ? std::fma(weight[i], signal[kWideS ? i : 0], x) : std::fma(signal[i], *weight, x);
    });
  };
  const auto both = [](T x, T y) CAJAX_INLINED { return x + y; };
  for (std::int64_t j = 0; j < groups.count; ++j) {
    group<T, W>(groups.offset[j], groups.offset[j + 1], T(0), take, both, out + j * W);
  }
}

template <typename T, bool kEdges>
CAJAX_INLINE void narrow(const Groups& groups, const std::int32_t* edge, const T* w, const T* s, T* out) {
  const std::int32_t* const index = groups.index;
  const std::int64_t last = groups.offset[groups.count] - 1;
  const auto mix = [=](T sum, std::int64_t k) CAJAX_INLINED {
    if (kEdges) CAJAX_PREFETCH(w + edge[k + kFar < last ? k + kFar : last]);
    return std::fma(w[kEdges ? edge[k] : k], s[index[k]], sum);
  };
  const auto both = [](T x, T y) CAJAX_INLINED { return x + y; };
  for (std::int64_t j = 0; j < groups.count; ++j) {
    out[j] = group<T>(groups.offset[j], groups.offset[j + 1], T(0), mix, both);
  }
}

template <typename T, int W, bool kEdges>
CAJAX_INLINE void tile(const Groups& groups, const std::int32_t* edge, Array<const T> w, Array<const T> s, T* out) {
  if (w.wide && s.wide) return tile<T, W, true, true, kEdges>(groups, edge, w.at, s.at, out);
  if (w.wide) return tile<T, W, true, false, kEdges>(groups, edge, w.at, s.at, out);
  tile<T, W, false, true, kEdges>(groups, edge, w.at, s.at, out);
}

#define CAJAX_TILE(T, W)                                                                                               \
  CAJAX_FMA_CLONES void tile_##T##_##W(const Groups& groups, const std::int32_t* edge, Array<const T> w,               \
                                       Array<const T> s, T* out) {                                                     \
    edge ? tile<T, W, true>(groups, edge, w, s, out) : tile<T, W, false>(groups, edge, w, s, out);                     \
  }
#define CAJAX_NARROW(T)                                                                                                \
  CAJAX_FMA_CLONES void narrow_##T(const Groups& groups, const std::int32_t* edge, const T* w, const T* s, T* out) {   \
    edge ? narrow<T, true>(groups, edge, w, s, out) : narrow<T, false>(groups, edge, w, s, out);                       \
  }
CAJAX_TILE(float, 4)
CAJAX_TILE(float, 8)
CAJAX_TILE(float, 16)
CAJAX_TILE(double, 2)
CAJAX_TILE(double, 4)
CAJAX_TILE(double, 8)
CAJAX_NARROW(float)
CAJAX_NARROW(double)
#undef CAJAX_TILE
#undef CAJAX_NARROW

template <typename T>
CAJAX_INLINE void by_edge(const Groups& groups, const Edges& edges, const T* w, const T* s, T* out, T* sums) {
  std::fill(sums, sums + kPartialSums * groups.count, T(0));
  const std::int32_t *const source = edges.source.data(), *const target = edges.target.data();
  const auto count = static_cast<std::int64_t>(edges.source.size());
  for (std::int64_t e = 0; e < count; ++e) sums[target[e]] = std::fma(w[e], s[source[e]], sums[target[e]]);
  for (std::int64_t j = 0; j < groups.count; ++j) {
    const T* const part = sums + kPartialSums * j;
    const bool is_long = groups.offset[j + 1] - groups.offset[j] >= kLong;
    out[j] = is_long ? (part[0] + part[1]) + (part[2] + part[3]) : part[0];
  }
}

#define CAJAX_BY_EDGE(T)                                                                                               \
  CAJAX_FMA_CLONES void by_edge_##T(const Groups& groups, const Edges& edges, const T* w, const T* s, T* out, T* sums) { \
    by_edge<T>(groups, edges, w, s, out, sums);                                                                        \
  }
CAJAX_BY_EDGE(float)
CAJAX_BY_EDGE(double)
#undef CAJAX_BY_EDGE

}  // namespace

Edges prepare_edges(const Groups& groups, const std::int32_t* edge, std::int64_t edges) {
  Edges found;
  if (groups.offset[groups.count] != edges) return found;
  found.source.assign(edges, -1);
  found.target.assign(edges, 0);
  for (std::int64_t j = 0; j < groups.count; ++j) {
    const std::int64_t begin = groups.offset[j], end = groups.offset[j + 1];
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int32_t e = edge[k];
      if (e < 0 || e >= edges || found.source[e] >= 0 || (k > begin && edge[k - 1] >= e)) return {};
      found.source[e] = groups.index[k];
      found.target[e] = static_cast<std::int32_t>(kPartialSums * j + (end - begin >= kLong ? (k - begin) % kPartialSums : 0));
    }
  }
  return found;
}

template <>
void products_by_edge(const Groups& groups, const Edges& edges, const float* w, const float* s, float* out, float* sums) {
  by_edge_float(groups, edges, w, s, out, sums);
}

template <>
void products_by_edge(const Groups& groups, const Edges& edges, const double* w, const double* s, double* out,
                      double* sums) {
  by_edge_double(groups, edges, w, s, out, sums);
}

template <>
void products(const Groups& groups, const std::int32_t* edge, int width, Array<const float> w, Array<const float> s,
              float* out) {
  if (width == 1 || !(w.wide || s.wide)) return narrow_float(groups, edge, w.at, s.at, out);
  if (width == 4) return tile_float_4(groups, edge, w, s, out);
  if (width == 8) return tile_float_8(groups, edge, w, s, out);
  tile_float_16(groups, edge, w, s, out);
}

template <>
void products(const Groups& groups, const std::int32_t* edge, int width, Array<const double> w, Array<const double> s,
              double* out) {
  if (width == 1 || !(w.wide || s.wide)) return narrow_double(groups, edge, w.at, s.at, out);
  if (width == 2) return tile_double_2(groups, edge, w, s, out);
  if (width == 4) return tile_double_4(groups, edge, w, s, out);
  tile_double_8(groups, edge, w, s, out);
}

}  // namespace cajax::program
