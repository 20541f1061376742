// What a target prepares once per program ("instantiate") and finds again at each call, instead of checking it again.
#pragma once

#include <mutex>

#include "xla/ffi/api/ffi.h"

namespace cajax {

// Makes the type of a state known to the XLA that is calling. It must be before XLA asks the handler for its state's
// type, which it does when the handler is registered. From Python it would come too late if no backend has started yet:
// jaxlib 0.10 then registers all handlers first. `State` needs `static inline xla::ffi::TypeId id = {}`.
template <typename State>
XLA_FFI_Error* know_state(const XLA_FFI_Api* api, const char* name) {
  static std::mutex mutex;
  static const XLA_FFI_TypeInfo info = xla::ffi::MakeTypeInfo<State>();
  const std::lock_guard<std::mutex> lock(mutex);
  if (State::id.type_id != 0) return nullptr;
  return xla::ffi::Ffi::RegisterTypeId(api, name, &State::id, &info);
}

}  // namespace cajax
