#include <math.h>

#include "base/call.h"
#include "base/worker.h"
#include "precision.h"
#include "result.h"
#include "seeded.h"

/* What the compute thread works on lives here and not on the caller's stack: after a cancelled call it may still be
 * winding down. */
struct deeptepp_session {
    deeptepp_model *model;
    dtp_worker *worker;
    dtp_net *net, *bf16_net; /* bf16_net: of DEEPTEPP_PRECISION_BF16 */
    deeptepp_precision precision; /* of the logits */
    deeptepp_callbacks callbacks; /* the host's */
    dtp_call call;                /* the one that is running */
    bool guidance;
    atomic_flag busy;
    float *logits; /* members x views x heads x classes */
    const deeptepp_case *patient;
    dtp_study study;
    dtp_actions actions;
    dtp_warnings warnings;
    dtp_covariate_use covariates[DTP_MAX_COVARIATES];
};

enum { VIEWS_PERMILLE = 80 }; /* the share of a score that views take, for progress */

static void leave(deeptepp_session *session)
{
    dtp_call_end(&session->call);
    atomic_flag_clear(&session->busy);
}

static deeptepp_status enter(deeptepp_session *session, deeptepp_error *error)
{
    if (atomic_flag_test_and_set(&session->busy))
        return dtp_fail(error, DEEPTEPP_ERR_BUSY, "session is in use by another thread: make one session a thread");
    dtp_call_begin(&session->call, &session->callbacks);
    deeptepp_status status = dtp_worker_wait(session->worker, &session->call.watch, error);
    if (status != DEEPTEPP_OK)
        leave(session);
    return status;
}

/* ---- jobs: each runs on the compute thread ---- */

static size_t input_count(const deeptepp_model *model)
{
    int64_t shape[5];
    size_t count = 0;
    deeptepp_model_input_shape(model, shape);
    dtp_product(shape, 5, SIZE_MAX / sizeof(float), &count);
    return count;
}

static deeptepp_status make_net(dtp_net **out, const deeptepp_model *model, deeptepp_precision precision, dtp_job *job)
{
    dtp_plan *plan;
    deeptepp_status status = dtp_plan_new(&plan, dtp_model_graph(model, precision), model->recipe.n_views,
                                          dtp_model_members(model, precision)[0], &job->watch, &job->error);
    if (status != DEEPTEPP_OK)
        return status;
    status = dtp_net_new(out, plan, &job->watch, &job->error);
    if (status != DEEPTEPP_OK)
        dtp_plan_free(plan);
    return status;
}

static deeptepp_status prepare_job(void *argument, dtp_job *job)
{
    deeptepp_session *session = argument;
    const deeptepp_model *model = session->model;
    const bool both = model->precision == DEEPTEPP_PRECISION_BF16;
    dtp_watch_part(&job->watch, 0, both ? 500 : 1000);
    deeptepp_status status = make_net(&session->net, model, DEEPTEPP_PRECISION_F32, job);
    dtp_watch_part(&job->watch, 500, 1000);
    if (status == DEEPTEPP_OK && both)
        status = make_net(&session->bf16_net, model, DEEPTEPP_PRECISION_BF16, job);
    return status;
}

static deeptepp_status make_views(deeptepp_session *session, dtp_job *job)
{
    deeptepp_status status = dtp_study_make(&session->study, session->patient, &session->model->recipe,
                                            &session->warnings, &job->watch, &job->error);
    if (status == DEEPTEPP_OK)
        status = dtp_preprocess(&session->study, dtp_net_input(session->net), &session->actions, &session->warnings,
                                &job->watch, &job->error);
    dtp_study_free(&session->study);
    return status;
}

static deeptepp_status preprocess_job(void *argument, dtp_job *job)
{
    return make_views(argument, job);
}

/* From thousandth `from` of the call to `to`. */
static deeptepp_status run_members(deeptepp_session *session, deeptepp_precision precision, int from, int to,
                                   dtp_job *job)
{
    const deeptepp_model *model = session->model;
    dtp_net *net = precision == DEEPTEPP_PRECISION_BF16 ? session->bf16_net : session->net;
    int members = model->network.n_members, span = to - from;
    size_t each = dtp_model_logits(model) / (size_t)members;
    deeptepp_status status = DEEPTEPP_OK;
    for (int m = 0; m < members && status == DEEPTEPP_OK; m++) {
        dtp_watch_part(&job->watch, from + span * m / members, from + span * (m + 1) / members);
        status = dtp_net_run(net, dtp_model_members(model, precision)[m], session->logits + each * (size_t)m,
                             &job->watch, &job->error);
    }
    session->precision = precision;
    return status;
}

