// XLA FFI target `cajax_loop`: a whole run, or its reverse, in one call; runs are registered before by their digest.

#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <thread>

#include "../../solve/native/export.h"
#include "machine.h"
#include "store.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace cajax::program {
namespace {

std::mutex mutex;
std::map<std::int64_t, std::unique_ptr<Loop>>& runs() {
  static std::map<std::int64_t, std::unique_ptr<Loop>> known;
  return known;
}
std::string last_error;

const Loop* find(std::int64_t digest) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = runs().find(digest);
  return found == runs().end() ? nullptr : found->second.get();
}

// Takes buffers one after the other, each checked against what the run expects.
class Operands {
 public:
  Operands(ffi::RemainingArgs args, ffi::RemainingRets rets) : args_(args), rets_(rets) {}

  const char* in(std::int64_t bytes) {
    const auto buffer = args_.get<ffi::AnyBuffer>(arg_++);
    if (!buffer || static_cast<std::int64_t>(buffer->size_bytes()) != bytes) return bad<const char*>();
    return static_cast<const char*>(buffer->untyped_data());
  }
  char* out(std::int64_t bytes) {
    auto buffer = rets_.get<ffi::AnyBuffer>(ret_++);
    if (!buffer || static_cast<std::int64_t>((*buffer)->size_bytes()) != bytes) return bad<char*>();
    return static_cast<char*>((*buffer)->untyped_data());
  }
  bool good() const { return good_ && arg_ == args_.size() && ret_ == rets_.size(); }

 private:
  template <typename P>
  P bad() {
    good_ = false;
    return nullptr;
  }
  ffi::RemainingArgs args_;
  ffi::RemainingRets rets_;
  std::size_t arg_ = 0, ret_ = 0;
  bool good_ = true;
};

std::int64_t number_at(const char* token) {
  std::int64_t number = 0;
  if (token) std::memcpy(&number, token, sizeof(number));
  return number;
}

ffi::Error loop(ffi::RemainingArgs args, ffi::RemainingRets rets, std::int64_t digest, std::int64_t threads) {
  const Loop* run = find(digest);
  if (!run) return ffi::Error(ffi::ErrorCode::kNotFound, "cajax: the compiled run is not known to this process");
  Operands operands(args, rets);
  Memory memory;
  const char* token = nullptr;
  char* ticket = nullptr;
  const std::int64_t lanes = run->lanes ? run->lanes : 1;
  const auto bytes = [&](const Field& f) { return f.n * f.bytes * (f.wide ? lanes : 1); };
  const auto ct_bytes = [&](const Field& f) { return f.n * f.bytes * (f.wide || run->ct_apart ? lanes : 1); };
  for (const Field& f : run->thetas) memory.thetas.push_back(operands.in(bytes(f)));
  for (const Field& f : run->states) memory.states.push_back(operands.in(bytes(f)));
  if (run->mode == kAdjoint) {
    token = operands.in(sizeof(std::int64_t));
    for (std::size_t i = 0; i < run->states.size(); ++i) {
      const Field& f = run->states[i];
      memory.ct_states.push_back(run->cts[i].n ? operands.in(ct_bytes(f)) : nullptr);
    }
    for (const Field& f : run->outs) {
      memory.ct_outs.push_back(told(f) ? operands.in(ct_bytes(f) * samples(f, run->steps)) : nullptr);
    }
    for (std::size_t i = 0; i < run->accs.size(); ++i) {
      const Field& f = run->accs[i];
      memory.gradients.push_back(operands.out(f.n * f.bytes * (run->per_lane[i] ? lanes : 1)));
    }
    for (std::size_t i = 0; i < run->cts.size(); ++i) {
      const Field& f = run->cts[i];
      const bool apart = run->per_lane[run->accs.size() + i];
      memory.ct_first.push_back(f.n ? operands.out(f.n * f.bytes * (apart ? lanes : 1)) : nullptr);
    }
  } else {
    for (const Field& f : run->states) memory.last.push_back(operands.out(bytes(f)));
    for (const Field& f : run->outs) memory.outs.push_back(operands.out(bytes(f) * samples(f, run->steps)));
    if (run->mode == kStoring) ticket = operands.out(sizeof(std::int64_t));
  }
  if (!operands.good()) return ffi::Error::InvalidArgument("cajax: the operands of a compiled run do not fit it");
  try {
    Keep keep;
    if (run->mode == kAdjoint) {
      keep = Store::get().take(number_at(token), run->signature);
      memory.fresh = !keep.block;
    }
    if (run->mode != kForward && !keep.block) keep = Store::get().room(run->all_kept_bytes());
    memory.kept = keep.block ? keep.block->get() : nullptr;
    execute(*run, memory, static_cast<int>(threads));
    if (run->mode == kStoring) {
      const std::int64_t number = Store::get().put(std::move(keep), run->signature);
      std::memcpy(ticket, &number, sizeof(number));
    } else if (run->mode == kAdjoint) {
      Store::get().free(std::move(keep));
    }
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "cajax: no memory for a compiled run");
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace cajax::program

// Registers a run; returns null, or what is wrong.
extern "C" CAJAX_EXPORT const char* cajax_run_register(std::int64_t digest, const std::int64_t* blob, std::int64_t size,
                                                       const std::int64_t* pointers, std::int64_t count) {
  using namespace cajax::program;
  const std::lock_guard<std::mutex> lock(mutex);
  if (runs().count(digest)) return nullptr;
  auto run = std::make_unique<Loop>();
  last_error = read_run(blob, size, pointers, count, *run);
  if (!last_error.empty()) return last_error.c_str();
  runs()[digest] = std::move(run);
  return nullptr;
}

// Returns the most bytes that were held at once since this was last called; what earlier runs left is given up.
extern "C" CAJAX_EXPORT std::int64_t cajax_most_held() {
  using namespace cajax::program;
  const std::int64_t most = most_held;
  Store::get().clear();
  most_held.store(held);
  return most;
}

extern "C" CAJAX_EXPORT XLA_FFI_Error* cajax_loop(XLA_FFI_CallFrame*);
XLA_FFI_DEFINE_HANDLER_SYMBOL(cajax_loop, cajax::program::loop,
                              ffi::Ffi::Bind()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<std::int64_t>("digest")
                                  .Attr<std::int64_t>("threads"));
