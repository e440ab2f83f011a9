#include "intensity.h"

#include <math.h>

#include "../base/widest.h"
#include "../volume/tally.h"

/* ---- Values, wherever they are: block by block, as doubles ---- */

typedef struct values {
    const float *floats; /* these, or NULL: all voxels of the images first to last of a study */
    size_t count;
    const dtp_study *study;
    int first, last;
    const uint64_t *tallies; /* of these images, one after the other; NULL: there are none */
    dtp_watch *watch;
} values;

static bool visit_floats(const values *v, dtp_visit visit, void *state)
{
    double block[DTP_BLOCK];
    for (size_t at = 0; at < v->count; at += DTP_BLOCK) {
        int64_t n = dtp_min_i64(DTP_BLOCK, (int64_t)(v->count - at));
        if (dtp_watch_cancelled(v->watch))
            return false;
        for (int64_t i = 0; i < n; i++)
            block[i] = (double)v->floats[at + (size_t)i];
        visit(state, block, n, NULL);
    }
    return true;
}

/* Errors: CANCELLED. */
static deeptepp_status visit_all(const values *v, dtp_visit visit, void *state, deeptepp_error *error)
{
    bool done = v->floats ? visit_floats(v, visit, state) : true;
    for (int c = v->first; !v->floats && done && c <= v->last; c++)
        done = dtp_volume_visit(v->study->images[c], visit, state, v->watch);
    return done ? DEEPTEPP_OK : dtp_watch_ask(v->watch, error);
}

/* ---- Moments ---- */

/* In doubles about a pivot, so that the order of the voxels in memory does not show. */
typedef struct moments {
    double pivot, count, sum, squares, low, high;
} moments;

static void add_block(void *state, const double *block, int64_t n, const int64_t at[3])
{
    moments *m = state;
    (void)at;
    if (m->count == 0)
        m->pivot = block[0];
    m->count += (double)n;
    for (int64_t i = 0; i < n; i++) {
        m->sum += block[i] - m->pivot;
        m->squares += (block[i] - m->pivot) * (block[i] - m->pivot);
        m->low = block[i] < m->low ? block[i] : m->low;
        m->high = block[i] > m->high ? block[i] : m->high;
    }
}

/* ---- Percentiles ---- */

/* Order statistics by the bits of a float: three passes, each finding the next bits of all that are wanted. */
enum { RANKS = 4, PASSES = 3, BUCKETS = 1 << 11 };
static const int SHIFT[PASSES] = {21, 10, 0}, WIDTH[PASSES] = {11, 11, 10};

typedef struct selection {
    uint64_t rank[RANKS]; /* from 0; within the values that begin like `found` */
    uint32_t found[RANKS];
    int pass;
    uint64_t counts[RANKS][BUCKETS]; /* of ranks that begin alike only the first one's */
} selection;

