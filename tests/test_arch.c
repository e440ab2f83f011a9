/* From a file's tensors to a network: what shapes tell, and every way in which they can be wrong. */
#include "arch_subject.h"

/* ---- what shapes tell ---- */

static void depth_width_kernel_and_classes_are_read_from_shapes(void **state)
{
    static const struct {
        tiny_options options;
        int layers; /* stem, pool, two or three a block, a projection where the shape changes, average, fc */
    } cases[] = {
        {{.depth = 10, .width = 5, .classes = 2}, 1 + 2 * 4 + 3 + 2},
        {{.depth = 18, .width = 3, .classes = 7, .pool = true}, 2 + 2 * 8 + 3 + 2},
        {{.depth = 34, .width = 4, .classes = 1, .kernel = {7, 5, 3}}, 1 + 2 * 16 + 3 + 2},
        {{.depth = 50, .width = 2, .classes = 2, .kernel = {1, 1, 15}, .channels = 3}, 1 + 3 * 16 + 4 + 2},
        {{.depth = 18, .width = 4, .shortcut_a = true}, 1 + 2 * 8 + 3 + 2},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(cases); i++) {
        const tiny_options *o = &cases[i].options;
        arch_subject *s = arch_accept(o);
        assert_int_equal(s->arch.graph.n_layers, cases[i].layers);
        assert_int_equal(s->arch.classes, o->classes ? o->classes : 2);
        assert_int_equal(s->arch.graph.values[0].c, o->channels ? o->channels : 1);
        assert_int_equal(s->arch.graph.values[1].c, o->width);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(s->arch.graph.layers[0].kernel[k], o->kernel[k] ? o->kernel[k] : 3);
            assert_int_equal(s->arch.graph.layers[0].pad[k], (s->arch.graph.layers[0].kernel[k] - 1) / 2);
        }
        assert_int_equal(s->lines, 0);
        arch_free(s);
    }
}

static void assert_window(const arch_subject *s, const char *name, int64_t stride, int64_t dilation)
{
    const dtp_layer *layer = &s->arch.graph.layers[arch_layer(s, name)];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(layer->stride[i], stride);
        assert_int_equal(layer->dilation[i], dilation);
        assert_int_equal(layer->pad[i], dilation * (layer->kernel[i] - 1) / 2);
    }
}

/* The same tensors as MONAI's; only the description tells them apart. */
static void medicalnet_keeps_its_maps_and_dilates(void **state)
{
    const tiny_options medical = {.strides = {1, 2, 1, 1}, .dilations = {1, 1, 2, 4}, .stem_stride = 2, .pool = true};
    (void)state;
    arch_subject *s = arch_accept(&medical);
    assert_window(s, "conv1", 2, 1);
    assert_window(s, "layer2.0.conv1", 2, 1);
    assert_window(s, "layer3.0.conv1", 1, 2);
    assert_window(s, "layer3.0.conv2", 1, 2);
    assert_window(s, "layer4.0.conv1", 1, 4);
    assert_window(s, "layer4.0.conv2", 1, 4);
    assert_window(s, "layer4.0.downsample.0", 1, 1);
    assert_int_equal(s->arch.graph.values[arch_layer(s, "layer4.0.conv2") + 1].d, 2);
    arch_free(s);
}

static void a_basic_block_strides_first_and_a_bottleneck_second(void **state)
{
    const tiny_options basic = {.depth = 10}, bottleneck = {.depth = 50, .width = 2, .dilations = {1, 1, 3, 1}};
    (void)state;
    arch_subject *s = arch_accept(&basic);
    assert_window(s, "layer2.0.conv1", 2, 1);
    assert_window(s, "layer2.0.conv2", 1, 1);
    arch_free(s);
    s = arch_accept(&bottleneck);
    assert_window(s, "layer3.0.conv1", 1, 1);
    assert_window(s, "layer3.0.conv2", 2, 3);
    assert_window(s, "layer3.0.conv3", 1, 1);
    arch_free(s);
}

