/* What every room may use: public types, checked arithmetic, aligned memory, the failure idiom. */
#ifndef DTP_BASE_H
#define DTP_BASE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <deeptepp/deeptepp.h>

#include "status.h"
#include "text.h"

#define DTP_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline bool dtp_mul_overflows(size_t a, size_t b, size_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

static inline bool dtp_add_overflows(size_t a, size_t b, size_t *sum)
{
    return __builtin_add_overflow(a, b, sum);
}

static inline int64_t dtp_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t dtp_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The product of `n` non-negative numbers; false when it passes `cap`. */
static inline bool dtp_product(const int64_t *values, int n, size_t cap, size_t *product)
{
    size_t p = 1;
    for (int i = 0; i < n; i++)
        if (values[i] < 0 || dtp_mul_overflows(p, (size_t)values[i], &p) || p > cap)
            return false;
    *product = p;
    return true;
}

/* Memory aligned for every vector load of the backend. NULL on failure; give back with free(). */
void *dtp_alloc_aligned(size_t size);

typedef enum dtp_room { DTP_ROOM, DTP_NO_ROOM, DTP_NO_CODE } dtp_room;

/* Whether the system has some megabytes to give, and lets them hold code (else NO_CODE): asked of it before each step
 * of a library that ends the process when it gets none. Nothing is kept. */
dtp_room dtp_ask_room(void);

#endif
