/* The stored bytes of one file, on disk or in memory: read once, from front to back, no more than are allowed. Whoever
 * inflates or parses them stands on this. */
#ifndef DTP_SOURCE_H
#define DTP_SOURCE_H

#include "digest.h"
#include "watch.h"

typedef struct dtp_source {
    int fd;                /* -1: in memory */
    const uint8_t *memory;
    uint64_t size;         /* in all, as known at the start; a file can change */
    uint64_t at;           /* how many are read */
    uint64_t limit;        /* how many may be */
    uint64_t question;     /* the byte before which the watch is asked again */
    dtp_watch *watch;      /* told of the share that is read */
} dtp_source;

/* The watch is asked at least before every so many bytes: on storage of 10 MB a second, 20 times a second. */
enum { DTP_SOURCE_PIECE = 1 << 19 };

/* Opens the regular file at `path`, or bytes that must outlive the source. On failure there is nothing to close.
 * Errors: FILE_MISSING, FILE_POINTER, FILE_READ, FILE_TOO_LARGE. */
deeptepp_status dtp_source_open(dtp_source *source, const char *path, uint64_t limit, dtp_watch *watch,
                                deeptepp_error *error);
deeptepp_status dtp_source_open_bytes(dtp_source *source, const void *bytes, size_t size, uint64_t limit,
                                      dtp_watch *watch, deeptepp_error *error);

/* The next bytes: at least one of `size`, none at the end, DTP_SOURCE_PIECE at most. They are added to the digest, if
 * there is one, while they are in the cache. Errors: FILE_READ, FILE_TOO_LARGE, CANCELLED. */
deeptepp_status dtp_source_take(dtp_source *source, void *out, size_t size, size_t *got, dtp_digest *digest,
                                deeptepp_error *error);

/* Exactly the next `size` bytes. Errors: as dtp_source_take, FILE_TRUNCATED. */
deeptepp_status dtp_source_read(dtp_source *source, void *out, size_t size, dtp_digest *digest, deeptepp_error *error);

/* Also after a failed opening. */
void dtp_source_close(dtp_source *source);

#endif
