// Which queued ages have just reached the delay of each edge: delay - age < dt, and not so one step before.

#include <algorithm>

#include "lanes.h"
#include "ops.h"

namespace cajax::program {

namespace {

template <typename T>
struct Ages {
  Array<const T> age, before;
  Array<const std::int32_t> filled;
  Array<const T> delay, dt;
};

// One number of an array, of lane j where it is wide.
template <typename T, int W>
CAJAX_INLINE T at(const Array<const T>& array, std::int64_t row, int j) {
  return W > 1 && array.wide ? array.at[row * W + j] : array.at[row];
}

// The filled slots of every cell, as bits; of every lane if `filled` is wide.
template <int W>
CAJAX_INLINE void note_waiting(const Queue& queue, const Array<const std::int32_t>& filled, std::uint32_t* waiting) {
  const std::int64_t numbers = queue.cells * (filled.wide ? W : 1);
  std::fill(waiting, waiting + numbers, 0u);
  for (std::int64_t k = 0; k < queue.slots; ++k) {
    const std::int32_t* const has = filled.at + k * numbers;
    for (std::int64_t p = 0; p < numbers; ++p) waiting[p] |= static_cast<std::uint32_t>(has[p] != 0) << k;
  }
}

// The slots of one edge that wait in any lane are looked at in all lanes.
template <typename T, int W>
CAJAX_INLINE void look(const Queue& queue, const Ages<T>& of, std::int64_t edge, std::uint32_t bits,
                       const std::uint32_t (&has)[W], std::int32_t* first, std::int32_t* second) {
  const std::int64_t cell = queue.pre[edge];
  T delay[W], dt[W];
  for (int j = 0; j < W; ++j) delay[j] = at<T, W>(of.delay, edge, j), dt[j] = at<T, W>(of.dt, 0, j);
  for (std::int32_t k = 0; bits != 0; bits >>= 1, ++k) {
    if ((bits & 1u) == 0) continue;
    const std::int64_t row = k * queue.cells + cell;
    for (int j = 0; j < W; ++j) {
      const T now = at<T, W>(of.age, row, j), then = at<T, W>(of.before, row, j);
      const bool hit = (has[j] >> k & 1u) != 0 && delay[j] - now < dt[j] && !(delay[j] - then < dt[j]);
      const bool again = first[j] >= 0;
      second[j] = hit && again ? k : second[j];
      first[j] = hit && !again ? k : first[j];
    }
  }
}

template <typename T, int W>
CAJAX_INLINE void tile(const Queue& queue, const Ages<T>& of, std::int32_t* first, std::int32_t* second,
                       std::uint32_t* waiting) {
  note_waiting<W>(queue, of.filled, waiting);
  for (std::int64_t e = 0; e < queue.edges; ++e, first += W, second += W) {
    std::uint32_t has[W], any = 0;
    for (int j = 0; j < W; ++j) {
      has[j] = waiting[of.filled.wide && W > 1 ? queue.pre[e] * std::int64_t{W} + j : queue.pre[e]];
      any |= has[j];
      first[j] = second[j] = -1;
    }
    // Most cells have no spike in flight, and their edges cost one look.
    if (any != 0) look<T, W>(queue, of, e, any, has, first, second);
  }
}

#define CAJAX_TILE(T, W)                                                                                           \
  CAJAX_CLONES void tile_##T##_##W(const Queue& queue, const Ages<T>& of, std::int32_t* first, std::int32_t* second, \
                                   std::uint32_t* waiting) {                                                       \
    tile<T, W>(queue, of, first, second, waiting);                                                                 \
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
bool any_wide(const Ages<T>& of) {
  return of.age.wide || of.before.wide || of.filled.wide || of.delay.wide || of.dt.wide;
}

}  // namespace

template <>
void due(const Queue& queue, int width, Array<const float> age, Array<const float> before,
         Array<const std::int32_t> filled, Array<const float> delay, Array<const float> dt, std::int32_t* first,
         std::int32_t* second, std::uint32_t* waiting) {
  const Ages<float> of{age, before, filled, delay, dt};
  if (width == 1 || !any_wide(of)) return tile_float_1(queue, of, first, second, waiting);
  if (width == 4) return tile_float_4(queue, of, first, second, waiting);
  if (width == 8) return tile_float_8(queue, of, first, second, waiting);
  tile_float_16(queue, of, first, second, waiting);
}

template <>
void due(const Queue& queue, int width, Array<const double> age, Array<const double> before,
         Array<const std::int32_t> filled, Array<const double> delay, Array<const double> dt, std::int32_t* first,
         std::int32_t* second, std::uint32_t* waiting) {
  const Ages<double> of{age, before, filled, delay, dt};
  if (width == 1 || !any_wide(of)) return tile_double_1(queue, of, first, second, waiting);
  if (width == 2) return tile_double_2(queue, of, first, second, waiting);
  if (width == 4) return tile_double_4(queue, of, first, second, waiting);
  tile_double_8(queue, of, first, second, waiting);
}

}  // namespace cajax::program
