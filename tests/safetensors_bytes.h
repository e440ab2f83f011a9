/* Safetensors files made byte by byte. */
#ifndef TESTS_SAFETENSORS_BYTES_H
#define TESTS_SAFETENSORS_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct file_bytes {
    uint8_t *data;
    size_t size;
} file_bytes;

/* The length prefix says `length`, whatever the header's own length is. */
static inline file_bytes file_with_length(uint64_t length, const void *header, size_t header_size, const void *data,
                                          size_t data_size)
{
    file_bytes file = {.size = 8 + header_size + data_size};
    file.data = malloc(file.size);
    assert_non_null(file.data);
    for (int i = 0; i < 8; i++)
        file.data[i] = (uint8_t)(length >> 8 * i);
    memcpy(file.data + 8, header, header_size);
    if (data_size > 0)
        memcpy(file.data + 8 + header_size, data, data_size);
    return file;
}

static inline file_bytes file_of(const char *header, const void *data, size_t data_size)
{
    return file_with_length(strlen(header), header, strlen(header), data, data_size);
}

#endif
