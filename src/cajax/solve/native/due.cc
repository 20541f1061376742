// XLA FFI targets `cajax_due_f32` and `cajax_due_f64`: which of a few queued ages have just reached the delay of each of
// many edges. The comparison is the very one of the plain path: delay − age < dt, and not so one step before.

#include <cstdint>
#include <vector>

#include "export.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace cajax {

namespace {

constexpr std::int64_t kMostSlots = 32;

template <ffi::DataType kType>
ffi::Error due(ffi::Buffer<kType> age, ffi::Buffer<kType> before, ffi::Buffer<ffi::S32> held, ffi::Buffer<kType> delay,
               ffi::Buffer<kType> dt, ffi::ResultBuffer<ffi::S32> first, ffi::ResultBuffer<ffi::S32> second,
               ffi::Span<const std::int32_t> pre) {
  using T = ffi::NativeType<kType>;
  const auto dims = age.dimensions();
  const auto edges = static_cast<std::int64_t>(pre.size());
  if (dims.size() < 2 || dims[dims.size() - 2] > kMostSlots) {
    return ffi::Error::InvalidArgument("due: ages need the axes [..., slot, cell] and at most 32 slots");
  }
  const std::int64_t slots = dims[dims.size() - 2], cells = dims.back();
  const auto batch = static_cast<std::int64_t>(dt.element_count());
  const auto count = [](const auto& x) { return static_cast<std::int64_t>(x.element_count()); };
  if (count(age) != batch * slots * cells || count(before) != count(age) || count(held) != count(age) ||
      count(delay) != batch * edges || count(*first) != batch * edges || count(*second) != batch * edges) {
    return ffi::Error::InvalidArgument("due: the operands do not fit together");
  }
  for (const std::int32_t p : pre) {
    if (p < 0 || p >= cells) return ffi::Error::InvalidArgument("due: an edge comes from no cell");
  }
  std::vector<std::uint32_t> waiting(static_cast<std::size_t>(cells));
  for (std::int64_t b = 0; b < batch; ++b) {
    const T* now = age.typed_data() + b * slots * cells;
    const T* then = before.typed_data() + b * slots * cells;
    const std::int32_t* has = held.typed_data() + b * slots * cells;
    const T* of = delay.typed_data() + b * edges;
    const T step = dt.typed_data()[b];
    std::int32_t* one = first->typed_data() + b * edges;
    std::int32_t* two = second->typed_data() + b * edges;
    // Most cells have no spike in flight, and their edges cost one look.
    for (std::int64_t p = 0; p < cells; ++p) {
      std::uint32_t bits = 0;
      for (std::int64_t k = 0; k < slots; ++k) bits |= static_cast<std::uint32_t>(has[k * cells + p] != 0) << k;
      waiting[p] = bits;
    }
    for (std::int64_t e = 0; e < edges; ++e) {
      one[e] = two[e] = -1;
      const std::int32_t p = pre[e];
      std::uint32_t bits = waiting[p];
      for (std::int32_t k = 0; bits != 0; bits >>= 1, ++k) {
        if ((bits & 1u) == 0) continue;
        const std::int64_t at = k * cells + p;
        if (!(of[e] - now[at] < step) || of[e] - then[at] < step) continue;
        (one[e] < 0 ? one[e] : two[e]) = k;
      }
    }
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace cajax

#define CAJAX_TARGET(name, type)                                   \
  extern "C" CAJAX_EXPORT XLA_FFI_Error* name(XLA_FFI_CallFrame*); \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, cajax::due<type>,            \
                                ffi::Ffi::Bind()                   \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Arg<ffi::Buffer<ffi::S32>>()  \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Ret<ffi::Buffer<ffi::S32>>()  \
                                    .Ret<ffi::Buffer<ffi::S32>>()  \
                                    .Attr<ffi::Span<const std::int32_t>>("pre"))

CAJAX_TARGET(cajax_due_f32, ffi::F32);
CAJAX_TARGET(cajax_due_f64, ffi::F64);
