/* libnifti serves here as a library of pure functions only: quaternion to matrix, orientation, names of data types.
 * Its nifti_convert_n1hdr2nim and _n2hdr2nim, given a validated header and no file name, neither abort nor repair
 * anything (read in 3.0.1's source), but they print when an allocation fails, and print whatever debug level the host
 * has set in libnifti's process-global options. The functions used here allocate nothing and look at no global. */
#include "nifti.h"

#include <float.h>
#include <math.h>
#include <nifti2_io.h>

#include "../base/bytes.h"
#include "../base/kinds.h"
#include "voxels.h"

/* A unit quaternion in three float32 keeps b^2 + c^2 + d^2 within 4e-7 of 1 at most. */
static const double QUATERNION_TOLERANCE = 1e-5;

static void take_floats(dtp_bytes *bytes, bool wide, double *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = wide ? dtp_bytes_f64(bytes) : (double)dtp_bytes_f32(bytes);
}

/* Fields that both versions have in this order. */
static void take_affines(dtp_nifti *h, dtp_bytes *bytes)
{
    take_floats(bytes, h->second, h->quatern, 3);
    take_floats(bytes, h->second, h->qoffset, 3);
    take_floats(bytes, h->second, h->srow, 12);
}

static void parse_first(dtp_nifti *h, dtp_bytes *bytes)
{
    bytes->at = offsetof(nifti_1_header, dim);
    for (int d = 0; d < 8; d++)
        h->dim[d] = dtp_bytes_i16(bytes);
    bytes->at = offsetof(nifti_1_header, datatype);
    h->datatype = dtp_bytes_i16(bytes);
    h->bitpix = dtp_bytes_i16(bytes);
    bytes->at = offsetof(nifti_1_header, pixdim);
    take_floats(bytes, false, h->pixdim, 8);
    h->vox_offset = (double)dtp_bytes_f32(bytes);
    take_floats(bytes, false, &h->slope, 1);
    take_floats(bytes, false, &h->inter, 1);
    h->units = bytes->data[offsetof(nifti_1_header, xyzt_units)];
    bytes->at = offsetof(nifti_1_header, qform_code);
    h->qform_code = dtp_bytes_i16(bytes);
    h->sform_code = dtp_bytes_i16(bytes);
    take_affines(h, bytes);
}

static void parse_second(dtp_nifti *h, dtp_bytes *bytes)
{
    bytes->at = offsetof(nifti_2_header, datatype);
    h->datatype = dtp_bytes_i16(bytes);
    h->bitpix = dtp_bytes_i16(bytes);
    for (int d = 0; d < 8; d++)
        h->dim[d] = dtp_bytes_i64(bytes);
    bytes->at = offsetof(nifti_2_header, pixdim);
    take_floats(bytes, true, h->pixdim, 8);
    h->vox_offset = (double)dtp_bytes_i64(bytes);
    take_floats(bytes, true, &h->slope, 1);
    take_floats(bytes, true, &h->inter, 1);
    bytes->at = offsetof(nifti_2_header, qform_code);
    h->qform_code = dtp_bytes_i32(bytes);
    h->sform_code = dtp_bytes_i32(bytes);
    take_affines(h, bytes);
    bytes->at = offsetof(nifti_2_header, xyzt_units);
    h->units = dtp_bytes_i32(bytes);
}

/* Both versions begin with their own size, which also tells the byte order. */
static bool identify(dtp_nifti *h, const uint8_t first[4])
{
    int32_t found, swapped;
    memcpy(&found, first, sizeof found);
    swapped = (int32_t)__builtin_bswap32((uint32_t)found);
    h->swapped = swapped == (int32_t)sizeof(nifti_1_header) || swapped == (int32_t)sizeof(nifti_2_header);
    int32_t size = h->swapped ? swapped : found;
    h->second = size == (int32_t)sizeof(nifti_2_header);
    return h->second || size == (int32_t)sizeof(nifti_1_header);
}

