// Runs compiled time loops: every tile of lanes goes through all steps by itself, on one thread.

#include "block.h"
#include "machine.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

namespace cajax::program {
namespace {

std::int64_t row(const Field& f, std::int64_t width) { return f.wide ? width : 1; }

// One array of a tile from the caller's memory, [lanes, n] where it is wide.
void bring_in(const Loop& run, const Field& f, const char* from, std::int64_t first, int count, char* to) {
  if (f.wide) {
    transpose_in(static_cast<int>(run.width), static_cast<int>(f.bytes), f.n, from, first, count, to);
  } else {
    std::memcpy(to, from, f.n * f.bytes);
  }
}

void bring_out(const Loop& run, const Field& f, const char* from, std::int64_t first, int count, char* to) {
  if (f.wide) {
    transpose_out(static_cast<int>(run.width), static_cast<int>(f.bytes), f.n, from, first, count, to);
  } else if (first == 0) {
    std::memcpy(to, from, f.n * f.bytes);
  }
}

constexpr std::int64_t kChunk = 32;  // samples that are turned around at once
constexpr std::int64_t kWorthTeam = 4096;  // entries that a step shares out for which threads are started

// One tile: its lanes, its memory, its tables of addresses.
class Tile {
 public:
  Tile(const Loop& run, const Memory& memory, std::int64_t number, char* const* shared, Team& team)
      : run_(run), memory_(memory), team_(team), first_(number * run.width),
        count_(run.lanes ? static_cast<int>(std::min(run.width, run.lanes - first_)) : 1), number_(number),
        forward_(run.forward.slots.size()), reverse_(run.reverse.slots.size()),
        arena_(std::make_unique<Block>(std::max(run.forward.arena, run.reverse.arena) + 64)),
        scratch_(std::make_unique<Block>(std::max(run.forward.scratch, run.reverse.scratch) + 64)) {
    std::int64_t bytes = 0;
    for (const Field& f : run.thetas) bytes += f.wide ? padded(f.n * run.width * f.bytes) : 0;
    thetas_ = std::make_unique<Block>(bytes + 64, false);
    char* at = thetas_->get();
    for (std::size_t i = 0; i < run.thetas.size(); ++i) {
      const Field& f = run.thetas[i];
      theta_.push_back(f.wide ? at : shared[i]);
      if (!f.wide) continue;
      bring_in(run, f, memory.thetas[i], first_, count_, at);
      at += padded(f.n * run.width * f.bytes);
    }
    for (const Field& f : run.outs) {
      out_bytes_.push_back(padded((f.n + 16) * row(f, run.width) * f.bytes));
      outs_.emplace_back(out_bytes_.back() * kChunk);
    }
    prepare(run.forward, forward_);
    prepare(run.reverse, reverse_);
  }

  void forward() {
    Block two(2 * run_.stride + 64);
    const char* last = steps(two.get());
    flush(run_.steps);
    for (std::size_t i = 0; i < run_.states.size(); ++i) {
      bring_out(run_, run_.states[i], last + run_.states[i].offset, first_, count_, memory_.last[i]);
    }
  }

  // Cotangents of first states go to the caller; sums for thetas stay here until all tiles are done.
  void adjoint() {
    ct_ = std::make_unique<Block>(2 * run_.ct_bytes + 64);
    ct_now_ = ct_->get();
    ct_next_ = ct_now_ + run_.ct_bytes;
    for (std::size_t i = 0; i < run_.cts.size(); ++i) {
      if (memory_.ct_states[i]) enter(run_.cts[i], memory_.ct_states[i], run_.states[i].wide || run_.ct_apart, ct_now_);
    }
    std::int64_t bytes = 0;
    for (const Field& f : run_.accs) bytes += padded((f.n + 16) * row(f, run_.width) * f.bytes);
    acc_ = std::make_unique<Block>(bytes + 64);
    char* at = acc_->get();
    for (const Field& f : run_.accs) {
      accs_.push_back(at);
      at += padded((f.n + 16) * row(f, run_.width) * f.bytes);
    }
    point(run_.reverse, reverse_, kAcc, [&](std::int64_t i) { return accs_[i]; });
    std::int64_t samples = 0;
    for (const Field& f : run_.outs) samples += padded((f.n + 16) * run_.width * f.bytes);
    ct_records_ = std::make_unique<Block>(samples + 64);
    at = ct_records_->get();
    for (const Field& f : run_.outs) {
      ct_record_.push_back(at);
      at += padded((f.n + 16) * run_.width * f.bytes);
    }
    point(run_.reverse, reverse_, kCtRecord, [&](std::int64_t i) { return ct_record_[i]; });
    if (memory_.fresh) {
      Block two(2 * run_.stride + 64);
      steps(two.get());
    }
    char* residual = kept();
    if (run_.lengths.empty()) {
      back(residual, 0, run_.steps);
    } else {
      for (std::int64_t k = run_.kept(); k-- > 0;) {
        const std::int64_t begin = k * run_.lengths[0];
        segment(residual + k * run_.state_bytes, begin, std::min(run_.lengths[0], run_.steps - begin), 1);
      }
    }
    for (auto* memory : {&thetas_, &arena_, &scratch_, &ct_records_}) memory->reset();
    outs_.clear();
  }