static void batch_counters_may_be_there(void **state)
{
    const tiny_options options = {.seed = 1};
    const int64_t scalar[] = {0};
    (void)state;
    arch_subject *s = arch_make(&options);
    tiny_model_add(&s->model, "bn1.num_batches_tracked", scalar)->dtype = "I64";
    tiny_model_add(&s->model, "layer2.0.downsample.1.num_batches_tracked", scalar)->dtype = "F32";
    assert_int_equal(arch_build(s), DEEPTEPP_OK);
    arch_free(s);
}

/* ---- what can be wrong ---- */

static void a_missing_tensor_is_named(void **state)
{
    static const char *const names[] = {"conv1.weight", "bn1.running_var", "layer1.0.conv2.weight", "layer1.0.bn2.bias",
                                        "layer3.0.downsample.0.weight", "layer4.0.downsample.1.running_mean",
                                        "fc.weight", "fc.bias"};
    const tiny_options options = {.seed = 2};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(names); i++) {
        char wanted[120];
        snprintf(wanted, sizeof wanted, "missing tensor %s", names[i]);
        arch_subject *s = arch_make(&options);
        tiny_model_drop(&s->model, names[i]);
        arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, wanted);
    }
}

static void replace(arch_subject *s, const char *name, const int64_t *shape)
{
    tiny_model_drop(&s->model, name);
    tiny_model_add(&s->model, name, shape);
}

/* One channel between two wide maps: the copying matrix would be a hundred times the file. */
static void a_shortcut_larger_than_the_file_is_refused(void **state)
{
    static const char *const norms[] = {"layer3.0.bn2", "layer4.0.bn2"};
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const tiny_options options = {.shortcut_a = true, .width = 2};
    const int64_t wide[] = {3000, 0}, one[] = {1, 0};
    char name[64];
    (void)state;
    arch_subject *s = arch_make(&options);
    for (int i = 0; i < 4; i++) {
        for (int n = 0; n < 2; n++) {
            snprintf(name, sizeof name, "%s.%s", norms[n], parts[i]);
            replace(s, name, wide);
        }
        snprintf(name, sizeof name, "layer4.0.bn1.%s", parts[i]);
        replace(s, name, one);
    }
    replace(s, "layer3.0.conv2.weight", (const int64_t[]){3000, 8, 3, 3, 3, 0});
    replace(s, "layer4.0.conv1.weight", (const int64_t[]){1, 3000, 3, 3, 3, 0});
    replace(s, "layer4.0.conv2.weight", (const int64_t[]){3000, 1, 3, 3, 3, 0});
    replace(s, "fc.weight", (const int64_t[]){2, 3000, 0});
    arch_refuse(s, DEEPTEPP_ERR_MODEL_VALUE, "shortcut layer4.0.downsample.0 copies 3000 channels into 3000");
}

static void a_shortcut_that_drops_channels_is_refused(void **state)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const tiny_options options = {.shortcut_a = true, .width = 4};
    const int64_t two[] = {2, 0};
    char name[64];
    (void)state;
    arch_subject *s = arch_make(&options);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "layer2.0.bn2.%s", parts[i]);
        replace(s, name, two);
    }
    replace(s, "layer2.0.conv2.weight", (const int64_t[]){2, 8, 3, 3, 3, 0});
    replace(s, "layer3.0.conv1.weight", (const int64_t[]){16, 2, 3, 3, 3, 0});
    arch_refuse(s, DEEPTEPP_ERR_MODEL_VALUE, "layer2.0.downsample.0 makes 2 channels of 4, wanted at least as many");
}

/* A later block that is gone makes the network shallower: what is left of it is unexpected. */
static void what_a_missing_block_leaves_behind_is_named(void **state)
{
    const tiny_options options = {.depth = 18};
    (void)state;
    arch_subject *s = arch_make(&options);
    tiny_model_drop(&s->model, "layer2.1.conv1.weight");
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "unexpected tensor layer2.1.bn1.weight");
}

static void an_unexpected_tensor_is_named(void **state)
{
    static const char *const names[] = {"conv_seg.0.weight", "module.conv1.weight", "layer1.0.conv3.bias",
                                        "layer5.0.conv1.weight", "layer1.0.downsample.0.weight", "x"};
    const tiny_options options = {.seed = 3};
    const int64_t shape[] = {4, 0};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(names); i++) {
        char wanted[120];
        snprintf(wanted, sizeof wanted, "unexpected tensor %s", names[i]);
        arch_subject *s = arch_make(&options);
        tiny_model_add(&s->model, names[i], shape);
        arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, wanted);
    }
}

