#include "safetensors.h"

#include "../base/json.h"

/* MAX_VALUES bounds what a hostile header makes jansson allocate: a tensor's entry has at most 15 opening brackets,
 * commas and colons. */
enum { MAX_TENSORS = 100000, MAX_VALUES = 16 * MAX_TENSORS, MAX_NAME = 255, MAX_DEPTH = 32, MAX_SHOWN = 96 };

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTP_F32] = {"F32", 4}, [DTP_F16] = {"F16", 2}, [DTP_BF16] = {"BF16", 2}, [DTP_F64] = {"F64", 8},
    [DTP_I64] = {"I64", 8},
};

/* Upper bounds for well-formed JSON: of the number of values, for each but the root follows a bracket, comma or colon;
 * and of how deep they nest. */
static size_t count_values(const char *text, size_t size, size_t *deepest)
{
    size_t values = 1, depth = 0;
    bool quoted = false;
    *deepest = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        else if (!quoted && (text[i] == '{' || text[i] == '[' || text[i] == ',' || text[i] == ':'))
            values++;
        if (!quoted && (text[i] == '{' || text[i] == '[') && ++depth > *deepest)
            *deepest = depth;
        else if (!quoted && (text[i] == '}' || text[i] == ']') && depth)
            depth--;
    }
    return values;
}

deeptepp_status dtp_safetensors_json(json_t **out, const char *text, size_t size, const char *what,
                                     deeptepp_error *error)
{
    json_error_t found;
    *out = NULL;
    /* jansson drops a NUL that follows a number. */
    if (memchr(text, '\0', size))
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_JSON, "%s: a NUL byte, wanted JSON text", what);
    size_t depth, values = count_values(text, size, &depth);
    /* jansson walks down and up again by recursion, on the stack of whoever calls. */
    if (depth > MAX_DEPTH)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_JSON, "%s: brackets %zu deep, wanted at most %d", what, depth,
                        MAX_DEPTH);
    if (values > MAX_VALUES)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_JSON, "%s: %zu JSON values, wanted at most %d", what, values,
                        MAX_VALUES);
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &found);
    /* Where an allocation fails, jansson says nothing. */
    if (!root && !*found.text)
        return dtp_fail_memory(error, what, size);
    if (!root)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_JSON, "%s: not strict JSON at byte %d: %s", what, found.position,
                        found.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_JSON, "%s: a JSON array, wanted an object", what);
    }
    *out = root;
    return DEEPTEPP_OK;
}

/* Bytes of the first `most` that hold whole UTF-8 characters. */
static int cut(const char *text, int most)
{
    int size = (int)strnlen(text, (size_t)most + 1);
    if (size <= most)
        return size;
    while (most > 0 && ((uint8_t)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

static deeptepp_status entry_fail(const dtp_tensor *tensor, const char *key, const json_t *found, const char *wanted,
                                  deeptepp_error *error)
{
    char text[MAX_SHOWN];
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "model file: tensor \"%s\": %s is %s, wanted %s",
                    tensor->name, key, dtp_json_show(found, text, sizeof text), wanted);
}

/* JSON integers of 0 and up; false for anything else. */
static bool parse_integers(const json_t *array, int64_t *out)
{
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element) {
        if (!json_is_integer(element) || json_integer_value(element) < 0)
            return false;
        out[i] = json_integer_value(element);
    }
    return true;
}

static deeptepp_status parse_dtype(dtp_tensor *tensor, const json_t *value, deeptepp_error *error)
{
    static const char counter[] = "num_batches_tracked";
    const size_t suffix = sizeof counter - 1, length = strlen(tensor->name);
    char text[MAX_SHOWN];
    if (!json_is_string(value))
        return entry_fail(tensor, "dtype", value, "a text", error);
    bool is_counter = length >= suffix && strcmp(tensor->name + length - suffix, counter) == 0;
    for (size_t i = 0; i < DTP_COUNT(dtypes); i++) {
        if (strcmp(json_string_value(value), dtypes[i].name) == 0 && (i != DTP_I64 || is_counter)) {
            tensor->dtype = (dtp_dtype)i;
            return DEEPTEPP_OK;
        }
    }
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_DTYPE, "model file: tensor \"%s\": dtype is %s, wanted F32, F16, BF16%s",
                    tensor->name, dtp_json_show(value, text, sizeof text), is_counter ? ", F64 or I64" : " or F64");
}

