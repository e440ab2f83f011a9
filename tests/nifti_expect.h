/* Handing made NIfTI files to the library, and what is expected of it: shared by the tests of the NIfTI reader. */
#ifndef NIFTI_EXPECT_H
#define NIFTI_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>

#include "../libdeeptepp/volume/volume.h"
#include "nifti_maker.h"

static inline deeptepp_volume_options options(void)
{
    return (deeptepp_volume_options){.struct_size = sizeof(deeptepp_volume_options)};
}

static inline deeptepp_status open_with(deeptepp_volume **out, const nifti_file *file,
                                        const deeptepp_volume_options *options, deeptepp_error *error)
{
    /* A block of the exact size, so that the address sanitizer sees a read past it. */
    uint8_t *exact = malloc(file->size);
    memcpy(exact, file->bytes, file->size);
    deeptepp_status status = deeptepp_volume_from_bytes(out, exact, file->size, options, error);
    free(exact);
    return status;
}

static inline deeptepp_volume *accept_with(const nifti_file *file, const deeptepp_volume_options *options)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = NULL;
    if (open_with(&volume, file, options, &error) != DEEPTEPP_OK)
        fail_msg("refused: %s", error.message);
    assert_non_null(volume);
    return volume;
}

static inline deeptepp_volume *accept(const nifti_file *file)
{
    return accept_with(file, NULL);
}

static inline void refuse_with(const nifti_file *file, const deeptepp_volume_options *options, deeptepp_status wanted,
                        const char *text)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = (deeptepp_volume *)&error;
    deeptepp_status status = open_with(&volume, file, options, &error);
    assert_string_equal(deeptepp_status_name(status), deeptepp_status_name(wanted));
    assert_int_equal(error.status, wanted);
    assert_null(volume);
    if (!strstr(error.message, text) || !strstr(error.message, "wanted"))
        fail_msg("\"%s\" does not speak of \"%s\" and what is wanted", error.message, text);
}

static inline void refuse(const nifti_file *file, deeptepp_status wanted, const char *text)
{
    refuse_with(file, NULL, wanted, text);
}

static inline nifti_file gzipped(const nifti_file *file)
{
    nifti_file gz = *file;
    gz.size = gzip_member(file->bytes, file->size, gz.bytes, 0, sizeof gz.bytes);
    return gz;
}

#endif
