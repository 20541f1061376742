// Reading a run from the numbers that Python describes it by; every number is checked before it is used.

#include <stdexcept>

#include "machine.h"

namespace cajax::program {
namespace {

class Reader {
 public:
  Reader(const std::int64_t* at, std::int64_t size) : at_(at), end_(at + size) {}
  std::int64_t next() {
    if (at_ == end_) throw std::runtime_error("it ends too early");
    return *at_++;
  }
  std::int64_t count(std::int64_t most = std::int64_t{1} << 31) {
    const std::int64_t n = next();
    if (n < 0 || n > most) throw std::runtime_error("a count is out of range");
    return n;
  }
  std::vector<std::int64_t> list() {
    std::vector<std::int64_t> found(count(end_ - at_));
    for (std::int64_t& x : found) x = next();
    return found;
  }
  bool done() const { return at_ == end_; }

 private:
  const std::int64_t *at_, *end_;
};

Field field(Reader& in) {
  Field f;
  f.n = in.count();
  f.bytes = in.count(8);
  f.wide = in.count(1);
  f.offset = in.count(std::int64_t{1} << 60);
  return f;
}

std::vector<Field> fields(Reader& in) {
  std::vector<Field> found(in.count(1 << 24));
  for (Field& f : found) f = field(in);
  return found;
}

std::vector<std::int32_t> narrowed(const std::vector<std::int64_t>& wide) { return {wide.begin(), wide.end()}; }

class ProgramReader {
 public:
  ProgramReader(Reader& in, const std::int64_t* pointers, std::int64_t count, const Loop& run)
      : in_(in), pointers_(pointers), count_(count), width_(run.width), constants_(run.constants) {}

  Program read(const std::vector<std::int64_t>& sizes) {
    Program p;
    p.slots.resize(in_.count(1 << 24));
    for (std::size_t i = 0; i < p.slots.size(); ++i) {
      Slot& slot = p.slots[i];
      slot.place = static_cast<Place>(in_.count(kPlaces - 1));
      slot.index = in_.count();
      slot.field = field(in_);
      if (slot.place != kTemp && slot.index >= sizes[slot.place]) throw std::runtime_error("a slot leads nowhere");
      p.by_place[slot.place].emplace_back(i, slot.index);
    }
    p.arena = in_.count(std::int64_t{1} << 50);
    const std::int64_t ops = in_.count(1 << 24);
    for (std::int64_t i = 0; i < ops; ++i) p.ops.push_back(op(p));
    share_out(p, width_);
    return p;
  }

 private:
  Op op(Program& p) {
    Op op;
    op.code = static_cast<Code>(in_.count(kJoined));
    op.begin = in_.count();
    op.end = in_.count();
    if (op.code == kKernel) {
      const std::int64_t k = in_.count();
      if (k >= count_) throw std::runtime_error("a kernel is missing");
      op.kernel = reinterpret_cast<Kernel>(pointers_[k]);
      return op;
    }
    op.at = in_.list();
    const auto slots = static_cast<std::int64_t>(p.slots.size());
    const std::size_t least = op.code == kDue ? 8 : op.code == kJoined ? 7 : op.code == kProducts ? 6 : op.code == kReduce ? 5
                              : op.code == kSolve || op.code == kScatter ? 4 : op.code == kGather ? 3 : 1;
    if (op.at.size() < least) throw std::runtime_error("an operation lacks operands");
    for (std::int64_t slot : op.at) {
      if (slot < -1 || (slot >= slots && op.code != kDue)) throw std::runtime_error("an operation reads no slot");
    }
    if (op.code == kSolve || op.code == kJoined) {
      const auto parent = narrowed(in_.list()), cv = narrowed(in_.list()), nodes = narrowed(in_.list()), lanes = narrowed(in_.list());
      op.forest = prepare_forest(parent.data(), cv.data(), nodes.data(), lanes.data(), static_cast<std::int64_t>(nodes.size()));
      if (!op.forest) throw std::runtime_error("its trees are none");
      const auto wide = [&](int k) { return p.slots[op.at[k]].field.wide != 0; };
      const int width = static_cast<int>(width_);
      const std::int64_t numbers = op.code == kSolve ? solve_scratch(*op.forest, width, wide(0), wide(1), wide(2))
                                                     : joined_scratch(*op.forest, p.slots[op.at[5]].field.n, width);
      p.scratch = std::max(p.scratch, numbers * 8 + 64);
    } else if (op.code == kRows) {
      for (std::size_t k = 1; k < op.at.size(); ++k) op.indices.push_back(narrowed(in_.list()));
      for (const auto& index : op.indices) {
        op.rows.push_back(prepare_rows(index.data(), static_cast<std::int64_t>(index.size())));
      }
    } else if (op.code == kProducts) {
      by_edge(p, op);
    } else if (op.code == kDue) {
      p.scratch = std::max(p.scratch, op.at[7] * width_ * 8 + 64);
    }
    return op;
  }

