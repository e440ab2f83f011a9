/* A reader over bytes that remembers its first overrun: read all fields, then ask once. */
#ifndef DTP_BYTES_H
#define DTP_BYTES_H

#include "base.h"

typedef struct dtp_bytes {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool swap;    /* the data's byte order is not this machine's */
    bool overrun; /* some read went past the end; it and all later ones gave 0 */
} dtp_bytes;

static inline void dtp_bytes_copy(dtp_bytes *bytes, void *out, size_t size)
{
    if (bytes->overrun || size > bytes->size - bytes->at) {
        bytes->overrun = true;
        memset(out, 0, size);
        return;
    }
    memcpy(out, bytes->data + bytes->at, size);
    bytes->at += size;
}

static inline void dtp_swap_element(uint8_t *element, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t byte = element[i];
        element[i] = element[size - 1 - i];
        element[size - 1 - i] = byte;
    }
}

#define DTP_BYTES_READ(name, type)                                                                                     \
    static inline type dtp_bytes_##name(dtp_bytes *bytes)                                                              \
    {                                                                                                                  \
        union {                                                                                                        \
            type value;                                                                                                \
            uint8_t raw[sizeof(type)];                                                                                 \
        } u;                                                                                                           \
        dtp_bytes_copy(bytes, u.raw, sizeof u.raw);                                                                    \
        if (bytes->swap)                                                                                               \
            dtp_swap_element(u.raw, sizeof u.raw);                                                                     \
        return u.value;                                                                                                \
    }

DTP_BYTES_READ(i16, int16_t)
DTP_BYTES_READ(i32, int32_t)
DTP_BYTES_READ(i64, int64_t)
DTP_BYTES_READ(f32, float)
DTP_BYTES_READ(f64, double)

#endif
