#include "digest.h"

#include "fetch.h"

void dtp_digest_init(dtp_digest *digest)
{
    sha256_init(&digest->context);
}

/* Asked for ahead: hashing is long chains of instructions, behind which the processor sees too few loads to come.
 * Bytes that are in no cache near by take half the time, others as long as ever. */
void dtp_digest_add(dtp_digest *digest, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (; size >= 2 * DTP_FETCH; bytes += DTP_FETCH, size -= DTP_FETCH) {
        dtp_fetch_next(bytes);
        sha256_update(&digest->context, DTP_FETCH, bytes);
    }
    sha256_update(&digest->context, size, bytes);
}

void dtp_digest_hex(dtp_digest *digest, char hex[DTP_DIGEST_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[SHA256_DIGEST_SIZE];
    sha256_digest(&digest->context, sizeof raw, raw);
    for (size_t i = 0; i < sizeof raw; i++) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[DTP_DIGEST_SIZE - 1] = '\0';
}
