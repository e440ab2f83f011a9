/* A volume from a file: header first, all of it checked, and only then memory for the voxels. */
#include <math.h>

#include "../base/call.h"
#include "../base/worker.h"
#include "axes.h"
#include "nifti.h"

typedef unsigned long long ull;

#define DEFAULT_MAX_BYTES ((uint64_t)8 << 30)

/* float32 header fields carry 7 digits, DICOM's decimal strings often 4. */
static const double PIXDIM_TOLERANCE = 1e-3, AFFINE_GAP_MM = 1e-3;

typedef struct options {
    uint64_t volume_number, max_bytes;
    dtp_watch watch;
    int world[3]; /* the world axis each voxel axis runs along */
    int sign[3];
    bool oriented; /* the two above are set */
} options;

static deeptepp_status read_orientation(options *out, const char *letters, deeptepp_error *error)
{
    if (!dtp_axes_valid(letters))
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT,
                        "options.orientation: \"%.20s\", wanted one letter of each of RL, AP and SI", letters);
    for (int a = 0; a < 3; a++)
        out->world[a] = dtp_axis_of(letters[a], &out->sign[a]);
    out->oriented = true;
    return DEEPTEPP_OK;
}

static deeptepp_status read_options(options *out, const deeptepp_volume_options *in, deeptepp_error *error)
{
    deeptepp_volume_options read;
    *out = (options){.max_bytes = DEFAULT_MAX_BYTES};
    deeptepp_status status = DTP_OPTIONS_READ(&read, deeptepp_volume_options, orientation, in, error);
    if (status == DEEPTEPP_OK)
        status = dtp_callbacks_copy(&out->watch.callbacks, read.callbacks, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (read.volume_number < 0)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "options.volume_number: %lld, wanted 0 or more",
                        (long long)read.volume_number);
    out->volume_number = (uint64_t)read.volume_number;
    if (read.max_bytes)
        out->max_bytes = read.max_bytes;
    return read.orientation ? read_orientation(out, read.orientation, error) : DEEPTEPP_OK;
}

static deeptepp_status check_volume_number(const dtp_nifti *h, const options *o, deeptepp_error *error)
{
    uint64_t volumes = h->dim[0] > 3 ? (uint64_t)h->dim[4] : 1;
    if (o->volume_number == 0 && volumes > 1)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_4D,
                        "dim[4]: %llu volumes and none chosen, wanted volume_number 1 to %llu", (ull)volumes,
                        (ull)volumes);
    if (o->volume_number > volumes)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_4D, "volume_number: %llu, wanted 1 to %llu", (ull)o->volume_number,
                        (ull)volumes);
    return DEEPTEPP_OK;
}

/* The voxels of one volume, in bytes, and where they begin. The stream must be able to hold all volumes. */
static deeptepp_status check_extent(const dtp_nifti *h, const options *o, const dtp_stream *stream, size_t *size,
                                    uint64_t *begin, deeptepp_error *error)
{
    int64_t factors[5] = {(int64_t)dtp_type_size(h->type), h->dim[1], h->dim[2], h->dim[3],
                          h->dim[0] > 3 ? h->dim[4] : 1};
    uint64_t offset = (uint64_t)h->vox_offset;
    size_t all;
    if (!dtp_product(factors, 5, PTRDIFF_MAX, &all))
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_DIM,
                        "dim: %lld x %lld x %lld x %lld, wanted a product that memory can hold", (long long)factors[1],
                        (long long)factors[2], (long long)factors[3], (long long)factors[4]);
    if (all > o->max_bytes)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE, "voxels: %zu bytes, wanted %llu at most", all,
                        (ull)o->max_bytes);
    if (offset + all > dtp_stream_most(stream))
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED,
                        "the file's %llu bytes hold %llu at most, wanted %llu (voxels after vox_offset)",
                        (ull)stream->size, (ull)dtp_stream_most(stream), (ull)(offset + all));
    *size = all / (size_t)factors[4];
    *begin = offset + *size * (o->volume_number ? o->volume_number - 1 : 0);
    return DEEPTEPP_OK;
}

