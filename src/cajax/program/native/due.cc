// Which queued ages have just reached the delay of each edge: delay - age < dt, and not so one step before.

#include <algorithm>
#include <type_traits>

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

// Integers as wide as T; comparisons give 0 or -1, as those of registers do.
template <typename T>
using Whole = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

template <typename T, int W>
CAJAX_INLINE void less(const typename Lanes<T, W>::Part& x, const typename Lanes<T, W>::Part& y,
                       typename Lanes<Whole<T>, W>::Part& is) {
  if constexpr (Lanes<T, W>::kWidth == 1) {
    is = x < y ? -1 : 0;
  } else {
    is = x < y;
  }
}

template <typename T, int W>
CAJAX_INLINE Lanes<T, W> all_lanes(const Array<const T>& array, std::int64_t row) {
  return array.wide ? element<T, W, true>(array.at, row) : element<T, W, false>(array.at, row);
}

// The filled slots of every cell, as bits: in any lane, and, behind those, in each lane if `filled` is wide.
template <int W>
CAJAX_INLINE void note_waiting(const Queue& queue, const Array<const std::int32_t>& filled, std::uint32_t* any) {
  const int lanes = filled.wide ? W : 1;
  const std::int64_t numbers = queue.cells * lanes;
  std::uint32_t* const each = lanes > 1 ? any + queue.cells : any;
  std::fill(each, each + numbers, 0u);
  for (std::int64_t k = 0; k < queue.slots; ++k) {
    const std::int32_t* const has = filled.at + k * numbers;
    for (std::int64_t p = 0; p < numbers; ++p) each[p] |= static_cast<std::uint32_t>(has[p] != 0) << k;
  }
  if (lanes == 1) return;
  for (std::int64_t p = 0; p < queue.cells; ++p) {
    std::uint32_t bits = 0;
    for (int j = 0; j < W; ++j) bits |= each[p * W + j];
    any[p] = bits;
  }
}

// The slots of one edge that wait in any lane are looked at in all lanes, without branches.
template <typename T, int W>
CAJAX_INLINE void look(const Queue& queue, const Ages<T>& of, std::int64_t edge, const std::uint32_t* any,
                       std::int32_t* first, std::int32_t* second) {
  using Numbers = Lanes<T, W>;
  using Slots = Lanes<Whole<T>, W>;
  const std::int64_t cell = queue.pre[edge];
  Lanes<std::uint32_t, W> bits_of;
  if (W > 1 && of.filled.wide) {
    bits_of.read(any + queue.cells + cell * W);
  } else {
    bits_of.fill(any[cell]);
  }
  std::uint32_t has[W];
  bits_of.write(has);
  const Numbers delay = all_lanes<T, W>(of.delay, edge), dt = all_lanes<T, W>(of.dt, 0);
  Slots one, two, filled, slot;
  one.fill(-1);
  two.fill(-1);
  std::uint32_t bits = any[cell];
  for (std::int32_t k = 0; bits != 0; bits >>= 1, ++k) {
    if ((bits & 1u) == 0) continue;
    const std::int64_t row = k * queue.cells + cell;
    const Numbers now = all_lanes<T, W>(of.age, row), then = all_lanes<T, W>(of.before, row);
    Whole<T> waits[W];
    for (int j = 0; j < W; ++j) waits[j] = -static_cast<Whole<T>>(has[j] >> k & 1u);
    filled.read(waits);
    slot.fill(k);
    CAJAX_EACH(T, W) {
      typename Slots::Part reached, before;
      less<T, W>(delay.part[q] - now.part[q], dt.part[q], reached);
      less<T, W>(delay.part[q] - then.part[q], dt.part[q], before);
      const auto hit = filled.part[q] & reached & ~before;
      const auto fresh = hit & (one.part[q] >> 8), again = hit & ~(one.part[q] >> 8);  // the sign: no slot yet
      two.part[q] = (again & slot.part[q]) | (~again & two.part[q]);
      one.part[q] = (fresh & slot.part[q]) | (~fresh & one.part[q]);
    }
  }
  Whole<T> slots[W];
  one.write(slots);
  for (int j = 0; j < W; ++j) first[j] = static_cast<std::int32_t>(slots[j]);
  two.write(slots);
  for (int j = 0; j < W; ++j) second[j] = static_cast<std::int32_t>(slots[j]);
}

template <typename T, int W>
CAJAX_INLINE void tile(const Queue& queue, const Ages<T>& of, std::int32_t* first, std::int32_t* second,
                       std::uint32_t* any) {
  note_waiting<W>(queue, of.filled, any);
  Lanes<std::int32_t, W> none;
  none.fill(-1);
  for (std::int64_t e = 0; e < queue.edges; ++e, first += W, second += W) {
    // Most cells have no spike in flight, and their edges cost one glance.
    if (any[queue.pre[e]] != 0) {
      look<T, W>(queue, of, e, any, first, second);
    } else {
      none.write(first);
      none.write(second);
    }
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
