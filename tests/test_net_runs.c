/* What a net promises from run to run, and of its memory. */
#include "net_subject.h"

#include <malloc.h>
#include <math.h>

#include "recipe_maker.h"

static void a_run_leaves_its_input_alone(void **state)
{
    subject s;
    (void)state;
    begin(&s, &staged, 2);
    for (int64_t batch = 1; batch <= 10; batch += 3) {
        make_net(&s, batch);
        on_worker(&s, run_job);
        assert_memory_equal(dtp_net_input(s.net), s.input, (size_t)batch * image_size(&s) * sizeof *s.input);
    }
    end(&s);
}

/* Huge values that spread to every cell of the arena and show in whatever reads what it did not write. */
static void a_run_remembers_nothing_of_the_one_before(void **state)
{
    const float poisons[] = {1e12f, -1e12f};
    const tiny_options options = {.seed = 12, .size = {32, 32, 32}, .width = 5, .activation = "leaky_relu"};
    float clean[6 * 2];
    subject s;
    (void)state;
    begin(&s, &options, 2);
    make_net(&s, 6);
    on_worker(&s, run_job);
    memcpy(clean, s.logits, sizeof clean);
    float *input = s.input, *poisoned = malloc(6 * image_size(&s) * sizeof *poisoned);
    for (size_t p = 0; p < DTP_COUNT(poisons); p++) {
        for (size_t i = 0; i < 6 * image_size(&s); i++)
            poisoned[i] = poisons[p];
        s.input = poisoned;
        on_worker(&s, run_job);
        assert_true(fabsf(s.logits[0]) > 1e6f);
        s.input = input;
        on_worker(&s, run_job);
        assert_memory_equal(s.logits, clean, sizeof clean);
    }
    free(poisoned);
    end(&s);
}

/* Beyond what the plan says there are only the gap before a huge page, for each of two blocks, and small things:
 * primitives, memory handles. */
static void a_net_takes_the_memory_its_plan_states(void **state)
{
    subject s;
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("skipped: the address sanitizer does not count allocations\n");
    skip();
#endif
    begin(&s, &staged, 1);
    make_net(&s, 10); /* once before, so that the backend's caches are warm */
    on_worker(&s, end_job);
    s.net = NULL;
    struct mallinfo2 before = mallinfo2();
    make_net(&s, 10);
    struct mallinfo2 after = mallinfo2();
    size_t stated = dtp_plan_bytes(s.plan);
    size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_in_range(taken, stated, stated + (5 << 20));
    assert_true(stated >= 10 * image_size(&s) * sizeof(float));
    end(&s);
}

static void a_cancelled_net_is_not_made_and_not_run(void **state)
{
    subject s;
    deeptepp_error error;
    dtp_plan *plan = (dtp_plan *)&s;
    dtp_watch yes = {.cancelled = true};
    (void)state;
    begin(&s, &staged, 1);
    assert_int_equal(dtp_plan_new(&plan, &s.arch.graph, 1, NULL, &yes, &error), DEEPTEPP_ERR_CANCELLED);
    assert_null(plan);
    s.cancelled = true;
    s.batch = 1;
    assert_int_equal(dtp_worker_run(s.worker, net_job, &s, NULL, &error), DEEPTEPP_ERR_CANCELLED);
    assert_null(s.net);
    s.cancelled = false;
    make_net(&s, 1);
    s.cancelled = true;
    assert_int_equal(dtp_worker_run(s.worker, run_job, &s, NULL, &error), DEEPTEPP_ERR_CANCELLED);
    s.cancelled = false;
    on_worker(&s, run_job);
    end(&s);
}

/* Whatever stood when the cancellation came is given back. Without its cache the backend takes some milliseconds. */
static void a_net_cancelled_half_way_leaks_nothing(void **state)
{
    int cancelled = 0, capacity = 0;
    subject s;
    (void)state;
    dnnl_get_primitive_cache_capacity(&capacity);
    dnnl_set_primitive_cache_capacity(0);
    begin(&s, &staged, 1);
    for (int i = 0; i < 300 && cancelled < 10; i++) {
        s.batch = 1 + i % MAX_BATCH;
        s.cancel_us = 1 + 97 * i % 4000;
        cancelled += dtp_worker_run(s.worker, net_job, &s, NULL, NULL) == DEEPTEPP_ERR_CANCELLED;
    }
    end(&s);
    dnnl_set_primitive_cache_capacity(capacity);
    if (!cancelled) {
        print_message("skipped: every net was made before it could be cancelled\n");
        skip();
    }
}

typedef struct profile {
    subject *s;
    dtp_step_info steps[2 * DTP_MAX_LAYERS];
    int count;
} profile;

static deeptepp_status profile_job(void *argument, dtp_job *job)
{
    profile *p = argument;
    return dtp_net_profile(p->s->net, p->s->weights[0], 1, p->steps, &p->count, &job->watch, &job->error);
}

