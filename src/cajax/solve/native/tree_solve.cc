// XLA FFI targets `cajax_tree_solve_f32` and `cajax_tree_solve_f64`: solves a whole forest for a whole batch.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "export.h"
#include "state.h"
#include "tile.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace cajax {

using Table = ffi::Span<const std::int32_t>;

// What a call needs to know of its forest.
struct Forest {
  static inline ffi::TypeId id = {};
  std::vector<Tree> trees;
  std::int64_t entries = 0;  // CVs times lanes, all trees
  std::int64_t edges = 0;    // nodes times lanes, all trees
};

namespace {

#define CAJAX_TILE(T, W)                                                                          \
  CAJAX_CLONES void tile(const Tree& tree, const Columns<const T*, W>& a, const Columns<const T*, W>& g, \
                         const Columns<const T*, W>& b, const Columns<T*, W>& x, T* records) {    \
    solve_tile<T, W>(tree, a, g, b, x, records);                                                  \
  }
// Cells of one CV: every solution is a quotient, rounded as `eliminate` rounds it.
#define CAJAX_POINTS(T)                                                                       \
  CAJAX_CLONES void quotients(const T* a, const T* b, T* x, std::int64_t count) {             \
    for (std::int64_t i = 0; i < count; ++i) x[i] = b[i] * (T(1) / a[i]);                     \
  }
CAJAX_POINTS(float)
CAJAX_POINTS(double)
#undef CAJAX_POINTS

#define CAJAX_TILES(T) CAJAX_TILE(T, 1) CAJAX_TILE(T, 4) CAJAX_TILE(T, 8) CAJAX_TILE(T, 16) CAJAX_TILE(T, 32)
CAJAX_TILES(float)
CAJAX_TILES(double)
#undef CAJAX_TILES
#undef CAJAX_TILE

// An operand [leading dims..., entries] whose leading dims are those of the result, or 1 where it has no batch.
class Leading {
 public:
  // Returns false if `dims` neither equals nor broadcasts to `batch`.
  bool init(ffi::AnyBuffer::Dimensions dims, const std::vector<std::int64_t>& batch, std::int64_t entries) {
    if (dims.size() != batch.size() + 1 || dims.back() != entries) return false;
    strides_.assign(batch.size(), 0);
    std::int64_t stride = entries;
    for (std::size_t i = batch.size(); i-- > 0;) {
      if (dims[i] != batch[i] && dims[i] != 1) return false;
      strides_[i] = dims[i] == 1 ? 0 : stride;
      stride *= dims[i];
    }
    return true;
  }

  // Offset in elements of batch element `index` (row-major over the batch dims).
  std::int64_t offset(std::int64_t index, const std::vector<std::int64_t>& batch) const {
    std::int64_t at = 0;
    for (std::size_t i = batch.size(); i-- > 0;) {
      at += strides_[i] * (index % batch[i]);
      index /= batch[i];
    }
    return at;
  }

