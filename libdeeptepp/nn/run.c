/* Images on their way through a net: chunks of them through all layers of a stage, each on a lane of its own; those
 * that are not enough for all lanes layer by layer, all lanes on each. */
#include <time.h>

#include "pass.h"

static void fail(dtp_pass *p, int64_t image, deeptepp_status status, const deeptepp_error *error)
{
    pthread_mutex_lock(&p->lock);
    if (image < atomic_load(&p->failed)) {
        atomic_store(&p->failed, image);
        p->status = status;
        p->error = *error;
    }
    pthread_mutex_unlock(&p->lock);
}

static bool stopped(const dtp_pass *p, int64_t image)
{
    return image >= atomic_load(&p->failed);
}

/* ---- One node ---- */

/* Lanes that run chunks of their own have work memory of their own, all together one more. */
static dnnl_status_t run_form(const dtp_pass *p, const dtp_visit *v, dtp_team *team)
{
    const dtp_plan *plan = p->net->plan;
    const dtp_node *node = &plan->nodes[v->node];
    bool alone = dtp_team_lanes(team) == 1;
    size_t place = alone && plan->lanes > 1 ? (size_t)v->lane : (size_t)plan->lanes;
    const dtp_form_run run = {
        .team = team,
        .lane = v->lane,
        .work = p->net->scratchpad + place * plan->lane_bytes,
        .watch = p->watch,
        .stream = p->net->stream,
        .weights = dtp_weights_memory(p->weights, node->layer),
        .bias = dtp_weights_bias_data(p->weights, node->layer),
        .src = v->src,
        .dst = v->dst,
    };
    return node->form->kind->run(node->form, &run);
}

static dnnl_status_t point_at(dnnl_memory_t part, dnnl_memory_t whole, size_t bytes)
{
    void *data = NULL;
    dnnl_status_t s = dnnl_memory_get_data_handle(whole, &data);
    return s ? s : dnnl_memory_set_data_handle(part, (uint8_t *)data + bytes);
}

static dnnl_status_t run_part(const dtp_pass *p, const dtp_visit *v, int index)
{
    const dtp_net *net = p->net;
    const dtp_node *node = &net->plan->nodes[v->node];
    const dtp_part *part = &node->parts[index];
    /* One lane at a time has a part of an image. */
    const dtp_bound_memory *own = &net->lanes[net->plan->divides ? v->first : v->lane].parts[node->first_part + index];
    uint8_t *scratchpad = net->scratchpad + (size_t)v->lane * net->plan->lane_bytes;
    dnnl_status_t s = dnnl_memory_set_data_handle(own->scratchpad, scratchpad + net->plan->work_bytes);
    s = s ? s : dnnl_memory_set_data_handle(own->src, (uint8_t *)v->src + part->src);
    s = s ? s : dnnl_memory_set_data_handle(own->dst, (uint8_t *)v->dst + part->dst);
    dnnl_exec_arg_t args[5] = {{DNNL_ARG_SRC, own->src}, {DNNL_ARG_DST, own->dst},
                               {DNNL_ARG_SCRATCHPAD, own->scratchpad}};
    int count = 3;
    if (dtp_node_weights_md(net->plan, node)) {
        dnnl_memory_t weights = dtp_weights_memory(p->weights, node->layer);
        dnnl_memory_t bias = dtp_weights_bias(p->weights, node->layer);
        s = s || !part->narrow ? s : point_at(own->weights, weights, part->weights);
        s = s || !part->narrow ? s : point_at(own->bias, bias, part->bias);
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, part->narrow ? own->weights : weights};
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, part->narrow ? own->bias : bias};
    }
    s = s ? s : dnnl_primitive_execute(net->primitives[node->first_part + index], net->stream, count, args);
    return s ? s : dnnl_stream_wait(net->stream);
}

static dnnl_status_t run_primitives(const dtp_pass *p, const dtp_visit *v)
{
    int parts = p->net->plan->nodes[v->node].n_parts;
    dnnl_status_t s = dnnl_success;
    if (v->part >= 0)
        return run_part(p, v, v->part);
    for (int i = 0; i < parts && !s; i++)
        s = run_part(p, v, i);
    return s;
}

static void locate(const dtp_pass *p, dtp_visit *v)
{
    const dtp_node *node = &p->net->plan->nodes[v->node];
    v->src = dtp_net_address(p->net, node->src, v->first, v->home);
    v->dst = dtp_net_address(p->net, node->dst, v->first, v->home);
}

