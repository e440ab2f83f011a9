#include "status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <deeptepp/version.h>

#include "warnings.h"

#define TEXT(x) #x
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *deeptepp_version(void)
{
    return VERSION(DEEPTEPP_VERSION_MAJOR, DEEPTEPP_VERSION_MINOR, DEEPTEPP_VERSION_PATCH);
}

/* A switch rather than a table: the compiler then warns of a status that is not named here. */
const char *deeptepp_status_name(deeptepp_status status)
{
#define NAME(constant)                                                                                                 \
    case constant:                                                                                                     \
        return #constant
    switch (status) {
        NAME(DEEPTEPP_OK);
        NAME(DEEPTEPP_ERR_ARGUMENT);
        NAME(DEEPTEPP_ERR_STRUCT_SIZE);
        NAME(DEEPTEPP_ERR_MEMORY);
        NAME(DEEPTEPP_ERR_MEMORY_LIMIT);
        NAME(DEEPTEPP_ERR_CANCELLED);
        NAME(DEEPTEPP_ERR_BUSY);
        NAME(DEEPTEPP_ERR_THREAD);
        NAME(DEEPTEPP_ERR_BACKEND);
        NAME(DEEPTEPP_ERR_INTERNAL);
        NAME(DEEPTEPP_ERR_PRECISION);
        NAME(DEEPTEPP_ERR_FILE_MISSING);
        NAME(DEEPTEPP_ERR_FILE_READ);
        NAME(DEEPTEPP_ERR_FILE_TOO_LARGE);
        NAME(DEEPTEPP_ERR_FILE_TRUNCATED);
        NAME(DEEPTEPP_ERR_GZIP);
        NAME(DEEPTEPP_ERR_FILE_FORMAT);
        NAME(DEEPTEPP_ERR_FILE_POINTER);
        NAME(DEEPTEPP_ERR_NIFTI_MAGIC);
        NAME(DEEPTEPP_ERR_NIFTI_PAIR);
        NAME(DEEPTEPP_ERR_NIFTI_ANALYZE);
        NAME(DEEPTEPP_ERR_NIFTI_DIM);
        NAME(DEEPTEPP_ERR_NIFTI_4D);
        NAME(DEEPTEPP_ERR_NIFTI_DATATYPE);
        NAME(DEEPTEPP_ERR_NIFTI_BITPIX);
        NAME(DEEPTEPP_ERR_NIFTI_VOX_OFFSET);
        NAME(DEEPTEPP_ERR_NIFTI_PIXDIM);
        NAME(DEEPTEPP_ERR_NIFTI_UNITS);
        NAME(DEEPTEPP_ERR_NIFTI_SCALING);
        NAME(DEEPTEPP_ERR_NIFTI_ORIENTATION);
        NAME(DEEPTEPP_ERR_VOLUME_DIMS);
        NAME(DEEPTEPP_ERR_VOLUME_STRIDES);
        NAME(DEEPTEPP_ERR_VOLUME_TYPE);
        NAME(DEEPTEPP_ERR_VOLUME_AFFINE);
        NAME(DEEPTEPP_ERR_VOLUME_SHEAR);
        NAME(DEEPTEPP_ERR_VOLUME_SPACING);
        NAME(DEEPTEPP_ERR_VOLUME_NONFINITE);
        NAME(DEEPTEPP_ERR_VOLUME_INEXACT);
        NAME(DEEPTEPP_ERR_MODEL_HEADER_LENGTH);
        NAME(DEEPTEPP_ERR_MODEL_JSON);
        NAME(DEEPTEPP_ERR_MODEL_TENSOR_ENTRY);
        NAME(DEEPTEPP_ERR_MODEL_OFFSETS);
        NAME(DEEPTEPP_ERR_MODEL_DTYPE);
        NAME(DEEPTEPP_ERR_MODEL_METADATA);
        NAME(DEEPTEPP_ERR_MODEL_VALUE);
        NAME(DEEPTEPP_ERR_MODEL_SCHEMA);
        NAME(DEEPTEPP_ERR_MODEL_ARCHITECTURE);
        NAME(DEEPTEPP_ERR_MODEL_TENSORS);
        NAME(DEEPTEPP_ERR_MODEL_NONFINITE);
        NAME(DEEPTEPP_ERR_MODEL_VARIANCE);
        NAME(DEEPTEPP_ERR_MODEL_SELF_TEST);
        NAME(DEEPTEPP_ERR_MODEL_NO_SELF_TEST);
        NAME(DEEPTEPP_ERR_MODEL_SHA256);
        NAME(DEEPTEPP_ERR_CHANNEL_MISSING);
        NAME(DEEPTEPP_ERR_CHANNEL_UNKNOWN);
        NAME(DEEPTEPP_ERR_CHANNEL_DUPLICATE);
        NAME(DEEPTEPP_ERR_MASK_MISSING);
        NAME(DEEPTEPP_ERR_GEOMETRY_SIZE);
        NAME(DEEPTEPP_ERR_GEOMETRY_SPACING);
        NAME(DEEPTEPP_ERR_GEOMETRY_DIRECTION);
        NAME(DEEPTEPP_ERR_GEOMETRY_ORIGIN);
        NAME(DEEPTEPP_ERR_MASK_EMPTY);
        NAME(DEEPTEPP_ERR_MASK_LABEL);
        NAME(DEEPTEPP_ERR_MASK_LABELS);
        NAME(DEEPTEPP_ERR_MASK_FRACTIONAL);
        NAME(DEEPTEPP_ERR_MASK_SMALL);
        NAME(DEEPTEPP_ERR_REGION_OUTSIDE);
        NAME(DEEPTEPP_ERR_IMAGE_CONSTANT);
        NAME(DEEPTEPP_ERR_SPACING_RANGE);
        NAME(DEEPTEPP_ERR_COVARIATE_MISSING);
        NAME(DEEPTEPP_ERR_COVARIATE_UNKNOWN);
        NAME(DEEPTEPP_ERR_COVARIATE_DUPLICATE);
        NAME(DEEPTEPP_ERR_COVARIATE_VALUE);
        NAME(DEEPTEPP_ERR_COVARIATE_RANGE);
        NAME(DEEPTEPP_ERR_SCORE_NONFINITE);
        NAME(DEEPTEPP_ERR_MASK_OUTSIDE_REGION);
    case DEEPTEPP_STATUS_FORCE_INT32:
        break;
    }
#undef NAME
    return "DEEPTEPP_ERR_UNKNOWN";
}

