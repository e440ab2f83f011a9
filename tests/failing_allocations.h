/* The core's own allocations, made to fail one by one: the linker's --wrap (tests/meson.build) brings every call of
 * this program and of the static core here, and none of the libraries below. One file a program includes it. */
#ifndef FAILING_ALLOCATIONS_H
#define FAILING_ALLOCATIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "../libdeeptepp/base/digest.h"

/* Compute threads allocate too. */
static atomic_long allocations_made;  /* since they were armed */
static atomic_long allocations_live;  /* always */
static atomic_long allocation_failing; /* the one that fails, from 1; 0: none */
static atomic_bool allocations_armed, allocations_fail_on; /* fail_on: and all after it */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void __real_free(void *memory);

static bool refused(void)
{
    if (!atomic_load(&allocations_armed))
        return false;
    long made = atomic_fetch_add(&allocations_made, 1) + 1, failing = atomic_load(&allocation_failing);
    return failing && (made == failing || (atomic_load(&allocations_fail_on) && made > failing));
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add(&allocations_live, 1);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refused())
        return NULL;
    void *made = __real_realloc(old, size);
    return old ? made : counted(made);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    int result = refused() ? 12 /* ENOMEM */ : __real_posix_memalign(out, alignment, size);
    if (result == 0)
        counted(*out);
    return result;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t size)
{
    return refused() ? NULL : counted(__real_strndup(text, size));
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&allocations_live, 1);
    __real_free(memory);
}

static void allocations_arm(long failing, bool fail_on)
{
    atomic_store(&allocations_made, 0);
    atomic_store(&allocation_failing, failing);
    atomic_store(&allocations_fail_on, fail_on);
    atomic_store(&allocations_armed, true);
}

/* How many there were. */
static long allocations_disarm(void)
{
    atomic_store(&allocations_armed, false);
    return atomic_load(&allocations_made);
}

/* ---- trials ---- */

enum { MAX_TEXT = 1 << 16 };

/* One way to call the library: armed when it begins, disarmed when it comes back. On success `text` says all that the
 * call gave. */
typedef deeptepp_status (*trial)(void *given, char *text, deeptepp_error *error);

static inline void say_bytes(char *text, const void *bytes, size_t size)
{
    dtp_digest digest;
    dtp_digest_init(&digest);
    dtp_digest_add(&digest, bytes, size);
    dtp_digest_hex(&digest, text);
}

static inline void say(char *text, const char *what)
{
    assert_true(strlen(what) < MAX_TEXT);
    strcpy(text, what);
}

typedef struct judged {
    long sites, memory, same;
} judged;

static inline void judge(void *given, trial try, long failing, bool fail_on, const char *wanted, judged *j)
{
    static char text[MAX_TEXT];
    deeptepp_error error = {0};
    const long live = atomic_load(&allocations_live);
    *text = '\0';
    allocations_arm(failing, fail_on);
    deeptepp_status status = try(given, text, &error);
    if (status == DEEPTEPP_ERR_MEMORY)
        j->memory++;
    else if (status != DEEPTEPP_OK)
        fail_msg("allocation %ld: %s (%s)", failing, deeptepp_status_name(status), error.message);
    else if (strcmp(text, wanted) != 0)
        fail_msg("allocation %ld: OK, with another answer: %s\nwanted: %s", failing, text, wanted);
    else
        j->same++;
    if (status != DEEPTEPP_OK && (error.status != status || !strstr(error.message, "memory")))
        fail_msg("allocation %ld: the message is \"%s\"", failing, error.message);
    if (atomic_load(&allocations_live) != live)
        fail_msg("allocation %ld: %ld blocks leak", failing, atomic_load(&allocations_live) - live);
}

/* Of the call undisturbed: its allocations; what it says is kept. */
static inline long undisturbed(void *given, trial try, char *text)
{
    deeptepp_error error = {0};
    allocations_arm(0, false);
    deeptepp_status status = try(given, text, &error);
    if (status != DEEPTEPP_OK)
        fail_msg("undisturbed: %s", error.message);
    return atomic_load(&allocations_made);
}

/* Each one alone and, where `on`, with all that follow. `least`: allocations that there must be. */
static inline void fail_each(void *given, const char *name, trial try, bool on, long least)
{
    static char wanted[MAX_TEXT];
    judged j = {.sites = undisturbed(given, try, wanted)};
    for (long i = 1; i <= j.sites; i++) {
        judge(given, try, i, false, wanted, &j);
        if (on)
            judge(given, try, i, true, wanted, &j);
    }
    print_message("%-24s %4ld allocations, %s each: %4ld MEMORY, %ld the same answer\n", name, j.sites,
                  on ? "twice" : "once", j.memory, j.same);
    assert_true(j.sites >= least);
    judge(given, try, 0, false, wanted, &j); /* nothing was spoilt */
}

#endif
