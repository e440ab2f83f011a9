#include "digest.h"

void dtp_digest_init(dtp_digest *digest)
{
    sha256_init(&digest->context);
}

void dtp_digest_add(dtp_digest *digest, const void *data, size_t size)
{
    sha256_update(&digest->context, size, data);
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