  const char* acc(std::size_t i) const { return accs_[i]; }
  const char* ct(std::size_t i) const { return ct_now_ + run_.cts[i].offset; }
  std::int64_t first() const { return first_; }
  int count() const { return count_; }

 private:
  template <typename F>
  static void point(const Program& program, std::vector<void*>& table, Place place, F address) {
    for (const auto& [slot, index] : program.by_place[place]) table[slot] = address(index);
  }

  void prepare(const Program& program, std::vector<void*>& table) {
    point(program, table, kConstant, [&](std::int64_t i) { return const_cast<char*>(run_.constants[i].data()); });
    point(program, table, kTheta, [&](std::int64_t i) { return theta_[i]; });
    for (const auto& [slot, index] : program.by_place[kTemp]) {
      table[slot] = arena_->get() + program.slots[slot].field.offset;
    }
  }

  char* kept() const { return memory_.kept + number_ * run_.kept() * run_.kept_bytes(); }

  // All steps, in turn between two records or, if every state is kept, from one kept record to the next; returns where
  // the last state is.
  char* steps(char* two) {
    const bool keeps = run_.mode != kForward, whole = keeps && run_.lengths.empty();
    char* now = whole ? kept() : two;
    start(now);
    for (std::int64_t n = 0; n < run_.steps; ++n) {
      char* next = two + ((n + 1) % 2) * run_.stride;
      if (whole) next = kept() + (n + 1) * run_.stride;
      if (keeps && !whole && n % run_.lengths[0] == 0) {
        std::memcpy(kept() + n / run_.lengths[0] * run_.state_bytes, now, run_.state_bytes);
      }
      ahead(now, next, n);
      now = next;
    }
    return now;
  }

  void start(char* record) {
    for (std::size_t i = 0; i < run_.states.size(); ++i) {
      bring_in(run_, run_.states[i], memory_.states[i], first_, count_, record + run_.states[i].offset);
    }
  }

  // A step from one record to another, with the sample taken at its start.
  void ahead(char* now, char* next, std::int64_t n) {
    const auto at_state = [&](char* base) { return [this, base](std::int64_t i) { return base + run_.states[i].offset; }; };
    point(run_.forward, forward_, kStateIn, at_state(now));
    point(run_.forward, forward_, kStateOut, at_state(next));
    point(run_.forward, forward_, kSaved, [&](std::int64_t i) { return now + run_.saved[i].offset; });
    if (run_.mode != kAdjoint && n % kChunk == 0) flush(n);
    point(run_.forward, forward_, kOut, [&](std::int64_t i) {
      return outs_[i].get() + (run_.mode == kAdjoint ? 0 : n % kChunk) * out_bytes_[i];
    });
    step(run_.forward, run_.width, forward_.data(), scratch_->get(), team_);
  }

  // Hands the samples before step n over to the caller.
  void flush(std::int64_t n) {
    if (n == 0) return;
    const std::int64_t begin = (n - 1) / kChunk * kChunk;
    for (std::size_t i = 0; i < run_.outs.size(); ++i) {
      const Field& f = run_.outs[i];
      const std::int64_t bytes = f.n * f.bytes, length = samples(f, run_.steps) * bytes;
      for (std::int64_t k = begin; k < n; ++k) {
        if (k % every(f)) continue;
        const std::int64_t at = k / every(f) * bytes;
        const char* from = outs_[i].get() + (k - begin) * out_bytes_[i];
        if (!f.wide) {
          if (number_ == 0) std::memcpy(memory_.outs[i] + at, from, bytes);
          continue;
        }
        for (int lane = 0; lane < count_; ++lane) {
          scatter_lane(f, from + lane * f.bytes, memory_.outs[i] + (first_ + lane) * length + at);
        }
      }
    }
  }