/* Asks, tells and checks: whether the visit may begin. */
static bool admit(dtp_pass *p, const dtp_visit *v)
{
    deeptepp_error error;
    if (stopped(p, v->first))
        return false;
    int done = (int)(1000 * (double)atomic_load(&p->done) / p->net->macs);
    deeptepp_status status = dtp_watch_step(p->watch, done, &error);
    status = status || p->timing ? status : dtp_check_reach(p, v, &error);
    if (status != DEEPTEPP_OK)
        fail(p, v->first, status, &error);
    return status == DEEPTEPP_OK;
}

/* team: for a form. */
static void make_visit(dtp_pass *p, const dtp_visit *v, dtp_team *team)
{
    const dtp_net *net = p->net;
    const dtp_node *node = &net->plan->nodes[v->node];
    deeptepp_error error;
    dnnl_status_t s = node->form ? run_form(p, v, team) : run_primitives(p, v);
    if (s)
        fail(p, v->first, dtp_backend_fail(&error, s, "running a layer"), &error);
    double share = v->part >= 0 ? 1.0 / node->n_parts : 1.0;
    atomic_fetch_add(&p->done, (long long)(share * dtp_node_macs(net, node) * (double)v->images));
}

/* ---- All of them ---- */

/* Whole chunks through all layers of the stage, on one lane. */
static void run_chunks(void *argument, int lane, int64_t first, int64_t last)
{
    dtp_pass *p = argument;
    const dtp_plan *plan = p->net->plan;
    int64_t chunk = p->stage->chunk;
    for (int64_t image = first * chunk; image < last * chunk; image += chunk)
        for (int node = p->first_node; node <= p->last_node; node++) {
            int64_t images = plan->nodes[node].form ? chunk : 1;
            for (int64_t i = 0; i < chunk; i += images) {
                dtp_visit v = {.lane = lane, .node = node, .home = lane, .first = image + i, .images = images,
                               .part = -1};
                locate(p, &v);
                dtp_team_spread(p->team, lane);
                if (admit(p, &v))
                    make_visit(p, &v, dtp_team_alone(p->team, lane));
            }
        }
}

/* Of the images in hand, from p->first_image on: in the memory of one lane a chunk. */
static dtp_visit visit_of(const dtp_pass *p, int64_t image, int64_t images)
{
    dtp_visit v = {.node = p->node, .first = image, .images = images, .part = -1,
                   .home = (int)((image - p->first_image) / p->stage->chunk)};
    locate(p, &v);
    return v;
}

static void run_parts(void *argument, int lane, int64_t first, int64_t last)
{
    dtp_pass *p = argument;
    int parts = p->net->plan->nodes[p->node].n_parts;
    for (int64_t i = first; i < last; i++) {
        dtp_visit v = visit_of(p, p->first_image + i / parts, 1);
        v.lane = lane;
        v.part = (int)(i % parts);
        if (!stopped(p, v.first) && !dtp_watch_cancelled(p->watch))
            make_visit(p, &v, NULL);
    }
}

/* The node in hand on images that are left: side by side, in the slabs they are cut into or, in a form, chunk after
 * chunk in what it divides itself into. */
static void run_node(dtp_pass *p)
{
    const dtp_plan *plan = p->net->plan;
    const dtp_node *node = &plan->nodes[p->node];
    int64_t step = node->form ? p->stage->chunk : 1;
    for (int64_t image = p->first_image; image < plan->batch; image += step) {
        dtp_visit v = visit_of(p, image, step);
        if (admit(p, &v) && node->form)
            make_visit(p, &v, p->team);
    }
    if (!node->form)
        dtp_team_for(p->team, (plan->batch - p->first_image) * node->n_parts, 1, run_parts, p);
    dtp_merge_bounds(p->net, node->dst);
}

/* Nodes first to last of a stage, for all images: chunk by chunk on every lane as long as there is one for each, what
 * is left together, node by node. */
static void run_nodes(dtp_pass *p, const dtp_stage *stage, int first_node, int last_node)
{
    const dtp_plan *plan = p->net->plan;
    int64_t side_by_side = dtp_plan_side_by_side(plan, stage);
    p->stage = stage;
    p->first_node = first_node;
    p->last_node = last_node;
    dtp_team_for(p->team, side_by_side, 1, run_chunks, p);
    for (int node = first_node; node <= last_node; node++)
        dtp_merge_bounds(p->net, plan->nodes[node].dst);
    p->first_image = side_by_side * stage->chunk;
    for (p->node = first_node; p->node <= last_node && p->first_image < plan->batch; p->node++)
        if (!stopped(p, p->first_image))
            run_node(p);
}

