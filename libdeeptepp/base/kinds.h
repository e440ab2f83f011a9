/* What a file is that is not what was wanted: told by its first bytes, and what to do about it. */
#ifndef DTP_KINDS_H
#define DTP_KINDS_H

#include "base.h"

/* As many first bytes as are looked at. */
enum { DTP_KIND_BYTES = 512 };

typedef enum dtp_wanted { DTP_WANTED_VOLUME, DTP_WANTED_MODEL } dtp_wanted;

/* For a file that is not of the kind wanted, by its first `size` bytes, inflated where they are gzip. Names its kind
 * and the way on; OK for one that is not known. Errors: FILE_FORMAT, FILE_POINTER. */
deeptepp_status dtp_kinds_refuse(const uint8_t *bytes, size_t size, dtp_wanted wanted, deeptepp_error *error);

#endif