/* How far apart two affines put the volume's corners, at most. */
static double corner_gap(const double a[16], const double b[16], const int64_t dims[3])
{
    double most = 0;
    for (int corner = 0; corner < 8; corner++) {
        double at[4] = {0, 0, 0, 1}, gap = 0;
        for (int d = 0; d < 3; d++)
            at[d] = corner >> d & 1 ? (double)(dims[d] - 1) : 0;
        for (int row = 0; row < 3; row++) {
            double apart = 0;
            for (int column = 0; column < 4; column++)
                apart += (a[4 * row + column] - b[4 * row + column]) * at[column];
            gap = hypot(gap, apart);
        }
        most = fmax(most, gap);
    }
    return most;
}

/* The caller's axes, the header's voxel sizes, and the volume's centre at 0. */
static void assume_affine(deeptepp_volume *draft, const dtp_nifti *h, const options *o)
{
    for (int a = 0; a < 3; a++) {
        double step = o->sign[a] * h->pixdim[a + 1];
        draft->affine[4 * o->world[a] + a] = step;
        draft->affine[4 * o->world[a] + 3] = -step * (double)(draft->dims[a] - 1) / 2;
    }
    draft->affine[15] = 1;
    draft->orientation_assumed = true;
}

static deeptepp_status choose_affine(deeptepp_volume *draft, const dtp_nifti *h, const options *o,
                                     deeptepp_error *error)
{
    bool sform = h->sform_code > 0, qform = h->qform_code > 0;
    if (!sform && !qform && !o->oriented)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_ORIENTATION,
                        "sform_code, qform_code: %d, %d, wanted one of them above 0: the file states no orientation",
                        (int)h->sform_code, (int)h->qform_code);
    if (!sform && !qform)
        assume_affine(draft, h, o);
    else
        memcpy(draft->affine, sform ? h->sform : h->qform, sizeof draft->affine);
    if (sform && qform) {
        double gap = corner_gap(h->sform, h->qform, draft->dims);
        draft->affine_gap_mm = gap > AFFINE_GAP_MM ? gap : 0;
    }
    return DEEPTEPP_OK;
}

static deeptepp_status check_geometry(const deeptepp_volume *draft, const dtp_nifti *h, deeptepp_error *error)
{
    double spacing[3];
    deeptepp_status status = dtp_volume_check_affine(draft->affine, spacing, error);
    for (int a = 0; status == DEEPTEPP_OK && a < 3; a++)
        if (fabs(spacing[a] - h->pixdim[a + 1]) > PIXDIM_TOLERANCE * h->pixdim[a + 1])
            status = dtp_fail(error, DEEPTEPP_ERR_VOLUME_SPACING, "pixdim[%d]: %.7g mm, wanted the affine's %.7g mm",
                              a + 1, h->pixdim[a + 1], spacing[a]);
    return status;
}

static void swap_voxels(void *voxels, size_t bytes, size_t size)
{
    uint16_t *two = voxels;
    uint32_t *four = voxels;
    uint64_t *eight = voxels;
    for (size_t n = 0; size == 2 && n < bytes / 2; n++)
        two[n] = __builtin_bswap16(two[n]);
    for (size_t n = 0; size == 4 && n < bytes / 4; n++)
        four[n] = __builtin_bswap32(four[n]);
    for (size_t n = 0; size == 8 && n < bytes / 8; n++)
        eight[n] = __builtin_bswap64(eight[n]);
}

/* In pieces, asking between them. */
static deeptepp_status to_native_order(const deeptepp_volume *draft, size_t size, dtp_watch *watch,
                                       deeptepp_error *error)
{
    enum { PIECE = 1 << 22 };
    deeptepp_status status = DEEPTEPP_OK;
    for (size_t at = 0; at < size && status == DEEPTEPP_OK; at += PIECE) {
        swap_voxels((uint8_t *)draft->owned + at, size - at < PIECE ? size - at : PIECE, dtp_type_size(draft->type));
        status = dtp_watch_step(watch, watch->told, error);
    }
    return status;
}

/* Takes the voxels into a block of their size. What follows them in the file is hashed and otherwise ignored: the
 * format does not forbid it. */
static deeptepp_status read_voxels(deeptepp_volume *draft, dtp_stream *stream, uint64_t begin, size_t size,
                                   deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    DTP_TRY(dtp_stream_skip(stream, begin - stream->given, error));
    draft->owned = dtp_alloc_aligned(size);
    draft->data = draft->owned;
    if (!draft->owned)
        return dtp_fail_memory(error, "voxels", size);
    DTP_TRY(dtp_stream_read(stream, draft->owned, size, error));
    DTP_TRY(dtp_stream_finish(stream, draft->sha256, error));
fail:
    return status;
}

