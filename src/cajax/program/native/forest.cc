// The order in which a forest is swept; prepared once per program.

#include <algorithm>
#include <queue>

#include "../../solve/native/forest.h"
#include "ops.h"

namespace cajax::program {

namespace {

// Nodes swept side by side: enough to hide the latency of a division, few enough to stay near in memory.
constexpr std::size_t kSide = 4;

// Trees of fewer nodes are swept together, up to that many nodes.
constexpr std::int64_t kStand = 512;

bool is_tree(const std::int32_t* parent, const std::int32_t* cv, std::int64_t nodes, std::int64_t cvs) {
  std::vector<bool> seen(static_cast<std::size_t>(cvs), false);
  for (std::int64_t k = 0; k < nodes; ++k) {
    if (parent[k] < -1 || parent[k] >= k || cv[k] < -1 || cv[k] >= cvs || (cv[k] >= 0 && seen[cv[k]])) return false;
    if (cv[k] >= 0) seen[cv[k]] = true;
  }
  return true;
}

// The nodes, children before parents, the farthest from the root first, a few at a time that do not wait for one
// another (Hu 1961: the shortest schedule of a tree on kSide machines). The children of a node keep their order, last
// one first: it is the order of summation.
std::vector<std::int32_t> schedule(const Tree& tree) {
  const auto n = static_cast<std::size_t>(tree.nodes);
  std::vector<std::int32_t> depth(n), waits(n, 0), before(n, -1), latest(n, -1), order;
  for (std::size_t k = 0; k < n; ++k) {
    const std::int32_t p = tree.parent[k];
    depth[k] = p < 0 ? 0 : depth[p] + 1;
    if (p < 0) continue;
    ++waits[p];
    before[k] = latest[p];  // the sibling that must come next
    if (before[k] >= 0) ++waits[before[k]];
    latest[p] = static_cast<std::int32_t>(k);
  }
  const auto nearer = [&](std::int32_t a, std::int32_t b) {
    return depth[a] != depth[b] ? depth[a] < depth[b] : a < b;
  };
  std::priority_queue<std::int32_t, std::vector<std::int32_t>, decltype(nearer)> ready(nearer);
  for (std::size_t k = 0; k < n; ++k) {
    if (waits[k] == 0) ready.push(static_cast<std::int32_t>(k));
  }
  while (!ready.empty()) {
    const std::size_t start = order.size();
    for (; order.size() < start + kSide && !ready.empty(); ready.pop()) order.push_back(ready.top());
    for (std::size_t i = start; i < order.size(); ++i) {
      for (const std::int32_t next : {tree.parent[order[i]], before[order[i]]}) {
        if (next >= 0 && --waits[next] == 0) ready.push(next);
      }
    }
  }
  return order;
}

// Where a stand begins.
struct Base {
  std::int64_t cv, junction, edge;
};

Stand stand(const Tree& tree, const Base& base) {
  std::vector<std::int32_t> row(static_cast<std::size_t>(tree.nodes));
  std::int64_t junction = base.junction;
  for (std::int64_t k = 0; k < tree.nodes; ++k) {
    const bool massless = tree.cv[k] < 0;
    row[k] = static_cast<std::int32_t>(massless ? junction : base.cv + tree.cv[k] * tree.lanes);
    if (massless) junction += tree.lanes;
  }
  Stand to;
  to.junction = base.junction;
  to.junctions = (junction - base.junction) / tree.lanes;
  to.lanes = tree.lanes;
  for (const std::int32_t k : schedule(tree)) {
    const std::int32_t p = tree.parent[k];
    if (p < 0) {
      to.roots.push_back(row[k]);
    } else {
      to.steps.push_back({row[k], row[p], static_cast<std::int32_t>(base.edge + tree.edge[k] * tree.lanes)});
    }
  }
  return to;
}

// Trees that wait to be swept together.
struct Waiting {
  std::vector<std::int32_t> parent, cv;
  Base base{};
  std::int64_t cvs = 0;

  void add(const std::int32_t* parents, const std::int32_t* numbers, std::int64_t nodes) {
    const auto shift = static_cast<std::int32_t>(parent.size());
    for (std::int64_t k = 0; k < nodes; ++k) {
      parent.push_back(parents[k] < 0 ? -1 : parents[k] + shift);
      cv.push_back(numbers[k] < 0 ? -1 : numbers[k] + static_cast<std::int32_t>(cvs));
    }
    cvs = std::count_if(cv.begin(), cv.end(), [](std::int32_t c) { return c >= 0; });
  }
};

void sow(Forest& forest, const Waiting& trees, std::int64_t lanes) {
  if (trees.parent.empty()) return;
  const auto nodes = static_cast<std::int64_t>(trees.parent.size());
  forest.stands.push_back(stand(arrange(trees.parent.data(), trees.cv.data(), nodes, lanes), trees.base));
  forest.largest = std::max(forest.largest, nodes);
}

}  // namespace

std::unique_ptr<Forest> prepare_forest(const std::int32_t* parent, const std::int32_t* cv, const std::int32_t* nodes,
                                       const std::int32_t* lanes, std::int64_t trees) {
  auto forest = std::make_unique<Forest>();
  std::vector<std::int64_t> cvs(static_cast<std::size_t>(trees));
  std::int64_t at = 0;
  for (std::int64_t t = 0; t < trees; at += nodes[t++]) {
    if (nodes[t] < 1 || lanes[t] < 1) return nullptr;
    cvs[t] = std::count_if(cv + at, cv + at + nodes[t], [](std::int32_t c) { return c >= 0; });
    if (!is_tree(parent + at, cv + at, nodes[t], cvs[t])) return nullptr;
    forest->cvs += cvs[t] * lanes[t];
    forest->junctions += (nodes[t] - cvs[t]) * lanes[t];
    forest->edges += std::int64_t{nodes[t]} * lanes[t];
  }
  if (forest->cvs + forest->junctions > INT32_MAX) return nullptr;
  Base base{0, forest->cvs, 0};
  Waiting waiting;
  const auto flush = [&] {
    sow(*forest, waiting, 1);
    waiting = Waiting{};
    waiting.base = base;
  };
  at = 0;
  for (std::int64_t t = 0; t < trees; at += nodes[t++]) {
    const bool point = nodes[t] == 1 && cvs[t] == 1, alone = point || lanes[t] > 1;
    if (alone || static_cast<std::int64_t>(waiting.parent.size()) + nodes[t] > kStand) flush();
    if (point) {
      auto& points = forest->points;
      if (points.empty() || points.back().first + points.back().count != base.cv) points.push_back({base.cv, 0});
      points.back().count += lanes[t];
    } else if (alone) {
      Waiting one;
      one.base = base;
      one.add(parent + at, cv + at, nodes[t]);
      sow(*forest, one, lanes[t]);
    } else {
      if (waiting.parent.empty()) waiting.base = base;
      waiting.add(parent + at, cv + at, nodes[t]);
    }
    base.cv += cvs[t] * lanes[t];
    base.junction += (nodes[t] - cvs[t]) * lanes[t];
    base.edge += std::int64_t{nodes[t]} * lanes[t];
  }
  flush();
  return forest;
}

}  // namespace cajax::program