static deeptepp_status parse_shape(dtp_tensor *tensor, const json_t *value, deeptepp_error *error)
{
    if (!json_is_array(value) || json_array_size(value) > DTP_TENSOR_MAX_RANK ||
        !parse_integers(value, tensor->shape))
        return entry_fail(tensor, "shape", value, "an array of 0 to 5 integers from 0 up", error);
    tensor->rank = (int)json_array_size(value);
    if (!dtp_product(tensor->shape, tensor->rank, SIZE_MAX / sizeof(double), &tensor->count))
        return entry_fail(tensor, "shape", value, "one whose size in bytes does not overflow", error);
    return DEEPTEPP_OK;
}

static deeptepp_status parse_offsets(dtp_tensor *tensor, const json_t *value, deeptepp_error *error)
{
    int64_t offsets[2];
    size_t size = tensor->count * dtypes[tensor->dtype].size;
    if (json_array_size(value) != 2 || !parse_integers(value, offsets))
        return entry_fail(tensor, "data_offsets", value, "an array of 2 integers from 0 up", error);
    if (offsets[1] < offsets[0] || (uint64_t)(offsets[1] - offsets[0]) != size ||
        __builtin_add_overflow(offsets[0], 0, &tensor->begin) || __builtin_add_overflow(offsets[1], 0, &tensor->end))
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_OFFSETS,
                        "model file: tensor \"%s\": data_offsets are [%lld, %lld), wanted %zu bytes as dtype %s and "
                        "shape give",
                        tensor->name, (long long)offsets[0], (long long)offsets[1], size, dtypes[tensor->dtype].name);
    return DEEPTEPP_OK;
}

static deeptepp_status parse_entry(dtp_tensor *tensor, const char *name, const json_t *entry, deeptepp_error *error)
{
    static const char wanted[] = "an object of exactly dtype, shape and data_offsets";
    deeptepp_status status;
    size_t length = strlen(name);
    if (length < 1 || length > MAX_NAME)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY,
                        "model file: a tensor's name has %zu bytes, wanted 1 to %d", length, MAX_NAME);
    tensor->name = strdup(name);
    if (!tensor->name)
        return dtp_fail_memory(error, "a tensor's name", length);
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape"),
                 *offsets = json_object_get(entry, "data_offsets");
    if (!dtype || !shape || !offsets || json_object_size(entry) != 3)
        return entry_fail(tensor, "its entry", entry, wanted, error);
    DTP_TRY(parse_dtype(tensor, dtype, error));
    DTP_TRY(parse_shape(tensor, shape, error));
    DTP_TRY(parse_offsets(tensor, offsets, error));
fail:
    return status;
}

static deeptepp_status parse_metadata(dtp_safetensors *out, json_t *metadata, deeptepp_error *error)
{
    const char *key;
    json_t *value;
    char text[MAX_SHOWN];
    if (!json_is_object(metadata))
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_METADATA, "model file: __metadata__ is %s, wanted an object of texts",
                        dtp_json_show(metadata, text, sizeof text));
    json_object_foreach(metadata, key, value)
        if (!json_is_string(value))
            return dtp_fail(error, DEEPTEPP_ERR_MODEL_METADATA,
                            "model file: __metadata__: \"%.*s\" is %s, wanted a text", cut(key, 60), key,
                            dtp_json_show(value, text, sizeof text));
    out->metadata = json_incref(metadata);
    return DEEPTEPP_OK;
}

