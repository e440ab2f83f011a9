#include "precision.h"

#include <math.h>

#include "seeded.h"

/* The margin is this many times the shift: inputs of another kind may move a score further. At least the floor where
 * something is rounded: inputs that do not move at all say nothing of others. */
static const double CAUTION = 4, FLOOR = 1e-6;

/* Inputs that the shift is measured on, at least. */
enum { PROBES = 8 };

int deeptepp_precision_available(deeptepp_precision precision)
{
    return precision == DEEPTEPP_PRECISION_F32 || (precision == DEEPTEPP_PRECISION_BF16 && dtp_backend_has_bf16());
}

deeptepp_status dtp_precision_check(int32_t precision, deeptepp_error *error)
{
    if (precision != DEEPTEPP_PRECISION_F32 && precision != DEEPTEPP_PRECISION_BF16)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT,
                        "deeptepp_model_options.precision is %d, wanted 0 (f32) or 1 (bf16)", precision);
    if (deeptepp_precision_available((deeptepp_precision)precision))
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_PRECISION,
                    "precision bf16: the instruction set is %s, wanted AVX512_CORE_BF16 or AVX512_CORE_AMX: open the "
                    "model in f32, the default",
                    dtp_backend_isa());
}

const char *dtp_precision_name(deeptepp_precision precision)
{
    return precision == DEEPTEPP_PRECISION_BF16 ? "bf16" : "f32";
}

deeptepp_status dtp_precision_measurable(const deeptepp_model *model, deeptepp_error *error)
{
    if (model->precision == DEEPTEPP_PRECISION_F32 || model->recipe.intensity != DTP_INTENSITY_NONE)
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_PRECISION,
                    "precision bf16: the model takes intensities as they are (input.intensity none), so how far "
                    "bfloat16 moves its scores cannot be measured: open it in f32");
}

/* ---- How far scores move ---- */

/* What is measured: each member's value of each probe, in bfloat16 less in float32. */
typedef struct trial {
    const deeptepp_model *model;
    int passes; /* of n_views probes */
    float *logits; /* of one member */
    double *moved; /* passes x n_members x n_views */
    dtp_watch *watch;
    int from, to, step; /* thousandths that it begins and ends with; steps begun */
} trial;

static size_t values_of(const trial *t)
{
    return (size_t)t->passes * (size_t)t->model->network.n_members * (size_t)t->model->recipe.n_views;
}

/* A net, or a member's run. */
static void begin_step(trial *t)
{
    const int steps = 2 * (1 + t->passes * t->model->network.n_members), span = t->to - t->from;
    dtp_watch_part(t->watch, t->from + span * t->step / steps, t->from + span * (t->step + 1) / steps);
    t->step++;
}

/* As images are once they are normalised: of mean 0 and variance 1, or in the model's range. Noise from cell to cell
 * and, in every other probe, in blocks of 8 cells an axis, since images are smooth. */
static void fill_probe(float *out, const dtp_shape *shape, const dtp_recipe *recipe, uint64_t probe)
{
    const bool zscore = recipe->intensity == DTP_INTENSITY_ZSCORE;
    const double middle = zscore ? 0 : (recipe->range[0] + recipe->range[1]) / 2;
    const double reach = zscore ? sqrt(3) : (recipe->range[1] - recipe->range[0]) / 2;
    const int64_t block = probe % 2 ? 8 : 1, d = shape->d, h = shape->h, w = shape->w;
    for (int64_t i = 0; i < shape->c * d * h * w; i++) {
        int64_t at_w = i % w / block, at_h = i / w % h / block, at_d = i / w / h % d / block, at_c = i / w / h / d;
        double noise = dtp_seeded(probe, (uint64_t)(((at_c * d + at_d) * h + at_h) * w + at_w));
        out[i] = (float)(middle + reach * noise);
    }
}

/* Adds the member's values, or takes them away. */
static deeptepp_status run_member(trial *t, dtp_net *net, deeptepp_precision precision, int member, double *moved,
                                  deeptepp_error *error)
{
    const deeptepp_model *model = t->model;
    const double sign = precision == DEEPTEPP_PRECISION_BF16 ? 1 : -1;
    begin_step(t);
    deeptepp_status status =
        dtp_net_run(net, dtp_model_members(model, precision)[member], t->logits, t->watch, error);
    for (int v = 0; v < model->recipe.n_views && status == DEEPTEPP_OK; v++)
        moved[v] += sign * dtp_risk_log_odds(&model->risk, t->logits + v * dtp_arch_outputs(&model->arch),
                                             model->arch.heads, model->arch.classes);
    return status;
}

