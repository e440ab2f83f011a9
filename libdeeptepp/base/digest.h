/* SHA-256 as 64 hexadecimal digits (nettle: pure functions, no global state, uses the processor's instructions). */
#ifndef DTP_DIGEST_H
#define DTP_DIGEST_H

#include <nettle/sha2.h>
#include <stddef.h>

#define DTP_DIGEST_SIZE (2 * SHA256_DIGEST_SIZE + 1)

typedef struct dtp_digest {
    struct sha256_ctx context;
} dtp_digest;

void dtp_digest_init(dtp_digest *digest);
void dtp_digest_add(dtp_digest *digest, const void *data, size_t size);
void dtp_digest_hex(dtp_digest *digest, char hex[DTP_DIGEST_SIZE]);

#endif