 private:
  std::vector<std::int64_t> strides_;
};

// Where the operands of one batch element start.
template <typename T>
struct Operands {
  const T *a, *g, *b;
  T* x;
};

template <typename T>
struct Problem {
  const Operands<T>* elements;
  std::int64_t size;
};

// Scratch of one call, grown to the largest tile that the call needs.
template <typename T>
class Scratch {
 public:
  T* reserve(std::size_t count) {
    if (count > size_) {
      data_.reset(new (std::nothrow) T[count]);  // uninitialised: every entry is written before it is read
      size_ = data_ ? count : 0;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t size_ = 0;
};

// Columns [first, first + count) of `tree`: column c is lane c % lanes of batch element c / lanes.
template <typename T, int W>
bool run_tile(const Problem<T>& problem, const Tree& tree, std::int64_t cv_base, std::int64_t node_base,
              std::int64_t first, int count, Scratch<T>& scratch) {
  Columns<const T*, W> a, g, b;
  Columns<T*, W> x;
  std::int64_t element = first / tree.lanes, lane = first % tree.lanes;
  for (int j = 0; j < count; ++j) {
    const Operands<T>& at = problem.elements[element];
    a.start[j] = at.a + cv_base + lane;
    g.start[j] = at.g + node_base + lane;
    b.start[j] = at.b + cv_base + lane;
    x.start[j] = at.x + cv_base + lane;
    if (++lane == tree.lanes) lane = 0, ++element;
  }
  classify(a, count);
  classify(g, count);
  classify(b, count);
  classify(x, count);
  T* records = scratch.reserve(static_cast<std::size_t>(tree.nodes) * kFields * W);
  if (!records) return false;
  tile(tree, a, g, b, x, records);
  return true;
}

// Widest tile worth its scratch: beyond the second-level cache narrower tiles win.
template <typename T>
int widest(std::int64_t nodes) {
  constexpr std::int64_t kCache = 1 << 20;
  for (int width : {32, 16}) {
    if (nodes * kFields * width * static_cast<std::int64_t>(sizeof(T)) <= kCache) return width;
  }
  return 8;
}

template <typename T>
bool solve_tree(const Problem<T>& problem, const Tree& tree, std::int64_t cv_base, std::int64_t node_base,
                Scratch<T>& scratch) {
  if (tree.nodes == 1 && tree.cvs == 1) {
    for (std::int64_t e = 0; e < problem.size; ++e) {
      const Operands<T>& at = problem.elements[e];
      quotients(at.a + cv_base, at.b + cv_base, at.x + cv_base, tree.lanes);
    }
    return true;
  }
  const std::int64_t columns = problem.size * tree.lanes;
  const int width = widest<T>(tree.nodes);
  bool ok = true;
  for (std::int64_t first = 0; ok && first < columns;) {
    const int count = static_cast<int>(std::min<std::int64_t>(width, columns - first));
    if (count > 16) {
      ok = run_tile<T, 32>(problem, tree, cv_base, node_base, first, count, scratch);
    } else if (count > 8) {
      ok = run_tile<T, 16>(problem, tree, cv_base, node_base, first, count, scratch);
    } else if (count > 4) {
      ok = run_tile<T, 8>(problem, tree, cv_base, node_base, first, count, scratch);
    } else if (count > 1) {
      ok = run_tile<T, 4>(problem, tree, cv_base, node_base, first, count, scratch);
    } else {
      ok = run_tile<T, 1>(problem, tree, cv_base, node_base, first, count, scratch);
    }
    first += count;
  }
  return ok;
}

ffi::ErrorOr<std::unique_ptr<Forest>> prepare(Table parent, Table cv, Table nodes, Table lanes) {
  const auto bad = [](const char* why) { return ffi::Unexpected(ffi::Error::InvalidArgument(why)); };
  if (parent.size() != cv.size() || nodes.size() != lanes.size()) {
    return bad("tree solve: the tables of nodes or of trees differ in length");
  }
  auto forest = std::make_unique<Forest>();
  std::int64_t base = 0;
  const auto total = static_cast<std::int64_t>(parent.size());
  for (std::size_t t = 0; t < nodes.size(); ++t) {
    const std::int64_t n = nodes[t];
    if (n < 1 || lanes[t] < 1 || base + n > total) return bad("tree solve: node counts do not fit the parent table");
    const std::int32_t *parents = parent.begin() + base, *cvs = cv.begin() + base;
    const std::int64_t held = std::count_if(cvs, cvs + n, [](std::int32_t c) { return c >= 0; });
    std::vector<bool> seen(held, false);
    for (std::int64_t k = 0; k < n; ++k) {
      if (parents[k] < -1 || parents[k] >= k || cvs[k] < -1 || cvs[k] >= held || (cvs[k] >= 0 && seen[cvs[k]])) {
        return bad("tree solve: a node or CV index is out of range");
      }
      if (cvs[k] >= 0) seen[cvs[k]] = true;
    }
    forest->trees.push_back(arrange(parents, cvs, n, lanes[t]));
    forest->entries += held * lanes[t];
    forest->edges += n * lanes[t];
    base += n;
  }
  if (base != total) return bad("tree solve: node counts do not fit the parent table");
  return forest;
}

template <ffi::DataType kType>
ffi::Error tree_solve(Forest* prepared, ffi::Buffer<kType> a, ffi::Buffer<kType> g, ffi::Buffer<kType> b,
                      ffi::ResultBuffer<kType> x, ffi::Dictionary) {
  using T = ffi::NativeType<kType>;
  const Forest& forest = *prepared;
  const auto shape = x->dimensions();
  if (shape.size() < 1) return ffi::Error::InvalidArgument("tree solve: the result needs a CV axis");
  const std::vector<std::int64_t> batch(shape.begin(), shape.end() - 1);
  Leading lead_a, lead_g, lead_b, lead_x;
  if (!lead_a.init(a.dimensions(), batch, forest.entries) || !lead_g.init(g.dimensions(), batch, forest.edges) ||
      !lead_b.init(b.dimensions(), batch, forest.entries) || !lead_x.init(shape, batch, forest.entries)) {
    return ffi::Error::InvalidArgument("tree solve: operands need [..., " + std::to_string(forest.entries) +
                                       "] for a, b, x and [..., " + std::to_string(forest.edges) + "] for g");
  }
  Problem<T> problem{nullptr, 1};
  for (std::int64_t size : batch) problem.size *= size;
  Scratch<Operands<T>> operands;
  Operands<T>* element = operands.reserve(problem.size);
  if (!element && problem.size) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "tree solve: no memory for the batch");
  }
  for (std::int64_t e = 0; e < problem.size; ++e) {
    element[e] = {a.typed_data() + lead_a.offset(e, batch), g.typed_data() + lead_g.offset(e, batch),
                  b.typed_data() + lead_b.offset(e, batch), x->typed_data() + lead_x.offset(e, batch)};
  }
  problem.elements = element;
  Scratch<T> scratch;
  std::int64_t cv_base = 0, node_base = 0;
  for (const Tree& tree : forest.trees) {
    if (!solve_tree(problem, tree, cv_base, node_base, scratch)) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "tree solve: no memory for the scratch of a tree");
    }
    cv_base += tree.cvs * tree.lanes;
    node_base += tree.nodes * tree.lanes;
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace cajax

extern "C" CAJAX_EXPORT XLA_FFI_Error* cajax_tree_solve_instantiate(XLA_FFI_CallFrame* frame) {
  if (XLA_FFI_Error* error = cajax::know_state<cajax::Forest>(frame->api, "cajax_tree_solve")) return error;
  XLA_FFI_DEFINE_HANDLER(handler, cajax::prepare,
                         ffi::Ffi::BindInstantiate()
                             .Attr<cajax::Table>("parent")
                             .Attr<cajax::Table>("cv")
                             .Attr<cajax::Table>("nodes")
                             .Attr<cajax::Table>("lanes"));
  return handler(frame);
}

#define CAJAX_TARGET(name, type)                                      \
  extern "C" CAJAX_EXPORT XLA_FFI_Error* name(XLA_FFI_CallFrame*);    \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, cajax::tree_solve<type>,        \
                                ffi::Ffi::Bind()                      \
                                    .Ctx<ffi::State<cajax::Forest>>() \
                                    .Arg<ffi::Buffer<type>>()         \
                                    .Arg<ffi::Buffer<type>>()         \
                                    .Arg<ffi::Buffer<type>>()         \
                                    .Ret<ffi::Buffer<type>>()         \
                                    .Attrs())

CAJAX_TARGET(cajax_tree_solve_f32, ffi::F32);
CAJAX_TARGET(cajax_tree_solve_f64, ffi::F64);
