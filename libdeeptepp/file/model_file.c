#include "model_file.h"

static const uint64_t default_max_bytes = (uint64_t)4 << 30;

static uint64_t limit_of(uint64_t max_bytes)
{
    const uint64_t limit = max_bytes ? max_bytes : default_max_bytes;
    return limit < SIZE_MAX ? limit : SIZE_MAX;
}

/* What came after the size was asked for is neither parsed nor in the digest. */
static deeptepp_status check_end(dtp_source *source, deeptepp_error *error)
{
    uint8_t byte;
    size_t got = 0;
    deeptepp_status status = dtp_source_take(source, &byte, 1, &got, NULL, error);
    if (status == DEEPTEPP_OK && got > 0)
        status = dtp_fail(error, DEEPTEPP_ERR_FILE_READ, "model file: it grew beyond %llu bytes while it was read",
                          (unsigned long long)source->size);
    return status;
}

/* ---- The description ---- */

static deeptepp_status check_schema(const dtp_json_value *description, deeptepp_error *error)
{
    const dtp_json_value *schema = dtp_json_find(description, "schema");
    const long long found = dtp_json_whole(schema);
    if (!schema || schema->kind != DTP_JSON_INTEGER)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_SCHEMA, "model description: schema is %s, wanted the integer %d",
                        schema ? "not an integer" : "missing", DTP_MODEL_SCHEMA);
    if (found == DTP_MODEL_SCHEMA)
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_SCHEMA, "model description: schema is %lld, wanted %d%s", found,
                    DTP_MODEL_SCHEMA, found > DTP_MODEL_SCHEMA ? ": use a newer libdeeptepp" : "");
}

static deeptepp_status read_description(dtp_model_file *file, dtp_watch *watch, deeptepp_error *error)
{
    const dtp_json_value *text = dtp_json_find(file->file.metadata, "deeptepp");
    if (!text)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_METADATA,
                        "model file: metadata key \"deeptepp\" is missing, wanted the model's description: these are "
                        "weights only; docs/model-format.md says how to add it");
    deeptepp_status status = dtp_safetensors_json(&file->description, text->text, strlen(text->text),
                                                  "model description", watch, error);
    return status == DEEPTEPP_OK ? check_schema(file->description, error) : status;
}

static deeptepp_status read_source(dtp_model_file *out, dtp_source *source, deeptepp_error *error)
{
    deeptepp_status status;
    dtp_digest digest;
    dtp_digest_init(&digest);
    DTP_TRY(dtp_safetensors_read(&out->file, source, &digest, error));
    DTP_TRY(check_end(source, error));
    DTP_TRY(read_description(out, source->watch, error));
    dtp_digest_hex(&digest, out->sha256);
    return DEEPTEPP_OK;
fail:
    dtp_model_file_close(out);
    return status;
}

deeptepp_status dtp_model_file_open(dtp_model_file *out, const char *path, uint64_t max_bytes,
                                    dtp_watch *watch, deeptepp_error *error)
{
    dtp_source source;
    *out = (dtp_model_file){0};
    deeptepp_status status = dtp_source_open(&source, path, limit_of(max_bytes), watch, error);
    if (status == DEEPTEPP_OK)
        status = read_source(out, &source, error);
    dtp_source_close(&source);
    return status;
}

deeptepp_status dtp_model_file_from_bytes(dtp_model_file *out, const void *bytes, size_t size, uint64_t max_bytes,
                                          dtp_watch *watch, deeptepp_error *error)
{
    dtp_source source;
    *out = (dtp_model_file){0};
    deeptepp_status status = dtp_source_open_bytes(&source, bytes, size, limit_of(max_bytes), watch, error);
    return status == DEEPTEPP_OK ? read_source(out, &source, error) : status;
}

void dtp_model_file_close(dtp_model_file *file)
{
    if (!file)
        return;
    dtp_safetensors_free(&file->file);
    free(file->description);
    *file = (dtp_model_file){0};
}
