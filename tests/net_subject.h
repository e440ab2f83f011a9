/* A network from the bytes of a tiny model's file to a net on a compute thread; shared by the tests of nets. */
#ifndef NET_SUBJECT_H
#define NET_SUBJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "../libdeeptepp/arch/arch.h"
#include "../libdeeptepp/base/worker.h"
#include "../libdeeptepp/nn/plan.h"
#include "json_subject.h"
#include "reference_net.h"

/* Large maps go through in chunks, small ones together: with many images three stages. */
static const tiny_options staged = {.seed = 10, .size = {32, 32, 32}, .width = 16, .pool = true};

enum { MAX_BATCH = 13 };

typedef struct subject {
    tiny_model model;
    dtp_json_value *section; /* owns the network's texts */
    dtp_safetensors file;
    dtp_network network;
    dtp_arch arch;
    dtp_worker *worker;
    dtp_weights *weights[2];
    dtp_plan *plan;
    dtp_net *net;
    int64_t batch;
    int member;
    float *input; /* of MAX_BATCH images; to be copied */
    float logits[MAX_BATCH * 16];
    bool cancelled;
    long cancel_us; /* when above 0, how long after the net's making began it is cancelled */
} subject;

/* ---- from bytes to network ---- */

static inline void read_file(subject *s)
{
    deeptepp_error error;
    tiny_bytes bytes = tiny_model_write(&s->model);
    dtp_source source;
    dtp_digest digest;
    dtp_digest_init(&digest);
    if (dtp_source_open_bytes(&source, bytes.data, bytes.size, bytes.size, NULL, NULL) ||
        dtp_safetensors_read(&s->file, &source, &digest, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    free(bytes.data);
}

static inline void build(subject *s)
{
    deeptepp_error error;
    dtp_json_check check = {.error = &error};
    const json_t *input = json_object_get(s->model.description, "input");
    int64_t size[3];
    for (size_t i = 0; i < 3; i++)
        size[i] = json_integer_value(json_array_get(json_object_get(input, "size"), i));
    s->section = json_read_tree(json_object_get(s->model.description, "network"));
    dtp_json json = dtp_json_root(s->section, "network", &check);
    dtp_network_parse(&s->network, &json);
    if (check.status != DEEPTEPP_OK ||
        dtp_arch_build(&s->arch, &s->network, &s->file,
                       (int64_t)json_array_size(json_object_get(input, "channels")), size, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
}

static inline deeptepp_status pack_member(subject *s, int member, deeptepp_error *error)
{
    const dtp_graph *graph = &s->arch.graph;
    deeptepp_status status = dtp_weights_new(&s->weights[member], s->plan, error);
    for (int i = 0; i < graph->n_layers && status == DEEPTEPP_OK; i++) {
        float *weights, *bias;
        if (graph->layers[i].op != DTP_CONVOLUTION)
            continue;
        status = dtp_arch_fold(&s->arch, &s->network, &s->file, member, i, &weights, &bias, NULL, error);
        if (status == DEEPTEPP_OK)
            status = dtp_weights_set(s->weights[member], i, weights, bias, NULL, error);
        free(weights);
        free(bias);
    }
    return status;
}

static inline deeptepp_status pack_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    deeptepp_status status = dtp_plan_new(&s->plan, &s->arch.graph, 2, NULL, &job->watch, &job->error);
    for (int m = 0; m < s->network.n_members && status == DEEPTEPP_OK; m++)
        status = pack_member(s, m, &job->error);
    dtp_plan_free(s->plan);
    s->plan = NULL;
    return status;
}

static inline void on_worker(subject *s, dtp_job_function function)
{
    deeptepp_error error;
    if (dtp_worker_run(s->worker, function, s, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
}

static inline size_t image_size(const subject *s)
{
    return dtp_shape_size(s->arch.graph.values[0]);
}

static inline void begin(subject *s, const tiny_options *options, int threads)
{
    uint64_t state = 99;
    memset(s, 0, sizeof *s);
    s->model = tiny_model_make(options);
    read_file(s);
    build(s);
    assert_int_equal(dtp_worker_start(&s->worker, threads, NULL), DEEPTEPP_OK);
    on_worker(s, pack_job);
    s->input = malloc(MAX_BATCH * image_size(s) * sizeof *s->input);
    for (size_t i = 0; i < MAX_BATCH * image_size(s); i++)
        s->input[i] = (float)reference_random(&state);
}

/* ---- a net and its runs ---- */

typedef struct canceller {
    dtp_job *job;
    long us;
    pthread_t thread;
} canceller;

static inline void *cancel_later(void *argument)
{
    canceller *c = argument;
    const struct timespec time = {.tv_nsec = 1000 * c->us};
    nanosleep(&time, NULL);
    atomic_store(&c->job->watch.cancelled, true);
    return NULL;
}

static inline deeptepp_status new_net(subject *s, dtp_job *job)
{
    canceller c = {.job = job, .us = s->cancel_us};
    bool later = s->cancel_us > 0 && pthread_create(&c.thread, NULL, cancel_later, &c) == 0;
    atomic_store(&job->watch.cancelled, s->cancelled);
    deeptepp_status status = dtp_net_new(&s->net, s->plan, &job->watch, &job->error);
    if (later)
        pthread_join(c.thread, NULL);
    return status;
}

static inline deeptepp_status net_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    dtp_net_free(s->net);
    s->net = NULL;
    deeptepp_status status = dtp_plan_new(&s->plan, &s->arch.graph, s->batch, s->weights[0], &job->watch, &job->error);
    if (status != DEEPTEPP_OK)
        return status;
    status = new_net(s, job);
    if (status != DEEPTEPP_OK)
        dtp_plan_free(s->plan);
    return status;
}

static inline deeptepp_status run_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    memcpy(dtp_net_input(s->net), s->input, (size_t)s->batch * image_size(s) * sizeof *s->input);
    atomic_store(&job->watch.cancelled, s->cancelled);
    return dtp_net_run(s->net, s->weights[s->member], s->logits, &job->watch, &job->error);
}

static inline void make_net(subject *s, int64_t batch)
{
    s->batch = batch;
    on_worker(s, net_job);
}

static inline deeptepp_status end_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    (void)job;
    dtp_net_free(s->net);
    return DEEPTEPP_OK;
}

static inline void end(subject *s)
{
    on_worker(s, end_job);
    dtp_worker_stop(s->worker);
    dtp_weights_free(s->weights[0]);
    dtp_weights_free(s->weights[1]);
    dtp_safetensors_free(&s->file);
    tiny_model_free(&s->model);
    free(s->section);
    free(s->input);
}

static inline reference_map reference_logits(const subject *s, int64_t batch, int member)
{
    dtp_shape in = s->arch.graph.values[0];
    reference_map input = reference_of(s->input, batch, in.c, in.d, in.h, in.w);
    reference_map logits = reference_network(&s->model, member, &input);
    reference_free(&input);
    return logits;
}

#endif
