// XLA FFI targets `cajax_sparse_f32` and `cajax_sparse_f64`: one of the three products of a graph, for a whole batch.
//
// The graph is checked and copied once, when the program is made ready ("instantiate"); a call finds it as its state.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "batch.h"
#include "export.h"
#include "product.h"
#include "state.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace cajax {

using Table = ffi::Span<const std::int32_t>;

// What a call needs to know of its graph; shared by all calls of a program, and only read.
struct Plan {
  static inline ffi::TypeId id = {};
  std::vector<std::int32_t> offset, pre;
  Graph graph;
  Side out = kSite;
};

namespace {

#define CAJAX_ONE(T)                                                                                      \
  CAJAX_CLONES void gather(const Graph& graph, const T* w, const T* s, T* y, bool add) {                  \
    gather_one<T>(graph, w, s, y, add);                                                                   \
  }                                                                                                       \
  CAJAX_CLONES void scatter(const Graph& graph, const T* w, const T* c, T* ds) { scatter_one<T>(graph, w, c, ds); } \
  CAJAX_CLONES void outer(const Graph& graph, const T* s, const T* c, T* dw, bool add) {                  \
    outer_one<T>(graph, s, c, dw, add);                                                                   \
  }
CAJAX_ONE(float)
CAJAX_ONE(double)
#undef CAJAX_ONE

// The lanes of a tile: where each starts in the operands that are not shared.
template <typename T, int W>
struct Lanes {
  const T* in[kSides][W] = {};  // null: no such lane
  T* out[W] = {};
  int count = 0;
  bool add = false;
};

// Lanes at which the partial sums of a row still fit the registers.
constexpr int kWideSums = 16;

template <typename T, int W>
CAJAX_INLINE void run_tile(const Plan& plan, const T* w, const Lanes<T, W>& lanes, T* dw, T* scratch) {
  const Graph& graph = plan.graph;
  T *at_pre = scratch, *at_site = scratch + graph.pres * W;
  if (plan.out == kSite) {
    if constexpr (W <= kWideSums) {
      interleave<T, W>(lanes.in[kPre], graph.pres, at_pre);
      gather_tile<T, W>(graph, w, at_pre, at_site);
      separate<T, W>(at_site, graph.sites, lanes.out, lanes.count, lanes.add);
    }
  } else if (plan.out == kPre) {
    interleave<T, W>(lanes.in[kSite], graph.sites, at_site);
    std::fill(at_pre, at_pre + graph.pres * W, T(0));
    scatter_tile<T, W>(graph, w, at_site, at_pre);
    separate<T, W>(at_pre, graph.pres, lanes.out, lanes.count, lanes.add);
  } else if constexpr (W >= kSide) {
    interleave<T, W>(lanes.in[kPre], graph.pres, at_pre);
    interleave<T, W>(lanes.in[kSite], graph.sites, at_site);
    outer_tile<T, W>(graph, at_pre, at_site, dw, lanes.add);
  }
}

#define CAJAX_TILE(T, W)                                                                                       \
  CAJAX_CLONES void tile(const Plan& plan, const T* w, const Lanes<T, W>& lanes, T* dw, T* scratch) {          \
    run_tile<T, W>(plan, w, lanes, dw, scratch);                                                               \
  }
CAJAX_TILE(float, 4)
CAJAX_TILE(float, 8)
CAJAX_TILE(float, 16)
CAJAX_TILE(float, 32)
CAJAX_TILE(double, 4)
CAJAX_TILE(double, 8)
CAJAX_TILE(double, 16)
CAJAX_TILE(double, 32)
#undef CAJAX_TILE

template <typename T>
struct Call {
  const Plan& plan;
  Batch batch;
  const T* in[kSides];  // null for the result
  T* out;
  std::unique_ptr<T[]> scratch;
};

// One lane of one element.
template <typename T>
void run_one(const Call<T>& call, const Offsets& at, bool add) {
  const Graph& graph = call.plan.graph;
  const T *w = call.in[kEdge] + at[kEdge], *s = call.in[kPre] + at[kPre], *c = call.in[kSite] + at[kSite];
  T* out = call.out + at[call.plan.out];
  if (call.plan.out == kSite) return gather(graph, w, s, out, add);
  if (call.plan.out == kEdge) return outer(graph, s, c, out, add);
  if (!add) std::fill(out, out + graph.pres, T(0));
  scatter(graph, w, c, out);
}

Offsets sum(const Offsets& a, const Offsets& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }

// Lanes [first, first + count) of the element at `base`.
template <typename T, int W>
void run_lanes(const Call<T>& call, const Offsets& base, std::int64_t first, int count, bool add) {
  Lanes<T, W> lanes;
  lanes.count = count;
  lanes.add = add;
  const Side out = call.plan.out;
  for (int j = 0; j < count; ++j) {
    const Offsets at = sum(base, call.batch.lanes.offsets(first + j));
    for (const Side side : {kPre, kSite}) {
      if (side != out) lanes.in[side][j] = call.in[side] + at[side];
    }
    lanes.out[j] = call.out + at[out];
  }
  const T* w = out == kEdge ? nullptr : call.in[kEdge] + base[kEdge];
  tile(call.plan, w, lanes, call.out + base[kEdge], call.scratch.get());
}

// Narrower where the records would leave the second-level cache, or partial sums the registers.
template <typename T>
int widest(const Plan& plan) {
  constexpr std::int64_t kCache = 1 << 19;
  const std::int64_t entries = plan.graph.pres + plan.graph.sites;
  for (const int width : {32, 16}) {
    if (width > kWideSums && plan.out == kSite) continue;
    if (entries * width * static_cast<std::int64_t>(sizeof(T)) <= kCache) return width;
  }
  return 8;
}

// Few edges per entry are not worth the records, and so are few lanes.
template <typename T>
bool worth_tiles(const Call<T>& call) {
  const Graph& graph = call.plan.graph;
  return call.batch.lanes.size() > 1 && graph.edges >= 2 * (graph.pres + graph.sites);
}

template <typename T>
ffi::Error run(Call<T>& call) {
  const Graph& graph = call.plan.graph;
  const Side out = call.plan.out;
  const bool tiles = worth_tiles(call), folds = call.batch.elements.folds(out);
  const int width = widest<T>(call.plan);
  if (tiles) {
    call.scratch.reset(new (std::nothrow) T[static_cast<std::size_t>((graph.pres + graph.sites) * width)]);
    if (!call.scratch) {
      return ffi::Error(ffi::ErrorCode::kResourceExhausted, "sparse product: no memory for its scratch");
    }
  }
  for (std::int64_t i = 0; i < call.batch.elements.size(); ++i) {
    const Offsets base = call.batch.elements.offsets(i);
    for (std::int64_t first = 0; first < call.batch.lanes.size();) {
      const std::int64_t left = call.batch.lanes.size() - first;
      const bool add = folds || (out == kEdge && first > 0);
      const int count = tiles ? static_cast<int>(std::min<std::int64_t>(width, left)) : 1;
      if (!tiles) {
        run_one(call, sum(base, call.batch.lanes.offsets(first)), add);
      } else if (count > 16) {
        run_lanes<T, 32>(call, base, first, count, add);
      } else if (count > 8) {
        run_lanes<T, 16>(call, base, first, count, add);
      } else if (count > 4 || out == kEdge) {
        run_lanes<T, 8>(call, base, first, count, add);
      } else {
        run_lanes<T, 4>(call, base, first, count, add);
      }
      first += count;
    }
  }
  return ffi::Error::Success();
}

ffi::ErrorOr<std::unique_ptr<Plan>> prepare(Table offset, Table pre, std::int64_t pres, std::int64_t out) {
  const auto bad = [](const char* why) { return ffi::Unexpected(ffi::Error::InvalidArgument(why)); };
  const auto edges = static_cast<std::int64_t>(pre.size());
  if (offset.size() < 1 || offset[0] != 0 || offset[offset.size() - 1] != edges) {
    return bad("sparse product: the rows do not cover the edges");
  }
  for (std::size_t r = 1; r < offset.size(); ++r) {
    if (offset[r] < offset[r - 1]) return bad("sparse product: a row ends before it begins");
  }
  for (const std::int32_t p : pre) {
    if (p < 0 || p >= pres) return bad("sparse product: an edge comes from outside the graph");
  }
  if (out < 0 || out >= kSides) return bad("sparse product: no such result");
  auto plan = std::make_unique<Plan>();
  plan->offset.assign(offset.begin(), offset.end());
  plan->pre.assign(pre.begin(), pre.end());
  plan->graph = {static_cast<std::int64_t>(offset.size()) - 1, pres, edges, plan->offset.data(), plan->pre.data()};
  plan->out = static_cast<Side>(out);
  return plan;
}

template <ffi::DataType kType>
ffi::Error product(Plan* plan, ffi::Buffer<kType> x, ffi::Buffer<kType> y, ffi::ResultBuffer<kType> z,
                   ffi::Dictionary) {
  using T = ffi::NativeType<kType>;
  Call<T> call{*plan, {}, {}, z->typed_data(), nullptr};
  std::array<ffi::AnyBuffer::Dimensions, kSides> dims;
  const Side first = plan->out == kEdge ? kPre : kEdge, second = plan->out == kSite ? kPre : kSite;
  call.in[first] = x.typed_data();
  call.in[second] = y.typed_data();
  dims[first] = x.dimensions();
  dims[second] = y.dimensions();
  dims[plan->out] = z->dimensions();
  if (!call.batch.init(dims, {plan->graph.edges, plan->graph.pres, plan->graph.sites})) {
    return ffi::Error::InvalidArgument("sparse product: the shapes fit neither one another nor the graph");
  }
  if (call.batch.empty || call.batch.elements.folds(plan->out)) {
    std::fill(call.out, call.out + z->element_count(), T(0));
  }
  return call.batch.empty ? ffi::Error::Success() : run(call);
}

}  // namespace
}  // namespace cajax

extern "C" CAJAX_EXPORT XLA_FFI_Error* cajax_sparse_instantiate(XLA_FFI_CallFrame* frame) {
  if (XLA_FFI_Error* error = cajax::know_state<cajax::Plan>(frame->api, "cajax_sparse")) return error;
  XLA_FFI_DEFINE_HANDLER(handler, cajax::prepare,
                         ffi::Ffi::BindInstantiate()
                             .Attr<cajax::Table>("offset")
                             .Attr<cajax::Table>("pre")
                             .Attr<std::int64_t>("pres")
                             .Attr<std::int64_t>("out"));
  return handler(frame);
}

#define CAJAX_TARGET(name, type)                                   \
  extern "C" CAJAX_EXPORT XLA_FFI_Error* name(XLA_FFI_CallFrame*); \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, cajax::product<type>,        \
                                ffi::Ffi::Bind()                   \
                                    .Ctx<ffi::State<cajax::Plan>>() \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Ret<ffi::Buffer<type>>()      \
                                    .Attrs())

CAJAX_TARGET(cajax_sparse_f32, ffi::F32);
CAJAX_TARGET(cajax_sparse_f64, ffi::F64);
