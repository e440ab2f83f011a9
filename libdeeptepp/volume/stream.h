/* The bytes of one file, on disk or in memory, inflated where they are gzip: read once, from front to back. */
#ifndef DTP_STREAM_H
#define DTP_STREAM_H

#include <zlib.h>

#include "../base/base.h"
#include "../base/digest.h"
#include "../base/watch.h"

typedef struct dtp_stream {
    int fd;         /* -1: not a file */
    uint8_t *chunk; /* where bytes from disk land; NULL: they are in memory */
    const uint8_t *memory;
    const uint8_t *next; /* stored bytes taken up and not yet used */
    size_t left;
    uint64_t size;  /* stored bytes in all, as known at the start */
    uint64_t taken; /* stored bytes taken up, all of them in the digest */
    uint64_t given; /* bytes handed out, inflated */
    uint64_t limit; /* neither may be more */
    uint64_t next_question; /* their sum at which the watch is asked again */
    bool gzip;
    bool in_member; /* a gzip member has begun and not ended */
    z_stream inflater;
    dtp_digest digest;
    dtp_watch *watch; /* NULL, or asked while bytes are taken; set once the stream is open */
} dtp_stream;

/* Opens the regular file at `path`, or bytes that must outlive the stream. Both the stored and the inflated bytes may
 * be `limit` at most. An open stream may not be moved: zlib points back at it. On failure there is nothing to close.
 * Errors: FILE_MISSING, FILE_READ, FILE_TOO_LARGE, MEMORY. */
deeptepp_status dtp_stream_open(dtp_stream *stream, const char *path, uint64_t limit, deeptepp_error *error);
deeptepp_status dtp_stream_open_bytes(dtp_stream *stream, const void *bytes, size_t size, uint64_t limit,
                                      deeptepp_error *error);

/* Exactly the next `size` bytes, or past them. Errors: FILE_READ, FILE_TOO_LARGE, FILE_TRUNCATED, GZIP, MEMORY,
 * CANCELLED. */
deeptepp_status dtp_stream_read(dtp_stream *stream, void *out, size_t size, deeptepp_error *error);
deeptepp_status dtp_stream_skip(dtp_stream *stream, uint64_t size, deeptepp_error *error);

/* As many of the next `size` bytes as there are: *got of them. Errors: as dtp_stream_read. */
deeptepp_status dtp_stream_read_some(dtp_stream *stream, void *out, size_t size, size_t *got, deeptepp_error *error);

/* The most bytes, inflated, that a stream of this size can hold. */
uint64_t dtp_stream_most(const dtp_stream *stream);

/* Goes on to the end, so that every checksum is checked, and gives the digest of the bytes as stored.
 * Errors: as dtp_stream_read. */
deeptepp_status dtp_stream_finish(dtp_stream *stream, char sha256[DTP_DIGEST_SIZE], deeptepp_error *error);

/* Also after a failed opening. */
void dtp_stream_close(dtp_stream *stream);

#endif