/* `size` first bytes, all there are or enough to tell. */
static deeptepp_status fail_kind(const uint8_t *raw, size_t size, deeptepp_error *error)
{
    int32_t found;
    deeptepp_status status = dtp_kinds_refuse(raw, size, DTP_WANTED_VOLUME, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (size < sizeof found)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED, "%s %zu bytes, wanted a NIfTI file: %zu bytes and voxels",
                        size ? "the data end after" : "empty:", size, sizeof(nifti_1_header) + 4);
    memcpy(&found, raw, sizeof found);
    return dtp_fail(error, DEEPTEPP_ERR_NIFTI_MAGIC,
                    "not a NIfTI file: sizeof_hdr is %d, wanted %zu (NIfTI-1) or %zu (NIfTI-2)", (int)found,
                    sizeof(nifti_1_header), sizeof(nifti_2_header));
}

/* ANALYZE 7.5 has the size of NIfTI-1 and, where that has its magic, a number that is nearly always 0. */
static deeptepp_status check_magic(const dtp_nifti *h, const uint8_t *raw, deeptepp_error *error)
{
    const uint8_t *magic =
        raw + (h->second ? offsetof(nifti_2_header, magic) : offsetof(nifti_1_header, magic));
    const char *single = h->second ? "n+2\0\r\n\032\n" : "n+1", *pair = h->second ? "ni2\0\r\n\032\n" : "ni1";
    size_t size = h->second ? 8 : 4;
    if (memcmp(magic, single, size) == 0)
        return DEEPTEPP_OK;
    if (memcmp(magic, pair, size) == 0)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_PAIR,
                        "magic: \"%s\", the header of a .hdr/.img pair, wanted \"%s\" (header and voxels in one file)",
                        pair, single);
    if (!h->second && magic[0] != 'n')
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_ANALYZE,
                        "magic: none (an ANALYZE 7.5 header, which states no orientation), wanted NIfTI's \"n+1\"");
    return dtp_fail(error, DEEPTEPP_ERR_NIFTI_MAGIC, "magic: bytes %02x %02x %02x %02x, wanted \"%s\" and its padding",
                    magic[0], magic[1], magic[2], magic[3], single);
}

static void take_fields(dtp_nifti *h, const uint8_t *raw, size_t size)
{
    dtp_bytes bytes = {.data = raw, .size = size, .swap = h->swapped};
    if (h->second)
        parse_second(h, &bytes);
    else
        parse_first(h, &bytes);
}

static deeptepp_status parse(dtp_nifti *h, dtp_stream *stream, deeptepp_error *error)
{
    uint8_t raw[sizeof(nifti_2_header)];
    size_t size = sizeof(nifti_1_header), got, more;
    deeptepp_status status = DEEPTEPP_OK;
    DTP_TRY(dtp_stream_read_some(stream, raw, size, &got, error));
    const bool known = got >= 4 && identify(h, raw);
    size = !known ? DTP_KIND_BYTES : h->second ? sizeof raw : size;
    DTP_TRY(dtp_stream_read_some(stream, raw + got, size - got, &more, error));
    got += more;
    if (!known)
        return fail_kind(raw, got, error);
    if (got < size)
        DTP_FAIL(FILE_TRUNCATED, "the data end after %zu bytes, wanted a header of %zu", got, size);
    DTP_TRY(check_magic(h, raw, error));
    take_fields(h, raw, size);
    return DEEPTEPP_OK;
fail:
    return status;
}

/* Some writers put the volumes of a series into dim[5] and leave dim[4] at 1. */
static deeptepp_status find_volumes(dtp_nifti *h, deeptepp_error *error)
{
    h->volume_dim = 4;
    for (int d = 5; d <= h->dim[0]; d++) {
        if (h->dim[d] == 1)
            continue;
        if (dtp_nifti_volumes(h) > 1)
            return dtp_fail(error, DEEPTEPP_ERR_NIFTI_DIM,
                            "dim[%d], dim[%d]: %lld, %lld, wanted one of dim[4] to dim[7] above 1 at most: the volumes",
                            h->volume_dim, d, (long long)h->dim[h->volume_dim], (long long)h->dim[d]);
        h->volume_dim = d;
    }
    return DEEPTEPP_OK;
}

static deeptepp_status check_dims(dtp_nifti *h, deeptepp_error *error)
{
    if (h->dim[0] < 3 || h->dim[0] > 7)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_DIM, "dim[0]: %lld, wanted 3 to 7", (long long)h->dim[0]);
    for (int d = 1; d <= h->dim[0]; d++)
        if (h->dim[d] < 1 || h->dim[d] > INT32_MAX)
            return dtp_fail(error, DEEPTEPP_ERR_NIFTI_DIM, "dim[%d]: %lld, wanted 1 to %d", d, (long long)h->dim[d],
                            INT32_MAX);
    return find_volumes(h, error);
}

