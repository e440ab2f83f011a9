#include "tally.h"

#include "voxels.h"

enum { MOST_PIECES = 8 };

/* Slices of a volume, counted piece by piece: each has counts of its own. */
typedef struct tallying {
    const deeptepp_volume *volume;
    int64_t pieces;
    uint64_t *counts;
    const dtp_watch *watch;
} tallying;

bool dtp_tally_suits(deeptepp_type type)
{
    return !dtp_type_is_real(type) && dtp_type_size(type) <= 2;
}

/* Two counts in turn: one that follows another of the same value would wait for it. */
#define DEFINE_COUNT(name, voxel)                                                                                      \
    static void name(const uint8_t *at, int64_t n, int64_t step, uint64_t *counts)                                     \
    {                                                                                                                  \
        uint64_t *const turns[2] = {counts, counts + DTP_TALLY};                                                       \
        for (int64_t t = 0; t < n; t++) {                                                                              \
            voxel cell;                                                                                                \
            memcpy(&cell, at + t * step, sizeof cell);                                                                 \
            turns[t % 2][cell]++;                                                                                      \
        }                                                                                                              \
    }
DEFINE_COUNT(count_bytes, uint8_t)
DEFINE_COUNT(count_pairs, uint16_t)

static void count_row(const tallying *t, int64_t j, int64_t k, uint64_t *counts)
{
    enum { BLOCK = 1 << 14 };
    const deeptepp_volume *v = t->volume;
    for (int64_t i = 0; i < v->dims[0] && !dtp_watch_cancelled(t->watch); i += BLOCK) {
        const int64_t n = dtp_min_i64(BLOCK, v->dims[0] - i);
        (dtp_type_size(v->type) == 1 ? count_bytes : count_pairs)(dtp_voxels_at(v, i, j, k), n, v->strides[0], counts);
    }
}

static void count_pieces(void *argument, int lane, int64_t first, int64_t last)
{
    const tallying *t = argument;
    const int64_t *dims = t->volume->dims;
    (void)lane;
    for (int64_t p = first; p < last; p++) {
        const int64_t end = (p + 1) * dims[2] / t->pieces;
        for (int64_t k = p * dims[2] / t->pieces; k < end && !dtp_watch_cancelled(t->watch); k++)
            for (int64_t j = 0; j < dims[1] && !dtp_watch_cancelled(t->watch); j++)
                count_row(t, j, k, t->counts + 2 * p * DTP_TALLY);
    }
}

deeptepp_status dtp_tally_add(uint64_t counts[DTP_TALLY], const deeptepp_volume *volume, dtp_watch *watch,
                              deeptepp_error *error)
{
    dtp_team *team = dtp_watch_team(watch);
    tallying t = {.volume = volume, .watch = watch};
    t.pieces = dtp_min_i64(dtp_min_i64(volume->dims[2], MOST_PIECES), team ? dtp_team_lanes(team) : 1);
    t.counts = calloc((size_t)(2 * t.pieces * DTP_TALLY), sizeof *t.counts);
    if (!t.counts)
        return dtp_fail_memory(error, "an image's values", (size_t)(2 * t.pieces * DTP_TALLY) * sizeof *t.counts);
    dtp_team_for(team, t.pieces, 1, count_pieces, &t);
    for (int64_t n = 0; n < 2 * t.pieces; n++)
        for (int64_t cell = 0; cell < DTP_TALLY; cell++)
            counts[cell] += t.counts[n * DTP_TALLY + cell];
    free(t.counts);
    return dtp_watch_ask(watch, error);
}

static double stored_value(deeptepp_type type, int64_t cell)
{
    switch (type) {
    case DEEPTEPP_INT8:
        return (double)(int8_t)(uint8_t)cell;
    case DEEPTEPP_INT16:
        return (double)(int16_t)(uint16_t)cell;
    default:
        return (double)cell;
    }
}

void dtp_tally_values(const deeptepp_volume *volume, int64_t first, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = volume->slope * stored_value(volume->type, first + i) + volume->inter;
}
