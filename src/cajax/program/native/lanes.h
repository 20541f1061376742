// W numbers side by side: what one array element is on a tile, in registers.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "../../solve/native/export.h"
#include "../../solve/native/sweep.h"

// Clones that have a fused multiply-add where the machine has one; the default clone calls the C library's, which gives
// the same bits. "avx2" does not imply "fma", and "avx512f" has it for whole 64-byte registers only.
#if !defined(CAJAX_NO_CLONES) && defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && \
    ((defined(__clang__) && __clang_major__ >= 16) || (!defined(__clang__) && defined(__GNUC__)))
#define CAJAX_FMA_CLONES __attribute__((target_clones("fma", "default")))
#else
#define CAJAX_FMA_CLONES
#endif

// Lambdas must be inlined too: out of line they would not be cloned, and an fma would call the C library.
#if defined(__GNUC__) || defined(__clang__)
#define CAJAX_PREFETCH(at) __builtin_prefetch(at)
#define CAJAX_INLINED __attribute__((always_inline))
#else
#define CAJAX_PREFETCH(at) static_cast<void>(at)
#define CAJAX_INLINED
#endif

// Loops over the parts of a row must be unrolled, or the compiler keeps the row in memory.
#if defined(__clang__)
#define CAJAX_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define CAJAX_UNROLL _Pragma("GCC unroll 16")
#else
#define CAJAX_UNROLL
#endif

namespace cajax::program {

// Registers of 32 bytes, the widest that every clone has whole.
template <typename T, int W>
struct Lanes {
#if defined(__GNUC__) || defined(__clang__)
  static constexpr int kWidth = W * sizeof(T) <= 32 ? W : static_cast<int>(32 / sizeof(T));
  typedef T Part __attribute__((vector_size(kWidth * sizeof(T))));
#else
  static constexpr int kWidth = 1;
  using Part = T;
#endif
  static constexpr int kParts = W / kWidth;
  Part part[kParts];

  CAJAX_INLINE void read(const T* from) {
    CAJAX_UNROLL for (int q = 0; q < kParts; ++q) std::memcpy(&part[q], from + q * kWidth, sizeof(Part));
  }
  CAJAX_INLINE void fill(T value) {
    T all[kWidth];  // a vector of one number, written as such, is put together piece by piece in the clones
    CAJAX_UNROLL for (int i = 0; i < kWidth; ++i) all[i] = value;
    CAJAX_UNROLL for (int q = 0; q < kParts; ++q) std::memcpy(&part[q], all, sizeof(Part));
  }
  CAJAX_INLINE void write(T* to) const {
    CAJAX_UNROLL for (int q = 0; q < kParts; ++q) std::memcpy(to + q * kWidth, &part[q], sizeof(Part));
  }
};

// One number stays out of vector registers and of copies of bytes.
template <typename T>
struct Lanes<T, 1> {
  static constexpr int kWidth = 1, kParts = 1;
  using Part = T;
  Part part[1];

  CAJAX_INLINE void read(const T* from) { part[0] = *from; }
  CAJAX_INLINE void fill(T value) { part[0] = value; }
  CAJAX_INLINE void write(T* to) const { *to = part[0]; }
};

// An element of an array: W numbers of a wide one, or one number, repeated, of a narrow one.
template <typename T, int W, bool kWide>
CAJAX_INLINE Lanes<T, W> element(const T* at, std::int64_t row) {
  Lanes<T, W> value;
  if constexpr (kWide) {
    value.read(at + row * W);
  } else {
    value.fill(at[row]);
  }
  return value;
}

#define CAJAX_EACH(type, width) \
  CAJAX_UNROLL for (int q = 0; q < ::cajax::program::Lanes<type, width>::kParts; ++q)

// to[i] = f(to[i], i), number by number: for what vectors cannot say, fma and comparisons. The compiler makes vectors
// of the loop, in each clone its own.
template <typename T, int W, typename F>
CAJAX_INLINE void each(Lanes<T, W>& to, const F& f) {
  constexpr int kWidth = Lanes<T, W>::kWidth;
  CAJAX_EACH(T, W) {
    if constexpr (W == 1) {
      to.part[q] = f(to.part[q], 0);
    } else {
      T all[kWidth];
      std::memcpy(all, &to.part[q], sizeof(all));
      CAJAX_UNROLL for (int i = 0; i < kWidth; ++i) all[i] = f(all[i], q * kWidth + i);
      std::memcpy(&to.part[q], all, sizeof(all));
    }
  }
}

}  // namespace cajax::program
