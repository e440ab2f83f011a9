/* Getting at the bytes: the file front to back, then each tensor as float32. */
#include <float.h>
#include <math.h>

#include "../base/bytes.h"
#include "../base/kinds.h"
#include "safetensors.h"
#include "tensor_hash.h"

typedef unsigned long long ull;

static const size_t max_header = (size_t)100 << 20;

/* What is no safetensors file may be recognisably of another kind: by the length read from its first 8 bytes and what
 * follows them. */
static deeptepp_status refuse_kind(uint64_t length, const void *after, size_t size, deeptepp_error *error)
{
    uint8_t first[DTP_KIND_BYTES];
    size = size < sizeof first - 8 ? size : sizeof first - 8;
    for (int i = 0; i < 8; i++)
        first[i] = (uint8_t)(length >> 8 * i);
    memcpy(first + 8, after, size);
    return dtp_kinds_refuse(first, size + 8, DTP_WANTED_MODEL, error);
}

static deeptepp_status fail_length(uint64_t length, dtp_source *source, deeptepp_error *error)
{
    uint8_t after[DTP_KIND_BYTES];
    const uint64_t rest = source->size - source->at;
    const size_t size = rest < sizeof after ? (size_t)rest : sizeof after;
    deeptepp_status status = dtp_source_read(source, after, size, NULL, error);
    const bool cut = length > rest && length <= max_header && (size == 0 || after[0] == '{');
    if (status == DEEPTEPP_OK && !cut)
        status = refuse_kind(length, after, size, error);
    if (status != DEEPTEPP_OK)
        return status;
    return dtp_fail(error, DEEPTEPP_ERR_MODEL_HEADER_LENGTH, "model file: header length is %llu, wanted 2 to %llu: %s",
                    (ull)length, (ull)(rest < max_header ? rest : max_header),
                    cut ? "the file is cut short" : "this is no safetensors file");
}

static deeptepp_status read_length(uint64_t *length, dtp_source *source, dtp_digest *digest, deeptepp_error *error)
{
    uint8_t prefix[8];
    if (source->size < sizeof prefix)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED, "model file: %llu bytes, wanted at least 8",
                        (ull)source->size);
    deeptepp_status status = dtp_source_read(source, prefix, sizeof prefix, digest, error);
    *length = 0;
    for (int i = 7; i >= 0; i--)
        *length = *length << 8 | prefix[i];
    return status;
}

static deeptepp_status read_header(char **out, size_t *size, dtp_source *source, dtp_digest *digest,
                                   deeptepp_error *error)
{
    uint64_t length = 0;
    deeptepp_status status = read_length(&length, source, digest, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (length < 2 || length > source->size - source->at || length > max_header)
        return fail_length(length, source, error);
    *size = (size_t)length;
    *out = malloc(*size);
    if (!*out)
        return dtp_fail_memory(error, "the model header", *size);
    status = dtp_source_read(source, *out, *size, digest, error);
    return status == DEEPTEPP_OK && **out != '{' ? refuse_kind(length, *out, *size, error) : status;
}

static bool is_nonfinite(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) == 0x7f800000u;
}

static size_t count_nonfinite(const float *values, size_t count)
{
    size_t bad = 0;
    for (size_t i = 0; i < count; i++)
        bad += is_nonfinite(values[i]);
    return bad;
}

/* Looked at piece by piece, in the cache that they were read into: a pass of its own would wait for memory. */
static deeptepp_status read_tensor(dtp_tensor *tensor, dtp_source *source, deeptepp_error *error)
{
    enum { PIECE = 1 << 18 };
    const size_t size = tensor->end - tensor->begin;
    deeptepp_status status = DEEPTEPP_OK;
    tensor->finite = tensor->dtype == DTP_F32 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    tensor->data = dtp_alloc_aligned(size);
    if (!tensor->data)
        return dtp_fail_memory(error, tensor->name, size);
    for (size_t at = 0, step; at < size && status == DEEPTEPP_OK; at += step) {
        uint8_t *piece = (uint8_t *)tensor->data + at;
        step = size - at < PIECE ? size - at : PIECE;
        status = dtp_source_read(source, piece, step, NULL, error);
        if (status == DEEPTEPP_OK && tensor->finite)
            tensor->finite = count_nonfinite((const float *)(const void *)piece, step / sizeof(float)) == 0;
    }
    return status;
}

static void to_native_order(dtp_tensor *tensor)
{
    const size_t size = tensor->end - tensor->begin;
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && size > 0)
        for (size_t i = 0; i < size; i += size / tensor->count)
            dtp_swap_element((uint8_t *)tensor->data + i, size / tensor->count);
}

static deeptepp_status read_tensors(dtp_safetensors *out, dtp_source *source, dtp_digest *digest,
                                    deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    dtp_tensor_hash hash;
    dtp_tensor_hash_start(&hash, out->tensors, (size_t)(source->size - source->at), digest, source->watch);
    for (size_t i = 0; i < out->count && status == DEEPTEPP_OK; i++) {
        status = read_tensor(&out->tensors[i], source, error);
        if (status == DEEPTEPP_OK)
            dtp_tensor_hash_next(&hash);
    }
    dtp_tensor_hash_finish(&hash, status == DEEPTEPP_OK);
    if (status == DEEPTEPP_OK)
        status = dtp_watch_ask(source->watch, error);
    for (size_t i = 0; i < out->count && status == DEEPTEPP_OK; i++)
        to_native_order(&out->tensors[i]);
    return status;
}

