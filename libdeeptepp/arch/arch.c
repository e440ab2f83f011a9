#include "arch.h"

#include "build.h"
#include "tensors.h"

static const struct {
    const char *name;
    void (*build)(dtp_build *build);
    int rank;
} ARCHITECTURES[] = {
    {"resnet3d", dtp_build_resnet3d, 5},
    {"pmg2d", dtp_build_pmg2d, 4},
};
enum { PMG2D = 1 };

/* What the published network fixes. */
static const dtp_network PMG2D_NETWORK = {
    .architecture = PMG2D,
    .stem_stride = {1, 2, 2},
    .stem_pool = true,
    .layer_strides = {1, 2, 2, 2},
    .layer_dilations = {1, 1, 1, 1},
    .stem_activation = DTP_RELU,
    .activation = DTP_RELU,
};

static int parse_architecture(dtp_json *json)
{
    const char *name = dtp_json_text(json, "architecture");
    for (size_t i = 0; i < DTP_COUNT(ARCHITECTURES); i++)
        if (strcmp(name, ARCHITECTURES[i].name) == 0)
            return (int)i;
    dtp_json_fail(json, "architecture", DEEPTEPP_ERR_MODEL_ARCHITECTURE, "is \"%.60s\", this library has: %s, %s", name,
                  ARCHITECTURES[0].name, ARCHITECTURES[PMG2D].name);
    return 0;
}

static void parse_members(dtp_network *out, dtp_json *json)
{
    out->members[0] = "";
    out->n_members = 1;
    if (!dtp_json_has(json, "members"))
        return;
    const dtp_json_value *array = dtp_json_array(json, "members", 1, DTP_MAX_MEMBERS);
    if (!array)
        return;
    out->n_members = 0;
    DTP_JSON_EACH(prefix, array) {
        bool fresh = prefix->kind == DTP_JSON_TEXT && strlen(prefix->text) <= 100;
        for (int j = 0; fresh && j < out->n_members; j++)
            fresh = strcmp(out->members[j], prefix->text) != 0;
        if (!fresh) {
            dtp_json_fail(json, "members", DEEPTEPP_ERR_MODEL_VALUE,
                          "element %d is not a text of at most 100 bytes different from those before it",
                          out->n_members);
            return;
        }
        out->members[out->n_members++] = prefix->text;
    }
}

static dtp_activation parse_activation(dtp_json *json, const char *key)
{
    static const char *const activations[] = {"relu", "leaky_relu", "elu", NULL};
    return (dtp_activation)(DTP_RELU + dtp_json_choice(json, key, activations));
}

static void parse_resnet(dtp_network *out, dtp_json *json)
{
    static const char *const shortcuts[] = {"B", "A", NULL};
    dtp_json_integers(json, "stem_stride", out->stem_stride, 3, 3, 1, 8);
    out->stem_pool = dtp_json_bool(json, "stem_pool");
    dtp_json_integers(json, "layer_strides", out->layer_strides, 4, 4, 1, 8);
    dtp_json_integers(json, "layer_dilations", out->layer_dilations, 4, 4, 1, 16);
    out->shortcut_a = dtp_json_choice(json, "shortcut", shortcuts) == 1;
    out->activation = out->stem_activation = parse_activation(json, "activation");
    if (dtp_json_has(json, "stem_activation"))
        out->stem_activation = parse_activation(json, "stem_activation");
}

void dtp_network_parse(dtp_network *out, dtp_json *json)
{
    *out = (dtp_network){.architecture = parse_architecture(json)};
    if (out->architecture == PMG2D)
        *out = PMG2D_NETWORK;
    else
        parse_resnet(out, json);
    parse_members(out, json);
    dtp_json_close(json);
}

deeptepp_status dtp_arch_build(dtp_arch *out, const dtp_network *network, dtp_safetensors *file, int64_t channels,
                               const int64_t size[3], const deeptepp_callbacks *callbacks, deeptepp_error *error)
{
    *out = (dtp_arch){.heads = 1};
    out->graph.values[0] = (dtp_shape){channels, size[0], size[1], size[2]};
    dtp_build build = {
        .arch = out,
        .network = network,
        .file = file,
        .prefix = network->members[0],
        .rank = ARCHITECTURES[network->architecture].rank,
        .error = error,
    };
    if ((build.rank == 4) != (size[0] == 1))
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_VALUE, "model description: input.size: depth is %lld, %s wants %s",
                        (long long)size[0], ARCHITECTURES[network->architecture].name,
                        build.rank == 4 ? "1: mosaics" : "a cube");
    ARCHITECTURES[network->architecture].build(&build);
    if (build.status != DEEPTEPP_OK)
        return build.status;
    out->classes = out->graph.values[out->graph.n_layers].c / out->heads;
    deeptepp_status status = dtp_tensors_check(out, network, file, callbacks, error);
    return status == DEEPTEPP_OK ? dtp_build_check_depth(&build) : status;
}
