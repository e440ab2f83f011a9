/* A graph run once through nn/: plan, weights, net, on a compute thread; shared by the tests of ops and nets. */
#ifndef NET_RUNNER_H
#define NET_RUNNER_H

#include "../libdeeptepp/base/worker.h"
#include "../libdeeptepp/nn/net.h"
#include "../libdeeptepp/nn/weights.h"

typedef struct net_runner {
    const dtp_graph *graph;
    int64_t batch;
    float *weights[DTP_MAX_LAYERS], *bias[DTP_MAX_LAYERS]; /* of each convolution, plain; owned */
    const float *input;
    float *output; /* batch x the last value */
    const dtp_form_kind *form; /* found out: what the last layer was computed with; NULL: the backend's own */
} net_runner;

static inline size_t net_runner_inputs(const net_runner *runner)
{
    return (size_t)runner->batch * dtp_shape_size(runner->graph->values[0]);
}

static inline deeptepp_status net_runner_pack(const net_runner *runner, dtp_weights *weights, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    for (int i = 0; i < runner->graph->n_layers && status == DEEPTEPP_OK; i++)
        if (runner->graph->layers[i].op == DTP_CONVOLUTION)
            status = dtp_weights_set(weights, i, runner->weights[i], runner->bias[i], NULL, error);
    return status;
}

/* A dtp_job_function over a net_runner. */
static inline deeptepp_status net_runner_job(void *argument, dtp_job *job)
{
    net_runner *runner = argument;
    dtp_plan *plan = NULL;
    dtp_weights *weights = NULL;
    dtp_net *net = NULL;
    deeptepp_status status;
    DTP_TRY(dtp_plan_new(&plan, runner->graph, runner->batch, NULL, &job->watch, &job->error));
    DTP_TRY(dtp_weights_new(&weights, plan, &job->error));
    runner->form = dtp_weights_form(weights, runner->graph->n_layers - 1);
    DTP_TRY(net_runner_pack(runner, weights, &job->error));
    DTP_TRY(dtp_net_new(&net, plan, &job->watch, &job->error));
    plan = NULL;
    memcpy(dtp_net_input(net), runner->input, net_runner_inputs(runner) * sizeof *runner->input);
    DTP_TRY(dtp_net_run(net, weights, runner->output, &job->watch, &job->error));
fail:
    dtp_net_free(net);
    dtp_weights_free(weights);
    dtp_plan_free(plan);
    return status;
}

static inline void net_runner_clear(net_runner *runner)
{
    for (int i = 0; i < DTP_MAX_LAYERS; i++) {
        free(runner->weights[i]);
        free(runner->bias[i]);
    }
    *runner = (net_runner){0};
}

#endif