static void describe(deeptepp_volume *draft, const dtp_nifti *h, const options *o)
{
    draft->type = h->type;
    memcpy(draft->dims, h->dim + 1, sizeof draft->dims);
    draft->strides[0] = (int64_t)dtp_type_size(h->type);
    draft->strides[1] = draft->strides[0] * draft->dims[0];
    draft->strides[2] = draft->strides[1] * draft->dims[1];
    draft->number = o->volume_number ? (int64_t)o->volume_number : 1;
    draft->slope = h->slope;
    draft->inter = h->inter;
}

/* All that the header says, and where the volume's voxels are. */
static deeptepp_status read_header(deeptepp_volume *draft, dtp_nifti *h, dtp_stream *stream, const options *o,
                                   size_t *size, uint64_t *begin, deeptepp_error *error)
{
    deeptepp_status status;
    DTP_TRY(dtp_nifti_read(h, stream, error));
    DTP_TRY(check_volume_number(h, o, error));
    DTP_TRY(check_extent(h, o, stream, size, begin, error));
    describe(draft, h, o);
    DTP_TRY(choose_affine(draft, h, o, error));
    DTP_TRY(check_geometry(draft, h, error));
    return DEEPTEPP_OK;
fail:
    return status;
}

static deeptepp_status load(deeptepp_volume **out, dtp_stream *stream, options *o, deeptepp_error *error)
{
    dtp_nifti h;
    deeptepp_volume draft = {0};
    deeptepp_status status = DEEPTEPP_OK;
    size_t size = 0;
    uint64_t begin = 0;
    DTP_TRY(read_header(&draft, &h, stream, o, &size, &begin, error));
    stream->watch = &o->watch;
    DTP_TRY(read_voxels(&draft, stream, begin, size, error));
    if (h.swapped)
        DTP_TRY(to_native_order(&draft, size, &o->watch, error));
    DTP_TRY(dtp_volume_make(out, &draft, &o->watch, error));
    dtp_watch_finish(&o->watch);
    return status;
fail:
    free(draft.owned);
    return status;
}

/* What the stored file may hold: the voxels the caller allows, and what comes before them. */
static uint64_t stream_limit(const options *o)
{
    uint64_t limit;
    return __builtin_add_overflow(o->max_bytes, (uint64_t)DTP_NIFTI_BEGIN_MAX, &limit) ? UINT64_MAX : limit;
}

/* path: NULL, or the file rather than `size` bytes. */
static deeptepp_status open_source(deeptepp_volume **out, const char *path, const void *bytes, size_t size, options *o,
                                   deeptepp_error *error)
{
    dtp_stream stream;
    deeptepp_status status = path ? dtp_stream_open(&stream, path, stream_limit(o), error)
                                  : dtp_stream_open_bytes(&stream, bytes, size, stream_limit(o), error);
    if (status == DEEPTEPP_OK) {
        status = load(out, &stream, o, error);
        dtp_stream_close(&stream);
    }
    if (status != DEEPTEPP_OK && path)
        dtp_name_file(error, path);
    return status;
}

static deeptepp_status open_volume(deeptepp_volume **out, const char *path, const void *bytes, size_t size,
                                   const deeptepp_volume_options *options_in, deeptepp_error *error)
{
    options o;
    dtp_call call;
    deeptepp_status status = read_options(&o, options_in, error);
    if (status != DEEPTEPP_OK)
        return status;
    dtp_call_begin(&call, &o.watch.callbacks);
    o.watch.callbacks = call.callbacks;
    status = open_source(out, path, bytes, size, &o, error);
    dtp_call_end(&call);
    return status;
}

deeptepp_status deeptepp_volume_from_bytes(deeptepp_volume **out, const void *bytes, size_t size,
                                           const deeptepp_volume_options *options_in, deeptepp_error *error)
{
    if (!out)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "out: NULL, wanted a place for the volume");
    *out = NULL;
    if (!bytes && size)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "bytes: NULL, wanted %zu bytes", size);
    return open_volume(out, NULL, bytes, size, options_in, error);
}

deeptepp_status deeptepp_volume_open(deeptepp_volume **out, const char *path, const deeptepp_volume_options *options_in,
                                     deeptepp_error *error)
{
    if (!out)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "out: NULL, wanted a place for the volume");
    *out = NULL;
    if (!path)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "path: NULL, wanted a file");
    return open_volume(out, path, NULL, 0, options_in, error);
}