static void a_profile_covers_every_layer(void **state)
{
    static profile p;
    subject s;
    double macs = 0, wanted = 0;
    (void)state;
    begin(&s, &staged, 1);
    make_net(&s, 3);
    p.s = &s;
    assert_int_equal(dtp_worker_run(s.worker, profile_job, &p, NULL, NULL), DEEPTEPP_OK);
    for (int i = 0; i < p.count; i++) {
        macs += p.steps[i].convolution ? p.steps[i].macs : 0;
        assert_true(p.steps[i].seconds >= 0 && p.steps[i].seconds < 1e8);
    }
    for (int i = 0; i < s.arch.graph.n_layers; i++)
        wanted += 3 * dtp_layer_macs(&s.arch.graph, i);
    assert_true(macs == wanted);
    if (strcmp(p.steps[p.count - 1].layer, "reorder") == 0) /* where the logits are blocked */
        p.count--;
    assert_string_equal(p.steps[p.count - 1].layer, "fc");
    end(&s);
}

/* ---- What the backend's fallbacks are ---- */

static bool is_isa(const char *name)
{
    return strcmp(dtp_backend_isa(), name) == 0;
}

/* tests/test_c.py runs this for several instruction sets. */
static void layers_on_slow_code_are_named(void **state)
{
    const char *name, *implementation;
    int convolutions = 0, slow = 0;
    subject s;
    (void)state;
    begin(&s, &staged, 1);
    make_net(&s, 3);
    for (int i = 0; i < s.arch.graph.n_layers; i++) {
        dtp_shape out = s.arch.graph.values[i + 1];
        bool linear = out.d * out.h * out.w == 1; /* which a product of matrices serves well */
        convolutions += s.arch.graph.layers[i].op == DTP_CONVOLUTION && !linear;
    }
    for (; (name = dtp_net_slow_layer(s.net, slow, &implementation)); slow++)
        assert_true(strstr(implementation, "gemm") && !strstr(implementation, "ref"));
    if (is_isa("SSE4.1"))
        assert_int_equal(slow, convolutions);
    else if (!is_isa("AVX") && !is_isa("AVX2")) /* there it depends on the backend's version */
        assert_int_equal(slow, 0);
    end(&s);
}

/* The header of a model file; what is not asked for its values needs none. */
typedef struct header {
    char text[1 << 16];
    size_t used, data;
} header;

static void write_text(header *h, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    h->used += (size_t)vsnprintf(h->text + h->used, sizeof h->text - h->used, format, arguments);
    va_end(arguments);
    assert_true(h->used < sizeof h->text);
}

static void write_tensor(header *h, const char *prefix, const char *name, int rank, const int64_t *shape)
{
    size_t begin = h->data, bytes = sizeof(float);
    write_text(h, "%c\"%s%s\":{\"dtype\":\"F32\",\"shape\":", h->used ? ',' : '{', prefix, name);
    for (int i = 0; i < rank; i++) {
        write_text(h, "%c%d", i ? ',' : '[', (int)shape[i]);
        bytes *= (size_t)shape[i];
    }
    h->data += bytes;
    write_text(h, "],\"data_offsets\":[%zu,%zu]}", begin, h->data);
}

static void write_norm(header *h, const char *prefix, const char *name, int64_t channels)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t i = 0; i < DTP_COUNT(parts); i++) {
        char full[64];
        snprintf(full, sizeof full, "%s.%s", name, parts[i]);
        write_tensor(h, prefix, full, 1, &channels);
    }
}

static void write_convolution(header *h, const char *prefix, const char *name, const char *norm, int rank,
                              const int64_t shape[3])
{
    const int64_t full[] = {shape[0], shape[1], shape[2], shape[2], shape[2]};
    char weight[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    write_tensor(h, prefix, weight, rank, full);
    write_norm(h, prefix, norm, shape[0]);
}

static void write_linear(header *h, const char *prefix, const char *name, int64_t out, int64_t in)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    write_tensor(h, prefix, full, 2, (const int64_t[]){out, in});
    snprintf(full, sizeof full, "%s.bias", name);
    write_tensor(h, prefix, full, 1, &out);
}

#define SHAPE(...) ((const int64_t[3]){__VA_ARGS__})

static int64_t write_block(header *h, const char *prefix, int rank, bool bottleneck, int64_t planes, int64_t in)
{
    int64_t out = bottleneck ? 4 * planes : planes;
    write_convolution(h, prefix, "conv1", "bn1", rank, SHAPE(planes, in, bottleneck ? 1 : 3));
    write_convolution(h, prefix, "conv2", "bn2", rank, SHAPE(planes, planes, 3));
    if (bottleneck)
        write_convolution(h, prefix, "conv3", "bn3", rank, SHAPE(out, planes, 1));
    if (in != out)
        write_convolution(h, prefix, "downsample.0", "downsample.1", rank, SHAPE(out, in, 1));
    return out;
}

