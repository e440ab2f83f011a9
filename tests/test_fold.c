/* BatchNorm folded into the convolution before it, against the same sums in double; and weights no score may rest
 * on. */
#include "arch_subject.h"

#include <float.h>
#include <math.h>

/* A folded number is rounded to float32 once: half a last place, and the rounding of the double arithmetic. */
static const double LAST_PLACE = 6.1e-8;

typedef struct folded {
    float *weights, *bias;
} folded;

static folded fold(arch_subject *s, int member, const char *name)
{
    folded f;
    if (dtp_arch_fold(&s->arch, &s->network, &s->file, member, arch_layer(s, name), &f.weights, &f.bias, NULL,
                      &s->error) != DEEPTEPP_OK)
        fail_msg("%s: %s", name, s->error.message);
    return f;
}

static void folded_free(folded *f)
{
    free(f->weights);
    free(f->bias);
}

static const float *values(const arch_subject *s, const char *prefix, const char *base, const char *part)
{
    char name[192];
    snprintf(name, sizeof name, "%s%s%s", prefix, base, part);
    const tiny_tensor *tensor = tiny_model_find(&s->model, name);
    return tensor ? tensor->values : NULL;
}

static void assert_near(double found, double wanted, double scale, const char *what)
{
    if (!(fabs(found - wanted) <= LAST_PLACE * fmax(fabs(wanted), scale)))
        fail_msg("%s: found %.9g, wanted %.9g", what, found, wanted);
}

static void check_fold(arch_subject *s, int member, const char *prefix, const char *name, const char *norm)
{
    const dtp_graph *graph = &s->arch.graph;
    int layer = arch_layer(s, name);
    int64_t oc = graph->values[layer + 1].c, each = (int64_t)dtp_layer_weights(graph, layer) / oc;
    const float *weight = values(s, prefix, name, ".weight"), *bias = values(s, prefix, name, ".bias");
    folded f = fold(s, member, name);
    for (int64_t c = 0; c < oc; c++) {
        double gain = 1, shift = 0, mean = 0;
        if (norm) {
            gain = values(s, prefix, norm, ".weight")[c] / sqrt(values(s, prefix, norm, ".running_var")[c] + 1e-5);
            shift = values(s, prefix, norm, ".bias")[c];
            mean = values(s, prefix, norm, ".running_mean")[c];
        }
        for (int64_t i = 0; i < each; i++)
            assert_near(f.weights[c * each + i], gain * weight[c * each + i], 0, name);
        assert_near(f.bias[c], gain * ((bias ? bias[c] : 0) - mean) + shift, 1, name);
    }
    folded_free(&f);
}

static void every_layer_folds_as_in_double(void **state)
{
    static const char *const layers[][2] = {
        {"conv1", "bn1"},
        {"layer1.0.conv1", "layer1.0.bn1"},
        {"layer2.0.conv2", "layer2.0.bn2"},
        {"layer3.0.downsample.0", "layer3.0.downsample.1"},
        {"layer4.0.conv2", "layer4.0.bn2"},
        {"fc", NULL},
    };
    const tiny_options options = {.seed = 1, .downsample_bias = true, .members = 2};
    (void)state;
    arch_subject *s = arch_accept(&options);
    for (size_t i = 0; i < DTP_COUNT(layers); i++) {
        check_fold(s, 1, "fold1.", layers[i][0], layers[i][1]);
        check_fold(s, 0, "fold0.", layers[i][0], layers[i][1]);
    }
    arch_free(s);
}

/* A tiny variance and a large mean: in float32 the difference would be lost. */
static void hard_statistics_fold_as_in_double(void **state)
{
    const tiny_options options = {.seed = 2};
    (void)state;
    arch_subject *s = arch_make(&options);
    tiny_model_find(&s->model, "bn1.running_var")->values[0] = 0;
    tiny_model_find(&s->model, "bn1.running_var")->values[1] = 1e-9f;
    tiny_model_find(&s->model, "bn1.running_var")->values[2] = 1e8f;
    tiny_model_find(&s->model, "bn1.running_mean")->values[1] = 1234.567f;
    tiny_model_find(&s->model, "bn1.bias")->values[1] = 3e5f;
    tiny_model_find(&s->model, "bn1.weight")->values[2] = -0.0f;
    tiny_model_find(&s->model, "bn1.weight")->values[3] = -7;
    if (arch_build(s) != DEEPTEPP_OK)
        fail_msg("%s", s->error.message);
    check_fold(s, 0, "", "conv1", "bn1");
    arch_free(s);
}

static void a_bias_before_a_norm_is_folded(void **state)
{
    const tiny_options options = {.seed = 3, .downsample_bias = true};
    (void)state;
    arch_subject *s = arch_make(&options);
    float *bias = tiny_model_find(&s->model, "layer2.0.downsample.0.bias")->values;
    for (int i = 0; i < 8; i++)
        bias[i] = 0.3f * (float)(i - 1);
    if (arch_build(s) != DEEPTEPP_OK)
        fail_msg("%s", s->error.message);
    check_fold(s, 0, "", "layer2.0.downsample.0", "layer2.0.downsample.1");
    arch_free(s);
}

static void what_was_folded_is_given_back(void **state)
{
    const tiny_options options = {.seed = 4};
    (void)state;
    arch_subject *s = arch_accept(&options);
    folded f = fold(s, 0, "layer1.0.conv1");
    folded_free(&f);
    assert_null(dtp_safetensors_find(&s->file, "layer1.0.conv1.weight")->data);
    assert_non_null(dtp_safetensors_find(&s->file, "layer1.0.conv2.weight")->data);
    arch_free(s);
}