/* Rises with the value. */
static uint32_t key_of(double value)
{
    float rounded = (float)value;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static double value_of(uint32_t key)
{
    uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* All begin alike in the first pass, and as a rule the two of a percentile to the end. */
static bool begins_like_the_one_before(const selection *s, int r)
{
    return r > 0 && s->found[r] == s->found[r - 1];
}

static void count_keys(selection *s, int r, const uint32_t *keys, const uint64_t *times, int64_t n)
{
    const int shift = SHIFT[s->pass], width = WIDTH[s->pass];
    const uint32_t found = s->found[r], mask = (1u << width) - 1;
    uint64_t *counts = s->counts[r];
    for (int64_t i = 0; i < n; i++)
        if ((uint64_t)keys[i] >> (shift + width) == found)
            counts[keys[i] >> shift & mask] += times ? times[i] : 1;
}

/* times: how often each value occurs; NULL: once. */
static void count_values(selection *s, const double *block, const uint64_t *times, int64_t n)
{
    uint32_t keys[DTP_BLOCK];
    for (int64_t i = 0; i < n; i++)
        keys[i] = key_of(block[i]);
    for (int r = 0; r < RANKS; r++)
        if (!begins_like_the_one_before(s, r))
            count_keys(s, r, keys, times, n);
}

static void count_block(void *state, const double *block, int64_t n, const int64_t at[3])
{
    (void)at;
    count_values(state, block, NULL, n);
}

static void count_tallies(selection *s, const values *v)
{
    double block[DTP_BLOCK];
    const uint64_t *tally = v->tallies;
    for (int c = v->first; c <= v->last; c++, tally += DTP_TALLY)
        for (int64_t cell = 0; cell < DTP_TALLY; cell += DTP_BLOCK) {
            dtp_tally_values(v->study->images[c], cell, DTP_BLOCK, block);
            count_values(s, block, tally + cell, DTP_BLOCK);
        }
}

/* From the last rank, so that those before it still tell which begin alike. */
static void narrow(selection *s)
{
    for (int r = RANKS - 1; r >= 0; r--) {
        uint32_t bucket = 0;
        int first = r;
        while (begins_like_the_one_before(s, first))
            first--;
        while (bucket < BUCKETS - 1 && s->rank[r] >= s->counts[first][bucket])
            s->rank[r] -= s->counts[first][bucket++];
        s->found[r] = s->found[r] << WIDTH[s->pass] | bucket;
    }
}

static deeptepp_status select_ranks(selection *s, const values *v, deeptepp_error *error)
{
    for (s->pass = 0; s->pass < PASSES; s->pass++) {
        memset(s->counts, 0, sizeof s->counts);
        deeptepp_status status = DEEPTEPP_OK;
        if (v->tallies)
            count_tallies(s, v);
        else
            status = visit_all(v, count_block, s, error);
        if (status != DEEPTEPP_OK)
            return status;
        narrow(s);
    }
    return DEEPTEPP_OK;
}

/* Linear interpolation between order statistics: type 7, the default of R and NumPy. The counts are too large for a
 * helper thread's stack. */
static deeptepp_status percentiles_of(const values *v, const double percent[2], double out[2], deeptepp_error *error)
{
    double part[2];
    selection *s = calloc(1, sizeof *s);
    if (!s)
        return dtp_fail_memory(error, "percentiles", sizeof *s);
    for (int p = 0; p < 2; p++) {
        double rank = (double)(v->count - 1) * percent[p] / 100.0;
        s->rank[2 * p] = (uint64_t)rank;
        s->rank[2 * p + 1] = s->rank[2 * p] + (s->rank[2 * p] + 1 < v->count);
        part[p] = rank - (double)s->rank[2 * p];
    }
    deeptepp_status status = select_ranks(s, v, error);
    for (int p = 0; p < 2; p++) {
        double low = value_of(s->found[2 * p]), high = value_of(s->found[2 * p + 1]);
        out[p] = low + (high - low) * part[p];
    }
    free(s);
    return status;
}

/* ---- Mappings ---- */

static deeptepp_status refuse_constant(const char *what, double value, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_IMAGE_CONSTANT, "%s: every value is %.9g, nothing to normalise", what, value);
}

static deeptepp_status between(dtp_mapping *out, const dtp_recipe *recipe, double low, double high, const char *what,
                               deeptepp_error *error)
{
    if (!(high > low))
        return refuse_constant(what, low, error);
    bool clip = recipe->intensity == DTP_INTENSITY_PERCENTILE;
    *out = (dtp_mapping){clip ? low : -INFINITY, clip ? high : INFINITY, low,
                         (recipe->range[1] - recipe->range[0]) / (high - low), recipe->range[0]};
    return DEEPTEPP_OK;
}

static deeptepp_status from_moments(dtp_mapping *out, const dtp_recipe *recipe, const moments *m, const char *what,
                                    deeptepp_error *error)
{
    if (!(m->high > m->low))
        return refuse_constant(what, m->low, error);
    if (recipe->intensity == DTP_INTENSITY_MINMAX)
        return between(out, recipe, m->low, m->high, what, error);
    double mean = m->sum / m->count;
    double variance = m->squares / m->count - mean * mean;
    if (!(variance > 0))
        return refuse_constant(what, m->low, error);
    *out = (dtp_mapping){-INFINITY, INFINITY, mean + m->pivot, 1 / sqrt(variance), 0};
    return DEEPTEPP_OK;
}

static deeptepp_status mapping_of(dtp_mapping *out, const dtp_recipe *recipe, const values *v, const char *what,
                                  deeptepp_error *error)
{
    moments m = {.low = INFINITY, .high = -INFINITY};
    double ends[2] = {0};
    bool percentile = recipe->intensity == DTP_INTENSITY_PERCENTILE;
    *out = (dtp_mapping){-INFINITY, INFINITY, 0, 1, 0};
    if (recipe->intensity == DTP_INTENSITY_NONE)
        return DEEPTEPP_OK;
    deeptepp_status status =
        percentile ? percentiles_of(v, recipe->percentiles, ends, error) : visit_all(v, add_block, &m, error);
    if (status != DEEPTEPP_OK)
        return status;
    return percentile ? between(out, recipe, ends[0], ends[1], what, error)
                      : from_moments(out, recipe, &m, what, error);
}

deeptepp_status dtp_mapping_of_values(dtp_mapping *out, const dtp_recipe *recipe, const float *floats, size_t count,
                                      const char *what, dtp_watch *watch, deeptepp_error *error)
{
    const values v = {.floats = floats, .count = count, .watch = watch};
    return mapping_of(out, recipe, &v, what, error);
}

/* Of images of small integers, where percentiles are asked for. To be freed. */
static deeptepp_status make_tallies(values *v, uint64_t **out, deeptepp_error *error)
{
    const size_t images = (size_t)(v->last - v->first + 1);
    deeptepp_status status = DEEPTEPP_OK;
    *out = NULL;
    for (int c = v->first; c <= v->last; c++)
        if (v->study->recipe->intensity != DTP_INTENSITY_PERCENTILE || !dtp_tally_suits(v->study->images[c]->type))
            return DEEPTEPP_OK;
    *out = calloc(images * DTP_TALLY, sizeof **out);
    if (!*out)
        return dtp_fail_memory(error, "the images' values", images * DTP_TALLY * sizeof **out);
    for (size_t i = 0; i < images && status == DEEPTEPP_OK; i++)
        status = dtp_tally_add(*out + i * DTP_TALLY, v->study->images[v->first + (int)i], v->watch, error);
    v->tallies = *out;
    return status;
}

deeptepp_status dtp_mapping_of_images(dtp_mapping *out, const dtp_study *study, int first, int last,
                                      dtp_watch *watch, deeptepp_error *error)
{
    char what[160];
    uint64_t *tallies;
    const int64_t *dims = study->images[first]->dims; /* all lie on one grid */
    values v = {.count = (size_t)(last - first + 1) * (size_t)(dims[0] * dims[1] * dims[2]), .study = study,
                .first = first, .last = last, .watch = watch};
    dtp_format(what, sizeof what, "image \"%.100s\"%s", study->recipe->channels[first],
               last > first ? " and the others" : "");
    deeptepp_status status = make_tallies(&v, &tallies, error);
    if (status == DEEPTEPP_OK)
        status = mapping_of(out, study->recipe, &v, what, error);
    free(tallies);
    return status;
}

DTP_WIDEST static void apply(const dtp_mapping *mapping, float *floats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double x = floats[i] < mapping->low ? mapping->low : floats[i] > mapping->high ? mapping->high : floats[i];
        floats[i] = (float)((x - mapping->shift) * mapping->gain + mapping->base);
    }
}

void dtp_mapping_apply(const dtp_mapping *mapping, float *floats, size_t count)
{
    apply(mapping, floats, count);
}
