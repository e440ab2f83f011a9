#include "safetensors.h"

#include "../base/json.h"

/* MAX_VALUES bounds what a hostile header makes the library allocate: a tensor's entry has at most 11 values. */
enum { MAX_TENSORS = 100000, MAX_VALUES = 16 * MAX_TENSORS, MAX_NAME = 255, MAX_SHOWN = 96 };

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DTP_F32] = {"F32", 4}, [DTP_F16] = {"F16", 2}, [DTP_BF16] = {"BF16", 2}, [DTP_F64] = {"F64", 8},
    [DTP_I64] = {"I64", 8},
};

deeptepp_status dtp_safetensors_json(dtp_json_value **out, const char *text, size_t size, const char *what,
                                     dtp_watch *watch, deeptepp_error *error)
{
    char shown[MAX_SHOWN];
    deeptepp_status status;
    *out = NULL;
    if (memchr(text, '\0', size))
        DTP_FAIL(MODEL_JSON, "%s: a NUL byte, wanted JSON text", what);
    DTP_TRY(dtp_json_parse(out, text, size, MAX_VALUES, what, watch, error));
    if ((*out)->kind != DTP_JSON_OBJECT)
        DTP_FAIL(MODEL_JSON, "%s: it is %s, wanted an object", what, dtp_json_show(*out, shown, sizeof shown));
    return DEEPTEPP_OK;
fail:
    free(*out);
    *out = NULL;
    return status;
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

static deeptepp_status entry_fail(const dtp_tensor *tensor, const char *key, const dtp_json_value *found,
                                  const char *wanted, deeptepp_error *error)
{
    char text[MAX_SHOWN];
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "model file: tensor \"%s\": %s is %s, wanted %s",
                    tensor->name, key, dtp_json_show(found, text, sizeof text), wanted);
}

/* JSON integers of 0 and up; false for anything else. */
static bool parse_integers(const dtp_json_value *array, int64_t *out)
{
    DTP_JSON_EACH(element, array) {
        *out = dtp_json_whole(element);
        if (element->kind != DTP_JSON_INTEGER || *out++ < 0)
            return false;
    }
    return true;
}

static deeptepp_status parse_dtype(dtp_tensor *tensor, const dtp_json_value *value, deeptepp_error *error)
{
    static const char counter[] = "num_batches_tracked";
    const size_t suffix = sizeof counter - 1, length = strlen(tensor->name);
    char text[MAX_SHOWN];
    if (value->kind != DTP_JSON_TEXT)
        return entry_fail(tensor, "dtype", value, "a text", error);
    bool is_counter = length >= suffix && strcmp(tensor->name + length - suffix, counter) == 0;
    for (size_t i = 0; i < DTP_COUNT(dtypes); i++) {
        if (strcmp(value->text, dtypes[i].name) == 0 && (i != DTP_I64 || is_counter)) {
            tensor->dtype = (dtp_dtype)i;
            return DEEPTEPP_OK;
        }
    }
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_DTYPE, "model file: tensor \"%s\": dtype is %s, wanted F32, F16, BF16%s",
                    tensor->name, dtp_json_show(value, text, sizeof text), is_counter ? ", F64 or I64" : " or F64");
}

static deeptepp_status parse_shape(dtp_tensor *tensor, const dtp_json_value *value, deeptepp_error *error)
{
    if (value->kind != DTP_JSON_ARRAY || value->count > DTP_TENSOR_MAX_RANK ||
        !parse_integers(value, tensor->shape))
        return entry_fail(tensor, "shape", value, "an array of 0 to 5 integers from 0 up", error);
    tensor->rank = (int)value->count;
    if (!dtp_product(tensor->shape, tensor->rank, SIZE_MAX / sizeof(double), &tensor->count))
        return entry_fail(tensor, "shape", value, "one whose size in bytes does not overflow", error);
    return DEEPTEPP_OK;
}

static deeptepp_status parse_offsets(dtp_tensor *tensor, const dtp_json_value *value, deeptepp_error *error)
{
    int64_t offsets[2];
    size_t size = tensor->count * dtypes[tensor->dtype].size;
    if (value->kind != DTP_JSON_ARRAY || value->count != 2 || !parse_integers(value, offsets))
        return entry_fail(tensor, "data_offsets", value, "an array of 2 integers from 0 up", error);
    if (offsets[1] < offsets[0] || (uint64_t)(offsets[1] - offsets[0]) != size ||
        __builtin_add_overflow(offsets[0], 0, &tensor->begin) || __builtin_add_overflow(offsets[1], 0, &tensor->end))
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_OFFSETS,
                        "model file: tensor \"%s\": data_offsets are [%lld, %lld), wanted %zu bytes as dtype %s and "
                        "shape give",
                        tensor->name, (long long)offsets[0], (long long)offsets[1], size, dtypes[tensor->dtype].name);
    return DEEPTEPP_OK;
}

