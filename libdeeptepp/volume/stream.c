#include "stream.h"

#include <unistd.h>

#include "../base/file.h"

/* Deflate spends at least two bits on a copy of at most 258 bytes. */
enum { CHUNK = 1 << 18, SCRATCH = 1 << 12, INFLATE_RATIO = 258 * 8 / 2, GZIP_WINDOW = 15 + 16 };

/* Bytes taken at once, some milliseconds: how long a cancelled call may go on. */
enum { PIECE = 1 << 22 };

/* Bytes, taken up and given, from question to question; of a plain file a chunk of each. */
enum { QUESTION = 2 * CHUNK };

/* Stored bytes that inflate to nothing: longer headers and emptier members nobody writes. */
enum { BARREN = 1 << 20 };

/* Thousandths of the work that reading is; the rest is checking the voxels. */
enum { READING = 900 };

typedef unsigned long long ull;

static deeptepp_status fail_too_large(const dtp_stream *stream, const char *what, uint64_t found, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE,
                    "%s: at least %llu bytes, wanted %llu at most (the voxels allowed and what may precede them)", what,
                    (ull)found, (ull)stream->limit);
}

/* Fills the chunk as far as the file goes. */
static deeptepp_status read_chunk(dtp_stream *stream, deeptepp_error *error)
{
    size_t got = 1;
    deeptepp_status status = DEEPTEPP_OK;
    stream->next = stream->chunk;
    for (; stream->left < CHUNK && got > 0 && status == DEEPTEPP_OK; stream->left += got)
        status = dtp_file_read(stream->fd, stream->chunk + stream->left, CHUNK - stream->left, &got, error);
    return status;
}

/* Takes up stored bytes when none are left; still none means the end. They are hashed while they are in the cache. */
static deeptepp_status refill(dtp_stream *stream, deeptepp_error *error)
{
    if (stream->left)
        return DEEPTEPP_OK;
    if (stream->chunk) {
        deeptepp_status status = read_chunk(stream, error);
        if (status != DEEPTEPP_OK)
            return status;
    } else if (stream->taken < stream->size) {
        uint64_t rest = stream->size - stream->taken;
        stream->next = stream->memory + stream->taken;
        stream->left = rest < CHUNK ? (size_t)rest : CHUNK;
    }
    stream->taken += stream->left;
    if (stream->taken > stream->limit)
        return fail_too_large(stream, "size of the file", stream->taken, error);
    if (stream->left)
        dtp_digest_add(&stream->digest, stream->next, stream->left);
    return DEEPTEPP_OK;
}

/* zlib's memory from the library's own allocator, as all that can be. */
static void *inflater_alloc(void *opaque, uInt items, uInt size)
{
    (void)opaque;
    return calloc(items, size);
}

static void inflater_free(void *opaque, void *memory)
{
    (void)opaque;
    free(memory);
}

static deeptepp_status start(dtp_stream *stream, deeptepp_error *error)
{
    if (stream->size > stream->limit)
        return fail_too_large(stream, "size of the file", stream->size, error);
    dtp_digest_init(&stream->digest);
    deeptepp_status status = refill(stream, error);
    if (status != DEEPTEPP_OK || stream->left < 2 || stream->next[0] != 0x1f || stream->next[1] != 0x8b)
        return status;
    stream->inflater = (z_stream){.zalloc = inflater_alloc, .zfree = inflater_free};
    if (inflateInit2(&stream->inflater, GZIP_WINDOW) != Z_OK)
        return dtp_fail_memory(error, "gzip's window", (size_t)1 << 15);
    stream->gzip = true;
    return DEEPTEPP_OK;
}

deeptepp_status dtp_stream_open(dtp_stream *stream, const char *path, uint64_t limit, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    *stream = (dtp_stream){.fd = -1, .limit = limit};
    DTP_TRY(dtp_file_open(&stream->fd, &stream->size, path, error));
    stream->chunk = malloc(CHUNK);
    if (!stream->chunk) {
        status = dtp_fail_memory(error, "reading a file", CHUNK);
        goto fail;
    }
    DTP_TRY(start(stream, error));
    return DEEPTEPP_OK;
fail:
    dtp_stream_close(stream);
    return status;
}

deeptepp_status dtp_stream_open_bytes(dtp_stream *stream, const void *bytes, size_t size, uint64_t limit,
                                      deeptepp_error *error)
{
    *stream = (dtp_stream){.fd = -1, .memory = bytes, .size = size, .limit = limit};
    deeptepp_status status = start(stream, error);
    if (status != DEEPTEPP_OK)
        dtp_stream_close(stream);
    return status;
}

