// XLA FFI targets `cajax_tree_solve_f32` and `cajax_tree_solve_f64`: solves a whole forest for a whole batch.

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "tile.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// One binary that uses what the machine has. Needs ifunc support of the C library; the sanitizers dislike it.
#if !defined(CAJAX_NO_CLONES) && defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && \
    ((defined(__clang__) && __clang_major__ >= 16) || (!defined(__clang__) && defined(__GNUC__)))
#define CAJAX_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CAJAX_CLONES
#endif

#if defined(_WIN32)
#define CAJAX_EXPORT __declspec(dllexport)
#else
#define CAJAX_EXPORT __attribute__((visibility("default")))
#endif

namespace cajax {

using Table = ffi::Span<const std::int32_t>;

namespace {

#define CAJAX_TILE(T, W)                                                                          \
  CAJAX_CLONES void tile(const Tree& tree, const Columns<const T*, W>& a, const Columns<const T*, W>& g, \
                         const Columns<const T*, W>& b, const Columns<T*, W>& x, T* records) {    \
    solve_tile<T, W>(tree, a, g, b, x, records);                                                  \
  }
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

template <typename T>
struct Problem {
  const T *a, *g, *b;
  T* x;
  Leading lead_a, lead_g, lead_b, lead_x;
  std::vector<std::int64_t> batch;
  std::int64_t batch_size = 1;
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
  for (int j = 0; j < count; ++j) {
    const std::int64_t element = (first + j) / tree.lanes, lane = (first + j) % tree.lanes;
    a.start[j] = problem.a + problem.lead_a.offset(element, problem.batch) + cv_base + lane;
    g.start[j] = problem.g + problem.lead_g.offset(element, problem.batch) + node_base + lane;
    b.start[j] = problem.b + problem.lead_b.offset(element, problem.batch) + cv_base + lane;
    x.start[j] = problem.x + problem.lead_x.offset(element, problem.batch) + cv_base + lane;
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
  const std::int64_t columns = problem.batch_size * tree.lanes;
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

// The forest as it comes in the attributes: nodes of all trees one after another.
struct Forest {
  std::vector<Tree> trees;
  std::vector<std::int64_t> cvs;
  std::int64_t entries = 0;  // CVs times lanes, all trees
  std::int64_t edges = 0;    // nodes times lanes, all trees
};

ffi::Error read_forest(Table parent, Table cv, Table order, Table slot, Table nodes, Table lanes, Forest& forest) {
  if (parent.size() != cv.size() || parent.size() != order.size() || nodes.size() != lanes.size()) {
    return ffi::Error::InvalidArgument("tree solve: the tables of nodes or of trees differ in length");
  }
  std::int64_t base = 0, first_cv = 0;
  const std::int64_t total = static_cast<std::int64_t>(parent.size());
  for (std::size_t t = 0; t < nodes.size(); ++t) {
    Tree tree{nodes[t], lanes[t], parent.begin() + base, cv.begin() + base, order.begin() + base, nullptr, 0, false};
    if (tree.nodes < 1 || tree.lanes < 1 || base + tree.nodes > total) {
      return ffi::Error::InvalidArgument("tree solve: node counts do not fit the parent table");
    }
    std::int64_t cvs = 0;
    for (std::int64_t k = 0; k < tree.nodes; ++k) cvs += tree.cv[k] >= 0;
    bool fits = true;
    for (std::int64_t k = 0; k < tree.nodes; ++k) {
      tree.branched |= tree.order[k] != k;
      fits &= (tree.parent[k] >= -1) & (tree.parent[k] < k) & (tree.cv[k] >= -1) & (tree.cv[k] < cvs);
      fits &= (tree.order[k] >= 0) & (tree.order[k] < tree.nodes);
    }
    if (first_cv + cvs > static_cast<std::int64_t>(slot.size())) {
      return ffi::Error::InvalidArgument("tree solve: the table of slots is too short");
    }
    tree.cvs = cvs;
    tree.slot = slot.begin() + first_cv;
    first_cv += cvs;
    for (std::int64_t c = 0; c < cvs; ++c) fits &= (tree.slot[c] >= 0) & (tree.slot[c] < tree.nodes);
    if (!fits) return ffi::Error::InvalidArgument("tree solve: a node or CV index is out of range");
    forest.trees.push_back(tree);
    forest.cvs.push_back(cvs);
    forest.entries += cvs * tree.lanes;
    forest.edges += tree.nodes * tree.lanes;
    base += tree.nodes;
  }
  if (base != total) return ffi::Error::InvalidArgument("tree solve: node counts do not fit the parent table");
  return ffi::Error::Success();
}

template <ffi::DataType kType>
ffi::Error tree_solve(ffi::Buffer<kType> a, ffi::Buffer<kType> g, ffi::Buffer<kType> b,
                      ffi::ResultBuffer<kType> x, Table parent, Table cv, Table order, Table slot, Table nodes,
                      Table lanes) {
  using T = ffi::NativeType<kType>;
  Forest forest;
  ffi::Error bad = read_forest(parent, cv, order, slot, nodes, lanes, forest);
  if (bad.failure()) return bad;

  Problem<T> problem{a.typed_data(), g.typed_data(), b.typed_data(), x->typed_data(), {}, {}, {}, {}, {}, 1};
  const auto shape = x->dimensions();
  if (shape.size() < 1) return ffi::Error::InvalidArgument("tree solve: the result needs a CV axis");
  problem.batch.assign(shape.begin(), shape.end() - 1);
  for (std::int64_t size : problem.batch) problem.batch_size *= size;
  if (!problem.lead_a.init(a.dimensions(), problem.batch, forest.entries) ||
      !problem.lead_g.init(g.dimensions(), problem.batch, forest.edges) ||
      !problem.lead_b.init(b.dimensions(), problem.batch, forest.entries) ||
      !problem.lead_x.init(shape, problem.batch, forest.entries)) {
    return ffi::Error::InvalidArgument("tree solve: operands need [..., " + std::to_string(forest.entries) +
                                       "] for a, b, x and [..., " + std::to_string(forest.edges) + "] for g");
  }
  Scratch<T> scratch;
  std::int64_t cv_base = 0, node_base = 0;
  for (std::size_t t = 0; t < forest.trees.size(); ++t) {
    const Tree& tree = forest.trees[t];
    if (!solve_tree(problem, tree, cv_base, node_base, scratch)) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "tree solve: no memory for the scratch of a tree");
    }
    cv_base += forest.cvs[t] * tree.lanes;
    node_base += tree.nodes * tree.lanes;
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace cajax

#define CAJAX_TARGET(name, type)                                     \
  extern "C" CAJAX_EXPORT XLA_FFI_Error* name(XLA_FFI_CallFrame*);   \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, cajax::tree_solve<type>,       \
                                ffi::Ffi::Bind()                     \
                                    .Arg<ffi::Buffer<type>>()        \
                                    .Arg<ffi::Buffer<type>>()        \
                                    .Arg<ffi::Buffer<type>>()        \
                                    .Ret<ffi::Buffer<type>>()        \
                                    .Attr<cajax::Table>("parent")    \
                                    .Attr<cajax::Table>("cv")        \
                                    .Attr<cajax::Table>("order")     \
                                    .Attr<cajax::Table>("slot")      \
                                    .Attr<cajax::Table>("nodes")     \
                                    .Attr<cajax::Table>("lanes"))

CAJAX_TARGET(cajax_tree_solve_f32, ffi::F32);
CAJAX_TARGET(cajax_tree_solve_f64, ffi::F64);