  void scatter_lane(const Field& f, const char* from, char* to) const {
    const std::int64_t far = run_.width * f.bytes;
    for (std::int64_t j = 0; j < f.n; ++j) std::memcpy(to + j * f.bytes, from + j * far, f.bytes);
  }

  // A cotangent of the caller's into a tile; of what all lanes share it belongs to the first lane alone.
  void enter(const Field& ct, const char* from, bool wide, char* base) const {
    char* to = base + ct.offset;
    if (wide) {
      bring_in(run_, ct, from, first_, count_, to);
      for (std::int64_t j = 0; j < ct.n && ct.wide; ++j) {
        std::memset(to + (j * run_.width + count_) * ct.bytes, 0, (run_.width - count_) * ct.bytes);
      }
    } else if (!ct.wide) {
      std::memcpy(to, from, ct.n * ct.bytes);
    } else if (number_ == 0) {
      for (std::int64_t j = 0; j < ct.n; ++j) std::memcpy(to + j * run_.width * ct.bytes, from + j * ct.bytes, ct.bytes);
    }
  }

  // Back through `count` steps from `begin`, whose first state is `from`: their states are computed again.
  void segment(const char* from, std::int64_t begin, std::int64_t count, std::size_t level) {
    if (level >= run_.lengths.size()) {
      Block records((count + 1) * run_.stride + 64);
      std::memcpy(records.get(), from, run_.state_bytes);
      for (std::int64_t k = 0; k < count; ++k) {
        ahead(records.get() + k * run_.stride, records.get() + (k + 1) * run_.stride, begin + k);
      }
      back(records.get(), begin, count);
      return;
    }
    const std::int64_t length = run_.lengths[level], parts = (count + length - 1) / length;
    Block kept(parts * run_.state_bytes + 64), two(2 * run_.stride + 64);
    char* now = two.get();
    std::memcpy(now, from, run_.state_bytes);
    for (std::int64_t k = 0; k <= (parts - 1) * length; ++k) {
      if (k % length == 0) std::memcpy(kept.get() + k / length * run_.state_bytes, now, run_.state_bytes);
      if (k == (parts - 1) * length) break;
      char* next = two.get() + ((k + 1) % 2) * run_.stride;
      ahead(now, next, begin + k);
      now = next;
    }
    for (std::int64_t k = parts; k-- > 0;) {
      segment(kept.get() + k * run_.state_bytes, begin + k * length, std::min(length, count - k * length), level + 1);
    }
  }

  void back(char* records, std::int64_t begin, std::int64_t count) {
    const auto at_ct = [&](char* base) { return [this, base](std::int64_t i) { return base + run_.cts[i].offset; }; };
    for (std::int64_t k = count; k-- > 0;) {
      char* now = records + k * run_.stride;
      point(run_.reverse, reverse_, kStateIn, [&](std::int64_t i) { return now + run_.states[i].offset; });
      point(run_.reverse, reverse_, kStateNext, [&](std::int64_t i) { return now + run_.stride + run_.states[i].offset; });
      point(run_.reverse, reverse_, kSaved, [&](std::int64_t i) { return now + run_.saved[i].offset; });
      point(run_.reverse, reverse_, kCtIn, at_ct(ct_now_));
      point(run_.reverse, reverse_, kCtOut, at_ct(ct_next_));
      for (std::size_t i = 0; i < run_.outs.size(); ++i) {
        if (memory_.ct_outs[i]) sample(i, begin + k, ct_record_[i]);
      }
      step(run_.reverse, run_.width, reverse_.data(), scratch_->get(), team_);
      std::swap(ct_now_, ct_next_);
    }
  }

  // The cotangent of one sample, in the form of the tile.
  void sample(std::size_t i, std::int64_t n, char* to) const {
    const Field& f = run_.outs[i];
    const std::int64_t bytes = f.n * f.bytes, length = samples(f, run_.steps) * bytes, at = n / every(f) * bytes;
    if (n % every(f)) {
      std::memset(to, 0, bytes * (run_.lanes ? run_.width : 1));
      return;
    }
    if (!run_.lanes) {
      std::memcpy(to, memory_.ct_outs[i] + at, bytes);
      return;
    }
    const std::int64_t far = run_.width * f.bytes;
    const bool apart = f.wide || run_.ct_apart;
    const int lanes = apart ? count_ : number_ == 0 ? 1 : 0;
    for (int lane = 0; lane < lanes; ++lane) {
      const char* from = memory_.ct_outs[i] + (apart ? (first_ + lane) * length : 0) + at;
      for (std::int64_t j = 0; j < f.n; ++j) std::memcpy(to + j * far + lane * f.bytes, from + j * f.bytes, f.bytes);
    }
  }

