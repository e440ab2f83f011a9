/* Bytes asked for ahead of a pass over more than the caches hold: not every processor does so by itself, and in virtual
 * machines it stops at each page of 4 KB. */
#ifndef DTP_FETCH_H
#define DTP_FETCH_H

#include <stdint.h>

/* What a pass takes at once, and asks for ahead of taking it. */
enum { DTP_FETCH = 1 << 10 };

/* The next DTP_FETCH bytes after those that begin at `at`: nothing happens where there are none. */
static inline void dtp_fetch_next(const void *at)
{
    enum { LINE = 64 };
    const uintptr_t next = (uintptr_t)at + DTP_FETCH; /* a number: it may lie beyond what is there */
    for (uintptr_t line = 0; line < DTP_FETCH; line += LINE)
        __builtin_prefetch((const void *)(next + line));
}

#endif
