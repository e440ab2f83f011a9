/* Every head's logits of a pmg2d model: pmg_heads MODEL INPUT > JSON {"heads": [view][head][class], "gmac": of one
 * view}. INPUT is raw float32 in C order of the model's input shape. */
#include <stdio.h>

#include "base/worker.h"
#include "model.h"

typedef struct run {
    deeptepp_model *model;
    const char *input;
    float *logits;
} run;

static deeptepp_status read_input(const run *r, float *out, deeptepp_error *error)
{
    size_t count = (size_t)r->model->recipe.n_views * dtp_shape_size(r->model->arch.graph.values[0]);
    FILE *file = fopen(r->input, "rb");
    size_t got = file ? fread(out, sizeof *out, count, file) : 0;
    if (file)
        fclose(file);
    return got == count ? DEEPTEPP_OK
                        : dtp_fail(error, DEEPTEPP_ERR_FILE_READ, "%s: %zu floats, wanted %zu", r->input, got, count);
}

static deeptepp_status execute(void *argument, dtp_job *job)
{
    run *r = argument;
    dtp_plan *plan;
    dtp_net *net = NULL;
    deeptepp_status status;
    DTP_TRY(
        dtp_plan_new(&plan, &r->model->arch.graph, r->model->recipe.n_views, r->model->members[0], &job->watch,
                     &job->error));
    DTP_TRY(dtp_net_new(&net, plan, &job->watch, &job->error));
    DTP_TRY(read_input(r, dtp_net_input(net), &job->error));
    DTP_TRY(dtp_net_run(net, r->model->members[0], r->logits, &job->watch, &job->error));
fail:
    dtp_net_free(net);
    return status;
}

static void print(const run *r)
{
    const dtp_arch *arch = &r->model->arch;
    const float *at = r->logits;
    printf("{\"heads\": [");
    for (int v = 0; v < r->model->recipe.n_views; v++) {
        printf("%s[", v ? ", " : "");
        for (int h = 0; h < arch->heads; h++)
            for (int64_t c = 0; c < arch->classes; c++)
                printf("%s%.9g%s", c ? ", " : h ? ", [" : "[", (double)*at++, c == arch->classes - 1 ? "]" : "");
        printf("]");
    }
    double macs = 0;
    for (int i = 0; i < arch->graph.n_layers; i++)
        macs += dtp_layer_macs(&arch->graph, i);
    printf("], \"gmac\": %.6f}\n", 1e-9 * macs);
}

int main(int argc, char **argv)
{
    deeptepp_error error;
    dtp_worker *worker = NULL;
    run r = {.input = argc == 3 ? argv[2] : ""};
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL INPUT\n", argv[0]);
        return 1;
    }
    deeptepp_status status = deeptepp_model_open(&r.model, argv[1], NULL, &error);
    if (!status)
        r.logits = calloc((size_t)(r.model->recipe.n_views * dtp_arch_outputs(&r.model->arch)), sizeof *r.logits);
    status = status ? status : dtp_worker_start(&worker, 0, &error);
    status = status ? status : dtp_worker_run(worker, execute, &r, NULL, &error);
    if (status)
        fprintf(stderr, "%s\n", error.message);
    else
        print(&r);
    dtp_worker_stop(worker);
    free(r.logits);
    deeptepp_model_free(r.model);
    return status ? 2 : 0;
}