static deeptepp_status check_datatype(dtp_nifti *h, deeptepp_error *error)
{
#define KNOWN(name, voxel, real, count) {DT_##name, DEEPTEPP_##name},
    static const struct {
        int32_t code;
        deeptepp_type type;
    } known[] = {DTP_VOXEL_TYPES(KNOWN)};
    for (size_t t = 0; t < DTP_COUNT(known); t++)
        if (known[t].code == h->datatype)
            h->type = known[t].type;
    if (!h->type)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_DATATYPE,
                        "datatype: %d (%s), wanted an integer of 8 to 64 bits, FLOAT32 or FLOAT64", h->datatype,
                        nifti_datatype_string(h->datatype));
    size_t size = dtp_type_size(h->type);
    if (h->bitpix != (int32_t)(8 * size))
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_BITPIX, "bitpix: %d, wanted %zu for %s", h->bitpix, 8 * size,
                        nifti_datatype_string(h->datatype));
    return DEEPTEPP_OK;
}

/* The four bytes between header and voxels say whether extensions follow: voxels may not begin there either. */
static deeptepp_status check_vox_offset(const dtp_nifti *h, deeptepp_error *error)
{
    double least = (double)(h->second ? sizeof(nifti_2_header) : sizeof(nifti_1_header)) + 4;
    if (h->vox_offset >= least && h->vox_offset <= (double)DTP_NIFTI_BEGIN_MAX &&
        h->vox_offset == floor(h->vox_offset))
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "vox_offset: %.17g, wanted a whole number from %.0f to %d",
                    h->vox_offset, least, DTP_NIFTI_BEGIN_MAX);
}

static deeptepp_status check_pixdim(dtp_nifti *h, deeptepp_error *error)
{
    static const double most = 1e9; /* in metres too: finite, and far beyond what an affine may say */
    for (int d = 1; d <= 3; d++)
        if (!(h->pixdim[d] > 0 && h->pixdim[d] <= most))
            return dtp_fail(error, DEEPTEPP_ERR_NIFTI_PIXDIM, "pixdim[%d]: %g, wanted a number above 0, at most %g", d,
                            h->pixdim[d], most);
    h->pixdim_ones = h->pixdim[1] == 1 && h->pixdim[2] == 1 && h->pixdim[3] == 1;
    return DEEPTEPP_OK;
}

/* Applies the unit to every length of the header. */
static deeptepp_status check_units(dtp_nifti *h, deeptepp_error *error)
{
    double mm;
    switch (XYZT_TO_SPACE(h->units)) {
    case NIFTI_UNITS_UNKNOWN:
    case NIFTI_UNITS_MM: mm = 1; break;
    case NIFTI_UNITS_METER: mm = 1000; break;
    case NIFTI_UNITS_MICRON: mm = 0.001; break;
    default:
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_UNITS,
                        "xyzt_units: spatial unit %d, wanted 0 (unknown: mm), 1 (m), 2 (mm) or 3 (um)",
                        XYZT_TO_SPACE(h->units));
    }
    for (int d = 1; d <= 3; d++)
        h->pixdim[d] *= mm, h->qoffset[d - 1] *= mm;
    for (int e = 0; e < 12; e++)
        h->srow[e] *= mm;
    return DEEPTEPP_OK;
}

/* The standard: no slope, no scaling. Writers say "none" as 0 or NaN. */
static deeptepp_status check_scaling(dtp_nifti *h, deeptepp_error *error)
{
    if (h->slope == 0 || isnan(h->slope)) {
        h->slope = 1;
        h->inter = 0;
    }
    if (!isfinite(h->slope) || !isfinite(h->inter))
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_SCALING, "scl_slope, scl_inter: %g, %g, wanted finite numbers",
                        h->slope, h->inter);
    double most = dtp_type_is_real(h->type) ? 0 : 0x1p53;
    if (fabs(h->slope) * most + fabs(h->inter) > (double)FLT_MAX)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_SCALING,
                        "scl_slope, scl_inter: %g, %g, wanted numbers that keep voxels within float32", h->slope,
                        h->inter);
    return DEEPTEPP_OK;
}

