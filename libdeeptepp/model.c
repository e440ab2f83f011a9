#include "model.h"

#include "base/json_write.h"
#include "base/call.h"
#include "base/worker.h"
#include "file/model_file.h"
#include "precision.h"

enum { PROVENANCE = 64 }; /* texts at most */

static deeptepp_status parse_description(deeptepp_model *model, deeptepp_error *error)
{
    static const char *const texts[] = {"version",      "licence",      "authors",
                                        "training_cohort", "intended_use", "limitations"};
    static const char *const weights[] = {"trained", "seeded", NULL};
    dtp_json_check check = {.error = error};
    dtp_json root = dtp_json_root(model->description, "", &check);
    dtp_json_integer(&root, "schema", 1, INT32_MAX);
    model->name = dtp_json_text(&root, "name");
    for (size_t i = 0; i < DTP_COUNT(texts); i++)
        dtp_json_text(&root, texts[i]);
    model->seeded = dtp_json_choice(&root, "weights", weights) == 1;
    dtp_json section = dtp_json_child(&root, "network");
    dtp_network_parse(&model->network, &section);
    section = dtp_json_child(&root, "input");
    dtp_recipe_parse(&model->recipe, &section);
    dtp_risk_parse(&model->risk, &root);
    if (dtp_json_has(&root, "provenance"))
        dtp_json_texts(&root, "provenance", PROVENANCE);
    dtp_json_close(&root);
    return check.status;
}

static deeptepp_status build(deeptepp_model *model, dtp_safetensors *file, const deeptepp_callbacks *callbacks,
                             deeptepp_error *error)
{
    deeptepp_status status = dtp_arch_build(&model->arch, &model->network, file, model->recipe.n_channels,
                                            model->recipe.size, callbacks, error);
    if (status == DEEPTEPP_OK && model->risk.class_index >= model->arch.classes)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_VALUE,
                        "model description: score.class: is %lld, the network has %lld",
                        (long long)model->risk.class_index, (long long)model->arch.classes);
    return status;
}

/* ---- on the compute thread: reading the file, packing the weights ---- */

enum { READING = 500, PACKED = 600 }; /* thousandths, for progress: of opening; of what follows, of a model in bf16 */

typedef struct opening {
    const char *path; /* NULL: bytes */
    const void *bytes;
    size_t size;
    uint64_t max_bytes;
    const char *expected_sha256; /* NULL: any file */
    dtp_model_file file;
    deeptepp_model *model;
} opening;

static deeptepp_status read_file(void *argument, dtp_job *job)
{
    opening *o = argument;
    return o->path ? dtp_model_file_open(&o->file, o->path, o->max_bytes, &job->watch, &job->error)
                   : dtp_model_file_from_bytes(&o->file, o->bytes, o->size, o->max_bytes, &job->watch, &job->error);
}

static deeptepp_status pack_layer(opening *o, int member, int layer, dtp_job *job)
{
    float *weights, *bias;
    deeptepp_status status =
        dtp_arch_fold(&o->model->arch, &o->model->network, &o->file.file, member, layer, &weights, &bias,
                      job->watch.team, &job->error);
    if (status == DEEPTEPP_OK)
        status = dtp_watch_ask(&job->watch, &job->error);
    if (status == DEEPTEPP_OK)
        status = dtp_weights_set(o->model->members[member], layer, weights, bias, &job->watch, &job->error);
    if (status == DEEPTEPP_OK && o->model->bf16_graph)
        status = dtp_weights_set(o->model->bf16_members[member], layer, weights, bias, &job->watch, &job->error);
    free(weights);
    free(bias);
    return status;
}

/* Layer after layer, each on all threads and its tensors given back at once: the peak is the model and one layer. */
static deeptepp_status pack_member(opening *o, int member, dtp_job *job)
{
    const dtp_graph *graph = &o->model->arch.graph;
    deeptepp_status status = DEEPTEPP_OK;
    for (int layer = 0; layer < graph->n_layers && status == DEEPTEPP_OK; layer++) {
        int done = 1000 * (member * graph->n_layers + layer) / (o->model->network.n_members * graph->n_layers);
        status = dtp_watch_step(&job->watch, done, &job->error);
        if (status == DEEPTEPP_OK && graph->layers[layer].op == DTP_CONVOLUTION)
            status = pack_layer(o, member, layer, job);
    }
    return status;
}

static deeptepp_status make_bf16_graph(deeptepp_model *model, deeptepp_error *error)
{
    model->bf16_graph = malloc(sizeof *model->bf16_graph);
    if (!model->bf16_graph)
        return dtp_fail_memory(error, "the network", sizeof *model->bf16_graph);
    *model->bf16_graph = model->arch.graph;
    dtp_graph_round(model->bf16_graph);
    model->memory += sizeof *model->bf16_graph;
    return DEEPTEPP_OK;
}