static void a_name_with_a_line_break_stays_one_line(void **state)
{
    const tiny_options options = {.seed = 3};
    const int64_t shape[] = {4, 0};
    (void)state;
    arch_subject *s = arch_make(&options);
    tiny_model_add(&s->model, "two\nlines\x1b[31m", shape);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "unexpected tensor two?lines?[31m");
}

static void set_shape(arch_subject *s, const char *name, const int64_t *shape)
{
    tiny_model_drop(&s->model, name);
    tiny_model_add(&s->model, name, shape);
}

static void a_misshaped_tensor_is_named_with_both_shapes(void **state)
{
    static const struct {
        const char *name;
        int64_t shape[6];
        const char *wanted;
    } cases[] = {
        {"conv1.weight", {4, 2, 3, 3, 3}, "conv1.weight is [4, 2, 3, 3, 3], wanted [4, 1, 3, 3, 3]"},
        {"conv1.weight", {4, 1, 3, 3}, "conv1.weight is [4, 1, 3, 3], wanted [4, 1, "},
        {"conv1.weight", {108}, "conv1.weight is [108], wanted [108, 1, 1, 1, 1]"},
        {"bn1.weight", {5}, "bn1.weight is [5], wanted [4]"},
        {"bn1.running_mean", {4, 1}, "bn1.running_mean is [4, 1], wanted [4]"},
        {"layer2.0.conv2.weight", {8, 7, 3, 3, 3}, "layer2.0.conv2.weight is [8, 7, 3, 3, 3], wanted [8, 8, 3, 3, 3]"},
        {"layer2.0.downsample.0.weight",
         {9, 4, 1, 1, 1},
         "downsample.0.weight is [9, 4, 1, 1, 1], wanted [8, 4, 1, 1, 1]"},
        {"fc.weight", {2, 33}, "fc.weight is [2, 33], wanted [2, 32]"},
        {"fc.weight", {2}, "fc.weight is [2], wanted [2, 32]"},
        {"fc.bias", {3}, "fc.bias is [3], wanted [2]"},
    };
    const tiny_options options = {.seed = 4};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(cases); i++) {
        arch_subject *s = arch_make(&options);
        set_shape(s, cases[i].name, cases[i].shape);
        arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, cases[i].wanted);
    }
}

static void a_scalar_or_empty_weight_is_misshaped(void **state)
{
    const tiny_options options = {.seed = 5};
    const int64_t scalar[] = {0};
    (void)state;
    arch_subject *s = arch_make(&options);
    set_shape(s, "conv1.weight", scalar);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "conv1.weight is [], wanted [4, 1, 1, 1, 1]");
    s = arch_make(&options);
    tiny_tensor *fc = tiny_model_find(&s->model, "fc.weight");
    fc->shape[0] = 0;
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "fc.weight is [0, 32], wanted [1, 32]");
}

static void rewidth(arch_subject *s, const char *base, int64_t channels)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const int64_t shape[] = {channels, 0};
    char name[96];
    for (size_t i = 0; i < DTP_COUNT(parts); i++) {
        snprintf(name, sizeof name, "%s.%s", base, parts[i]);
        set_shape(s, name, shape);
    }
}

/* The sum is made in place: a projection of other channels than its block's would write past its memory. */
static void a_projection_makes_its_blocks_channels(void **state)
{
    const tiny_options options = {.seed = 10};
    (void)state;
    for (int64_t channels = 1; channels < 40; channels += 12) {
        const int64_t shape[] = {channels, 4, 1, 1, 1, 0};
        arch_subject *s = arch_make(&options);
        set_shape(s, "layer2.0.downsample.0.weight", shape);
        rewidth(s, "layer2.0.downsample.1", channels);
        arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, ", wanted [8, 4, 1, 1, 1]");
    }
}