static deeptepp_status check_code(const char *name, int32_t code, deeptepp_error *error)
{
    if (code >= NIFTI_XFORM_UNKNOWN && code <= NIFTI_XFORM_TEMPLATE_OTHER)
        return DEEPTEPP_OK;
    return dtp_fail(error, DEEPTEPP_ERR_NIFTI_ORIENTATION, "%s: %d, wanted 0 (none) to %d", name, code,
                    NIFTI_XFORM_TEMPLATE_OTHER);
}

void dtp_nifti_sform(const dtp_nifti *h, double affine[16])
{
    static const double last[4] = {0, 0, 0, 1};
    memcpy(affine, h->srow, sizeof h->srow);
    memcpy(affine + 12, last, sizeof last);
}

/* libnifti would make 0 of a NaN and a unit quaternion of any other. */
deeptepp_status dtp_nifti_qform(const dtp_nifti *h, double affine[16], deeptepp_error *error)
{
    const double *q = h->quatern, *o = h->qoffset, *edge = h->pixdim + 1, qfac = h->pixdim[0];
    double norm = q[0] * q[0] + q[1] * q[1] + q[2] * q[2];
    if (!(norm <= 1 + QUATERNION_TOLERANCE))
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE,
                        "quatern_b, c, d: %g, %g, %g, wanted finite numbers whose squares add up to 1 at most", q[0],
                        q[1], q[2]);
    if (!isfinite(o[0]) || !isfinite(o[1]) || !isfinite(o[2]))
        return dtp_fail(error, DEEPTEPP_ERR_VOLUME_AFFINE, "qoffset_x, y, z: %g, %g, %g, wanted finite numbers", o[0],
                        o[1], o[2]);
    if (qfac != -1 && qfac != 0 && qfac != 1)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_PIXDIM, "pixdim[0] (qfac): %g, wanted -1 or 1 (0 counts as 1)", qfac);
    nifti_dmat44 m = nifti_quatern_to_dmat44(q[0], q[1], q[2], o[0], o[1], o[2], edge[0], edge[1], edge[2],
                                             qfac < 0 ? -1 : 1);
    memcpy(affine, m.m, sizeof m.m);
    return DEEPTEPP_OK;
}

int64_t dtp_nifti_volumes(const dtp_nifti *h)
{
    return h->volume_dim <= h->dim[0] ? h->dim[h->volume_dim] : 1;
}

deeptepp_status dtp_nifti_read(dtp_nifti *h, dtp_stream *stream, deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    *h = (dtp_nifti){0};
    DTP_TRY(parse(h, stream, error));
    DTP_TRY(check_dims(h, error));
    DTP_TRY(check_datatype(h, error));
    DTP_TRY(check_vox_offset(h, error));
    DTP_TRY(check_pixdim(h, error));
    DTP_TRY(check_units(h, error));
    DTP_TRY(check_scaling(h, error));
    DTP_TRY(check_code("qform_code", h->qform_code, error));
    DTP_TRY(check_code("sform_code", h->sform_code, error));
    return DEEPTEPP_OK;
fail:
    return status;
}

/* At 45 degrees two answers are as near, and libnifti's first depends on the order of the axes in storage: the same
 * patient, stored otherwise, would be seen otherwise. A turn of the patient by some 1e-5 radians, which no order
 * changes, decides. */
static void turn_slightly(nifti_dmat44 *m)
{
    static const double turn[3] = {1.1e-5, 1.3e-5, 1.7e-5};
    for (int c = 0; c < 3; c++) {
        const double v[3] = {m->m[0][c], m->m[1][c], m->m[2][c]};
        for (int r = 0, a = 1, b = 2; r < 3; r++, a = (a + 1) % 3, b = (b + 1) % 3)
            m->m[r][c] += turn[a] * v[b] - turn[b] * v[a];
    }
}

void dtp_nifti_orientation(const double affine[16], char letters[4])
{
    static const char names[] = {[NIFTI_L2R] = 'R', [NIFTI_R2L] = 'L', [NIFTI_P2A] = 'A',
                                 [NIFTI_A2P] = 'P', [NIFTI_I2S] = 'S', [NIFTI_S2I] = 'I'};
    int code[3] = {0};
    nifti_dmat44 m;
    memcpy(m.m, affine, sizeof m.m);
    turn_slightly(&m);
    nifti_dmat44_to_orientation(m, &code[0], &code[1], &code[2]);
    for (int a = 0; a < 3; a++)
        letters[a] = names[code[a]];
    letters[3] = '\0';
}