static void write_resnet(header *h, const char *prefix, int rank, bool bottleneck, int64_t planes)
{
    static const int blocks[2][4] = {{2, 2, 2, 2}, {3, 4, 6, 3}};
    char block[64];
    int64_t in = 64;
    write_convolution(h, prefix, "conv1", "bn1", rank, SHAPE(64, planes, 7));
    for (int layer = 0; layer < 4; layer++) {
        for (int b = 0; b < blocks[bottleneck][layer]; b++) {
            snprintf(block, sizeof block, "%slayer%d.%d.", prefix, layer + 1, b);
            in = write_block(h, block, rank, bottleneck, 64 << layer, in);
        }
    }
    if (rank == 5)
        write_linear(h, prefix, "fc", 2, in);
}

static void write_pmg(header *h)
{
    static const char *const heads[] = {"classifier1.", "classifier2.", "classifier3.", "classifier_concat."};
    write_resnet(h, "features.", 4, true, 3);
    for (int i = 0; i < 4; i++) {
        int64_t features = i == 3 ? 3 * 1024 : 1024;
        char block[32];
        snprintf(block, sizeof block, "conv_block%d.", i + 1);
        if (i < 3)
            write_convolution(h, block, "0.conv", "0.bn", 4, SHAPE(512, 512 << i, 1));
        if (i < 3)
            write_convolution(h, block, "1.conv", "1.bn", 4, SHAPE(1024, 512, 3));
        write_norm(h, heads[i], "0", features);
        write_linear(h, heads[i], "1", 512, features);
        write_norm(h, heads[i], "2", 512);
        write_linear(h, heads[i], "4", 2, 512);
    }
}

static void build_from(subject *s, header *h, bool pmg)
{
    static const char *const networks[] = {
        "{'architecture': 'resnet3d', 'stem_stride': [1, 2, 2], 'stem_pool': true, 'layer_strides': [1, 2, 2, 2],"
        " 'layer_dilations': [1, 1, 1, 1], 'shortcut': 'B', 'activation': 'relu'}",
        "{'architecture': 'pmg2d'}"};
    deeptepp_error error;
    write_text(h, "}");
    if (dtp_safetensors_parse(&s->file, h->text, h->used, h->data, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    json_t *description = json_of(networks[pmg]);
    dtp_json_check check = {.error = &error};
    dtp_json_value *tree = json_read_tree(description);
    dtp_json json = dtp_json_root(tree, "network", &check);
    dtp_network_parse(&s->network, &json);
    const int64_t cube[] = {64, 64, 64}, mosaic[] = {1, 512, 512};
    if (dtp_arch_build(&s->arch, &s->network, &s->file, 1, pmg ? mosaic : cube, NULL, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    json_decref(description);
    free(tree);
}

static deeptepp_status plan_job(void *argument, dtp_job *job)
{
    subject *s = argument;
    return dtp_plan_new(&s->plan, &s->arch.graph, s->batch, NULL, &job->watch, &job->error);
}

/* Hundreds of times slower than any other: minutes a score. */
static void assert_no_plain_loops(subject *s, const char *what)
{
    for (s->batch = 1; s->batch <= 10; s->batch += 9) {
        on_worker(s, plan_job);
        for (int i = 0; i < s->plan->n_nodes; i++) {
            const dtp_node *node = &s->plan->nodes[i];
            if (node->layer >= 0 && strstr(dtp_node_implementation(node), "ref"))
                fail_msg("%s, batch %d: layer %s runs on %s", what, (int)s->batch,
                         s->arch.graph.layers[node->layer].name, dtp_node_implementation(node));
        }
        dtp_plan_free(s->plan);
    }
}

static void no_layer_of_published_width_is_left_to_plain_loops(void **state)
{
    static const char *const names[] = {"resnet18", "resnet50", "pmg2d"};
    static header h;
    (void)state;
    for (int i = 0; i < 3; i++) {
        subject s = {.batch = 1};
        h.used = h.data = 0;
        if (i == 2)
            write_pmg(&h);
        else
            write_resnet(&h, "", 5, i == 1, 1);
        build_from(&s, &h, i == 2);
        assert_int_equal(dtp_worker_start(&s.worker, 2, NULL), DEEPTEPP_OK);
        assert_no_plain_loops(&s, names[i]);
        dtp_worker_stop(s.worker);
        dtp_safetensors_free(&s.file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_leaves_its_input_alone),
        cmocka_unit_test(a_run_remembers_nothing_of_the_one_before),
        cmocka_unit_test(a_net_takes_the_memory_its_plan_states),
        cmocka_unit_test(a_cancelled_net_is_not_made_and_not_run),
        cmocka_unit_test(a_net_cancelled_half_way_leaks_nothing),
        cmocka_unit_test(a_profile_covers_every_layer),
        cmocka_unit_test(layers_on_slow_code_are_named),
        cmocka_unit_test(no_layer_of_published_width_is_left_to_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