/* What weights are laid out for; a session's net of it is counted. */
static deeptepp_status make_plan(dtp_plan **out, deeptepp_model *model, const dtp_graph *graph, dtp_job *job)
{
    deeptepp_status status = dtp_plan_new(out, graph, model->recipe.n_views, NULL, &job->watch, &job->error);
    if (status == DEEPTEPP_OK)
        model->memory += dtp_plan_bytes(*out);
    return status;
}

static deeptepp_status make_room(deeptepp_model *model, dtp_weights **weights, const dtp_plan *plan, dtp_job *job)
{
    deeptepp_status status = dtp_weights_new(weights, plan, &job->error);
    if (status == DEEPTEPP_OK)
        model->memory += dtp_weights_bytes(*weights);
    return status;
}

/* Member after member: the file's tensors of one are given back before there is room for the next. bf16: NULL for
 * none. */
static deeptepp_status pack_members(opening *o, const dtp_plan *plan, const dtp_plan *bf16, dtp_job *job)
{
    deeptepp_model *model = o->model;
    deeptepp_status status = DEEPTEPP_OK;
    for (int m = 0; m < model->network.n_members && status == DEEPTEPP_OK; m++) {
        status = make_room(model, &model->members[m], plan, job);
        if (status == DEEPTEPP_OK && bf16)
            status = make_room(model, &model->bf16_members[m], bf16, job);
        if (status == DEEPTEPP_OK)
            status = pack_member(o, m, job);
    }
    return status;
}

static deeptepp_status pack(void *argument, dtp_job *job)
{
    opening *o = argument;
    deeptepp_model *model = o->model;
    const bool bf16 = model->precision == DEEPTEPP_PRECISION_BF16;
    dtp_plan *plan = NULL, *bf16_plan = NULL;
    deeptepp_status status;
    model->memory = dtp_model_logits(model) * sizeof(float) + sizeof *model;
    DTP_TRY(make_plan(&plan, model, &model->arch.graph, job));
    if (bf16) {
        DTP_TRY(make_bf16_graph(model, &job->error));
        DTP_TRY(make_plan(&bf16_plan, model, model->bf16_graph, job));
    }
    dtp_watch_part(&job->watch, 0, bf16 ? PACKED : 1000);
    status = pack_members(o, plan, bf16_plan, job);
fail:
    dtp_plan_free(plan);
    dtp_plan_free(bf16_plan);
    dtp_watch_part(&job->watch, PACKED, 1000);
    return status == DEEPTEPP_OK && bf16 ? dtp_precision_measure(model, &job->watch, &job->error) : status;
}

/* Values of one member, BatchNorm's included. */
static int64_t count_parameters(const deeptepp_model *model, const dtp_safetensors *file)
{
    size_t values = 0;
    for (size_t i = 0; i < file->count; i++)
        values += file->tensors[i].dtype == DTP_I64 ? 0 : file->tensors[i].count;
    return (int64_t)values / model->network.n_members;
}

static deeptepp_status describe(deeptepp_model *model, const dtp_safetensors *file, deeptepp_error *error)
{
    dtp_json_writer json = {0};
    dtp_json_value *tree = NULL;
    dtp_write_object(&json, NULL);
    dtp_write_members(&json, model->description);
    dtp_write_text(&json, "sha256", model->sha256);
    dtp_write_integer(&json, "parameters", count_parameters(model, file));
    dtp_write_integer(&json, "members", model->network.n_members);
    dtp_write_integer(&json, "views", model->recipe.n_views);
    dtp_write_object_end(&json);
    model->json = dtp_write_finish(&json);
    if (!model->json)
        return dtp_fail_memory(error, "the model's description", 0);
    deeptepp_status status = dtp_safetensors_json(&tree, model->json, strlen(model->json), "model description", NULL,
                                                  error);
    if (status == DEEPTEPP_OK && !dtp_properties_make(&model->properties, tree))
        status = dtp_fail_memory(error, "the model's properties", 0);
    free(tree);
    return status;
}

/* Of 64 hexadecimal digits each, whatever their case: digits have the bit already. */
static bool same_digits(const char *a, const char *b)
{
    for (int i = 0; i < 64; i++)
        if ((a[i] | 0x20) != (b[i] | 0x20))
            return false;
    return true;
}

static deeptepp_status check_digest(const char *found, const char *expected, deeptepp_error *error)
{
    if (!expected || same_digits(found, expected))
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_SHA256,
                    "the model file's SHA-256 is %s, wanted (expected_sha256) %s: this is another file", found,
                    expected);
}

