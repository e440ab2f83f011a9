#include "stream.h"

/* Deflate spends at least two bits on a copy of at most 258 bytes. */
enum { CHUNK = 1 << 18, SCRATCH = 1 << 12, INFLATE_RATIO = 258 * 8 / 2 };

/* Inflated at once, some milliseconds: how long a cancelled call may go on. */
enum { PIECE = 1 << 22 };

/* Inflated bytes from question to question; the source asks for those stored. */
enum { QUESTION = 1 << 19 };

/* Stored bytes that inflate to nothing: longer headers and emptier members nobody writes. */
enum { BARREN = 1 << 20 };

typedef unsigned long long ull;

/* As far as these first bytes say. */
static bool may_be_gzip(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0x1f && (size < 2 || bytes[1] == 0x8b);
}

/* Takes up stored bytes when none are left; still none means the end. */
static deeptepp_status refill(dtp_stream *stream, deeptepp_error *error)
{
    if (stream->left)
        return DEEPTEPP_OK;
    stream->next = stream->chunk;
    return dtp_source_take(&stream->source, stream->chunk, CHUNK, &stream->left, &stream->digest, error);
}

/* The first bytes say whether it is gzip. */
static deeptepp_status start(dtp_stream *stream, deeptepp_error *error)
{
    dtp_digest_init(&stream->digest);
    stream->chunk = malloc(CHUNK);
    if (!stream->chunk)
        return dtp_fail_memory(error, "reading a file", CHUNK);
    deeptepp_status status = refill(stream, error);
    if (status != DEEPTEPP_OK || stream->left < 2 || !may_be_gzip(stream->next, stream->left))
        return status;
    stream->inflater = dtp_inflater_new();
    if (!stream->inflater)
        return dtp_fail_memory(error, "inflating gzip", dtp_inflater_bytes());
    return DEEPTEPP_OK;
}

deeptepp_status dtp_stream_open(dtp_stream *stream, const char *path, const void *bytes, size_t size, uint64_t limit,
                                dtp_watch *watch, deeptepp_error *error)
{
    *stream = (dtp_stream){.given = 0};
    deeptepp_status status = path ? dtp_source_open(&stream->source, path, limit, watch, error)
                                  : dtp_source_open_bytes(&stream->source, bytes, size, limit, watch, error);
    if (status == DEEPTEPP_OK)
        status = start(stream, error);
    if (status != DEEPTEPP_OK)
        dtp_stream_close(stream);
    return status;
}

static deeptepp_status take_stored(dtp_stream *stream, uint8_t *out, size_t size, size_t *got, deeptepp_error *error)
{
    if (!stream->left && size >= CHUNK)
        return dtp_source_take(&stream->source, out, size, got, &stream->digest, error);
    deeptepp_status status = refill(stream, error);
    *got = status != DEEPTEPP_OK ? 0 : size < stream->left ? size : stream->left;
    if (*got)
        memcpy(out, stream->next, *got);
    stream->next += *got;
    stream->left -= *got;
    return status;
}

/* Stored bytes used. */
static uint64_t used(const dtp_stream *stream)
{
    return stream->source.at - stream->left;
}

static deeptepp_status fail_gzip(const dtp_stream *stream, const char *what, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_GZIP, "gzip data: %s at byte %llu, wanted sound data and nothing after them",
                    what, (ull)used(stream));
}

static deeptepp_status inflate_step(dtp_stream *stream, uint8_t *out, size_t size, size_t *got, deeptepp_error *error)
{
    bool ended = false;
    if (!stream->in_member)
        dtp_inflater_begin(stream->inflater);
    const char *wrong = dtp_inflater_step(stream->inflater, &stream->next, &stream->left, out, size, got, &ended);
    stream->in_member = !ended;
    return wrong ? fail_gzip(stream, wrong, error) : DEEPTEPP_OK;
}

static deeptepp_status ask(dtp_stream *stream, deeptepp_error *error)
{
    if (!stream->inflater || stream->given < stream->question)
        return DEEPTEPP_OK;
    stream->question = stream->given + QUESTION;
    double size = (double)stream->source.size, done = (double)used(stream) / size;
    return dtp_watch_step(stream->source.watch, done < 1 ? (int)(1000 * done) : 1000, error);
}

/* Stored bytes that end inside a member are a file cut short: FILE_TRUNCATED. What follows a member must be another
 * member: anything else, zeros too, is GZIP. */
