/* Opening what a caller names: a regular file, and nothing that makes the call wait. */
#ifndef DTP_FILE_H
#define DTP_FILE_H

#include "base.h"

/* The regular file at `path`, open for reading, and its size. *fd is -1 after an error. Errors: FILE_MISSING,
 * FILE_POINTER, FILE_READ. */
deeptepp_status dtp_file_open(int *fd, uint64_t *size, const char *path, deeptepp_error *error);

/* The next bytes, at most `size`, 0 at the end. Errors: FILE_READ. */
deeptepp_status dtp_file_read(int fd, void *out, size_t size, size_t *got, deeptepp_error *error);

#endif
