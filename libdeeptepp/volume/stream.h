/* The bytes of a volume's file, inflated where they are gzip: a layer on its stored bytes. */
#ifndef DTP_STREAM_H
#define DTP_STREAM_H

#include "../base/source.h"
#include "inflate.h"

typedef struct dtp_stream {
    dtp_source source;
    dtp_digest digest;   /* of the stored bytes taken up */
    uint8_t *chunk;      /* where they land */
    const uint8_t *next; /* those not yet used */
    size_t left;
    uint64_t given;      /* bytes handed out, inflated */
    uint64_t question;   /* their number at which the watch is asked again */
    dtp_inflater *inflater; /* NULL: not gzip */
    bool in_member;         /* a gzip member has begun and not ended */
} dtp_stream;

/* Opens the regular file at `path` (NULL: `size` bytes, which must outlive the stream). Both the stored and the
 * inflated bytes may be `limit` at most. The watch is told of the share of the file that is used. On
 * failure there is nothing to close. Errors: FILE_MISSING, FILE_POINTER, FILE_READ, FILE_TOO_LARGE, MEMORY,
 * CANCELLED. */
deeptepp_status dtp_stream_open(dtp_stream *stream, const char *path, const void *bytes, size_t size, uint64_t limit,
                                dtp_watch *watch, deeptepp_error *error);

/* Exactly the next `size` bytes, or past them. Errors: FILE_READ, FILE_TOO_LARGE, FILE_TRUNCATED, GZIP, MEMORY,
 * CANCELLED. */
deeptepp_status dtp_stream_read(dtp_stream *stream, void *out, size_t size, deeptepp_error *error);
deeptepp_status dtp_stream_skip(dtp_stream *stream, uint64_t size, deeptepp_error *error);

/* As many of the next `size` bytes as there are: *got of them. Errors: as dtp_stream_read. */
deeptepp_status dtp_stream_read_some(dtp_stream *stream, void *out, size_t size, size_t *got, deeptepp_error *error);

/* The most bytes, inflated, that a stream of this size can hold. */
uint64_t dtp_stream_most(const dtp_stream *stream);

/* Goes on to the end, which must come within `most` more bytes, so that every checksum is checked, and gives the digest
 * of the bytes as stored. Errors: as dtp_stream_read. */
deeptepp_status dtp_stream_finish(dtp_stream *stream, uint64_t most, char sha256[DTP_DIGEST_SIZE],
                                  deeptepp_error *error);

/* Also after a failed opening. */
void dtp_stream_close(dtp_stream *stream);

#endif