/* Whether the character of `length` bytes at `c` steers a terminal: C0, DEL, C1. */
static bool is_control(const char *c, int length)
{
    const uint8_t first = (uint8_t)c[0];
    return first < 0x20 || first == 0x7f || (length == 2 && first == 0xc2 && (uint8_t)c[1] < 0xa0);
}

void dtp_clean_line(char *text)
{
    int length;
    for (char *c = text, *end = text + strlen(text); c < end; c += length ? length : 1) {
        length = dtp_utf8_length(c, (size_t)(end - c));
        if (length && is_control(c, length))
            length = 0;
        if (!length)
            *c = '?';
    }
}

void dtp_warn(dtp_warnings *warnings, deeptepp_warning code, const char *format, ...)
{
    if (warnings->count == DTP_MAX_WARNINGS)
        return;
    char *message = warnings->items[warnings->count].message;
    va_list arguments;
    va_start(arguments, format);
    dtp_vformat(message, sizeof warnings->items[0].message, format, arguments);
    va_end(arguments);
    dtp_clean_line(message);
    warnings->items[warnings->count++].code = code;
}

deeptepp_status dtp_fail(deeptepp_error *error, deeptepp_status status, const char *format, ...)
{
    if (!error)
        return status;
    va_list arguments;
    va_start(arguments, format);
    dtp_vformat(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    dtp_clean_line(error->message);
    error->status = status;
    error->volumes[0] = error->volumes[1] = DEEPTEPP_NO_VOLUME;
    return status;
}

deeptepp_status dtp_about(deeptepp_status status, int32_t first, int32_t second, deeptepp_error *error)
{
    bool blameless = status == DEEPTEPP_OK || status == DEEPTEPP_ERR_MEMORY || status == DEEPTEPP_ERR_CANCELLED;
    if (error && !blameless) {
        error->volumes[0] = first;
        error->volumes[1] = second;
    }
    return status;
}

/* Of a long path the end, so that the message itself is not lost. */
void dtp_name_file(deeptepp_error *error, const char *path)
{
    enum { MOST = 300 };
    if (!error)
        return;
    size_t length = strlen(path);
    deeptepp_error plain = *error;
    dtp_fail(error, plain.status, "%s%s: %s", length > MOST ? "..." : "", length > MOST ? path + length - MOST : path,
             plain.message);
    dtp_about(plain.status, plain.volumes[0], plain.volumes[1], error);
}

deeptepp_status dtp_fail_memory(deeptepp_error *error, const char *what, size_t bytes)
{
    if (!bytes)
        return dtp_fail(error, DEEPTEPP_ERR_MEMORY, "out of memory: %s", what);
    return dtp_fail(error, DEEPTEPP_ERR_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}

enum { LARGEST_OPTIONS = 4096 };

static bool all_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

deeptepp_status dtp_options_read(void *out, size_t known, size_t first, const void *in, const char *name,
                                 deeptepp_error *error)
{
    size_t found;
    memset(out, 0, known);
    if (!in)
        return DEEPTEPP_OK;
    memcpy(&found, in, sizeof found);
    if (found < first || found > LARGEST_OPTIONS)
        return dtp_fail(error, DEEPTEPP_ERR_STRUCT_SIZE,
                        "%s.struct_size is %zu, wanted %zu to %d: set it to sizeof(%s)", name, found, first,
                        LARGEST_OPTIONS, name);
    if (found > known && !all_zero((const char *)in + known, found - known))
        return dtp_fail(error, DEEPTEPP_ERR_STRUCT_SIZE,
                        "%s.struct_size is %zu, this library knows %zu and the rest is not 0: an option of a newer "
                        "version is set; use a newer libdeeptepp, or leave it 0",
                        name, found, known);
    memcpy(out, in, found < known ? found : known);
    return DEEPTEPP_OK;
}
