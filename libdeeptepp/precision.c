#include "precision.h"

#include <math.h>

#include "seeded.h"

/* The margin is this many times the shift: inputs of another kind may move a score further. */
static const double CAUTION = 4;

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

/* ---- How far scores move ---- */

/* Of mean 0 and variance 1, as images are once they are normalised: noise from cell to cell and, in every other probe,
 * in blocks of 8 cells an axis, since images are smooth. */
static void fill_probe(float *out, const dtp_shape *shape, uint64_t probe)
{
    const int64_t block = probe % 2 ? 8 : 1, d = shape->d, h = shape->h, w = shape->w;
    for (int64_t i = 0; i < shape->c * d * h * w; i++) {
        int64_t at_w = i % w / block, at_h = i / w % h / block, at_d = i / w / h % d / block, at_c = i / w / h / d;
        out[i] = sqrtf(3) * dtp_seeded(probe, (uint64_t)(((at_c * d + at_d) * h + at_h) * w + at_w));
    }
}

/* Adds each member's share of each probe's value, which is that of a view; takes it away in float32. */
static deeptepp_status run_probes(const deeptepp_model *model, dtp_net *net, deeptepp_precision precision,
                                  float *logits, double *values, dtp_watch *watch, deeptepp_error *error)
{
    const double share = (precision == DEEPTEPP_PRECISION_BF16 ? 1.0 : -1.0) / model->network.n_members;
    const int n_views = model->recipe.n_views, n_members = model->network.n_members;
    const dtp_shape *shape = &model->arch.graph.values[0];
    deeptepp_status status = DEEPTEPP_OK;
    for (int first = 0; first < PROBES && status == DEEPTEPP_OK; first += n_views, values += n_views) {
        for (int v = 0; v < n_views; v++)
            fill_probe(dtp_net_input(net) + (size_t)v * dtp_shape_size(*shape), shape, (uint64_t)(first + v));
        for (int m = 0; m < n_members && status == DEEPTEPP_OK; m++) {
            status = dtp_net_run(net, dtp_model_members(model, precision)[m], logits, watch, error);
            for (int v = 0; v < n_views; v++)
                values[v] += share * dtp_risk_rule(&model->risk, logits + v * dtp_arch_outputs(&model->arch),
                                                   model->arch.heads, model->arch.classes);
        }
    }
    return status;
}

/* Makes a net, runs it and frees it. */
static deeptepp_status probe(const deeptepp_model *model, deeptepp_precision precision, float *logits, double *values,
                             dtp_watch *watch, deeptepp_error *error)
{
    dtp_plan *plan = NULL;
    dtp_net *net = NULL;
    deeptepp_status status;
    DTP_TRY(dtp_plan_new(&plan, dtp_model_graph(model, precision), model->recipe.n_views,
                         dtp_model_members(model, precision)[0], watch, error));
    DTP_TRY(dtp_net_new(&net, plan, watch, error));
    plan = NULL;
    DTP_TRY(run_probes(model, net, precision, logits, values, watch, error));
fail:
    dtp_net_free(net);
    dtp_plan_free(plan);
    return status;
}

deeptepp_status dtp_precision_measure(deeptepp_model *model, dtp_watch *watch, deeptepp_error *error)
{
    const size_t n_logits = dtp_model_logits(model) / (size_t)model->network.n_members;
    const int n_values = PROBES + model->recipe.n_views;
    float *logits = calloc(n_logits, sizeof *logits);
    double *values = calloc((size_t)n_values, sizeof *values);
    deeptepp_status status = DEEPTEPP_OK;
    if (!logits || !values)
        status = dtp_fail_memory(error, "logits", n_logits * sizeof *logits);
    if (status == DEEPTEPP_OK)
        status = probe(model, DEEPTEPP_PRECISION_F32, logits, values, watch, error);
    if (status == DEEPTEPP_OK)
        status = probe(model, DEEPTEPP_PRECISION_BF16, logits, values, watch, error);
    for (int i = 0; status == DEEPTEPP_OK && i < n_values; i++)
        model->shift = fmax(model->shift, fabs(values[i]));
    model->margin = CAUTION * model->shift;
    free(logits);
    free(values);
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
