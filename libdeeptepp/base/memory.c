#define _DEFAULT_SOURCE
#include <sys/mman.h>

#include "base.h"

enum { LINE = 64 };
static const size_t HUGE_PAGE = (size_t)2 << 20;

/* Weights are hundreds of megabytes: with huge pages the first touch costs a fifth, and every pass over them fewer
 * address translations. Advice only: a kernel that declines changes nothing. */
void *dtp_alloc_aligned(size_t size)
{
    void *memory = NULL;
    bool large = size >= 2 * HUGE_PAGE;
    if (posix_memalign(&memory, large ? HUGE_PAGE : LINE, size ? size : 1) != 0)
        return NULL;
    if (large)
        madvise(memory, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return memory;
}

/* Measured (oneDNN 2.6 and the networks of tests/bench): a step takes 2.5 MB at most, most of it address space of
 * generated code. */
dtp_room dtp_ask_room(void)
{
    enum { ROOM = 8 << 20 };
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return DTP_NO_ROOM;
    bool code = mprotect(room, ROOM, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
    munmap(room, ROOM);
    return code ? DTP_ROOM : DTP_NO_CODE;
}