/* More than fit into one message: the message counts them, the log has a line for each. */
static void every_finding_reaches_the_log(void **state)
{
    enum { EXTRA = 60 };
    const tiny_options options = {.seed = 6};
    const int64_t shape[] = {1, 0}, wrong[] = {5, 0};
    char name[64];
    (void)state;
    arch_subject *s = arch_make(&options);
    for (int i = 0; i < EXTRA; i++) {
        snprintf(name, sizeof name, "extra.%02d", i);
        tiny_model_add(&s->model, name, shape);
    }
    tiny_model_drop(&s->model, "fc.bias");
    set_shape(s, "bn1.bias", wrong);
    assert_int_equal(arch_build(s), DEEPTEPP_ERR_MODEL_TENSORS);
    assert_says(s->error.message, "1 missing, 60 unexpected, 1 mis-shaped");
    assert_null(strchr(s->error.message, '\n'));
    assert_int_equal(s->lines, EXTRA + 2);
    for (int i = 0; i < EXTRA; i++) {
        snprintf(name, sizeof name, "unexpected tensor extra.%02d\n", i);
        assert_says(s->log, name);
    }
    assert_says(s->log, "missing tensor fc.bias\n");
    assert_says(s->log, "mis-shaped tensor bn1.bias is [5], wanted [4]\n");
    arch_free(s);
}

static void a_file_of_something_else_is_refused_quietly(void **state)
{
    const tiny_options options = {.seed = 7};
    const int64_t shape[] = {3, 3, 0};
    (void)state;
    arch_subject *s = arch_make(&options);
    while (s->model.count)
        tiny_model_drop(&s->model, s->model.tensors[0].name);
    tiny_model_add(&s->model, "embedding", shape);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "unexpected tensor embedding");
}

static void the_stems_kernel_is_odd_and_at_most_15_the_others_are_fixed(void **state)
{
    static const struct {
        const char *name;
        int64_t shape[6];
        const char *wanted;
    } cases[] = {
        {"conv1.weight", {4, 1, 2, 3, 3}, "conv1.weight: kernel size 2"},
        {"conv1.weight", {4, 1, 3, 3, 6}, "conv1.weight: kernel size 6"},
        {"conv1.weight", {4, 1, 3, 17, 3}, "conv1.weight: kernel size 17"},
        {"layer4.0.conv2.weight",
         {32, 32, 3, 4, 3},
         "layer4.0.conv2.weight is [32, 32, 3, 4, 3], wanted [32, 32, 3, 3, 3]"},
        {"layer4.0.conv2.weight",
         {32, 32, 5, 5, 5},
         "layer4.0.conv2.weight is [32, 32, 5, 5, 5], wanted [32, 32, 3, 3, 3]"},
        {"layer2.0.downsample.0.weight", {8, 4, 3, 3, 3}, "is [8, 4, 3, 3, 3], wanted [8, 4, 1, 1, 1]"},
    };
    const tiny_options options = {.seed = 8};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(cases); i++) {
        arch_subject *s = arch_make(&options);
        set_shape(s, cases[i].name, cases[i].shape);
        arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, cases[i].wanted);
    }
}

/* All of a block's tensors gone: what is left is a network, but none that anybody trained. */
static void drop_block(arch_subject *s, const char *block)
{
    for (int i = 0; i < s->model.count;) {
        if (strncmp(s->model.tensors[i].name, block, strlen(block)) == 0)
            tiny_model_drop(&s->model, s->model.tensors[i].name);
        else
            i++;
    }
}

static void a_lost_block_is_seen(void **state)
{
    const tiny_options basic = {.depth = 18}, bottlenecks = {.depth = 50, .width = 2};
    (void)state;
    arch_subject *s = arch_make(&basic);
    drop_block(s, "layer3.1.");
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "2, 2, 1 and 2 basic blocks, wanted a ResNet of depth 10");
    s = arch_make(&bottlenecks);
    drop_block(s, "layer4.2.");
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "3, 4, 6 and 2 bottlenecks");
}

static void a_convolution_has_no_bias_of_its_own(void **state)
{
    const tiny_options options = {.seed = 8};
    const int64_t shape[] = {4, 0};
    (void)state;
    arch_subject *s = arch_make(&options);
    tiny_model_add(&s->model, "conv1.bias", shape);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "unexpected tensor conv1.bias");
}