static size_t take_stored(dtp_stream *stream, uint8_t *out, size_t size)
{
    size_t got = size < stream->left ? size : stream->left;
    if (got == 0)
        return 0;
    memcpy(out, stream->next, got);
    stream->next += got;
    stream->left -= got;
    return got;
}

static deeptepp_status fail_gzip(const dtp_stream *stream, const char *what, deeptepp_error *error)
{
    return dtp_fail(error, DEEPTEPP_ERR_GZIP, "gzip data: %s at byte %llu, wanted sound data and nothing after them",
                    what, (ull)(stream->taken - stream->left));
}

static deeptepp_status inflate_step(dtp_stream *stream, uint8_t *out, size_t size, size_t *got, deeptepp_error *error)
{
    z_stream *z = &stream->inflater;
    z->next_in = (Bytef *)(uintptr_t)stream->next; /* zlib does not write there, nor say so before ZLIB_CONST */
    z->avail_in = (uInt)stream->left;
    z->next_out = out;
    z->avail_out = (uInt)size; /* a PIECE at most */
    int result = inflate(z, Z_NO_FLUSH);
    stream->next = z->next_in;
    stream->left = z->avail_in;
    *got = size - z->avail_out;
    stream->in_member = result != Z_STREAM_END;
    if (result == Z_OK || result == Z_STREAM_END)
        return DEEPTEPP_OK;
    if (result == Z_MEM_ERROR)
        return dtp_fail_memory(error, "gzip's window", (size_t)1 << 15);
    return fail_gzip(stream, z->msg ? z->msg : "not inflatable", error);
}

static deeptepp_status ask(dtp_stream *stream, deeptepp_error *error)
{
    uint64_t handled = stream->taken + stream->given;
    if (!stream->watch || handled < stream->next_question)
        return DEEPTEPP_OK;
    stream->next_question = handled + QUESTION;
    double done = stream->size ? (double)(stream->taken - stream->left) / (double)stream->size : 1;
    return dtp_watch_step(stream->watch, done < 1 ? (int)(READING * done) : READING, error);
}

/* Stored bytes that end inside a member are a file cut short: FILE_TRUNCATED. What follows a member must be another
 * member: anything else, zeros too, is GZIP. */
static deeptepp_status take_inflated(dtp_stream *stream, uint8_t *out, size_t size, size_t *got, deeptepp_error *error)
{
    const uint64_t before = stream->taken;
    *got = 0;
    while (*got == 0) {
        deeptepp_status status = refill(stream, error);
        if (stream->taken > before + BARREN)
            return fail_gzip(stream, "a megabyte that inflates to nothing", error);
        if (status == DEEPTEPP_OK)
            status = ask(stream, error);
        if (status != DEEPTEPP_OK)
            return status;
        if (!stream->left && !stream->in_member)
            return DEEPTEPP_OK;
        if (!stream->left)
            return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED,
                            "gzip data: end in mid-stream after %llu stored bytes, wanted more", (ull)stream->taken);
        if (!stream->in_member && stream->next[0] != 0x1f)
            return fail_gzip(stream, "something else", error);
        if (!stream->in_member)
            inflateReset(&stream->inflater);
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
    if (stream->gzip) {
        status = take_inflated(stream, out, size, got, error);
    } else {
        status = refill(stream, error);
        *got = status == DEEPTEPP_OK ? take_stored(stream, out, size) : 0;
    }
    stream->given += *got;
    if (status == DEEPTEPP_OK && stream->given > stream->limit)
        return fail_too_large(stream, "size of the file, inflated", stream->given, error);
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
    uint64_t most = stream->size;
    return stream->gzip && __builtin_mul_overflow(most, (uint64_t)INFLATE_RATIO, &most) ? UINT64_MAX : most;
}

deeptepp_status dtp_stream_finish(dtp_stream *stream, char sha256[DTP_DIGEST_SIZE], deeptepp_error *error)
{
    uint8_t scratch[SCRATCH];
    size_t got = 0;
    do {
        deeptepp_status status = take(stream, scratch, sizeof scratch, &got, error);
        if (status != DEEPTEPP_OK)
            return status;
    } while (got);
    dtp_digest_hex(&stream->digest, sha256);
    return DEEPTEPP_OK;
}

void dtp_stream_close(dtp_stream *stream)
{
    if (stream->gzip)
        inflateEnd(&stream->inflater);
    if (stream->fd >= 0)
        close(stream->fd);
    free(stream->chunk);
    *stream = (dtp_stream){.fd = -1};
}