  const Loop& run_;
  const Memory& memory_;
  Team& team_;
  std::int64_t first_;
  int count_;
  std::int64_t number_;
  std::vector<void*> forward_, reverse_;
  std::unique_ptr<Block> arena_, scratch_, thetas_, ct_, acc_, ct_records_;
  std::vector<char*> theta_, accs_, ct_record_;
  std::vector<Block> outs_;
  std::vector<std::int64_t> out_bytes_;
  char *ct_now_ = nullptr, *ct_next_ = nullptr;
};

// Sums over the lanes of all tiles, lane after lane, whatever the tiles and threads were.
template <typename T>
void add_lanes(const Loop& run, const std::vector<std::unique_ptr<Tile>>& tiles, const Field& f, char* to,
               const char* (*of)(const Tile&, std::size_t), std::size_t index) {
  T* sum = reinterpret_cast<T*>(to);
  std::fill(sum, sum + f.n, T(0));
  for (const auto& tile : tiles) {
    const T* from = reinterpret_cast<const T*>(of(*tile, index));
    for (std::int64_t j = 0; j < f.n; ++j) {
      T x = sum[j];
      for (int lane = 0; lane < tile->count(); ++lane) x += from[j * run.width + lane];
      sum[j] = x;
    }
  }
}

void gather_lanes(const Loop& run, const std::vector<std::unique_ptr<Tile>>& tiles, const Field& f, bool apart, char* to,
                  const char* (*of)(const Tile&, std::size_t), std::size_t index) {
  if (!f.wide) {
    std::memcpy(to, of(*tiles[0], index), f.n * f.bytes);
  } else if (apart) {
    for (const auto& tile : tiles) bring_out(run, f, of(*tile, index), tile->first(), tile->count(), to);
  } else if (f.bytes == 4) {
    add_lanes<float>(run, tiles, f, to, of, index);
  } else {
    add_lanes<double>(run, tiles, f, to, of, index);
  }
}

}  // namespace

void execute(const Loop& run, const Memory& memory, int threads) {
  std::vector<Block> blocks;
  std::vector<char*> shared;
  for (std::size_t i = 0; i < run.thetas.size(); ++i) {
    const Field& f = run.thetas[i];
    shared.push_back(nullptr);
    if (f.wide) continue;
    blocks.emplace_back(f.n * f.bytes + 256);
    shared.back() = blocks.back().get();
    std::memcpy(shared.back(), memory.thetas[i], f.n * f.bytes);
  }
  const std::int64_t count = run.tiles();
  std::vector<std::unique_ptr<Tile>> tiles(count);
  std::atomic<std::int64_t> next{0};
  // Threads that there are no tiles for join in those that there are, if there is enough to share.
  const bool wide = std::max(run.forward.shared, run.reverse.shared) >= kWorthTeam;
  const int members = wide ? static_cast<int>(std::max<std::int64_t>(1, threads / count)) : 1;
  const auto work = [&] {
    Team team(members);
    for (std::int64_t i; (i = next++) < count;) {
      tiles[i] = std::make_unique<Tile>(run, memory, i, shared.data(), team);
      if (run.mode == kAdjoint) {
        tiles[i]->adjoint();
      } else {
        tiles[i]->forward();
        tiles[i].reset();
      }
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < std::min<std::int64_t>(threads, count); ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  if (run.mode != kAdjoint) return;
  for (std::size_t i = 0; i < run.accs.size(); ++i) {
    gather_lanes(run, tiles, run.accs[i], run.per_lane[i], memory.gradients[i],
                 [](const Tile& t, std::size_t k) { return t.acc(k); }, i);
  }
  for (std::size_t i = 0; i < run.cts.size(); ++i) {
    if (memory.ct_first[i]) {
      gather_lanes(run, tiles, run.cts[i], run.per_lane[run.accs.size() + i], memory.ct_first[i],
                   [](const Tile& t, std::size_t k) { return t.ct(k); }, i);
    }
  }
}

}  // namespace cajax::program
