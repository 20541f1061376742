// The operations as plain C functions `cajax_op_*`, for tests and for callers without C++. They return 0, or 1 for a
// width or an element size that there is not.

#include "ops.h"

#include <cstdint>

#include "../../solve/native/export.h"

#define CAJAX_OP(result) extern "C" CAJAX_EXPORT result

namespace {

using cajax::program::Array;
using cajax::program::Forest;
using cajax::program::Groups;
using cajax::program::Queue;
using cajax::program::Reduction;

// Whether a tile of numbers of `size` bytes can have this width; bytes and integers follow the tile's numbers.
bool is_width(int width, std::size_t size) {
  for (int lanes = size == 4 ? 4 : 2; lanes * static_cast<int>(size) <= 64; lanes *= 2) {
    if (width == lanes) return true;
  }
  return width == 1;
}
bool is_any_width(int width) { return is_width(width, 4) || is_width(width, 8); }
bool is_size(int size) { return size == 1 || size == 4 || size == 8; }

template <typename T>
int reduced(int kind, Groups groups, int width, const T* x, bool wide, T* out) {
  if (!is_any_width(width) || kind < 0 || kind > 2) return 1;
  cajax::program::reduce<T>(static_cast<Reduction>(kind), groups, width, {x, wide}, out);
  return 0;
}

}  // namespace

CAJAX_OP(void*)
cajax_op_forest(const std::int32_t* parent, const std::int32_t* cv, const std::int32_t* nodes,
                const std::int32_t* lanes, std::int64_t trees) {
  return cajax::program::prepare_forest(parent, cv, nodes, lanes, trees).release();
}
CAJAX_OP(void) cajax_op_forest_free(void* forest) { delete static_cast<Forest*>(forest); }

// CVs, junctions, edges.
CAJAX_OP(void) cajax_op_forest_sizes(const void* forest, std::int64_t* sizes) {
  const auto& of = *static_cast<const Forest*>(forest);
  sizes[0] = of.cvs;
  sizes[1] = of.junctions;
  sizes[2] = of.edges;
}

CAJAX_OP(std::int64_t)
cajax_op_solve_scratch(const void* forest, int width, bool wide_a, bool wide_g, bool wide_b) {
  return cajax::program::solve_scratch(*static_cast<const Forest*>(forest), width, wide_a, wide_g, wide_b);
}

#define CAJAX_OPS(T, suffix)                                                                                           \
  CAJAX_OP(int)                                                                                                        \
  cajax_op_solve_##suffix(const void* forest, int width, T* a, bool wide_a, const T* g, bool wide_g, T* b,             \
                          bool wide_b, T* x, T* scratch) {                                                             \
    if (!is_width(width, sizeof(T))) return 1;                                                                         \
    cajax::program::solve(*static_cast<const Forest*>(forest), width, Array<T>{a, wide_a}, Array<const T>{g, wide_g},  \
                          Array<T>{b, wide_b}, x, scratch);                                                            \
    return 0;                                                                                                          \
  }                                                                                                                    \
  CAJAX_OP(int)                                                                                                        \
  cajax_op_products_##suffix(std::int64_t count, const std::int32_t* offset, const std::int32_t* index,                \
                             const std::int32_t* edge, int width, const T* w, bool wide_w, const T* s, bool wide_s,    \
                             T* out) {                                                                                 \
    if (!is_width(width, sizeof(T))) return 1;                                                                         \
    cajax::program::products<T>({count, offset, index}, edge, width, {w, wide_w}, {s, wide_s}, out);                   \
    return 0;                                                                                                          \
  }                                                                                                                    \
  CAJAX_OP(int)                                                                                                        \
  cajax_op_due_##suffix(std::int64_t slots, std::int64_t cells, std::int64_t edges, const std::int32_t* pre,           \
                        int width, const T* age, bool wide_age, const T* before, bool wide_before,                     \
                        const std::int32_t* filled, bool wide_filled, const T* delay, bool wide_delay, const T* dt,    \
                        bool wide_dt, std::int32_t* first, std::int32_t* second, std::uint32_t* waiting) {             \
    if (!is_width(width, sizeof(T)) || slots > cajax::program::kMostSlots) return 1;                                   \
    cajax::program::due<T>({slots, cells, edges, pre}, width, {age, wide_age}, {before, wide_before},                  \
                           {filled, wide_filled}, {delay, wide_delay}, {dt, wide_dt}, first, second, waiting);         \
    return 0;                                                                                                          \
  }
CAJAX_OPS(float, f32)
CAJAX_OPS(double, f64)
#undef CAJAX_OPS

// `kind`: 0 sum, 1 max, 2 min.
#define CAJAX_REDUCE(T, suffix)                                                                                    \
  CAJAX_OP(int)                                                                                                    \
  cajax_op_reduce_##suffix(int kind, std::int64_t count, const std::int32_t* offset, const std::int32_t* index,    \
                           int width, const T* x, bool wide, T* out) {                                             \
    return reduced<T>(kind, {count, offset, index}, width, x, wide, out);                                          \
  }
CAJAX_REDUCE(float, f32)
CAJAX_REDUCE(double, f64)
CAJAX_REDUCE(std::int32_t, i32)
CAJAX_REDUCE(std::uint8_t, u8)
#undef CAJAX_REDUCE

CAJAX_OP(int)
cajax_op_rows(std::int64_t count, const std::int32_t* index, int width, int size, const void* x, const void* fill,
              void* out) {
  if (!is_any_width(width) || !is_size(size)) return 1;
  cajax::program::rows(cajax::program::prepare_rows(index, count), width, size, x, fill, out);
  return 0;
}

CAJAX_OP(int)
cajax_op_transpose_in(int width, int size, std::int64_t n, const void* from, std::int64_t first, int count,
                      void* tile) {
  if (!is_any_width(width) || !is_size(size) || count < 1 || count > width) return 1;
  cajax::program::transpose_in(width, size, n, from, first, count, tile);
  return 0;
}

CAJAX_OP(int)
cajax_op_transpose_out(int width, int size, std::int64_t n, const void* tile, std::int64_t first, int count, void* to) {
  if (!is_any_width(width) || !is_size(size) || count < 1 || count > width) return 1;
  cajax::program::transpose_out(width, size, n, tile, first, count, to);
  return 0;
}
