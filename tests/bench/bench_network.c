/* This library's side of compare.py: the network of a model file on a seeded input, run once for each line on the
 * standard input. Usage: bench_network MODEL THREADS [whole|bf16]
 *   whole              also what no pool of pmg2d reads is computed
 *   bf16               in bfloat16
 *   at the start       prints "logits" and all of them
 *   line "run"         prints "seconds" and those of one run
 *   line "convolutions" prints "seconds" and those of all convolutions together, each timed alone
 *   end of input       prints "gflop" of a run and "peak", the process's largest resident set in KiB */
#include <stdio.h>
#include <time.h>

#include "base/worker.h"
#include "file/model_file.h"
#include "model.h"

enum { REPEATS = 3 };

typedef struct bench {
    deeptepp_model *model;
    const char *path;
    dtp_graph graph;
    bool whole;
    dtp_weights *weights; /* laid out for the graph */
    dtp_net *net;
    float *logits;
    size_t n_logits;
    dtp_step_info steps[2 * DTP_MAX_LAYERS];
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The model format's self-test input, the view's number from 1 as its seed. */
static void fill_view(float *out, size_t count, uint64_t state)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        z ^= z >> 31;
        out[i] = (float)(z >> 40) / 8388608.0f - 1.0f;
    }
}

/* The model's graph; whole: nothing cropped, layers and weights where they are. */
static deeptepp_status make_graph(bench *b, deeptepp_error *error)
{
    const dtp_graph *from = &b->model->arch.graph;
    deeptepp_status status = DEEPTEPP_OK;
    b->graph.values[0] = from->values[0];
    for (int i = 0; i < from->n_layers && status == DEEPTEPP_OK; i++) {
        dtp_layer layer = from->layers[i];
        int value;
        layer.open_end &= !b->whole;
        if (b->whole && layer.op == DTP_CROP)
            layer.kernel[0] = layer.kernel[1] = layer.kernel[2] = 1;
        status =
            dtp_graph_add(&b->graph, &layer, layer.op == DTP_CONVOLUTION ? from->values[i + 1].c : 0, &value, error);
    }
    return status;
}

static deeptepp_status pack_layer(bench *b, dtp_safetensors *file, int layer, deeptepp_error *error)
{
    float *weights, *bias;
    deeptepp_status status =
        dtp_arch_fold(&b->model->arch, &b->model->network, file, 0, layer, &weights, &bias, NULL, error);
    if (status == DEEPTEPP_OK)
        status = dtp_weights_set(b->weights, layer, weights, bias, NULL, error);
    free(weights);
    free(bias);
    return status;
}

/* Weights are laid out for the shapes they meet: those of whole maps are packed anew. */
static deeptepp_status pack(bench *b, const dtp_plan *plan, deeptepp_error *error)
{
    dtp_model_file file = {0};
    deeptepp_status status;
    DTP_TRY(dtp_weights_new(&b->weights, plan, error));
    DTP_TRY(dtp_model_file_open(&file, b->path, 0, NULL, error));
    for (int i = 0; i < b->graph.n_layers; i++)
        if (b->graph.layers[i].op == DTP_CONVOLUTION)
            DTP_TRY(pack_layer(b, &file.file, i, error));
fail:
    dtp_model_file_close(&file);
    return status;
}

