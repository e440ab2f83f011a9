/* Static functions (others would become symbols of the library) whose loops are worth the widest registers the machine
 * has: the compiler makes one of each width, loading the library chooses. The numbers are the same, since C11
 * contracts no products and sums, but of files that are built to do so (meson.build). */
#ifndef DTP_WIDEST_H
#define DTP_WIDEST_H

/* Where code of other instruction sets may stand beside the usual. Not under sanitizers: gcc's does not align vectors
 * of 64 bytes on the stack that it keeps to find uses after return. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define DTP_HAS_WIDER 1
#else
#define DTP_HAS_WIDER 0
#endif

#if DTP_HAS_WIDER && !defined(__clang__)
#define DTP_WIDEST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DTP_WIDEST
#endif

/* What such a function calls and is to be as wide. */
#define DTP_INLINE static inline __attribute__((always_inline))

#endif
