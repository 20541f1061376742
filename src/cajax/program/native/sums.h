// The order in which a group of entries is added up; the same for wide and narrow arrays, and for every width.
#pragma once

#include <cstdint>

#include "lanes.h"
#include "ops.h"

namespace cajax::program {

// Joins two partial results.
template <typename T, int W, typename Join>
CAJAX_INLINE void join(Lanes<T, W>& to, const Lanes<T, W>& from, const Join& both) {
  T other[W];
  from.write(other);
  each(to, [&](T x, int i) CAJAX_INLINED { return both(x, other[i]); });
}

// `take(sum, k)` joins entry k to a partial result; `start` is the result of no entry.
template <typename T, int W, typename Take, typename Join>
CAJAX_INLINE void group(std::int64_t begin, std::int64_t end, T start, const Take& take, const Join& both, T* out) {
  if (end - begin < kLong) {
    Lanes<T, W> sum;
    sum.fill(start);
    for (std::int64_t k = begin; k < end; ++k) take(sum, k);
    sum.write(out);
    return;
  }
  Lanes<T, W> sum[kPartialSums];
  CAJAX_UNROLL for (int q = 0; q < kPartialSums; ++q) sum[q].fill(start);
  std::int64_t k = begin;
  for (; k + kPartialSums <= end; k += kPartialSums) {
    CAJAX_UNROLL for (int q = 0; q < kPartialSums; ++q) take(sum[q], k + q);
  }
  CAJAX_UNROLL for (int q = 0; q < kPartialSums - 1; ++q) {
    if (k + q < end) take(sum[q], k + q);
  }
  join(sum[0], sum[1], both);
  join(sum[2], sum[3], both);
  join(sum[0], sum[2], both);
  sum[0].write(out);
}

// The same of narrow arrays: `mix(sum, k)` is the sum with entry k.
template <typename T, typename Mix, typename Join>
CAJAX_INLINE T group(std::int64_t begin, std::int64_t end, T start, const Mix& mix, const Join& both) {
  T one = start, two = start, three = start, four = start;
  std::int64_t k = begin;
  if (end - begin < kLong) {
    for (; k < end; ++k) one = mix(one, k);
    return one;
  }
  for (; k + kPartialSums <= end; k += kPartialSums) {
    one = mix(one, k);
    two = mix(two, k + 1);
    three = mix(three, k + 2);
    four = mix(four, k + 3);
  }
  if (k < end) one = mix(one, k);
  if (k + 1 < end) two = mix(two, k + 1);
  if (k + 2 < end) three = mix(three, k + 2);
  return both(both(one, two), both(three, four));
}

}  // namespace cajax::program