deeptepp_status dtp_safetensors_read(dtp_safetensors *out, dtp_source *source, dtp_digest *digest,
                                     deeptepp_error *error)
{
    deeptepp_status status;
    char *header = NULL;
    size_t size = 0;
    *out = (dtp_safetensors){0};
    DTP_TRY(read_header(&header, &size, source, digest, error));
    DTP_TRY(dtp_safetensors_parse(out, header, size, (size_t)(source->size - source->at), source->watch, error));
    DTP_TRY(read_tensors(out, source, digest, error));
    free(header);
    return DEEPTEPP_OK;
fail:
    free(header);
    dtp_safetensors_free(out);
    return status;
}

/* ---- As float32 ---- */

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Subnormals by way of 0.5, whose last place is 2^-24: no float32 subnormal on the way, which the host's settings may
 * flush to 0. Selects, no branches: vector code. */
static void convert_f16(const uint16_t *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t sign = (uint32_t)(in[i] & 0x8000u) << 16, rest = in[i] & 0x7fffu;
        const float small = from_bits(rest + (126u << 23)) - 0.5f;
        uint32_t small_bits;
        memcpy(&small_bits, &small, sizeof small_bits);
        const uint32_t normal_bits = (rest << 13) + (rest < 0x7c00u ? 112u << 23 : 224u << 23);
        out[i] = from_bits(sign | (rest < 0x400u ? small_bits : normal_bits));
    }
}

static void convert_bf16(const uint16_t *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = from_bits((uint32_t)in[i] << 16);
}

/* Not left to the conversion: rounding towards zero would turn an overflow into a finite number. */
static void convert_f64(const double *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = fabs(in[i]) <= (double)FLT_MAX ? (float)in[i] : INFINITY;
}

static deeptepp_status check_finite(const dtp_tensor *tensor, const float *values, deeptepp_error *error)
{
    size_t first = 0;
    const size_t bad = tensor->finite ? 0 : count_nonfinite(values, tensor->count);
    if (bad == 0)
        return DEEPTEPP_OK;
    while (!is_nonfinite(values[first]))
        first++;
    return dtp_fail(
        error, DEEPTEPP_ERR_MODEL_NONFINITE,
        "model file: tensor \"%s\": %zu of %zu values are NaN or infinite as float32, the first at index %zu",
        tensor->name, bad, tensor->count, first);
}

static deeptepp_status convert(const dtp_tensor *tensor, float **out, deeptepp_error *error)
{
    const size_t count = tensor->count;
    float *values = dtp_alloc_aligned(count * sizeof *values);
    if (!values)
        return dtp_fail_memory(error, tensor->name, count * sizeof *values);
    if (tensor->dtype == DTP_F32)
        memcpy(values, tensor->data, count * sizeof *values);
    else if (tensor->dtype == DTP_F16)
        convert_f16(tensor->data, values, count);
    else if (tensor->dtype == DTP_BF16)
        convert_bf16(tensor->data, values, count);
    else
        convert_f64(tensor->data, values, count);
    *out = values;
    return DEEPTEPP_OK;
}

static deeptepp_status check_there(const dtp_tensor *tensor, deeptepp_error *error)
{
    if (tensor->dtype == DTP_I64)
        return dtp_fail(error, DEEPTEPP_ERR_MODEL_DTYPE,
                        "model file: tensor \"%s\": dtype is I64, wanted F32, F16, BF16 or F64", tensor->name);
    if (!tensor->data)
        return dtp_fail(error, DEEPTEPP_ERR_INTERNAL, "tensor \"%s\" is taken twice", tensor->name);
    return DEEPTEPP_OK;
}

deeptepp_status dtp_tensor_copy_f32(const dtp_tensor *tensor, float **out, deeptepp_error *error)
{
    deeptepp_status status;
    *out = NULL;
    DTP_TRY(check_there(tensor, error));
    DTP_TRY(convert(tensor, out, error));
    DTP_TRY(check_finite(tensor, *out, error));
    return DEEPTEPP_OK;
fail:
    free(*out);
    *out = NULL;
    return status;
}

deeptepp_status dtp_tensor_take_f32(dtp_tensor *tensor, float **out, deeptepp_error *error)
{
    deeptepp_status status;
    float *values = NULL;
    *out = NULL;
    DTP_TRY(check_there(tensor, error));
    if (tensor->dtype == DTP_F32)
        values = tensor->data;
    else
        DTP_TRY(convert(tensor, &values, error));
    DTP_TRY(check_finite(tensor, values, error));
    if (values != tensor->data)
        free(tensor->data);
    tensor->data = NULL;
    tensor->used = true;
    *out = values;
    return DEEPTEPP_OK;
fail:
    if (values != tensor->data)
        free(values);
    return status;
}
