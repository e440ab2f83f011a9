#define _DEFAULT_SOURCE
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "file.h"

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

/* Of the process, in bytes; 0 where the system does not say. */
static uint64_t address_space(void)
{
    int fd;
    uint64_t size, pages = 0;
    char text[32];
    size_t got = 0;
    if (dtp_file_open(&fd, &size, "/proc/self/statm", NULL) != DEEPTEPP_OK)
        return 0;
    dtp_file_read(fd, text, sizeof text, &got, NULL);
    close(fd);
    for (size_t i = 0; i < got && text[i] >= '0' && text[i] <= '9'; i++)
        pages = 10 * pages + (uint64_t)(text[i] - '0');
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* For a thread's heap glibc maps twice its size, or once where it does not get that, and gives back what it cannot use:
 * at every attempt anew. For that moment a thread of the same team has so much less. */
static bool heap_may_take(uint64_t room)
{
    static const uint64_t HEAP = (uint64_t)64 << 20;
    struct rlimit limit;
    uint64_t used;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || (used = address_space()) == 0)
        return false;
    uint64_t left = limit.rlim_cur > used ? limit.rlim_cur - used : 0;
    return (left >= HEAP && left < HEAP + room) || (left >= 2 * HEAP && left < 2 * HEAP + room);
}

/* Measured (oneDNN 2.6 and the networks of tests/bench): a step takes 2.5 MB at most, most of it address space of
 * generated code. */
dtp_room dtp_ask_room(void)
{
    enum { ROOM = 8 << 20 };
    if (heap_may_take(ROOM))
        return DTP_NO_ROOM;
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return DTP_NO_ROOM;
    bool code = mprotect(room, ROOM, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
    munmap(room, ROOM);
    return code ? DTP_ROOM : DTP_NO_CODE;
}
