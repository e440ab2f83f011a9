/* Reading a safetensors file from memory, and what a refusal must look like. */
#ifndef TESTS_SAFETENSORS_EXPECT_H
#define TESTS_SAFETENSORS_EXPECT_H

#include "safetensors_bytes.h"

#include "../libdeeptepp/file/safetensors.h"

static deeptepp_error error;

static inline deeptepp_status read_bytes(dtp_safetensors *out, const uint8_t *bytes, size_t size)
{
    dtp_source source;
    dtp_digest digest;
    dtp_digest_init(&digest);
    dtp_source_open_bytes(&source, bytes, size, size, NULL, NULL);
    memset(out, 0xff, sizeof *out);
    memset(&error, 0, sizeof error);
    return dtp_safetensors_read(out, &source, &digest, &error);
}

static inline void assert_empty(const dtp_safetensors *file)
{
    const dtp_safetensors empty = {0};
    assert_memory_equal(file, &empty, sizeof empty);
}

static inline void assert_refused(const file_bytes *file, deeptepp_status wanted, const char *fragment)
{
    dtp_safetensors out;
    deeptepp_status status = read_bytes(&out, file->data, file->size);
    if (status != wanted || !strstr(error.message, fragment))
        fail_msg("%s: found %s (%s), wanted %s (%s)", file->size > 8 ? (const char *)file->data + 8 : "",
                 deeptepp_status_name(status), error.message, deeptepp_status_name(wanted), fragment);
    assert_int_equal(error.status, status);
    assert_empty(&out);
}

#endif
