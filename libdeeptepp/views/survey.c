/* One pass over a mask's values: labels, the tumour's voxels, what is no label. */
#include <float.h>
#include <math.h>

#include "mask.h"

enum { MAX_LABELS = 8 };

/* What one pass over the mask finds. */
typedef struct survey {
    int64_t wanted; /* 0: any */
    double label;   /* of the spans: the one wanted, or the first that is met */
    double inter;
    double labels[MAX_LABELS];
    int64_t counts[MAX_LABELS];
    int n_labels; /* more than MAX_LABELS are not told apart */
    dtp_spans spans;
    bool full;
    double rounding;
    int64_t odd; /* values that are no label */
    double first_odd;
    int64_t odd_at[3];
} survey;

static void count_label(survey *s, double label, int64_t voxels)
{
    int i = 0;
    while (i < s->n_labels && s->labels[i] != label)
        i++;
    if (i == MAX_LABELS)
        return;
    if (i == s->n_labels) {
        s->labels[s->n_labels++] = label;
        s->counts[i] = 0;
    }
    s->counts[i] += voxels;
}

/* The whole number that a value stands for, -1 for none. Headers hold slope and intercept as float32, and tools
 * computed them so that the value is whole but for their rounding and that of the sum: a few units in the last place
 * of the parts. */
static double label_of(survey *s, double value)
{
    const double UNITS = 4, ROUNDING_MAX = 0.01;
    double whole = rint(value), away = fabs(value - whole);
    double part = fmax(fmax(fabs(value - s->inter), fabs(s->inter)), 1);
    if (!(away <= fmin(UNITS * (double)FLT_EPSILON * part, ROUNDING_MAX)))
        return -1;
    s->rounding = fmax(s->rounding, away);
    return whole < 0 || whole > (double)DTP_LABEL_MAX ? -1 : whole;
}

static void note_odd(survey *s, double value, const int64_t at[3], int64_t i)
{
    if (s->odd++)
        return;
    s->first_odd = value;
    memcpy(s->odd_at, at, sizeof s->odd_at);
    s->odd_at[0] += i;
}

/* Nearly every block of a mask is; a loop without branches is vectorised. */
static bool is_empty(const double *block, int64_t n)
{
    int any = 0;
    for (int64_t i = 0; i < n; i++)
        any |= block[i] != 0;
    return !any;
}

/* Equal values side by side count as one step. */
static void visit_block(void *state, const double *block, int64_t n, const int64_t at[3])
{
    survey *s = state;
    for (int64_t i = is_empty(block, n) ? n : 0, end; i < n; i = end) {
        for (end = i + 1; end < n && block[end] == block[i]; end++)
            ;
        double label = block[i] == 0 ? 0 : label_of(s, block[i]);
        if (label == 0)
            continue;
        if (label < 0) {
            note_odd(s, block[i], at, i);
            s->odd += end - i - 1;
            continue;
        }
        count_label(s, label, end - i);
        s->label = s->label == 0 ? label : s->label;
        const dtp_span span = {(int32_t)at[2], (int32_t)at[1], (int32_t)(at[0] + i), (int32_t)(at[0] + end)};
        if (label == s->label && !s->full)
            s->full = !dtp_spans_add(&s->spans, span);
    }
}

/* "1 (1339 voxels), 2 (100 voxels)" */
static void list_labels(const survey *s, char *text, size_t size)
{
    size_t used = (size_t)dtp_format(text, size, "%s", s->n_labels ? "" : "none");
    for (int i = 0; i < s->n_labels && used < size; i++)
        used += (size_t)dtp_format(text + used, size - used, "%s%.17g (%lld voxels)", i ? ", " : "", s->labels[i],
                                 (long long)s->counts[i]);
    if (s->n_labels == MAX_LABELS && used < size)
        dtp_format(text + used, size - used, ", and perhaps more");
}

static deeptepp_status fail_full(const survey *s, deeptepp_error *error)
{
    if (s->spans.room < DTP_SPANS_MAX)
        return dtp_fail_memory(error, "the mask's voxels", (2 * s->spans.room + 1) * sizeof *s->spans.items);
    return dtp_fail(error, DEEPTEPP_ERR_MEMORY,
                    "out of memory: the mask falls into %zu rows of voxels and more; wanted a tumour, not noise",
                    s->spans.count);
}

static deeptepp_status judge(const survey *s, deeptepp_error *error)
{
    char labels[400];
    if (s->odd)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_FRACTIONAL,
                        "mask: %lld voxels are not labels, the first at (%lld, %lld, %lld) is %.17g; wanted whole "
                        "numbers of 0 to 2^53",
                        (long long)s->odd, (long long)s->odd_at[0], (long long)s->odd_at[1], (long long)s->odd_at[2],
                        s->first_odd);
    if (s->full)
        return fail_full(s, error);
    list_labels(s, labels, sizeof labels);
    if (s->wanted && s->spans.count == 0)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_LABEL, "mask: no voxel has label %lld; its labels are: %s",
                        (long long)s->wanted, labels);
    if (s->n_labels == 0)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_EMPTY, "mask: every voxel is 0, wanted a tumour");
    if (!s->wanted && s->n_labels > 1)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_LABELS, "mask: %s%d labels, wanted one: name the tumour's of %s",
                        s->n_labels == MAX_LABELS ? "at least " : "", s->n_labels, labels);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_mask_survey(deeptepp_mask *out, const deeptepp_volume *volume, int64_t label,
                                dtp_watch *watch, deeptepp_error *error)
{
    survey s = {.wanted = label, .label = (double)label, .inter = volume->inter};
    for (int v = 0; v < 3; v++)
        if (volume->dims[v] > INT32_MAX)
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_DIMS, "mask: %lld voxels along %c, wanted %d at most",
                            (long long)volume->dims[v], "ijk"[v], (int)INT32_MAX);
    bool done = dtp_volume_visit_nonzero(volume, visit_block, &s, watch);
    deeptepp_status status = done ? judge(&s, error) : dtp_watch_ask(watch, error);
    out->spans = s.spans;
    out->label = (int64_t)s.label;
    out->rounding = s.rounding;
    return status;
}