static deeptepp_status prepare(bench *b, dtp_job *job)
{
    const deeptepp_model *model = b->model;
    dtp_plan *plan;
    deeptepp_status status;
    const deeptepp_precision precision = deeptepp_model_precision(model);
    DTP_TRY(make_graph(b, &job->error));
    if (precision == DEEPTEPP_PRECISION_BF16)
        dtp_graph_round(&b->graph);
    b->n_logits = (size_t)(model->recipe.n_views * dtp_arch_outputs(&model->arch));
    b->logits = calloc(b->n_logits, sizeof *b->logits);
    if (!b->logits)
        return dtp_fail_memory(&job->error, "logits", b->n_logits * sizeof *b->logits);
    b->weights = b->whole ? NULL : dtp_model_members(model, precision)[0];
    DTP_TRY(dtp_plan_new(&plan, &b->graph, model->recipe.n_views, b->weights, &job->watch, &job->error));
    status = b->whole ? pack(b, plan, &job->error) : DEEPTEPP_OK;
    status = status ? status : dtp_net_new(&b->net, plan, &job->watch, &job->error);
    if (status != DEEPTEPP_OK) {
        dtp_plan_free(plan);
        return status;
    }
    size_t view = dtp_shape_size(model->arch.graph.values[0]);
    for (int v = 0; v < model->recipe.n_views; v++)
        fill_view(dtp_net_input(b->net) + view * (size_t)v, view, (uint64_t)v + 1);
fail:
    return status;
}

static deeptepp_status run(bench *b, dtp_job *job, double *seconds)
{
    double start = now();
    deeptepp_status status = dtp_net_run(b->net, b->weights, b->logits, &job->watch, &job->error);
    *seconds = now() - start;
    return status;
}

static deeptepp_status convolutions(bench *b, dtp_job *job, double *seconds)
{
    int count = 0;
    deeptepp_status status = dtp_net_profile(b->net, b->weights, REPEATS, b->steps, &count, &job->watch, &job->error);
    *seconds = 0;
    for (int i = 0; i < count; i++)
        *seconds += b->steps[i].convolution ? b->steps[i].seconds : 0;
    return status;
}

static void tell_logits(const bench *b)
{
    printf("logits");
    for (size_t i = 0; i < b->n_logits; i++)
        printf(" %.9g", (double)b->logits[i]);
    puts("");
    fflush(stdout);
}

static deeptepp_status serve(void *argument, dtp_job *job)
{
    bench *b = argument;
    char line[32];
    double seconds;
    deeptepp_status status;
    DTP_TRY(prepare(b, job));
    DTP_TRY(run(b, job, &seconds));
    tell_logits(b);
    while (fgets(line, sizeof line, stdin)) {
        DTP_TRY(strcmp(line, "run\n") == 0 ? run(b, job, &seconds) : convolutions(b, job, &seconds));
        printf("seconds %.9f\n", seconds);
        fflush(stdout);
    }
fail:
    dtp_net_free(b->net);
    if (b->whole)
        dtp_weights_free(b->weights);
    free(b->logits);
    return status;
}

static void tell_work(const bench *b)
{
    double macs = 0;
    for (int i = 0; i < b->graph.n_layers; i++)
        macs += dtp_layer_macs(&b->graph, i) * (double)b->model->recipe.n_views;
    printf("gflop %.3f\n", 2e-9 * macs);
}

static void tell_peak(void)
{
    char line[256];
    long kib;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            printf("peak %ld\n", kib);
    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    static bench b;
    deeptepp_error error;
    dtp_worker *worker = NULL;
    b.whole = argc == 4 && strcmp(argv[3], "whole") == 0;
    const bool bf16 = argc == 4 && strcmp(argv[3], "bf16") == 0;
    if (argc != 3 && !b.whole && !bf16) {
        fprintf(stderr, "usage: %s MODEL THREADS [whole|bf16]\n", argv[0]);
        return 1;
    }
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = atoi(argv[2]),
                                            .precision = bf16};
    b.path = argv[1];
    deeptepp_status status = deeptepp_model_open(&b.model, argv[1], &options, &error);
    status = status ? status : dtp_worker_start(&worker, options.threads, &error);
    status = status ? status : dtp_worker_run(worker, serve, &b, NULL, &error);
    if (status)
        fprintf(stderr, "%s\n", error.message);
    else {
        tell_work(&b);
        tell_peak();
    }
    dtp_worker_stop(worker);
    deeptepp_model_free(b.model);
    return status ? 2 : 0;
}