static void an_integer_weight_is_refused(void **state)
{
    const tiny_options options = {.seed = 9};
    (void)state;
    arch_subject *s = arch_make(&options);
    tiny_model_find(&s->model, "fc.bias")->dtype = "I64";
    tiny_bytes bytes = tiny_model_write(&s->model);
    deeptepp_model *model = NULL;
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, &s->error),
                     DEEPTEPP_ERR_MODEL_DTYPE);
    assert_says(s->error.message, "fc.bias");
    assert_says(s->error.message, "I64");
    free(bytes.data);
    arch_free(s);
}

static void a_network_of_too_many_layers_is_refused(void **state)
{
    const tiny_options options = {.width = 1};
    const int64_t shape[] = {1, 1, 1, 1, 1, 0};
    (void)state;
    arch_subject *s = arch_make(&options);
    for (int i = 1; i < 300; i++) {
        char name[64];
        snprintf(name, sizeof name, "layer1.%d.conv1.weight", i);
        tiny_model_add(&s->model, name, shape);
    }
    tiny_bytes bytes = tiny_model_write(&s->model);
    deeptepp_model *model = NULL;
    /* Through the public door: what lies behind the table of layers must be whole when the model is given up. */
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, NULL, &s->error),
                     DEEPTEPP_ERR_MODEL_VALUE);
    free(bytes.data);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_VALUE, "more than 512 layers");
}

/* ---- members ---- */

static void every_members_tensors_are_checked(void **state)
{
    const tiny_options options = {.members = 3};
    const int64_t shape[] = {6, 0};
    (void)state;
    arch_subject *s = arch_accept(&options);
    assert_int_equal(s->network.n_members, 3);
    arch_free(s);
    s = arch_make(&options);
    tiny_model_drop(&s->model, "fold2.fc.bias");
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "missing tensor fold2.fc.bias");
    s = arch_make(&options);
    set_shape(s, "fold1.bn1.weight", shape);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "mis-shaped tensor fold1.bn1.weight is [6], wanted [4]");
    s = arch_make(&options);
    tiny_model_add(&s->model, "fold3.bn1.weight", shape);
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "unexpected tensor fold3.bn1.weight");
}

/* With prefixes "" and "layer1.0." both members' tensors include layer1.0.conv1.weight. */
static void a_tensor_belongs_to_one_member(void **state)
{
    const tiny_options options = {.channels = 4, .patch = "{\"network\": {\"members\": [\"\", \"layer1.0.\"]}}"};
    (void)state;
    arch_subject *s = arch_make(&options);
    for (int i = s->model.count - 1; i >= 0; i--) {
        char name[192];
        int64_t shape[6] = {0};
        snprintf(name, sizeof name, "layer1.0.%.150s", s->model.tensors[i].name);
        memcpy(shape, s->model.tensors[i].shape, 5 * sizeof *shape);
        if (!tiny_model_find(&s->model, name))
            tiny_model_add(&s->model, name, shape);
    }
    arch_refuse(s, DEEPTEPP_ERR_MODEL_TENSORS, "shared tensor layer1.0.conv1.weight");
}

static void refuse_network(const char *patch, deeptepp_status wanted, const char *part)
{
    const tiny_options options = {.patch = patch};
    arch_subject *s = arch_make(&options);
    assert_string_equal(deeptepp_status_name(arch_parse(s)), deeptepp_status_name(wanted));
    assert_says(s->error.message, part);
    arch_free(s);
}

static void read_activations(const char *activation, const char *patch, dtp_activation stem, dtp_activation blocks)
{
    const tiny_options options = {.activation = activation, .patch = patch};
    arch_subject *s = arch_make(&options);
    assert_int_equal(arch_build(s), DEEPTEPP_OK);
    for (int i = 0; i < s->arch.graph.n_layers - 2; i++)
        if (s->arch.graph.layers[i].activation != DTP_IDENTITY)
            assert_int_equal(s->arch.graph.layers[i].activation, i == 0 ? stem : blocks);
    arch_free(s);
}

/* As MONAI's ResNet has it: `act` is the stem's. A file without the key keeps its meaning. */
static void the_stem_may_have_its_own_activation(void **state)
{
    (void)state;
    read_activations("elu", NULL, DTP_ELU, DTP_ELU);
    read_activations("relu", "{\"network\": {\"stem_activation\": \"leaky_relu\"}}", DTP_LEAKY_RELU, DTP_RELU);
    read_activations("elu", "{\"network\": {\"stem_activation\": \"relu\"}}", DTP_RELU, DTP_ELU);
}

