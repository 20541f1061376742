// The forest of a tree solve as the sweeps want it; prepared once per program and only read afterwards.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace cajax {

// One tree in the order of its sweeps. The system is symmetric, so any node may be the root: the middle of the longest
// path makes the tree half as deep, and two halves of a cable are swept at the same time. A row of nodes without a
// branch stays one after the other.
struct Tree {
  std::int64_t nodes = 0, cvs = 0, lanes = 1;
  std::vector<std::int32_t> parent;     // [nodes], parent < own index, -1 for a root
  std::vector<std::int32_t> cv;         // [nodes], -1 for a junction
  std::vector<std::int32_t> edge;       // [nodes], where the conductance to the parent stands in g; unread at a root
  std::vector<std::int32_t> order;      // [nodes], level by level from the roots
  std::vector<std::int32_t> cv_slot;    // [cvs], the node of each CV
  std::vector<std::int32_t> edge_slot;  // [nodes], the node of each entry of g
};

// The neighbours of every node, as slices of one list; the parent first, then the children in their order.
class Neighbours {
 public:
  Neighbours(const std::int32_t* parent, std::int64_t n) : start_(n + 1, 0), list_(2 * n) {
    for (std::int64_t k = 0; k < n; ++k) {
      if (parent[k] >= 0) ++start_[k + 1], ++start_[parent[k] + 1];
    }
    for (std::int64_t k = 0; k < n; ++k) start_[k + 1] += start_[k];
    std::vector<std::int64_t> at(start_.begin(), start_.end() - 1);
    for (std::int64_t k = 0; k < n; ++k) {  // a parent has a lower number, so it is entered before any child
      if (parent[k] >= 0) list_[at[k]++] = parent[k], list_[at[parent[k]]++] = static_cast<std::int32_t>(k);
    }
  }
  const std::int32_t* begin(std::int64_t k) const { return list_.data() + start_[k]; }
  const std::int32_t* end(std::int64_t k) const { return list_.data() + start_[k + 1]; }

 private:
  std::vector<std::int64_t> start_;
  std::vector<std::int32_t> list_;
};

// The nodes reached from `from`, nearest first, and by which neighbour each was reached (-1 for `from`).
inline std::vector<std::int32_t> spread_out(const Neighbours& near, std::int32_t from, std::vector<std::int32_t>& via) {
  std::vector<std::int32_t> found{from};
  via[from] = -1;
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const std::int32_t* q = near.begin(found[i]); q != near.end(found[i]); ++q) {
      if (*q == via[found[i]]) continue;
      via[*q] = found[i];
      found.push_back(*q);
    }
  }
  return found;
}

// The middle of the longest path through `from`'s component.
inline std::int32_t middle(const Neighbours& near, std::int32_t from, std::vector<std::int32_t>& via) {
  const std::int32_t one_end = spread_out(near, from, via).back();
  const std::int32_t other_end = spread_out(near, one_end, via).back();
  std::vector<std::int32_t> path;
  for (std::int32_t k = other_end; k >= 0; k = via[k]) path.push_back(k);
  return path[path.size() / 2];
}

// `parent` and `cv` [nodes] must have been checked: parents before children, every CV once.
inline Tree arrange(const std::int32_t* parent, const std::int32_t* cv, std::int64_t nodes, std::int64_t lanes) {
  Tree tree;
  tree.nodes = nodes;
  tree.lanes = lanes;
  tree.edge_slot.assign(nodes, 0);
  const Neighbours near(parent, nodes);
  std::vector<std::int32_t> via(nodes, -1), number(nodes, -1), depth;
  for (std::int64_t root = 0; root < nodes; ++root) {
    if (parent[root] >= 0) continue;
    const std::int32_t top = middle(near, static_cast<std::int32_t>(root), via);
    spread_out(near, top, via);
    std::vector<std::int32_t> waiting{top};
    while (!waiting.empty()) {
      const std::int32_t k = waiting.back(), p = via[k];
      waiting.pop_back();
      number[k] = static_cast<std::int32_t>(tree.parent.size());
      const auto edge = p < 0 ? static_cast<std::int32_t>(root) : parent[k] == p ? k : p;
      tree.edge_slot[edge] = number[k];
      tree.edge.push_back(edge);
      tree.parent.push_back(p < 0 ? -1 : number[p]);
      tree.cv.push_back(cv[k]);
      depth.push_back(p < 0 ? 0 : depth[number[p]] + 1);
      for (const std::int32_t* q = near.end(k); q-- != near.begin(k);) {
        if (*q != p) waiting.push_back(*q);
      }
    }
  }
  for (std::int64_t k = 0; k < nodes; ++k) tree.cvs += tree.cv[k] >= 0;
  tree.cv_slot.assign(tree.cvs, 0);
  tree.order.resize(nodes);
  for (std::int64_t k = 0; k < nodes; ++k) {
    if (tree.cv[k] >= 0) tree.cv_slot[tree.cv[k]] = static_cast<std::int32_t>(k);
    tree.order[k] = static_cast<std::int32_t>(k);
  }
  std::stable_sort(tree.order.begin(), tree.order.end(), [&](auto a, auto b) { return depth[a] < depth[b]; });
  return tree;
}

}  // namespace cajax