  // Weights that are many are read in their own order.
  void by_edge(Program& p, Op& op) {
    constexpr std::int64_t kMany = 1 << 14;
    const auto wide = [&](int k) { return p.slots[op.at[k]].field.wide != 0; };
    if (op.at[5] < 0 || wide(2) || wide(3) || p.slots[op.at[2]].field.n < kMany) return;
    const auto numbers = [&](int k, std::int64_t least) -> const std::int32_t* {
      const Slot& slot = p.slots[op.at[k]];
      if (slot.place != kConstant || slot.field.bytes != 4 || slot.field.n < least) return nullptr;
      return reinterpret_cast<const std::int32_t*>(constants_[slot.index].data());
    };
    const std::int32_t* const offset = numbers(0, op.end + 1);
    if (!offset) return;
    const std::int32_t *const index = numbers(1, offset[op.end]), *const edge = numbers(5, offset[op.end]);
    if (!index || !edge) return;
    op.edges = prepare_edges({op.end, offset, index}, edge, p.slots[op.at[2]].field.n);
    if (!op.edges.source.empty()) p.scratch = std::max(p.scratch, kPartialSums * op.end * 8 + 64);
  }

  Reader& in_;
  const std::int64_t* pointers_;
  std::int64_t count_, width_;
  const std::vector<std::vector<char>>& constants_;
};

}  // namespace

// `pointers`: the kernels, then for every constant its address and its bytes; a constant is copied.
std::string read_run(const std::int64_t* blob, std::int64_t size, const std::int64_t* pointers, std::int64_t count,
                     Loop& run) try {
  Reader in(blob, size);
  run.mode = static_cast<Mode>(in.count(kAdjoint));
  run.signature = in.next();
  run.width = in.count(64);
  run.lanes = in.count();
  run.steps = in.count(std::int64_t{1} << 40);
  run.lengths = in.list();
  run.thetas = fields(in);
  run.states = fields(in);
  run.saved = fields(in);
  run.outs = fields(in);
  for (const Field& f : run.outs) {
    if (every(f) < 1) throw std::runtime_error("an out is never taken");
  }
  run.stride = in.count(std::int64_t{1} << 50);
  run.state_bytes = in.count(std::int64_t{1} << 50);
  run.cts = fields(in);
  run.accs = fields(in);
  run.per_lane = in.list();
  run.ct_bytes = in.count(std::int64_t{1} << 50);
  run.ct_apart = in.count(1);
  const std::int64_t kernels = in.count(), constants = in.count();
  if (kernels + 2 * constants != count) throw std::runtime_error("pointers are missing");
  for (std::int64_t i = 0; i < constants; ++i) {
    const auto* data = reinterpret_cast<const char*>(pointers[kernels + 2 * i]);
    const std::int64_t bytes = pointers[kernels + 2 * i + 1];
    run.constants.emplace_back(bytes + 256, 0);  // narrow kernels read whole vectors
    std::memcpy(run.constants.back().data(), data, bytes);
  }
  const auto n = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
  const std::vector<std::int64_t> sizes{constants, 0, n(run.thetas), n(run.states), n(run.states), n(run.outs),
                                        n(run.saved), n(run.cts), n(run.cts), n(run.outs), n(run.accs), n(run.states)};
  ProgramReader reader(in, pointers, kernels, run);
  run.forward = reader.read(sizes);
  run.reverse = reader.read(sizes);
  if (!in.done()) throw std::runtime_error("it goes on");
  return {};
} catch (const std::exception& error) {
  return std::string("a compiled run cannot be read: ") + error.what();
}

}  // namespace cajax::program