static deeptepp_status parse_entries(dtp_safetensors *out, json_t *root, deeptepp_error *error)
{
    const char *name;
    json_t *entry;
    size_t count = json_object_size(root) - (out->metadata ? 1 : 0);
    if (count > MAX_TENSORS)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "model file: %zu tensors, wanted at most %d", count,
                        MAX_TENSORS);
    out->tensors = calloc(count + 1, sizeof *out->tensors);
    out->by_name = calloc(count + 1, sizeof(dtp_tensor *));
    if (!out->tensors || !out->by_name)
        return dtp_fail_memory(error, "the list of tensors", count * sizeof *out->tensors);
    json_object_foreach(root, name, entry) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        deeptepp_status status = parse_entry(&out->tensors[out->count++], name, entry, error);
        if (status != DEEPTEPP_OK)
            return status;
    }
    return DEEPTEPP_OK;
}

/* A tensor without elements comes before the one that begins where it ends. */
static int compare_offsets(const void *left, const void *right)
{
    const dtp_tensor *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp((*(dtp_tensor *const *)left)->name, (*(dtp_tensor *const *)right)->name);
}

static int compare_key(const void *key, const void *element)
{
    return strcmp(key, (*(dtp_tensor *const *)element)->name);
}

static void sort_tensors(dtp_safetensors *file)
{
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_offsets);
    for (size_t i = 0; i < file->count; i++)
        file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, file->count, sizeof(dtp_tensor *), compare_names);
}

static deeptepp_status check_tiling(const dtp_safetensors *file, size_t data_size, deeptepp_error *error)
{
    size_t at = 0;
    for (size_t i = 0; i < file->count; i++) {
        const dtp_tensor *tensor = &file->tensors[i];
        if (tensor->begin != at)
            return dtp_fail(error, DEEPTEPP_ERR_MODEL_OFFSETS,
                            "model file: tensor \"%s\": its data begin at byte %zu, wanted %zu: %s", tensor->name,
                            tensor->begin, at, tensor->begin < at ? "they overlap another's" : "there is a gap");
        at = tensor->end;
    }
    if (at > data_size)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED,
                        "model file: %zu bytes of tensor data, the header wants %zu: the file is cut short", data_size,
                        at);
    if (at < data_size)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_OFFSETS,
                        "model file: %zu bytes of tensor data, the header wants %zu: something follows the last tensor",
                        data_size, at);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_safetensors_parse(dtp_safetensors *out, const char *header, size_t header_size, size_t data_size,
                                      deeptepp_error *error)
{
    deeptepp_status status;
    json_t *root = NULL;
    *out = (dtp_safetensors){0};
    if (header_size < 2 || header[0] != '{')
        DTP_FAIL(MODEL_JSON, "model header: it does not start with {: this is no safetensors file");
    DTP_TRY(dtp_safetensors_json(&root, header, header_size, "model header", error));
    json_t *metadata = json_object_get(root, "__metadata__");
    if (metadata)
        DTP_TRY(parse_metadata(out, metadata, error));
    DTP_TRY(parse_entries(out, root, error));
    sort_tensors(out);
    DTP_TRY(check_tiling(out, data_size, error));
    json_decref(root);
    return DEEPTEPP_OK;
fail:
    json_decref(root);
    dtp_safetensors_free(out);
    return status;
}

void dtp_safetensors_free(dtp_safetensors *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->count; i++) {
        free(file->tensors[i].name);
        free(file->tensors[i].data);
    }
    free(file->tensors);
    free(file->by_name);
    json_decref(file->metadata);
    *file = (dtp_safetensors){0};
}

dtp_tensor *dtp_safetensors_find(const dtp_safetensors *file, const char *name)
{
    dtp_tensor **found = file->count ? bsearch(name, file->by_name, file->count, sizeof *found, compare_key) : NULL;
    return found ? *found : NULL;
}