/* Shortcut A has no tensors: its convolution copies what is there and makes zeros of the rest. */
static void shortcut_a_copies_and_appends_zeros(void **state)
{
    const tiny_options options = {.seed = 5, .shortcut_a = true};
    (void)state;
    arch_subject *s = arch_accept(&options);
    int layer = arch_layer(s, "layer3.0.downsample.0");
    assert_int_equal(s->arch.graph.values[s->arch.graph.layers[layer].src].c, 8);
    assert_int_equal(s->arch.graph.values[layer + 1].c, 16);
    folded f = fold(s, 0, "layer3.0.downsample.0");
    for (int oc = 0; oc < 16; oc++) {
        assert_true(f.bias[oc] == 0);
        for (int ic = 0; ic < 8; ic++)
            assert_true(f.weights[oc * 8 + ic] == (oc == ic ? 1 : 0));
    }
    folded_free(&f);
    arch_free(s);
}

static void the_shortcuts_tensors_are_those_of_its_type(void **state)
{
    const tiny_options a = {.shortcut_a = true, .patch = "{\"network\": {\"shortcut\": \"B\"}}"},
                       b = {.patch = "{\"network\": {\"shortcut\": \"A\"}}"};
    (void)state;
    arch_refuse(arch_make(&a), DEEPTEPP_ERR_MODEL_TENSORS, "missing tensor layer2.0.downsample.0.weight");
    arch_refuse(arch_make(&b), DEEPTEPP_ERR_MODEL_TENSORS, "unexpected tensor layer2.0.downsample.0.weight");
}

/* ---- weights no score may rest on ---- */

typedef struct fault {
    const char *tensor;
    int element;
    float value;
    deeptepp_status status;
    const char *part;
} fault;

/* Through the whole opening of a model: the one fault is found among all layers and members. */
static void refuse_value(const tiny_options *options, const fault *f)
{
    deeptepp_error error;
    deeptepp_model *model = (deeptepp_model *)&error;
    tiny_model tiny = tiny_model_make(options);
    tiny_model_find(&tiny, f->tensor)->values[f->element] = f->value;
    tiny_bytes bytes = tiny_model_write(&tiny);
    deeptepp_status status = deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, &error);
    assert_string_equal(deeptepp_status_name(status), deeptepp_status_name(f->status));
    assert_null(model);
    assert_says(error.message, f->tensor);
    assert_says(error.message, f->part);
    free(bytes.data);
    tiny_model_free(&tiny);
}

static void bad_weights_are_named(void **state)
{
    const fault faults[] = {
        {"conv1.weight", 5, NAN, DEEPTEPP_ERR_MODEL_NONFINITE, "index 5"},
        {"layer4.0.conv2.weight", 1000, INFINITY, DEEPTEPP_ERR_MODEL_NONFINITE, "index 1000"},
        {"layer2.0.bn1.weight", 0, -INFINITY, DEEPTEPP_ERR_MODEL_NONFINITE, "index 0"},
        {"layer2.0.downsample.1.bias", 7, NAN, DEEPTEPP_ERR_MODEL_NONFINITE, "index 7"},
        {"bn1.running_mean", 3, NAN, DEEPTEPP_ERR_MODEL_NONFINITE, "index 3"},
        {"bn1.running_var", 2, NAN, DEEPTEPP_ERR_MODEL_NONFINITE, "index 2"},
        {"fc.weight", 63, NAN, DEEPTEPP_ERR_MODEL_NONFINITE, "index 63"},
        {"fc.bias", 1, INFINITY, DEEPTEPP_ERR_MODEL_NONFINITE, "index 1"},
        {"layer3.0.bn2.running_var", 9, -0.25f, DEEPTEPP_ERR_MODEL_VARIANCE, "element 9 is -0.25"},
        {"bn1.running_var", 0, -FLT_MIN, DEEPTEPP_ERR_MODEL_VARIANCE, "element 0"},
    };
    const tiny_options options = {.seed = 6};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(faults); i++)
        refuse_value(&options, &faults[i]);
}

static void a_bad_weight_of_any_member_is_named(void **state)
{
    const fault bad = {"fold2.layer1.0.conv1.weight", 3, NAN, DEEPTEPP_ERR_MODEL_NONFINITE, "index 3"};
    const tiny_options options = {.seed = 7, .members = 3};
    (void)state;
    refuse_value(&options, &bad);
}

/* Each number finite, and one of them not once they are multiplied. */
static void an_overflow_in_the_fold_is_found(void **state)
{
    const tiny_options options = {.seed = 8};
    (void)state;
    static const char *const parts[] = {"bn1.weight", "bn1.running_mean"};
    for (size_t i = 0; i < DTP_COUNT(parts); i++) {
        arch_subject *s = arch_make(&options);
        deeptepp_model *model = NULL;
        tiny_model_find(&s->model, parts[i])->values[2] = 3e38f;
        tiny_model_find(&s->model, "bn1.running_var")->values[2] = 0;
        tiny_bytes bytes = tiny_model_write(&s->model);
        assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, &s->error),
                         DEEPTEPP_ERR_MODEL_NONFINITE);
        assert_says(s->error.message, "layer conv1");
        free(bytes.data);
        arch_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_folds_as_in_double),
        cmocka_unit_test(hard_statistics_fold_as_in_double),
        cmocka_unit_test(a_bias_before_a_norm_is_folded),
        cmocka_unit_test(what_was_folded_is_given_back),
        cmocka_unit_test(shortcut_a_copies_and_appends_zeros),
        cmocka_unit_test(the_shortcuts_tensors_are_those_of_its_type),
        cmocka_unit_test(bad_weights_are_named),
        cmocka_unit_test(a_bad_weight_of_any_member_is_named),
        cmocka_unit_test(an_overflow_in_the_fold_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