static deeptepp_status parse_entry(dtp_tensor *tensor, const dtp_json_value *entry, deeptepp_error *error)
{
    static const char wanted[] = "an object of exactly dtype, shape and data_offsets";
    deeptepp_status status;
    size_t length = strlen(entry->key);
    if (length < 1 || length > MAX_NAME)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY,
                        "model file: a tensor's name has %zu bytes, wanted 1 to %d", length, MAX_NAME);
    tensor->name = entry->key;
    const dtp_json_value *dtype = dtp_json_find(entry, "dtype"), *shape = dtp_json_find(entry, "shape"),
                         *offsets = dtp_json_find(entry, "data_offsets");
    if (!dtype || !shape || !offsets || entry->count != 3)
        return entry_fail(tensor, "its entry", entry, wanted, error);
    DTP_TRY(parse_dtype(tensor, dtype, error));
    DTP_TRY(parse_shape(tensor, shape, error));
    DTP_TRY(parse_offsets(tensor, offsets, error));
    return DEEPTEPP_OK;
fail:
    return status;
}

static deeptepp_status parse_metadata(dtp_safetensors *out, const dtp_json_value *metadata, deeptepp_error *error)
{
    char text[MAX_SHOWN];
    if (metadata->kind != DTP_JSON_OBJECT)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_METADATA, "model file: __metadata__ is %s, wanted an object of texts",
                        dtp_json_show(metadata, text, sizeof text));
    DTP_JSON_EACH(value, metadata)
        if (value->kind != DTP_JSON_TEXT)
            return dtp_fail(error, DEEPTEPP_ERR_MODEL_METADATA,
                            "model file: __metadata__: \"%.*s\" is %s, wanted a text", cut(value->key, 60), value->key,
                            dtp_json_show(value, text, sizeof text));
    out->metadata = metadata;
    return DEEPTEPP_OK;
}

static deeptepp_status parse_entries(dtp_safetensors *out, deeptepp_error *error)
{
    size_t count = out->header->count - (out->metadata ? 1 : 0);
    if (count > MAX_TENSORS)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY, "model file: %zu tensors, wanted at most %d", count,
                        MAX_TENSORS);
    out->tensors = calloc(count + 1, sizeof *out->tensors);
    out->by_name = calloc(count + 1, sizeof(dtp_tensor *));
    if (!out->tensors || !out->by_name)
        return dtp_fail_memory(error, "the list of tensors", count * sizeof *out->tensors);
    DTP_JSON_EACH(entry, out->header) {
        if (entry == out->metadata)
            continue;
        deeptepp_status status = parse_entry(&out->tensors[out->count++], entry, error);
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
                                      dtp_watch *watch, deeptepp_error *error)
{
    deeptepp_status status;
    *out = (dtp_safetensors){0};
    if (header_size < 2 || header[0] != '{')
        DTP_FAIL(MODEL_JSON, "model header: it does not start with {: this is no safetensors file");
    DTP_TRY(dtp_safetensors_json(&out->header, header, header_size, "model header", watch, error));
    const dtp_json_value *metadata = dtp_json_find(out->header, "__metadata__");
    if (metadata)
        DTP_TRY(parse_metadata(out, metadata, error));
    DTP_TRY(parse_entries(out, error));
    sort_tensors(out);
    DTP_TRY(check_tiling(out, data_size, error));
    return DEEPTEPP_OK;
fail:
    dtp_safetensors_free(out);
    return status;
}

void dtp_safetensors_free(dtp_safetensors *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->count; i++)
        free(file->tensors[i].data);
    free(file->tensors);
    free(file->by_name);
    free(file->header);
    *file = (dtp_safetensors){0};
}

dtp_tensor *dtp_safetensors_find(const dtp_safetensors *file, const char *name)
{
    dtp_tensor **found = file->count ? bsearch(name, file->by_name, file->count, sizeof *found, compare_key) : NULL;
    return found ? *found : NULL;
}