static deeptepp_status run_probes(trial *t, dtp_net *net, deeptepp_precision precision, deeptepp_error *error)
{
    const int n_views = t->model->recipe.n_views, n_members = t->model->network.n_members;
    const dtp_shape *shape = &t->model->arch.graph.values[0];
    double *moved = t->moved;
    deeptepp_status status = DEEPTEPP_OK;
    for (int pass = 0; pass < t->passes && status == DEEPTEPP_OK; pass++) {
        for (int v = 0; v < n_views; v++)
            fill_probe(dtp_net_input(net) + (size_t)v * dtp_shape_size(*shape), shape, &t->model->recipe,
                       (uint64_t)(pass * n_views + v));
        for (int m = 0; m < n_members && status == DEEPTEPP_OK; m++, moved += n_views)
            status = run_member(t, net, precision, m, moved, error);
    }
    return status;
}

/* Makes a net, runs it and frees it. */
static deeptepp_status probe(trial *t, deeptepp_precision precision, deeptepp_error *error)
{
    dtp_plan *plan = NULL;
    dtp_net *net = NULL;
    deeptepp_status status;
    begin_step(t);
    DTP_TRY(dtp_plan_new(&plan, dtp_model_graph(t->model, precision), t->model->recipe.n_views,
                         dtp_model_members(t->model, precision)[0], t->watch, error));
    DTP_TRY(dtp_net_new(&net, plan, t->watch, error));
    plan = NULL;
    DTP_TRY(run_probes(t, net, precision, error));
fail:
    dtp_net_free(net);
    dtp_plan_free(plan);
    return status;
}

/* Of a view's value, the mean over members. A probability's slope is p (1 - p), at most a quarter: members' shifts of
 * either sign do not balance each other, since their slopes are not known. */
static double shift_of(const deeptepp_model *model, const double *moved)
{
    const int n_members = model->network.n_members;
    double sum = 0, sum_abs = 0;
    for (int m = 0; m < n_members; m++) {
        sum += moved[m * model->recipe.n_views];
        sum_abs += fabs(moved[m * model->recipe.n_views]);
    }
    return (model->risk.softmax ? sum_abs / 4 : fabs(sum)) / n_members;
}

static bool rounds(const dtp_graph *graph)
{
    for (int i = 0; i < graph->n_layers; i++)
        if (graph->layers[i].bf16)
            return true;
    return false;
}

static deeptepp_status conclude(deeptepp_model *model, const trial *t, deeptepp_error *error)
{
    const int n_views = model->recipe.n_views;
    for (int i = 0; i < t->passes * n_views; i++) {
        const double *moved = t->moved + i / n_views * n_views * model->network.n_members + i % n_views;
        const double shift = shift_of(model, moved);
        if (!isfinite(shift))
            return dtp_fail(error, DEEPTEPP_ERR_SCORE_NONFINITE,
                            "precision bf16: noise moves the score by %g, wanted a finite number: open the model in "
                            "f32",
                            shift);
        model->shift = fmax(model->shift, shift);
    }
    model->margin = fmax(CAUTION * model->shift, rounds(model->bf16_graph) ? FLOOR : 0);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_precision_measure(deeptepp_model *model, dtp_watch *watch, deeptepp_error *error)
{
    const int n_views = model->recipe.n_views;
    const size_t n_logits = dtp_model_logits(model) / (size_t)model->network.n_members;
    trial t = {.model = model, .passes = (PROBES + n_views - 1) / n_views, .watch = watch, .from = watch->from,
               .to = watch->to};
    deeptepp_status status = DEEPTEPP_OK;
    t.logits = calloc(n_logits, sizeof *t.logits);
    t.moved = calloc(values_of(&t), sizeof *t.moved);
    if (!t.logits || !t.moved)
        status = dtp_fail_memory(error, "logits", n_logits * sizeof *t.logits);
    if (status == DEEPTEPP_OK)
        status = probe(&t, DEEPTEPP_PRECISION_F32, error);
    if (status == DEEPTEPP_OK)
        status = probe(&t, DEEPTEPP_PRECISION_BF16, error);
    if (status == DEEPTEPP_OK)
        status = conclude(model, &t, error);
    free(t.logits);
    free(t.moved);
    return status;
}

/* ---- Which scores are computed again ---- */

bool dtp_precision_doubtful(const deeptepp_model *model, const float *logits, const dtp_covariate_use *covariates)
{
    const int n_values = model->recipe.n_views * model->network.n_members;
    double score = 0;
    for (int i = 0; i < n_values; i++)
        score += dtp_risk_rule(&model->risk, logits + i * dtp_arch_outputs(&model->arch), model->arch.heads,
                               model->arch.classes);
    score /= n_values;
    for (int i = 0; i < model->risk.n_covariates; i++)
        score += covariates[i].term;
    return dtp_risk_near(&model->risk, score, model->margin);
}
