#include "nifti.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "../files.h"
#include "../progress.h"
#include "../report.h"

enum { HEADER = 352, CHUNK = 1 << 16, UINT8 = 2, INT16 = 4, UNITS_MM = 2, SCANNER = 1 };

static void put16(uint8_t *at, int value)
{
    at[0] = (uint8_t)((unsigned)value & 0xff);
    at[1] = (uint8_t)((unsigned)value >> 8 & 0xff);
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i & 0xff);
}

static void put_float(uint8_t *at, double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    put32(at, bits);
}

/* Offsets are those of struct nifti_1_header. The axes run to R, A, S, so the quaternion is the identity's (b, c, d all
 * 0) and sform is diagonal. */
static void make_header(uint8_t out[HEADER], const cli_nifti *header, int type)
{
    memset(out, 0, HEADER);
    put32(out, 348);
    out[38] = 'r';
    put16(out + 40, 3);
    put_float(out + 76, 1);
    for (int axis = 0; axis < 7; axis++) {
        put16(out + 42 + 2 * axis, axis < 3 ? (int)header->dims[axis] : 1);
        put_float(out + 80 + 4 * axis, axis < 3 ? header->spacing[axis] : 1);
    }
    put16(out + 70, type);
    put16(out + 72, type == UINT8 ? 8 : 16);
    put_float(out + 108, HEADER);
    put_float(out + 112, 1);
    out[123] = UNITS_MM;
    strncpy((char *)out + 148, header->description, 79);
    put16(out + 252, SCANNER);
    put16(out + 254, SCANNER);
    for (int axis = 0; axis < 3; axis++) {
        put_float(out + 268 + 4 * axis, header->origin[axis]);
        put_float(out + 280 + 20 * axis, header->spacing[axis]);
        put_float(out + 292 + 16 * axis, header->origin[axis]);
    }
    memcpy(out + 344, "n+1", 4);
}

/* zlib writes without compression ("T") when the name does not ask for it, so there is one way of writing. */
static gzFile open_stream(const cli_output *output)
{
    const bool compressed = cli_file_has_ending(output->path, ".gz");
    int descriptor = dup(fileno(output->file));
    gzFile stream = descriptor < 0 ? NULL : gzdopen(descriptor, compressed ? "wb6" : "wbT");
    if (!stream && descriptor >= 0)
        close(descriptor);
    return stream;
}

static bool write_voxels(gzFile stream, const void *voxels, size_t count, int type)
{
    static uint8_t chunk[CHUNK];
    const size_t size = type == UINT8 ? 1 : 2, step = CHUNK / size;
    for (size_t at = 0; at < count && !cli_interrupted(); at += step) {
        size_t n = count - at < step ? count - at : step;
        for (size_t i = 0; i < n && type == UINT8; i++)
            chunk[i] = ((const uint8_t *)voxels)[at + i];
        for (size_t i = 0; i < n && type == INT16; i++)
            put16(chunk + 2 * i, ((const int16_t *)voxels)[at + i]);
        if (gzwrite(stream, chunk, (unsigned)(n * size)) != (int)(n * size))
            return false;
    }
    return true;
}

static int write_volume(cli_output *output, const cli_nifti *header, const void *voxels, int type)
{
    uint8_t bytes[HEADER];
    const size_t count = (size_t)(header->dims[0] * header->dims[1] * header->dims[2]);
    gzFile stream = open_stream(output);
    if (!stream)
        return cli_fail_write(output->path);
    make_header(bytes, header, type);
    errno = 0;
    bool fine = gzwrite(stream, bytes, HEADER) == HEADER && write_voxels(stream, voxels, count, type);
    int reason = errno;
    fine = gzclose(stream) == Z_OK && fine;
    if (cli_interrupted())
        return cli_check_interrupt();
    errno = reason ? reason : errno;
    return fine ? CLI_OK : cli_fail_write(output->path);
}

int cli_nifti_write_int16(cli_output *output, const cli_nifti *header, const int16_t *voxels)
{
    return write_volume(output, header, voxels, INT16);
}

int cli_nifti_write_uint8(cli_output *output, const cli_nifti *header, const uint8_t *voxels)
{
    return write_volume(output, header, voxels, UINT8);
}
