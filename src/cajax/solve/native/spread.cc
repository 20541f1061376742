// XLA FFI targets `cajax_spread_f32` and `cajax_spread_f64`: y[..., index[k]] += x[..., k] into zeros.

#include <algorithm>
#include <cstdint>

#include "export.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace cajax {

namespace {

template <ffi::DataType kType>
ffi::Error spread(ffi::Buffer<kType> x, ffi::ResultBuffer<kType> y, ffi::Span<const std::int32_t> index) {
  using T = ffi::NativeType<kType>;
  const auto from = x.dimensions();
  const auto to = y->dimensions();
  if (from.size() < 1 || to.size() != from.size() || from.back() != static_cast<std::int64_t>(index.size()) ||
      !std::equal(from.begin(), from.end() - 1, to.begin())) {
    return ffi::Error::InvalidArgument("spread: operand and result need the same leading axes, and an index per entry");
  }
  const std::int64_t sites = from.back(), size = to.back();
  for (const std::int32_t i : index) {
    if (i < 0 || i >= size) return ffi::Error::InvalidArgument("spread: an index lies outside the result");
  }
  const std::int64_t rows = size == 0 ? 0 : static_cast<std::int64_t>(y->element_count()) / size;
  const T* in = x.typed_data();
  T* out = y->typed_data();
  for (std::int64_t row = 0; row < rows; ++row, in += sites, out += size) {
    std::fill(out, out + size, T(0));
    for (std::int64_t k = 0; k < sites; ++k) out[index[k]] += in[k];
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace cajax

#define CAJAX_TARGET(name, type)                                   \
  extern "C" CAJAX_EXPORT XLA_FFI_Error* name(XLA_FFI_CallFrame*); \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, cajax::spread<type>,         \
                                ffi::Ffi::Bind()                   \
                                    .Arg<ffi::Buffer<type>>()      \
                                    .Ret<ffi::Buffer<type>>()      \
                                    .Attr<ffi::Span<const std::int32_t>>("index"))

CAJAX_TARGET(cajax_spread_f32, ffi::F32);
CAJAX_TARGET(cajax_spread_f64, ffi::F64);
