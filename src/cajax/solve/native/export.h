// What a kernel file needs of its compiler: symbols that are seen from outside, and clones for several processors.
#pragma once

#include <cstdint>  // also tells whose C library this is

// One binary that uses what the machine has. Needs ifunc support of the C library; the sanitizers dislike it.
#if !defined(CAJAX_NO_CLONES) && defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && \
    ((defined(__clang__) && __clang_major__ >= 16) || (!defined(__clang__) && defined(__GNUC__)))
#define CAJAX_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CAJAX_CLONES
#endif

#if defined(_WIN32)
#define CAJAX_EXPORT __declspec(dllexport)
#else
#define CAJAX_EXPORT __attribute__((visibility("default")))
#endif
