#include "source.h"

#include <unistd.h>

#include "file.h"

typedef unsigned long long ull;

static deeptepp_status check_limit(const dtp_source *source, uint64_t size, deeptepp_error *error)
{
    if (size <= source->limit)
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE,
                    "size of the file: %llu bytes, wanted at most %llu: allow more, if it is the file that is meant",
                    (ull)size, (ull)source->limit);
}

deeptepp_status dtp_source_open(dtp_source *source, const char *path, uint64_t limit, dtp_watch *watch,
                                deeptepp_error *error)
{
    *source = (dtp_source){.fd = -1, .limit = limit, .watch = watch};
    deeptepp_status status = dtp_file_open(&source->fd, &source->size, path, error);
    if (status == DEEPTEPP_OK)
        status = check_limit(source, source->size, error);
    if (status != DEEPTEPP_OK)
        dtp_source_close(source);
    return status;
}

deeptepp_status dtp_source_open_bytes(dtp_source *source, const void *bytes, size_t size, uint64_t limit,
                                      dtp_watch *watch, deeptepp_error *error)
{
    *source = (dtp_source){.fd = -1, .memory = bytes, .size = size, .limit = limit, .watch = watch};
    return check_limit(source, size, error);
}

/* Fills `out` as far as there are bytes. */
static deeptepp_status fill(dtp_source *source, uint8_t *out, size_t size, size_t *got, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    *got = 0;
    if (source->fd < 0) {
        uint64_t rest = source->size - source->at;
        *got = rest < size ? (size_t)rest : size;
        if (*got)
            memcpy(out, source->memory + source->at, *got);
    }
    for (size_t step = 1; source->fd >= 0 && *got < size && step > 0 && status == DEEPTEPP_OK; *got += step)
        status = dtp_file_read(source->fd, out + *got, size - *got, &step, error);
    return status;
}

static deeptepp_status ask(dtp_source *source, deeptepp_error *error)
{
    if (source->at < source->question && source->at < source->size)
        return DEEPTEPP_OK;
    source->question = source->at + DTP_SOURCE_PIECE;
    double done = source->at < source->size ? (double)source->at / (double)source->size : 1;
    return dtp_watch_step(source->watch, (int)(1000 * done), error);
}

deeptepp_status dtp_source_take(dtp_source *source, void *out, size_t size, size_t *got, dtp_digest *digest,
                                deeptepp_error *error)
{
    *got = 0;
    deeptepp_status status = ask(source, error);
    uint64_t most = source->question - source->at;
    if (status == DEEPTEPP_OK)
        status = fill(source, out, size < most ? size : (size_t)most, got, error);
    source->at += *got;
    if (status == DEEPTEPP_OK)
        status = check_limit(source, source->at, error);
    if (status == DEEPTEPP_OK && digest)
        dtp_digest_add(digest, out, *got);
    return status;
}

deeptepp_status dtp_source_read(dtp_source *source, void *out, size_t size, dtp_digest *digest, deeptepp_error *error)
{
    const uint64_t begin = source->at;
    for (size_t at = 0, got; at < size; at += got) {
        deeptepp_status status = dtp_source_take(source, (uint8_t *)out + at, size - at, &got, digest, error);
        if (status != DEEPTEPP_OK)
            return status;
        if (got == 0)
            return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED, "the file ends after %llu bytes, wanted %llu",
                            (ull)source->at, (ull)(begin + size));
    }
    return DEEPTEPP_OK;
}

void dtp_source_close(dtp_source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    *source = (dtp_source){.fd = -1};
}
