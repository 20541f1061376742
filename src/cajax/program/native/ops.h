// The operations of a compiled time loop besides its fused kernels, on one tile: W lanes of a batch side by side.
//
// An array of n values is wide, [n][W] numbers (lanes next to one another), or narrow, [n] numbers that all lanes
// share. W is 4, 8 or 16 of float, 2, 4 or 8 of double; at W = 1 every array is narrow. The bits of a lane depend
// neither on W nor on which operands are narrow. The tables of a forest are checked when it is prepared; nothing else
// is checked, and running an operation allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "team.h"

namespace cajax::program {

template <typename T>
struct Array {
  T* at;
  bool wide;
};

// --- Tree solve -----------------------------------------------------------------------------------------------------

// One elimination: the row of a node in a and b, that of its parent, and the entry of g between them.
struct Step {
  std::int32_t row, parent, edge;
};

// Trees that are swept together, or the `lanes` interleaved cells of one tree: cell c adds c to rows and edges.
struct Stand {
  std::vector<Step> steps;          // in the order of the elimination
  std::vector<std::int32_t> roots;  // rows
  std::int64_t lanes = 1;
  std::int64_t junction = 0, junctions = 0;  // its first junction's row, and how many there are, of each cell
};

// Cells of one control volume: rows [first, first + count).
struct Points {
  std::int64_t first, count;
};

struct Forest {
  std::vector<Stand> stands;
  std::vector<Points> points;
  std::int64_t cvs = 0;        // rows of CVs
  std::int64_t junctions = 0;  // rows of massless junctions, behind those of the CVs
  std::int64_t edges = 0;      // entries of g
  std::int64_t largest = 0;    // most steps and roots of one stand
};

// The tables of cajax.solve.Tree, tree after tree; null if they are no forest.
std::unique_ptr<Forest> prepare_forest(const std::int32_t* parent, const std::int32_t* cv, const std::int32_t* nodes,
                                       const std::int32_t* lanes, std::int64_t trees);

// Numbers of scratch that `solve` needs.
std::int64_t solve_scratch(const Forest& forest, int width, bool wide_a, bool wide_g, bool wide_b);

// Solves (diag(a) + G) x = b. Rows of a, b and x: the CVs, then the junctions, whose content does not matter.
// Overwrites a and b. x is wide where any operand is; it may be b if it is as wide. The arithmetic is that of
// cajax.solve, bit for bit. Where only b is wide, the tree is factored once for all lanes. The trees of a `share` are
// solved, which several threads may do if `solve_is_shared`.
void solve(const Forest& forest, int width, Array<float> a, Array<const float> g, Array<float> b, float* x,
           float* scratch, Share share = {});
void solve(const Forest& forest, int width, Array<double> a, Array<const double> g, Array<double> b, double* x,
           double* scratch, Share share = {});
bool solve_is_shared(int width, bool wide_a, bool wide_g, bool wide_b);

// --- Trees joined by gap junctions ----------------------------------------------------------------------------------

// Conductances between rows a[i] and b[i], both CVs.
struct Joints {
  std::int64_t count = 0;
  const std::int32_t* a = nullptr;
  const std::int32_t* b = nullptr;
};

// Operands: the diagonal, conductances of the trees, the right side, conductances of the joints.
template <typename T>
struct Joined {
  Array<const T> diagonal, g, b, w;
};

// Numbers of scratch that `solve_joined` needs.
std::int64_t joined_scratch(const Forest& forest, std::int64_t joints, int width);

// Solves (diag(diagonal) + G + joints) x = b to 4 units of rounding of b, in at most `most` iterations; NaN in the lanes
// where they do not get there. x is wide where any operand is. As cajax.engine.joined.
void solve_joined(const Forest& forest, const Joints& joints, std::int64_t most, int width, const Joined<float>& of,
                  float* x, float* scratch);
void solve_joined(const Forest& forest, const Joints& joints, std::int64_t most, int width, const Joined<double>& of,
                  double* x, double* scratch);

// --- Sums -----------------------------------------------------------------------------------------------------------

// Groups of entries: that of out[j] is offset[j] to offset[j + 1].
//
// A group shorter than kLong is added up one after the other, from 0. In a longer one entry k goes to partial sum
// k % 4 (from the start of the group), and these are added as (0 + 1) + (2 + 3).
constexpr std::int64_t kLong = 32;
constexpr int kPartialSums = 4;

struct Groups {
  std::int64_t count = 0;
  const std::int32_t* offset = nullptr;  // [count + 1]
  const std::int32_t* index = nullptr;   // [offset[count]], which element
};

enum class Reduction { kSum, kMax, kMin };  // of an empty group: 0, the lowest, the highest number

// out[j] = reduction over the group of x[index]; max and min are NaN if any is. Any and all of bool are max and min.
template <typename T>
void reduce(Reduction kind, const Groups& groups, int width, Array<const T> x, T* out);  // float, double, int32, int64, uint8

// out[j] = sum over the group of w[edge] * s[index], each product fused with its addition. `edge` [offset[count]] may
// be null: entry k has w[k]. out is wide where w or s is.
template <typename T>
void products(const Groups& groups, const std::int32_t* edge, int width, Array<const T> w, Array<const T> s, T* out);

// The same in the order of edges, where every edge is in one group: weights are read as they lie. Edge e is of signal
// `source` and goes to partial sum `target`, of kPartialSums per group.
struct Edges {
  std::vector<std::int32_t> source, target;
};

// Empty where an edge is in no group, or in several, or the edges of a group do not follow one another. The bits are
// those of `products`.
Edges prepare_edges(const Groups& groups, const std::int32_t* edge, std::int64_t edges);

// Both narrow; `sums` is scratch of kPartialSums numbers per group.
template <typename T>
void products_by_edge(const Groups& groups, const Edges& edges, const T* w, const T* s, T* out, T* sums);

// --- Moving data ----------------------------------------------------------------------------------------------------

// Out of rows: `count` rows from `from` (negative: filled) go to `to`.
struct Run {
  std::int64_t to, from, count;
};
struct Rows {
  std::int64_t count = 0;
  const std::int32_t* index = nullptr;  // [count]
  std::vector<Run> runs;                // if they are long enough to be copied one by one
};
Rows prepare_rows(const std::int32_t* index, std::int64_t count);

// out[i] = index[i] < 0 ? fill : x[index[i]]; elements of `size` 1, 4 or 8 bytes, `width` of them a row (1: narrow).
void rows(const Rows& rows, int width, int size, const void* x, const void* fill, void* out);

// Lanes [first, first + count) of [lanes, n] memory into a tile [n][width], whose other lanes repeat the last one, and
// back. Elements of `size` 1, 4 or 8 bytes.
void transpose_in(int width, int size, std::int64_t n, const void* from, std::int64_t first, int count, void* tile);
void transpose_out(int width, int size, std::int64_t n, const void* tile, std::int64_t first, int count, void* to);

// --- Queued spikes --------------------------------------------------------------------------------------------------

constexpr std::int64_t kMostSlots = 32;

struct Queue {
  std::int64_t slots = 0, cells = 0, edges = 0;
  const std::int32_t* pre = nullptr;  // [edges], the cell of each edge
};

// Which slots fall due at each edge, as cajax.solve.due: first and last, or -1. `first` and `second` [edge] are wide if
// any operand is. `waiting` is scratch of `cells` numbers, and of width times as many more where `filled` is wide.
template <typename T>
void due(const Queue& queue, int width, Array<const T> age, Array<const T> before, Array<const std::int32_t> filled,
         Array<const T> delay, Array<const T> dt, std::int32_t* first, std::int32_t* second, std::uint32_t* waiting);

}  // namespace cajax::program