static deeptepp_status fill(deeptepp_model *model, opening *o, dtp_worker *worker, dtp_watch *watch,
                            deeptepp_error *error)
{
    deeptepp_status status;
    dtp_watch_part(watch, 0, READING);
    DTP_TRY(dtp_worker_run(worker, read_file, o, watch, error));
    DTP_TRY(check_digest(o->file.sha256, o->expected_sha256, error));
    model->description = o->file.description;
    o->file.description = NULL;
    memcpy(model->sha256, o->file.sha256, sizeof model->sha256);
    DTP_TRY(parse_description(model, error));
    DTP_TRY(dtp_precision_measurable(model, error));
    DTP_TRY(build(model, &o->file.file, &watch->callbacks, error));
    o->model = model;
    dtp_watch_part(watch, READING, 1000);
    DTP_TRY(dtp_worker_run(worker, pack, o, watch, error));
    return describe(model, &o->file.file, error);
fail:
    return status;
}

static deeptepp_status make(deeptepp_model *model, opening *o, dtp_worker *worker, dtp_watch *watch,
                            deeptepp_error *error)
{
    deeptepp_status status = fill(model, o, worker, watch, error);
    dtp_model_file_close(&o->file);
    if (status != DEEPTEPP_OK && o->path)
        dtp_name_file(error, o->path);
    return status;
}

static deeptepp_status make_on_worker(deeptepp_model **out, opening *o, const deeptepp_model_options *options,
                                      dtp_watch *watch, deeptepp_error *error)
{
    dtp_worker *worker;
    deeptepp_model *model = calloc(1, sizeof *model);
    if (!model)
        return dtp_fail_memory(error, "a model", sizeof *model);
    atomic_init(&model->references, 1);
    model->precision = (deeptepp_precision)options->precision;
    deeptepp_status status = dtp_worker_start(&worker, options->threads, error);
    if (status == DEEPTEPP_OK) {
        model->threads = dtp_worker_threads(worker);
        status = make(model, o, worker, watch, error);
    }
    dtp_worker_stop(worker);
    if (status == DEEPTEPP_OK)
        *out = model;
    else
        deeptepp_model_free(model);
    return status;
}

static deeptepp_status check_expected(const char *sha256, deeptepp_error *error)
{
    if (!sha256 || (strlen(sha256) == 64 && strspn(sha256, "0123456789abcdefABCDEF") == 64))
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT,
                    "deeptepp_model_options.expected_sha256 is \"%.80s\", wanted 64 hexadecimal digits", sha256);
}

/* Options of any known size, with the defaults filled in. */
static deeptepp_status read_options(const deeptepp_model_options *in, deeptepp_model_options *out,
                                    deeptepp_callbacks *callbacks, deeptepp_error *error)
{
    deeptepp_status status = DTP_OPTIONS_READ(out, deeptepp_model_options, max_file_bytes, in, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (out->threads < 0 || out->threads > 256)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "deeptepp_model_options.threads is %d, wanted 0 to 256",
                        out->threads);
    if (out->reserved)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "deeptepp_model_options.reserved is %d, wanted 0", out->reserved);
    status = check_expected(out->expected_sha256, error);
    if (status == DEEPTEPP_OK)
        status = dtp_precision_check(out->precision, error);
    if (status != DEEPTEPP_OK)
        return status;
    return dtp_callbacks_copy(callbacks, out->callbacks, error);
}

static deeptepp_status open_model(deeptepp_model **out, opening o, const deeptepp_model_options *options,
                                  deeptepp_error *error)
{
    deeptepp_model_options read;
    deeptepp_callbacks callbacks;
    dtp_call call;
    if (out)
        *out = NULL;
    if (!out || (!o.path && !o.bytes))
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s is NULL", out ? "the model file" : "out");
    deeptepp_status status = read_options(options, &read, &callbacks, error);
    if (status != DEEPTEPP_OK)
        return status;
    o.max_bytes = read.max_file_bytes;
    o.expected_sha256 = read.expected_sha256;
    dtp_call_begin(&call, &callbacks);
    status = make_on_worker(out, &o, &read, &call.watch, error);
    dtp_call_end(&call);
    return status;
}

deeptepp_status deeptepp_model_open(deeptepp_model **out, const char *path, const deeptepp_model_options *options,
                                    deeptepp_error *error)
{
    return open_model(out, (opening){.path = path}, options, error);
}

deeptepp_status deeptepp_model_from_bytes(deeptepp_model **out, const void *bytes, size_t size,
                                          const deeptepp_model_options *options, deeptepp_error *error)
{
    return open_model(out, (opening){.bytes = bytes, .size = size}, options, error);
}

deeptepp_model *deeptepp_model_ref(deeptepp_model *model)
{
    if (model)
        atomic_fetch_add(&model->references, 1);
    return model;
}

void deeptepp_model_free(deeptepp_model *model)
{
    if (!model || atomic_fetch_sub(&model->references, 1) > 1)
        return;
    for (int m = 0; m < DTP_MAX_MEMBERS; m++) {
        dtp_weights_free(model->members[m]);
        dtp_weights_free(model->bf16_members[m]);
    }
    free(model->bf16_graph);
    dtp_recipe_free(&model->recipe);
    dtp_risk_free(&model->risk);
    free(model->description);
    free(model->json);
    dtp_properties_free(&model->properties);
    free(model);
}