/* The team may be another than the plan's: after fork() it is made anew. */
static deeptepp_status begin_pass(dtp_pass *p, deeptepp_error *error)
{
    const dtp_net *net = p->net;
    const dtp_plan *plan = net->plan;
    dnnl_status_t s = dtp_backend_room();
    if (s)
        return dtp_backend_fail(error, s, "running the network");
    if (dtp_team_lanes(p->team) != plan->lanes)
        return dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "network: planned for %d threads, run on %d", plan->lanes,
                        dtp_team_lanes(p->team));
    size_t count = (size_t)plan->batch * dtp_shape_size(plan->graph->values[0]);
    double input = dtp_largest(dtp_net_address(net, 0, 0, 0), count, p->team);
    for (int i = 0; i < plan->lanes; i++) {
        memset(net->lanes[i].bounds, 0, (size_t)plan->n_tensors * sizeof *net->lanes[i].bounds);
        net->lanes[i].bounds[0] = input;
    }
    return DEEPTEPP_OK;
}

#define PASS(net, weights, watch)                                                                                      \
    {.net = net, .weights = weights, .watch = watch, .team = dtp_watch_team(watch), .lock = PTHREAD_MUTEX_INITIALIZER, \
     .failed = INT64_MAX}

deeptepp_status dtp_net_run(dtp_net *net, const dtp_weights *weights, float *out, dtp_watch *watch,
                            deeptepp_error *error)
{
    const dtp_plan *plan = net->plan;
    dtp_pass p = PASS(net, weights, watch);
    deeptepp_status status = begin_pass(&p, error);
    for (int i = 0; i < plan->n_stages && status == DEEPTEPP_OK && p.status == DEEPTEPP_OK; i++)
        run_nodes(&p, &plan->stages[i], plan->stages[i].first, plan->stages[i].last);
    if (status != DEEPTEPP_OK)
        return status;
    if (p.status != DEEPTEPP_OK && error)
        *error = p.error;
    if (p.status != DEEPTEPP_OK)
        return p.status;
    if (dtp_watch_cancelled(watch)) /* a form stopped early */
        return dtp_watch_ask(watch, error);
    size_t classes = dtp_shape_size(plan->graph->values[plan->graph->n_layers]);
    memcpy(out, dtp_net_address(net, plan->output, 0, 0), (size_t)plan->batch * classes * sizeof *out);
    return DEEPTEPP_OK;
}

/* ---- Timing ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static deeptepp_status profile_node(dtp_pass *p, int node, double *seconds, deeptepp_error *error)
{
    const dtp_plan *plan = p->net->plan;
    double start = now();
    run_nodes(p, &plan->stages[plan->nodes[node].stage], node, node);
    *seconds = now() - start;
    if (p->status != DEEPTEPP_OK && error)
        *error = p->error;
    return p->status;
}

deeptepp_status dtp_net_profile(dtp_net *net, const dtp_weights *weights, int repeats, dtp_step_info *out, int *count,
                                dtp_watch *watch, deeptepp_error *error)
{
    const dtp_plan *plan = net->plan;
    dtp_pass p = PASS(net, weights, watch);
    deeptepp_status begun = begin_pass(&p, error);
    *count = plan->n_nodes;
    if (begun != DEEPTEPP_OK)
        return begun;
    p.timing = true;
    for (int n = 0; n < plan->n_nodes; n++) {
        const dtp_node *node = &plan->nodes[n];
        out[n] = (dtp_step_info){
            .layer = node->layer < 0 ? "reorder" : plan->graph->layers[node->layer].name,
            .seconds = 1e9,
            .macs = node->layer < 0 ? 0 : dtp_layer_macs(plan->graph, node->layer) * (double)plan->batch,
            .chunk = plan->stages[node->stage].chunk,
            .convolution = node->layer >= 0 && plan->graph->layers[node->layer].op == DTP_CONVOLUTION,
        };
        dtp_format(out[n].implementation, sizeof out[n].implementation, "%s", dtp_node_implementation(node));
        for (int r = 0; r < repeats; r++) {
            double seconds = 0;
            deeptepp_status status = profile_node(&p, n, &seconds, error);
            if (status != DEEPTEPP_OK)
                return status;
            out[n].seconds = seconds < out[n].seconds ? seconds : out[n].seconds;
        }
    }
    return DEEPTEPP_OK;
}
