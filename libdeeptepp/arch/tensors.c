#include "tensors.h"

#include "../base/watch.h"

static const char *const NORM_PARTS[] = {"weight", "bias", "running_mean", "running_var"};

/* Everything that is wrong, gathered: each finding a line for the log, as many as fit for the error's one line. */
typedef struct report {
    const deeptepp_callbacks *callbacks;
    int missing, unexpected, misshaped;
    char text[700];
    size_t used;
} report;

static void note(report *r, int *count, const char *kind, const char *name, const char *detail)
{
    char line[400];
    ++*count;
    dtp_format(line, sizeof line, "%s tensor %.150s%s", kind, name, detail);
    dtp_clean_line(line);
    dtp_log(r->callbacks, DEEPTEPP_LOG_ERROR, line);
    size_t length = strlen(line);
    if (r->used + length + 3 < sizeof r->text) {
        dtp_format(r->text + r->used, sizeof r->text - r->used, "; %s", line);
        r->used += length + 2;
    }
}

static void shape_text(char *out, size_t size, const int64_t *shape, int rank)
{
    size_t used = (size_t)dtp_format(out, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)dtp_format(out + used, size - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < size)
        dtp_format(out + used, size - used, "]");
}

static void expect(report *r, dtp_safetensors *file, const char *prefix, const char *name, const int64_t *shape,
                   int rank)
{
    char full[256], wanted[80], found[80], detail[200];
    dtp_format(full, sizeof full, "%s%s", prefix, name);
    dtp_tensor *tensor = dtp_safetensors_find(file, full);
    if (!tensor) {
        note(r, &r->missing, "missing", full, "");
        return;
    }
    if (tensor->used)
        note(r, &r->unexpected, "shared", full, " by two members");
    tensor->used = true;
    if (tensor->rank == rank && memcmp(tensor->shape, shape, (size_t)rank * sizeof *shape) == 0 &&
        tensor->dtype != DTP_I64)
        return;
    shape_text(found, sizeof found, tensor->shape, tensor->rank);
    shape_text(wanted, sizeof wanted, shape, rank);
    dtp_format(detail, sizeof detail, " is %s%s, wanted %s", found, tensor->dtype == DTP_I64 ? " of I64" : "", wanted);
    note(r, &r->misshaped, "mis-shaped", full, detail);
}

static void expect_norm(report *r, dtp_safetensors *file, const char *prefix, const char *norm, int64_t channels)
{
    char name[96];
    for (size_t i = 0; i < DTP_COUNT(NORM_PARTS); i++) {
        dtp_format(name, sizeof name, "%s.%s", norm, NORM_PARTS[i]);
        expect(r, file, prefix, name, &channels, 1);
    }
    dtp_format(name, sizeof name, "%s.num_batches_tracked", norm);
    char full[256];
    dtp_format(full, sizeof full, "%s%s", prefix, name);
    dtp_tensor *counter = dtp_safetensors_find(file, full);
    if (counter)
        counter->used = true;
}

static void expect_layer(report *r, dtp_safetensors *file, const char *prefix, const dtp_arch *arch, int layer)
{
    const dtp_layer *l = &arch->graph.layers[layer];
    const dtp_layer_source *source = &arch->sources[layer];
    bool columns = source->kind == DTP_FROM_COLUMNS;
    int64_t oc, ic, shape[DTP_TENSOR_MAX_RANK];
    if (source->kind == DTP_FROM_NOTHING || source->kind == DTP_FROM_COPY || (columns && !source->columns.last))
        return;
    dtp_source_channels(arch, layer, &oc, &ic);
    shape[0] = oc;
    shape[1] = ic;
    for (int i = 2; i < source->rank; i++)
        shape[i] = l->kernel[3 - source->rank + i];
    expect(r, file, prefix, source->weight, shape, source->rank);
    if (*source->bias)
        expect(r, file, prefix, source->bias, &oc, 1);
    if (*source->norm)
        expect_norm(r, file, prefix, source->norm, oc);
    if (columns)
        expect_norm(r, file, prefix, source->columns.norm, ic);
}

static bool is_ignored(const dtp_arch *arch, const dtp_network *network, const char *name)
{
    for (int m = 0; arch->ignored && m < network->n_members; m++) {
        size_t prefix = strlen(network->members[m]);
        if (strncmp(name, network->members[m], prefix) == 0 &&
            strncmp(name + prefix, arch->ignored, strlen(arch->ignored)) == 0)
            return true;
    }
    return false;
}

deeptepp_status dtp_tensors_check(const dtp_arch *arch, const dtp_network *network, dtp_safetensors *file,
                                  const deeptepp_callbacks *callbacks, deeptepp_error *error)
{
    report r = {.callbacks = callbacks};
    for (int m = 0; m < network->n_members; m++)
        for (int i = 0; i < arch->graph.n_layers; i++)
            expect_layer(&r, file, network->members[m], arch, i);
    for (size_t i = 0; i < file->count; i++)
        if (!file->tensors[i].used && !is_ignored(arch, network, file->tensors[i].name))
            note(&r, &r.unexpected, "unexpected", file->tensors[i].name, "");
    if (r.missing + r.unexpected + r.misshaped == 0)
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSORS,
                    "the file's tensors are not the network's: %d missing, %d unexpected, %d mis-shaped%s", r.missing,
                    r.unexpected, r.misshaped, r.text);
}
