/* The network of a model file, layer by layer: the backend, then time, speed and implementation of each primitive,
 * their sum, and the whole run. Usage: bench_layers MODEL [THREADS [REPEATS [bf16]]] */
#include <stdio.h>
#include <time.h>

#include "base/worker.h"
#include "model.h"

typedef struct bench {
    deeptepp_model *model;
    const dtp_weights *weights;
    int repeats, count;
    dtp_step_info steps[2 * DTP_MAX_LAYERS];
    double run;
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static deeptepp_status time_runs(bench *b, dtp_net *net, dtp_job *job)
{
    float *out = calloc((size_t)(b->model->recipe.n_views * dtp_arch_outputs(&b->model->arch)), sizeof *out);
    deeptepp_status status = out ? DEEPTEPP_OK : DEEPTEPP_ERR_MEMORY;
    b->run = 1e9;
    for (int r = 0; r <= b->repeats && status == DEEPTEPP_OK; r++) {
        double start = now();
        status = dtp_net_run(net, b->weights, out, &job->watch, &job->error);
        double seconds = now() - start;
        b->run = r && seconds < b->run ? seconds : b->run;
    }
    free(out);
    return status;
}

static deeptepp_status measure(void *argument, dtp_job *job)
{
    bench *b = argument;
    dtp_plan *plan;
    dtp_net *net = NULL;
    deeptepp_status status;
    const deeptepp_precision precision = deeptepp_model_precision(b->model);
    b->weights = dtp_model_members(b->model, precision)[0];
    DTP_TRY(dtp_plan_new(&plan, dtp_model_graph(b->model, precision), b->model->recipe.n_views, b->weights, &job->watch,
                         &job->error));
    DTP_TRY(dtp_net_new(&net, plan, &job->watch, &job->error));
    size_t count = (size_t)b->model->recipe.n_views * dtp_shape_size(b->model->arch.graph.values[0]);
    for (size_t i = 0; i < count; i++)
        dtp_net_input(net)[i] = (float)(i % 1000) / 500.0f - 1.0f;
    DTP_TRY(time_runs(b, net, job));
    DTP_TRY(dtp_net_profile(net, b->weights, b->repeats, b->steps, &b->count, &job->watch, &job->error));
fail:
    dtp_net_free(net);
    return status;
}

static void report(const bench *b)
{
    double sum = 0, convolutions = 0, macs = 0;
    char backend[64];
    dtp_backend_version(backend, sizeof backend);
    printf("%s, %s\n", backend, dtp_backend_isa());
    printf("%-28s %-28s %5s %9s %9s\n", "layer", "implementation", "batch", "ms", "GFLOP/s");
    for (int i = 0; i < b->count; i++) {
        const dtp_step_info *s = &b->steps[i];
        printf("%-28s %-28s %5lld %9.3f %9.1f\n", s->layer, s->implementation, (long long)s->chunk, 1e3 * s->seconds,
               2e-9 * s->macs / s->seconds);
        sum += s->seconds;
        convolutions += s->convolution ? s->seconds : 0;
        macs += s->macs;
    }
    printf("sum of layers %.2f ms, of convolutions %.2f ms, whole run %.2f ms, run / convolutions %.3f, %.1f GFLOP/s\n",
           1e3 * sum, 1e3 * convolutions, 1e3 * b->run, b->run / convolutions, 2e-9 * macs / b->run);
}

int main(int argc, char **argv)
{
    static bench b;
    deeptepp_error error;
    dtp_worker *worker;
    if (argc < 2) {
        fprintf(stderr, "usage: %s MODEL [THREADS [REPEATS [bf16]]]\n", argv[0]);
        return 1;
    }
    b.repeats = argc > 3 ? atoi(argv[3]) : 10;
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = argc > 2 ? atoi(argv[2]) : 0,
                                            .precision = argc > 4 && strcmp(argv[4], "bf16") == 0};
    deeptepp_status status = deeptepp_model_open(&b.model, argv[1], &options, &error);
    status = status ? status : dtp_worker_start(&worker, options.threads, &error);
    status = status ? status : dtp_worker_run(worker, measure, &b, NULL, &error);
    if (status) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    report(&b);
    dtp_worker_stop(worker);
    deeptepp_model_free(b.model);
    return 0;
}
