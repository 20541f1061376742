// One step of a program: its kernels and other operations in their order.

#include <algorithm>
#include <utility>

#include "machine.h"

namespace cajax::program {
namespace {

template <typename T>
Array<T> array(const Program& program, void** table, std::int64_t slot) {
  return {static_cast<T*>(table[slot]), program.slots[slot].field.wide != 0};
}

template <typename T>
T* at(void** table, std::int64_t slot) {
  return static_cast<T*>(table[slot]);
}

// The groups of a share, of about as many entries as the others', and the number of the first of them.
std::pair<Groups, std::int64_t> groups(const Op& op, void** table, Share share) {
  const auto* offset = at<const std::int32_t>(table, op.at[0]);
  const auto border = [&](int rank) {
    if (rank == share.of) return op.end;
    return std::lower_bound(offset, offset + op.end, std::int64_t{offset[op.end]} * rank / share.of) - offset;
  };
  const std::int64_t first = border(share.rank);
  return {{border(share.rank + 1) - first, offset + first, at<const std::int32_t>(table, op.at[1])}, first};
}

template <typename T>
void reduced(const Program& p, const Op& op, int width, void** table, Share share) {
  const auto [of, first] = groups(op, table, share);
  const auto x = array<const T>(p, table, op.at[2]);
  reduce(static_cast<Reduction>(op.at[4]), of, width, x, at<T>(table, op.at[3]) + first * (x.wide ? width : 1));
}

template <typename T>
void multiplied(const Program& p, const Op& op, int width, void** table, char* scratch, Share share) {
  const auto* edge = op.at[5] < 0 ? nullptr : at<const std::int32_t>(table, op.at[5]);
  const auto [of, first] = groups(op, table, share);
  const auto w = array<const T>(p, table, op.at[2]), s = array<const T>(p, table, op.at[3]);
  if (share.of == 1 && !op.edges.source.empty()) {
    return products_by_edge<T>(of, op.edges, w.at, s.at, at<T>(table, op.at[4]), reinterpret_cast<T*>(scratch));
  }
  products(of, edge, width, w, s, at<T>(table, op.at[4]) + first * (w.wide || s.wide ? width : 1));
}

template <typename T>
void solved(const Program& p, const Op& op, int width, void** table, char* scratch, Share share) {
  solve(*op.forest, width, array<T>(p, table, op.at[0]), array<const T>(p, table, op.at[1]),
        array<T>(p, table, op.at[2]), at<T>(table, op.at[3]), reinterpret_cast<T*>(scratch), share);
}

template <typename T>
void solved_joined(const Program& p, const Op& op, int width, void** table, char* scratch) {
  const Joints joints{p.slots[op.at[5]].field.n, at<const std::int32_t>(table, op.at[5]),
                      at<const std::int32_t>(table, op.at[6])};
  const Joined<T> of{array<const T>(p, table, op.at[0]), array<const T>(p, table, op.at[1]),
                     array<const T>(p, table, op.at[2]), array<const T>(p, table, op.at[3])};
  solve_joined(*op.forest, joints, op.begin, width, of, at<T>(table, op.at[4]), reinterpret_cast<T*>(scratch));
}

// Arrays one after the other: pieces of (slot, first row of the result, number of rows), each by its own table.
void joined(const Program& p, const Op& op, int width, void** table) {
  char* to = at<char>(table, op.at[0]);
  const Field& out = p.slots[op.at[0]].field;
  const int size = static_cast<int>(out.bytes), lanes = out.wide ? width : 1;
  std::int64_t first = 0;
  for (std::size_t k = 0; k < op.rows.size(); ++k) {
    const std::int64_t slot = op.at[1 + k], count = op.rows[k].count;
    char* here = to + first * lanes * size;
    const double zero = 0.0;
    if ((p.slots[slot].field.wide != 0) == (lanes > 1)) {
      rows(op.rows[k], lanes, size, table[slot], &zero, here);
    } else {
      const char* from = at<const char>(table, slot);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int32_t r = op.rows[k].index[i];
        for (int lane = 0; lane < lanes; ++lane) {
          if (r < 0) std::memset(here + (i * lanes + lane) * size, 0, size);
          else std::memcpy(here + (i * lanes + lane) * size, from + r * size, size);
        }
      }
    }
    first += count;
  }
}

template <typename T>
void looked_up(const Program& p, const Op& op, int width, void** table) {  // out[i] = x[index[i]]
  const auto x = array<const T>(p, table, op.at[0]);
  const auto index = array<const std::int32_t>(p, table, op.at[1]);
  T* out = at<T>(table, op.at[2]);
  const int lanes = x.wide || index.wide ? width : 1, dx = x.wide ? width : 1, di = index.wide ? width : 1;
  for (std::int64_t i = 0; i < op.end; ++i) {
    for (int lane = 0; lane < lanes; ++lane) {
      const std::int64_t r = index.at[i * di + (index.wide ? lane : 0)];
      out[i * lanes + lane] = x.at[r * dx + (x.wide ? lane : 0)];
    }
  }
}

template <typename T>
void added_at(const Program& p, const Op& op, int width, void** table) {  // out = base; out[index[i]] += x[i]
  const auto base = array<const T>(p, table, op.at[0]), x = array<const T>(p, table, op.at[2]);
  const auto index = array<const std::int32_t>(p, table, op.at[1]);
  const Slot& result = p.slots[op.at[3]];
  T* out = at<T>(table, op.at[3]);
  const int lanes = result.field.wide ? width : 1;
  for (std::int64_t j = 0; j < result.field.n; ++j) {
    for (int lane = 0; lane < lanes; ++lane) out[j * lanes + lane] = base.at[base.wide ? j * width + lane : j];
  }
  for (std::int64_t i = 0; i < op.end; ++i) {
    for (int lane = 0; lane < lanes; ++lane) {
      const std::int64_t r = index.at[index.wide ? i * width + lane : i];
      out[r * lanes + lane] += x.at[x.wide ? i * width + lane : i];
    }
  }
}

template <typename T>
void fallen_due(const Program& p, const Op& op, int width, void** table, char* scratch) {
  const Queue queue{op.begin, op.at[7], op.end, at<const std::int32_t>(table, op.at[6])};
  std::int32_t* const first = at<std::int32_t>(table, op.at[5]);  // the rows of `second` follow
  due(queue, width, array<const T>(p, table, op.at[0]), array<const T>(p, table, op.at[1]),
      array<const std::int32_t>(p, table, op.at[2]), array<const T>(p, table, op.at[3]),
      array<const T>(p, table, op.at[4]), first, first + op.end * (p.slots[op.at[5]].field.wide ? width : 1),
      reinterpret_cast<std::uint32_t*>(scratch));
}

// Of fewer entries a meeting costs more than sharing saves; a share is a multiple of kUnit entries, whole vectors.
constexpr std::int64_t kWorthSharing = 1024, kUnit = 64;

void operate(const Program& program, const Op& op, int width, void** table, char* scratch, Share share) {
  const bool single = op.at.empty() || program.slots[op.at[op.code == kReduce || op.code == kProducts ? 2 : 0]].field.bytes == 4;
  switch (op.code) {
    case kKernel: {
      const std::int64_t n = op.end - op.begin, first = share.begin(n, kUnit), end = share.end(n, kUnit);
      if (first < end) op.kernel(table, op.begin + first, op.begin + end);
      break;
    }
    case kSolve:
      single ? solved<float>(program, op, width, table, scratch, share)
             : solved<double>(program, op, width, table, scratch, share);
      break;
    case kJoined:
      single ? solved_joined<float>(program, op, width, table, scratch)
             : solved_joined<double>(program, op, width, table, scratch);
      break;
    case kReduce: {
      const Slot& x = program.slots[op.at[2]];
      if (x.field.bytes == 1) reduced<std::uint8_t>(program, op, width, table, share);
      else if (op.begin && single) reduced<std::int32_t>(program, op, width, table, share);
      else if (op.begin) reduced<std::int64_t>(program, op, width, table, share);
      else if (single) reduced<float>(program, op, width, table, share);
      else reduced<double>(program, op, width, table, share);
      break;
    }
    case kProducts:
      single ? multiplied<float>(program, op, width, table, scratch, share)
             : multiplied<double>(program, op, width, table, scratch, share);
      break;
    case kRows: joined(program, op, width, table); break;
    case kDue:
      single ? fallen_due<float>(program, op, width, table, scratch)
             : fallen_due<double>(program, op, width, table, scratch);
      break;
    case kGather: {
      const std::int64_t bytes = program.slots[op.at[0]].field.bytes;
      if (bytes == 1) looked_up<std::uint8_t>(program, op, width, table);
      else if (bytes == 4) looked_up<std::uint32_t>(program, op, width, table);
      else looked_up<std::uint64_t>(program, op, width, table);
      break;
    }
    case kScatter:
      if (op.begin) single ? added_at<std::uint32_t>(program, op, width, table) : added_at<std::uint64_t>(program, op, width, table);
      else single ? added_at<float>(program, op, width, table) : added_at<double>(program, op, width, table);
      break;
  }
}

// Entries of an operation that several threads may work on at once, 0 of one that they may not.
std::int64_t entries(const Program& p, const Op& op, int width) {
  if (op.code == kKernel) return (op.end - op.begin) * width;
  if (op.code == kReduce || op.code == kProducts) return p.slots[op.at[1]].field.n * width;
  if (op.code != kSolve) return 0;
  const auto wide = [&](int k) { return p.slots[op.at[k]].field.wide != 0; };
  return solve_is_shared(width, wide(0), wide(1), wide(2)) ? op.forest->cvs * width : 0;
}

}  // namespace

void share_out(Program& program, std::int64_t width) {
  program.shared = 0;
  for (Op& op : program.ops) {
    const std::int64_t n = entries(program, op, static_cast<int>(width));
    op.shared = n >= kWorthSharing;
    if (op.shared) program.shared += n;
  }
  for (std::size_t k = 0; k + 1 < program.ops.size(); ++k) {
    program.ops[k].meets = program.ops[k].shared || program.ops[k + 1].shared;
  }
}

void step(const Program& program, std::int64_t lanes, void** table, char* scratch, Team& team) {
  const int width = static_cast<int>(lanes);
  team.all([&](Share share) {
    for (const Op& op : program.ops) {
      if (op.shared) {
        operate(program, op, width, table, scratch, share);
      } else if (share.rank == 0) {
        operate(program, op, width, table, scratch, {});
      }
      if (op.meets) team.meet();
    }
  });
}

}  // namespace cajax::program
