/* One gzip member after another, inflated by ISA-L, two to three times as fast as zlib. */
#ifndef DTP_INFLATE_H
#define DTP_INFLATE_H

#include "../base/base.h"

typedef struct dtp_inflater dtp_inflater;

/* NULL where there is no memory for it. Freed by free(). */
dtp_inflater *dtp_inflater_new(void);
size_t dtp_inflater_bytes(void);

/* Whether something is wrong with the data behind the bytes that were handed out. */
bool dtp_inflater_failed(const dtp_inflater *inflater);

/* The next bytes are a member's first. */
void dtp_inflater_begin(dtp_inflater *inflater);

/* From *next, *left of them, which move on, to `out`: *got bytes of at most `size`. *ended: the member has, its
 * checksum and length are right. NULL, or what is wrong with the data, once all before it has been handed out. */
const char *dtp_inflater_step(dtp_inflater *inflater, const uint8_t **next, size_t *left, uint8_t *out, size_t size,
                              size_t *got, bool *ended);

#endif