static void the_network_section_is_strict(void **state)
{
    (void)state;
    refuse_network("{\"network\": {\"architecture\": \"vgg\"}}", DEEPTEPP_ERR_MODEL_ARCHITECTURE, "resnet3d");
    refuse_network("{\"network\": {\"stem_pool\": null}}", DEEPTEPP_ERR_MODEL_METADATA, "network.stem_pool");
    refuse_network("{\"network\": {\"stem_pool\": 1}}", DEEPTEPP_ERR_MODEL_VALUE, "network.stem_pool");
    refuse_network("{\"network\": {\"stem_pol\": true}}", DEEPTEPP_ERR_MODEL_METADATA, "network.stem_pol");
    refuse_network("{\"network\": {\"layer_strides\": [1, 2, 2]}}", DEEPTEPP_ERR_MODEL_VALUE, "layer_strides");
    refuse_network("{\"network\": {\"layer_strides\": [1, 2, 2, 9]}}", DEEPTEPP_ERR_MODEL_VALUE, "1 to 8");
    refuse_network("{\"network\": {\"layer_dilations\": [0, 1, 1, 1]}}", DEEPTEPP_ERR_MODEL_VALUE, "1 to 16");
    refuse_network("{\"network\": {\"stem_stride\": [1, 2.0, 1]}}", DEEPTEPP_ERR_MODEL_VALUE, "stem_stride");
    refuse_network("{\"network\": {\"shortcut\": \"C\"}}", DEEPTEPP_ERR_MODEL_VALUE, "B, A");
    refuse_network("{\"network\": {\"activation\": \"gelu\"}}", DEEPTEPP_ERR_MODEL_VALUE, "relu, leaky_relu, elu");
    refuse_network("{\"network\": {\"stem_activation\": \"prelu\"}}", DEEPTEPP_ERR_MODEL_VALUE,
                   "network.stem_activation");
    refuse_network("{\"network\": {\"architecture\": \"pmg2d\", \"stem_activation\": \"relu\"}}",
                   DEEPTEPP_ERR_MODEL_METADATA, "network.");
    refuse_network("{\"network\": {\"members\": []}}", DEEPTEPP_ERR_MODEL_VALUE, "members");
    refuse_network("{\"network\": {\"members\": [\"a.\", \"a.\"]}}", DEEPTEPP_ERR_MODEL_VALUE, "element 1");
    refuse_network("{\"network\": {\"members\": [7]}}", DEEPTEPP_ERR_MODEL_VALUE, "element 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_width_kernel_and_classes_are_read_from_shapes),
        cmocka_unit_test(medicalnet_keeps_its_maps_and_dilates),
        cmocka_unit_test(a_basic_block_strides_first_and_a_bottleneck_second),
        cmocka_unit_test(batch_counters_may_be_there),
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(a_shortcut_larger_than_the_file_is_refused),
        cmocka_unit_test(a_shortcut_that_drops_channels_is_refused),
        cmocka_unit_test(what_a_missing_block_leaves_behind_is_named),
        cmocka_unit_test(an_unexpected_tensor_is_named),
        cmocka_unit_test(a_name_with_a_line_break_stays_one_line),
        cmocka_unit_test(a_misshaped_tensor_is_named_with_both_shapes),
        cmocka_unit_test(a_scalar_or_empty_weight_is_misshaped),
        cmocka_unit_test(a_projection_makes_its_blocks_channels),
        cmocka_unit_test(every_finding_reaches_the_log),
        cmocka_unit_test(a_file_of_something_else_is_refused_quietly),
        cmocka_unit_test(the_stems_kernel_is_odd_and_at_most_15_the_others_are_fixed),
        cmocka_unit_test(a_lost_block_is_seen),
        cmocka_unit_test(a_convolution_has_no_bias_of_its_own),
        cmocka_unit_test(an_integer_weight_is_refused),
        cmocka_unit_test(a_network_of_too_many_layers_is_refused),
        cmocka_unit_test(every_members_tensors_are_checked),
        cmocka_unit_test(a_tensor_belongs_to_one_member),
        cmocka_unit_test(the_stem_may_have_its_own_activation),
        cmocka_unit_test(the_network_section_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
