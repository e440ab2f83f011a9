/* What the fuzz targets share: a promise, and small choices read from the input's bytes. */
#ifndef FUZZ_H
#define FUZZ_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <deeptepp/deeptepp.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline void require(bool promise)
{
    if (!promise)
        abort();
}

/* A failed call says so in one line; one that succeeded leaves the error alone. `error` was all 0. */
static inline void require_sound(deeptepp_status status, const deeptepp_error *error)
{
    require(error->status == status && memchr(error->message, '\0', sizeof error->message) != NULL);
    require((status != DEEPTEPP_OK) == (*error->message != '\0') && !strchr(error->message, '\n'));
    require(status != DEEPTEPP_ERR_INTERNAL && strcmp(deeptepp_status_name(status), "DEEPTEPP_ERR_UNKNOWN") != 0);
}

/* ---- choices: of an input that has run out, 0 ---- */

typedef struct bites {
    const uint8_t *at;
    size_t left;
} bites;

static inline uint8_t bite(bites *b)
{
    if (!b->left)
        return 0;
    b->left--;
    return *b->at++;
}

/* low to high, both included, at most 65536 of them. */
static inline int64_t bite_within(bites *b, int64_t low, int64_t high)
{
    int64_t value = bite(b);
    if (high - low > 255)
        value = value << 8 | bite(b);
    return low + value % (high - low + 1);
}

static inline void bite_bytes(bites *b, void *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = bite(b);
}

/* Small, great, beyond a format, or of any bits. */
static inline double bite_number(bites *b)
{
    static const double rare[] = {-1,    1e-7,  1e6, 1e9, 1e18,     1e30,      1e300,
                                  0.001, 1e-40, 0.1, 3.0, (double)NAN, (double)INFINITY, -0.0};
    uint8_t kind = bite(b);
    double any;
    if (kind < 200)
        return kind / 8.0;
    if (kind < 250)
        return rare[kind % 14];
    bite_bytes(b, &any, sizeof any);
    return any;
}

#endif