/* In bfloat16 first, if the caller chose it, and in float32 where that is not enough. */
static deeptepp_status compute(deeptepp_session *session, dtp_job *job)
{
    const int middle = (VIEWS_PERMILLE + 1000) / 2;
    if (!session->bf16_net)
        return run_members(session, DEEPTEPP_PRECISION_F32, VIEWS_PERMILLE, 1000, job);
    memcpy(dtp_net_input(session->bf16_net), dtp_net_input(session->net), input_count(session->model) * sizeof(float));
    deeptepp_status status = run_members(session, DEEPTEPP_PRECISION_BF16, VIEWS_PERMILLE, middle, job);
    if (status != DEEPTEPP_OK || !dtp_precision_doubtful(session->model, session->logits, session->covariates))
        return status;
    return run_members(session, DEEPTEPP_PRECISION_F32, middle, 1000, job);
}

static deeptepp_status score_job(void *argument, dtp_job *job)
{
    dtp_watch_part(&job->watch, 0, VIEWS_PERMILLE);
    deeptepp_status status = make_views(argument, job);
    /* From here on only the session's own memory is read: a cancelled caller need not wait for the layer in hand. */
    atomic_store(&job->detached_ok, true);
    return status == DEEPTEPP_OK ? compute(argument, job) : status;
}

/* In float32, whatever the caller chose: the file's score is. */
static deeptepp_status self_test_job(void *argument, dtp_job *job)
{
    deeptepp_session *session = argument;
    size_t count = input_count(session->model), view = count / (size_t)session->model->recipe.n_views;
    float *input = dtp_net_input(session->net);
    atomic_store(&job->detached_ok, true);
    memset(input, 0, count * sizeof *input);
    for (size_t i = 0; i < view; i++)
        input[i] = dtp_seeded((uint64_t)session->model->risk.self_test_seed, i);
    return run_members(session, DEEPTEPP_PRECISION_F32, VIEWS_PERMILLE, 1000, job);
}

/* ---- construction ---- */

static deeptepp_status make(deeptepp_session **out, deeptepp_model *model, const deeptepp_session_options *options,
                            deeptepp_error *error)
{
    deeptepp_session_options o;
    deeptepp_status status = DTP_OPTIONS_READ(&o, deeptepp_session_options, memory_limit, options, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (o.memory_limit && o.memory_limit < model->memory)
        return dtp_fail(error, DEEPTEPP_ERR_MEMORY_LIMIT, "model and session need %llu bytes, the limit is %llu",
                        (unsigned long long)model->memory, (unsigned long long)o.memory_limit);
    deeptepp_session *session = calloc(1, sizeof *session);
    if (!session)
        return dtp_fail_memory(error, "a session", sizeof *session);
    atomic_flag_clear(&session->busy);
    session->model = deeptepp_model_ref(model);
    session->guidance = !o.no_guidance;
    status = dtp_callbacks_copy(&session->callbacks, o.callbacks, error);
    if (status == DEEPTEPP_OK)
        *out = session;
    else
        deeptepp_session_free(session);
    return status;
}

static void log_start(const deeptepp_session *session)
{
    char backend[64], line[200];
    const deeptepp_model *model = session->model;
    dtp_backend_version(backend, sizeof backend);
    dtp_format(line, sizeof line, "session: %d threads, %s, %s, %s, %.0f MB with the model", model->threads, backend,
               dtp_backend_isa(), dtp_precision_name(model->precision), 1e-6 * (double)model->memory);
    dtp_log(&session->call.watch.callbacks, DEEPTEPP_LOG_INFO, line);
    if (model->precision == DEEPTEPP_PRECISION_F32)
        return;
    dtp_format(line, sizeof line, "bf16 moves scores by up to %.3g (measured on noise); f32 within %.3g of a cut-point",
               model->shift, model->margin);
    dtp_log(&session->call.watch.callbacks, DEEPTEPP_LOG_INFO, line);
}

static void log_slow_layers(const deeptepp_session *session)
{
    const char *implementation, *layer;
    char line[200];
    for (int i = 0; session->callbacks.log && (layer = dtp_net_slow_layer(session->net, i, &implementation)); i++) {
        dtp_format(line, sizeof line, "layer %s runs on the backend's slow path %s", layer, implementation);
        dtp_log(&session->call.watch.callbacks, DEEPTEPP_LOG_INFO, line);
    }
}

static deeptepp_status prepare(deeptepp_session *session, deeptepp_error *error)
{
    size_t logits = dtp_model_logits(session->model);
    session->logits = calloc(logits, sizeof *session->logits);
    if (!session->logits)
        return dtp_fail_memory(error, "logits", logits * sizeof *session->logits);
    deeptepp_status status = dtp_worker_start(&session->worker, session->model->threads, error);
    if (status == DEEPTEPP_OK)
        status = dtp_worker_run(session->worker, prepare_job, session, &session->call.watch, error);
    if (status != DEEPTEPP_OK)
        return status;
    log_start(session);
    log_slow_layers(session);
    return DEEPTEPP_OK;
}

deeptepp_status deeptepp_session_new(deeptepp_session **out, deeptepp_model *model,
                                     const deeptepp_session_options *options, deeptepp_error *error)
{
    deeptepp_session *session = NULL;
    if (out)
        *out = NULL;
    if (!out || !model)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s is NULL", out ? "model" : "out");
    deeptepp_status status = make(&session, model, options, error);
    if (status != DEEPTEPP_OK)
        return status;
    dtp_call_begin(&session->call, &session->callbacks);
    status = prepare(session, error);
    dtp_call_end(&session->call);
    if (status == DEEPTEPP_OK)
        *out = session;
    else
        deeptepp_session_free(session);
    return status;
}

void deeptepp_session_free(deeptepp_session *session)
{
    if (!session)
        return;
    dtp_worker_stop(session->worker);
    dtp_net_free(session->net);
    dtp_net_free(session->bf16_net);
    free(session->logits);
    deeptepp_model_free(session->model);
    free(session);
}

/* ---- use ---- */

static void log_warnings(const deeptepp_session *session)
{
    for (int i = 0; i < session->warnings.count; i++)
        dtp_log(&session->call.watch.callbacks, DEEPTEPP_LOG_WARNING, session->warnings.items[i].message);
}

static deeptepp_status make_result(deeptepp_session *session, deeptepp_result **out, deeptepp_error *error)
{
    const dtp_run run = {
        .model = session->model,
        .study = &session->study,
        .actions = &session->actions,
        .logits = session->logits,
        .covariates = session->covariates,
        .warnings = &session->warnings,
        .threads = dtp_worker_threads(session->worker),
        .guidance = session->guidance,
        .precision = session->precision,
    };
    return dtp_result_make(out, &run, error);
}

static deeptepp_status score(deeptepp_session *session, deeptepp_result **out, deeptepp_error *error)
{
    deeptepp_status status = dtp_risk_covariates(&session->model->risk, session->patient, session->covariates,
                                                 &session->warnings, error);
    if (status == DEEPTEPP_OK)
        status = dtp_worker_run(session->worker, score_job, session, &session->call.watch, error);
    if (status == DEEPTEPP_OK)
        status = make_result(session, out, error);
    if (status == DEEPTEPP_OK)
        log_warnings(session);
    return status;
}

deeptepp_status deeptepp_session_score(deeptepp_session *session, const deeptepp_case *patient, deeptepp_result **out,
                                       deeptepp_error *error)
{
    if (out)
        *out = NULL;
    if (!session || !patient || !out)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s is NULL",
                        !session   ? "session"
                        : !patient ? "patient"
                                   : "out");
    deeptepp_status status = enter(session, error);
    if (status != DEEPTEPP_OK)
        return status;
    session->patient = patient;
    session->warnings.count = 0;
    status = score(session, out, error);
    session->patient = NULL;
    leave(session);
    return status;
}