static deeptepp_status take_inflated(dtp_stream *stream, uint8_t *out, size_t size, size_t *got, deeptepp_error *error)
{
    const uint64_t before = stream->source.at;
    *got = 0;
    while (*got == 0) {
        deeptepp_status status = refill(stream, error);
        if (status == DEEPTEPP_OK && stream->source.at > before + BARREN)
            return fail_gzip(stream, "a megabyte that inflates to nothing", error);
        if (status == DEEPTEPP_OK)
            status = ask(stream, error);
        if (status != DEEPTEPP_OK)
            return status;
        const bool failed = dtp_inflater_failed(stream->inflater);
        if (!stream->left && !stream->in_member)
            return DEEPTEPP_OK;
        if (!stream->left && !failed)
            return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED,
                            "gzip data: end in mid-stream after %llu stored bytes, wanted more",
                            (ull)stream->source.at);
        if (!stream->in_member && !may_be_gzip(stream->next, stream->left))
            return fail_gzip(stream, "something else", error);
        status = inflate_step(stream, out, size, got, error);
        if (status != DEEPTEPP_OK)
            return status;
    }
    return DEEPTEPP_OK;
}

/* One to `size` bytes; none at the end. */
static deeptepp_status take(dtp_stream *stream, void *out, size_t size, size_t *got, deeptepp_error *error)
{
    deeptepp_status status = ask(stream, error);
    size = size < PIECE ? size : PIECE;
    if (status != DEEPTEPP_OK)
        return status;
    status = stream->inflater ? take_inflated(stream, out, size, got, error)
                              : take_stored(stream, out, size, got, error);
    stream->given += *got;
    if (status == DEEPTEPP_OK && stream->given > stream->source.limit)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE,
                        "size of the file, inflated: at least %llu bytes, wanted at most %llu", (ull)stream->given,
                        (ull)stream->source.limit);
    return status;
}

deeptepp_status dtp_stream_read_some(dtp_stream *stream, void *out, size_t size, size_t *got, deeptepp_error *error)
{
    *got = 0;
    for (size_t step = 1; *got < size && step > 0; *got += step) {
        deeptepp_status status = take(stream, (uint8_t *)out + *got, size - *got, &step, error);
        if (status != DEEPTEPP_OK)
            return status;
    }
    return DEEPTEPP_OK;
}

deeptepp_status dtp_stream_read(dtp_stream *stream, void *out, size_t size, deeptepp_error *error)
{
    uint64_t wanted = stream->given + size;
    size_t got;
    deeptepp_status status = dtp_stream_read_some(stream, out, size, &got, error);
    if (status == DEEPTEPP_OK && got < size)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED, "the data end after %llu bytes, wanted %llu",
                        (ull)stream->given, (ull)wanted);
    return status;
}

deeptepp_status dtp_stream_skip(dtp_stream *stream, uint64_t size, deeptepp_error *error)
{
    uint8_t scratch[SCRATCH];
    deeptepp_status status = DEEPTEPP_OK;
    while (size && status == DEEPTEPP_OK) {
        size_t step = size < SCRATCH ? (size_t)size : SCRATCH;
        status = dtp_stream_read(stream, scratch, step, error);
        size -= step;
    }
    return status;
}

uint64_t dtp_stream_most(const dtp_stream *stream)
{
    uint64_t most = stream->source.size;
    return stream->inflater && __builtin_mul_overflow(most, (uint64_t)INFLATE_RATIO, &most) ? UINT64_MAX : most;
}

deeptepp_status dtp_stream_finish(dtp_stream *stream, uint64_t most, char sha256[DTP_DIGEST_SIZE],
                                  deeptepp_error *error)
{
    uint8_t scratch[SCRATCH];
    const uint64_t begin = stream->given;
    size_t got = 0;
    do {
        deeptepp_status status = take(stream, scratch, sizeof scratch, &got, error);
        if (status != DEEPTEPP_OK)
            return status;
        if (stream->given - begin > most)
            return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE,
                            "size of the file%s: more than %llu bytes after the volume's voxels, wanted at most those "
                            "of its other volumes, as many as all have, and 64 MiB",
                            stream->inflater ? ", inflated" : "", (ull)most);
    } while (got);
    dtp_digest_hex(&stream->digest, sha256);
    return DEEPTEPP_OK;
}

void dtp_stream_close(dtp_stream *stream)
{
    dtp_source_close(&stream->source);
    free(stream->inflater);
    free(stream->chunk);
    *stream = (dtp_stream){.source = {.fd = -1}};
}
