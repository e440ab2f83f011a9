/* Valid NIfTI files made byte by byte, for tests to damage. The offsets are copied from the standard's text, not from
 * any header file the library reads. */
#ifndef NIFTI_MAKER_H
#define NIFTI_MAKER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef enum field {
    SIZEOF_HDR, DIM, DATATYPE, BITPIX, PIXDIM, VOX_OFFSET, SLOPE, INTER, UNITS, QFORM_CODE, SFORM_CODE, QUATERN,
    QOFFSET, SROW
} field;

typedef struct nifti_file {
    bool second, swapped;
    uint8_t bytes[2048];
    size_t size; /* header, extension flag, voxels */
    size_t voxels; /* where they begin */
} nifti_file;

enum { NX = 4, NY = 3, NZ = 2, N_VOXELS = NX * NY * NZ };

/* Kinds: b 8, h 16, i 32, l 64-bit integer; f float32, d float64. */
static const struct {
    size_t first, second;
    char first_kind, second_kind;
} fields[] = {
    [SIZEOF_HDR] = {0, 0, 'i', 'i'},     [DIM] = {40, 16, 'h', 'l'},         [DATATYPE] = {70, 12, 'h', 'h'},
    [BITPIX] = {72, 14, 'h', 'h'},       [PIXDIM] = {76, 104, 'f', 'd'},     [VOX_OFFSET] = {108, 168, 'f', 'l'},
    [SLOPE] = {112, 176, 'f', 'd'},      [INTER] = {116, 184, 'f', 'd'},     [UNITS] = {123, 500, 'b', 'i'},
    [QFORM_CODE] = {252, 344, 'h', 'i'}, [SFORM_CODE] = {254, 348, 'h', 'i'}, [QUATERN] = {256, 352, 'f', 'd'},
    [QOFFSET] = {268, 376, 'f', 'd'},    [SROW] = {280, 400, 'f', 'd'},
};

static inline void put_bytes(nifti_file *file, size_t at, const void *value, size_t size)
{
    for (size_t b = 0; b < size; b++)
        file->bytes[at + b] = ((const uint8_t *)value)[file->swapped ? size - 1 - b : b];
}

static inline size_t put_kind(nifti_file *file, size_t at, char kind, double value)
{
    int8_t b = kind == 'b' ? (int8_t)value : 0;
    int16_t h = kind == 'h' ? (int16_t)value : 0;
    int32_t i = kind == 'i' ? (int32_t)value : 0;
    int64_t l = kind == 'l' ? (int64_t)value : 0;
    float f = (float)value;
    const void *source = kind == 'b'   ? (void *)&b
                         : kind == 'h' ? (void *)&h
                         : kind == 'i' ? (void *)&i
                         : kind == 'l' ? (void *)&l
                         : kind == 'f' ? (void *)&f
                                       : (void *)&value;
    size_t size = kind == 'b' ? 1 : kind == 'h' ? 2 : kind == 'i' || kind == 'f' ? 4 : 8;
    put_bytes(file, at, source, size);
    return size;
}

static inline void put(nifti_file *file, field name, int index, double value)
{
    char kind = file->second ? fields[name].second_kind : fields[name].first_kind;
    size_t size = kind == 'b' ? 1 : kind == 'h' ? 2 : kind == 'i' || kind == 'f' ? 4 : 8;
    put_kind(file, (file->second ? fields[name].second : fields[name].first) + (size_t)index * size, kind, value);
}

static inline void put_affine(nifti_file *file, const double rows[12])
{
    for (int e = 0; e < 12; e++)
        put(file, SROW, e, rows[e]);
}

static inline size_t magic_at(const nifti_file *file)
{
    return file->second ? 4 : 344;
}

/* The voxels 0, 1, 2, ... of another type. */
static inline void put_voxels(nifti_file *file, int datatype, int bits, char kind)
{
    size_t at = file->voxels;
    put(file, DATATYPE, 0, datatype);
    put(file, BITPIX, 0, bits);
    for (int n = 0; n < N_VOXELS; n++)
        at += put_kind(file, at, kind, n);
    file->size = at;
}

/* 4 x 3 x 2 int16 voxels 0, 1, 2, ... of 2 x 3 x 4 mm; sform only, axes along R, A, S. */
static inline nifti_file make_nifti(bool second, bool swapped)
{
    nifti_file file = {.second = second, .swapped = swapped, .voxels = second ? 544 : 352};
    const double dim[8] = {3, NX, NY, NZ, 1, 1, 1, 1}, pixdim[4] = {1, 2, 3, 4};
    put(&file, SIZEOF_HDR, 0, second ? 540 : 348);
    memcpy(file.bytes + magic_at(&file), second ? "n+2\0\r\n\032\n" : "n+1", second ? 8 : 4);
    for (int d = 0; d < 8; d++)
        put(&file, DIM, d, dim[d]);
    for (int d = 0; d < 4; d++)
        put(&file, PIXDIM, d, pixdim[d]);
    put(&file, VOX_OFFSET, 0, (double)file.voxels);
    put(&file, UNITS, 0, 2);
    put(&file, SFORM_CODE, 0, 1);
    put_affine(&file, (const double[12]){2, 0, 0, -10, 0, 3, 0, -20, 0, 0, 4, 30});
    put_voxels(&file, 4, 16, 'h');
    return file;
}

/* One gzip member, appended to `out`; returns where it ends. */
static inline size_t gzip_member(const void *data, size_t size, uint8_t *out, size_t at, size_t capacity)
{
    z_stream z = {0};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out + at;
    z.avail_out = (uInt)(capacity - at);
    deflate(&z, Z_FINISH);
    at = capacity - z.avail_out;
    deflateEnd(&z);
    return at;
}

#endif
