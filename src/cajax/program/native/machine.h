// A run as compiled for one batch: slots of memory, the operations of a step, and how states are laid out.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ops.h"

namespace cajax::program {

using Kernel = void (*)(void** table, std::int64_t begin, std::int64_t end);

// An array of a run: n entries of `bytes`, wide or narrow, at `offset` of what it is a part of.
struct Field {
  std::int64_t n = 0, bytes = 0, wide = 0, offset = 0;
};

// Where a slot of the table points to.
enum Place : std::int64_t {
  kConstant, kTemp, kTheta, kStateIn, kStateOut, kOut, kSaved, kCtIn, kCtOut, kCtRecord, kAcc, kStateNext,
  kPlaces
};

enum Code : std::int64_t { kKernel, kSolve, kReduce, kProducts, kRows, kDue, kGather, kScatter, kJoined };

struct Slot {
  Place place = kConstant;
  std::int64_t index = 0;
  Field field;
};

struct Op {
  Code code = kKernel;
  Kernel kernel = nullptr;
  std::int64_t begin = 0, end = 0;
  std::vector<std::int64_t> at;  // slots and numbers, by `code`
  std::shared_ptr<Forest> forest;
  std::vector<std::vector<std::int32_t>> indices;  // what `rows` read
  std::vector<Rows> rows;
  Edges edges;  // of a product that one thread takes in their order
  bool shared = false, meets = false;  // whether a team shares it out, and has to meet behind it
};

// The operations of one step, forward or back.
struct Program {
  std::vector<Slot> slots;
  std::vector<Op> ops;
  std::vector<std::pair<std::int64_t, std::int64_t>> by_place[kPlaces];  // (slot, index)
  std::int64_t arena = 0;    // bytes of temporaries, and of scratch behind them
  std::int64_t scratch = 0;
  std::int64_t shared = 0;   // entries of what a team shares out
};

enum Mode : std::int64_t { kForward, kStoring, kAdjoint };

struct Loop {
  Mode mode = kForward;
  std::int64_t signature = 0;                    // equal for a run that keeps and the reverse that reads it
  std::int64_t width = 1, lanes = 0, steps = 0;  // lanes 0: no batch
  std::vector<std::int64_t> lengths;             // of segments, outermost first; empty: every state is stored
  std::vector<Field> thetas, states, saved, outs;  // of outs the offset is 2 · every, plus 1 without derivatives
  std::int64_t stride = 0, state_bytes = 0;      // of a record of states and what is saved beside them; of states alone
  Program forward, reverse;
  std::vector<Field> cts, accs;                  // cotangents of states (one per state), sums of cotangents of thetas
  std::vector<std::int64_t> per_lane;            // whether lanes are kept apart
  std::int64_t ct_bytes = 0, ct_apart = 0;       // whether the caller's cotangents all differ between lanes
  std::vector<std::vector<char>> constants;

  std::int64_t tiles() const { return lanes ? (lanes + width - 1) / width : 1; }
  // Records that one tile keeps for the way back; if every one, that after the last step too.
  std::int64_t kept() const { return lengths.empty() ? steps + 1 : (steps + lengths[0] - 1) / lengths[0]; }
  std::int64_t kept_bytes() const { return lengths.empty() ? stride : state_bytes; }
  std::int64_t all_kept_bytes() const { return tiles() * kept() * kept_bytes(); }
};

// Memory that the caller holds: thetas and first states; last states and outs, or cotangents and gradients. `kept` is
// what the forward pass keeps for the way back; `fresh` if it has not been filled yet.
struct Memory {
  std::vector<const char*> thetas, states, ct_states, ct_outs;
  std::vector<char*> last, outs, gradients, ct_first;
  char* kept = nullptr;
  bool fresh = true;
};

// Returns what is wrong, or nothing.
std::string read_run(const std::int64_t* blob, std::int64_t size, const std::int64_t* pointers, std::int64_t count, Loop& run);

void execute(const Loop& run, const Memory& memory, int threads);

// One step: all operations, on the addresses in `table`.
void step(const Program& program, std::int64_t width, void** table, char* scratch, Team& team);

// Which operations a team shares out: those of enough entries to be worth the meeting.
void share_out(Program& program, std::int64_t width);

// An out is taken at steps 0, every, 2 · every, ...
inline std::int64_t every(const Field& out) { return out.offset >> 1; }
inline bool told(const Field& out) { return (out.offset & 1) == 0; }
inline std::int64_t samples(const Field& out, std::int64_t steps) { return (steps + every(out) - 1) / every(out); }

inline std::int64_t padded(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace cajax::program
