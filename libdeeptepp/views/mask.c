/* The tumour mask: which label, how many voxels, where. */
#include <math.h>

#include "study.h"

enum { MAX_LABELS = 8 };

/* What one pass over the mask finds. The box is along the mask's own axes. */
typedef struct survey {
    int64_t wanted; /* 0: any */
    int64_t found;  /* voxels of that label */
    double labels[MAX_LABELS];
    int64_t counts[MAX_LABELS];
    int n_labels; /* more than MAX_LABELS are not told apart */
    int64_t low[3], high[3];
    int64_t odd; /* values that are no label */
    double first_odd;
    int64_t odd_at[3];
} survey;

static void count_label(survey *s, double label)
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
    s->counts[i]++;
}

static void extend_box(survey *s, const int64_t at[3])
{
    for (int axis = 0; axis < 3; axis++) {
        s->low[axis] = dtp_min_i64(s->low[axis], at[axis]);
        s->high[axis] = dtp_max_i64(s->high[axis], at[axis]);
    }
}

static void visit(survey *s, double value, int64_t i, int64_t j, int64_t k)
{
    const int64_t at[3] = {i, j, k};
    if (value < 0 || value > (double)DTP_LABEL_MAX || value != floor(value)) {
        if (s->odd++ == 0) {
            s->first_odd = value;
            memcpy(s->odd_at, at, sizeof at);
        }
        return;
    }
    count_label(s, value);
    if (s->wanted && value != (double)s->wanted)
        return;
    s->found++;
    extend_box(s, at);
}

static void visit_block(void *state, const double *block, int64_t n, const int64_t at[3])
{
    for (int64_t i = 0; i < n; i++)
        if (block[i] != 0)
            visit(state, block[i], at[0] + i, at[1], at[2]);
}

/* "1 (1339 voxels), 2 (100 voxels)" */
static void list_labels(const survey *s, char *text, size_t size)
{
    size_t used = (size_t)dtp_format(text, size, "%s", s->n_labels ? "" : "none");
    for (int i = 0; i < s->n_labels && used < size; i++)
        used += (size_t)dtp_format(text + used, size - used, "%s%.9g (%lld voxels)", i ? ", " : "", s->labels[i],
                                   (long long)s->counts[i]);
}

static deeptepp_status judge(const survey *s, int64_t label, deeptepp_error *error)
{
    char labels[400];
    if (s->odd)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_FRACTIONAL,
                        "mask: %lld voxels are not labels, the first at (%lld, %lld, %lld) is %.9g; wanted whole "
                        "numbers of 0 to 2^53",
                        (long long)s->odd, (long long)s->odd_at[0], (long long)s->odd_at[1], (long long)s->odd_at[2],
                        s->first_odd);
    list_labels(s, labels, sizeof labels);
    if (label && !s->found)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_LABEL, "mask: no voxel has label %lld; its labels are: %s",
                        (long long)label, labels);
    if (s->n_labels == 0)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_EMPTY, "mask: every voxel is 0, wanted a tumour");
    if (!label && s->n_labels > 1)
        return dtp_fail(error, DEEPTEPP_ERR_MASK_LABELS, "mask: %s%d labels, wanted one: name the tumour's of %s",
                        s->n_labels == MAX_LABELS ? "at least " : "", s->n_labels, labels);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_mask_find(dtp_study *study, int64_t label, dtp_watch *watch, deeptepp_error *error)
{
    survey s = {.wanted = label, .low = {INT64_MAX, INT64_MAX, INT64_MAX}, .high = {-1, -1, -1}};
    dtp_volume_visit(study->mask, visit_block, &s, watch);
    deeptepp_status status = dtp_watch_ask(watch, error);
    if (status == DEEPTEPP_OK)
        status = judge(&s, label, error);
    if (status != DEEPTEPP_OK)
        return status;
    study->label = label ? label : (int64_t)s.labels[0];
    study->mask_voxels = s.found;
    for (int f = 0; f < 3; f++) {
        int v = study->mask_frame.axis[f];
        bool flip = study->mask_frame.flip[f];
        study->low[f] = flip ? study->mask->dims[v] - 1 - s.high[v] : s.low[v];
        study->high[f] = flip ? study->mask->dims[v] - 1 - s.low[v] : s.high[v];
    }
    return DEEPTEPP_OK;
}