deeptepp_status deeptepp_session_preprocess(deeptepp_session *session, const deeptepp_case *patient, float *out,
                                            size_t count, deeptepp_error *error)
{
    if (!session || !patient || !out)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s is NULL",
                        !session   ? "session"
                        : !patient ? "patient"
                                   : "out");
    size_t wanted = input_count(session->model);
    if (count != wanted)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "count is %zu floats, the network's input has %zu", count,
                        wanted);
    deeptepp_status status = enter(session, error);
    if (status != DEEPTEPP_OK)
        return status;
    session->patient = patient;
    session->warnings.count = 0;
    status = dtp_worker_run(session->worker, preprocess_job, session, &session->call.watch, error);
    if (status == DEEPTEPP_OK) {
        memcpy(out, dtp_net_input(session->net), count * sizeof *out);
        log_warnings(session);
    }
    session->patient = NULL;
    leave(session);
    return status;
}

/* The mean over members of the rule's value for the first view. */
static double self_test_score(const deeptepp_session *session)
{
    const deeptepp_model *model = session->model;
    int members = model->network.n_members;
    double sum = 0;
    for (int m = 0; m < members; m++)
        sum += dtp_risk_rule(&model->risk, session->logits + m * model->recipe.n_views * dtp_arch_outputs(&model->arch),
                             model->arch.heads, model->arch.classes);
    return sum / members;
}

static deeptepp_status compare_self_test(const deeptepp_session *session, double expected, double found,
                                         deeptepp_error *error)
{
    double tolerance = session->model->risk.self_test_tolerance * fmax(1, fabs(expected));
    if (fabs(found - expected) <= tolerance)
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_SELF_TEST, "self-test: score %.9g, the file says %.9g within %.3g", found,
                    expected, tolerance);
}

deeptepp_status deeptepp_session_self_test(deeptepp_session *session, double *expected, double *found,
                                           deeptepp_error *error)
{
    if (!session || !expected || !found)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s is NULL",
                        !session ? "session" : !expected ? "expected" : "found");
    if (!session->model->risk.has_self_test)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_NO_SELF_TEST, "model \"%.100s\" carries no self-test",
                        session->model->name);
    deeptepp_status status = enter(session, error);
    if (status != DEEPTEPP_OK)
        return status;
    status = dtp_worker_run(session->worker, self_test_job, session, &session->call.watch, error);
    if (status == DEEPTEPP_OK) {
        *expected = session->model->risk.self_test_score;
        *found = self_test_score(session);
        status = compare_self_test(session, *expected, *found, error);
    }
    leave(session);
    return status;
}
