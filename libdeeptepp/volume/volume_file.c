/* A volume from a file: header first, all of it checked, and only then memory for the voxels. */
#include "../base/call.h"
#include "../base/worker.h"
#include "axes.h"
#include "forms.h"

typedef unsigned long long ull;

/* Breast volumes have 10 to 200 MB; 1024 x 1024 x 256 voxels of float64 have 2 GiB. */
static const uint64_t DEFAULT_MAX_BYTES = (uint64_t)2 << 30;

/* A file's volumes together: dozens of phases, of which one is kept. */
enum { VOLUMES_AT_MOST = 4 };

/* What may follow the last volume beside as much again: no writer known adds more than padding. Without an end, some
 * megabytes of gzip could be inflated for minutes. */
static const uint64_t TRAILING = (uint64_t)64 << 20;

/* Thousandths of the work that reading is; the rest is checking the voxels. */
enum { READING = 900 };

/* Twice the largest matrix of MR. Ten views of mosaics of a mask of 2048 x 33 x 2048 voxels, 140 KB of gzip, take 14 s
 * on two cores; with no bound, and as few bytes, hours. */
enum { DEFAULT_MAX_EDGE = 2048 };

typedef struct options {
    uint64_t volume_number, max_bytes;
    int64_t max_edge;
    deeptepp_callbacks callbacks; /* the host's */
    dtp_watch *watch;
    char axes[4]; /* where the voxel axes run to, if the file does not say; "": unknown */
} options;

static deeptepp_status read_orientation(options *out, const char *letters, deeptepp_error *error)
{
    if (!dtp_axes_valid(letters))
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT,
                        "options.orientation: \"%.20s\", wanted one letter of each of RL, AP and SI", letters);
    memcpy(out->axes, letters, sizeof out->axes);
    return DEEPTEPP_OK;
}

static deeptepp_status read_options(options *out, const deeptepp_volume_options *in, deeptepp_error *error)
{
    deeptepp_volume_options read;
    *out = (options){.max_bytes = DEFAULT_MAX_BYTES, .max_edge = DEFAULT_MAX_EDGE};
    deeptepp_status status = DTP_OPTIONS_READ(&read, deeptepp_volume_options, orientation, in, error);
    if (status == DEEPTEPP_OK)
        status = dtp_callbacks_copy(&out->callbacks, read.callbacks, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (read.volume_number < 0)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "options.volume_number: %lld, wanted 0 or more",
                        (long long)read.volume_number);
    if (read.max_edge < 0)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "options.max_edge: %lld, wanted 0 or more",
                        (long long)read.max_edge);
    out->volume_number = (uint64_t)read.volume_number;
    if (read.max_edge)
        out->max_edge = read.max_edge;
    if (read.max_bytes)
        out->max_bytes = read.max_bytes;
    return read.orientation ? read_orientation(out, read.orientation, error) : DEEPTEPP_OK;
}

static deeptepp_status check_volume_number(const dtp_nifti *h, const options *o, deeptepp_error *error)
{
    uint64_t volumes = (uint64_t)dtp_nifti_volumes(h);
    if (o->volume_number == 0 && volumes > 1)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_4D,
                        "dim[%d]: %llu volumes and none chosen, wanted volume_number 1 to %llu", h->volume_dim,
                        (ull)volumes, (ull)volumes);
    if (o->volume_number > volumes)
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_4D, "volume_number: %llu, wanted 1 to %llu", (ull)o->volume_number,
                        (ull)volumes);
    return DEEPTEPP_OK;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* In bytes: where the volume's voxels begin, how many they are, and how many may follow them. */
typedef struct extent {
    uint64_t begin, trailing;
    size_t size;
} extent;

static deeptepp_status check_bytes(const options *o, size_t all, size_t each, deeptepp_error *error)
{
    const uint64_t together = times(o->max_bytes, VOLUMES_AT_MOST);
    if (each > o->max_bytes)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE, "voxels: %zu bytes, wanted %llu at most (max_bytes)", each,
                        (ull)o->max_bytes);
    if (all > together)
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TOO_LARGE,
                        "voxels of all volumes: %zu bytes, wanted %llu at most (%d times max_bytes)", all,
                        (ull)together, VOLUMES_AT_MOST);
    return DEEPTEPP_OK;
}

static deeptepp_status check_edges(const dtp_nifti *h, const options *o, deeptepp_error *error)
{
    for (int d = 1; d <= 3; d++)
        if (h->dim[d] > o->max_edge)
            return dtp_fail(error, DEEPTEPP_ERR_VOLUME_DIMS, "dim[%d]: %lld voxels, wanted %lld at most (max_edge)", d,
                            (long long)h->dim[d], (long long)o->max_edge);
    return DEEPTEPP_OK;
}

/* The stream must be able to hold all volumes. */
static deeptepp_status check_extent(const dtp_nifti *h, const options *o, const dtp_stream *stream, extent *out,
                                    deeptepp_error *error)
{
    int64_t factors[5] = {(int64_t)dtp_type_size(h->type), h->dim[1], h->dim[2], h->dim[3],
                          dtp_nifti_volumes(h)};
    uint64_t offset = (uint64_t)h->vox_offset;
    size_t all;
    if (!dtp_product(factors, 5, PTRDIFF_MAX, &all))
        return dtp_fail(error, DEEPTEPP_ERR_NIFTI_DIM,
                        "dim: %lld x %lld x %lld x %lld, wanted a product that memory can hold", (long long)factors[1],
                        (long long)factors[2], (long long)factors[3], (long long)factors[4]);
    out->size = all / (size_t)factors[4];
    deeptepp_status status = check_bytes(o, all, out->size, error);
    status = status ? status : check_edges(h, o, error);
    if (status != DEEPTEPP_OK)
        return status;
    if (offset + all > dtp_stream_most(stream))
        return dtp_fail(error, DEEPTEPP_ERR_FILE_TRUNCATED,
                        "the file's %llu bytes hold %llu at most, wanted %llu (voxels after vox_offset)",
                        (ull)stream->source.size, (ull)dtp_stream_most(stream), (ull)(offset + all));
    size_t skipped = out->size * (size_t)(o->volume_number ? o->volume_number - 1 : 0);
    out->begin = offset + skipped;
    out->trailing = (all - skipped - out->size) + all + TRAILING;
    return DEEPTEPP_OK;
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
        status = dtp_watch_ask(watch, error);
    }
    return status;
}

/* Takes the voxels into a block of their size. What follows them in the file is hashed and otherwise ignored: the
 * format does not forbid it. */
static deeptepp_status read_voxels(deeptepp_volume *draft, dtp_stream *stream, const extent *voxels,
                                   deeptepp_error *error)
{
    deeptepp_status status = DEEPTEPP_OK;
    DTP_TRY(dtp_stream_skip(stream, voxels->begin - stream->given, error));
    draft->owned = dtp_alloc_aligned(voxels->size);
    draft->data = draft->owned;
    if (!draft->owned)
        return dtp_fail_memory(error, "voxels", voxels->size);
    DTP_TRY(dtp_stream_read(stream, draft->owned, voxels->size, error));
    return dtp_stream_finish(stream, voxels->trailing, draft->sha256, error);
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
                                   extent *voxels, deeptepp_error *error)
{
    deeptepp_status status;
    DTP_TRY(dtp_nifti_read(h, stream, error));
    DTP_TRY(check_volume_number(h, o, error));
    DTP_TRY(check_extent(h, o, stream, voxels, error));
    describe(draft, h, o);
    return dtp_forms_choose(draft, h, o->axes, error);
fail:
    return status;
}

static deeptepp_status load(deeptepp_volume **out, dtp_stream *stream, options *o, deeptepp_error *error)
{
    dtp_nifti h;
    deeptepp_volume draft = {0};
    deeptepp_status status = DEEPTEPP_OK;
    extent voxels = {0};
    DTP_TRY(read_header(&draft, &h, stream, o, &voxels, error));
    DTP_TRY(read_voxels(&draft, stream, &voxels, error));
    dtp_watch_part(o->watch, READING, 1000);
    if (h.swapped)
        DTP_TRY(to_native_order(&draft, voxels.size, o->watch, error));
    DTP_TRY(dtp_volume_make(out, &draft, o->watch, error));
    dtp_watch_finish(o->watch);
    return DEEPTEPP_OK;
fail:
    free(draft.owned);
    return status;
}

/* What the stored file may hold: the voxels the caller allows, and what comes before them. */
static uint64_t stream_limit(const options *o)
{
    uint64_t limit;
    return __builtin_add_overflow(times(o->max_bytes, VOLUMES_AT_MOST), (uint64_t)DTP_NIFTI_BEGIN_MAX, &limit)
               ? UINT64_MAX
               : limit;
}

/* path: NULL, or the file rather than `size` bytes. */
static deeptepp_status open_source(deeptepp_volume **out, const char *path, const void *bytes, size_t size, options *o,
                                   deeptepp_error *error)
{
    dtp_stream stream;
    dtp_watch_part(o->watch, 0, READING);
    deeptepp_status status = dtp_stream_open(&stream, path, bytes, size, stream_limit(o), o->watch, error);
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
    dtp_call_begin(&call, &o.callbacks);
    o.watch = &call.watch;
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

static deeptepp_status count_volumes(int64_t *count, const char *path, deeptepp_error *error)
{
    dtp_stream stream;
    dtp_nifti h;
    deeptepp_status status = dtp_stream_open(&stream, path, NULL, 0, UINT64_MAX, NULL, error);
    if (status == DEEPTEPP_OK) {
        status = dtp_nifti_read(&h, &stream, error);
        dtp_stream_close(&stream);
    }
    if (status == DEEPTEPP_OK)
        *count = dtp_nifti_volumes(&h);
    else
        dtp_name_file(error, path);
    return status;
}

deeptepp_status deeptepp_volume_count_in_file(int64_t *count, const char *path, deeptepp_error *error)
{
    dtp_call call;
    if (!count || !path)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s: NULL, wanted %s", count ? "path" : "count",
                        count ? "a file" : "a place for the number");
    dtp_call_begin(&call, NULL);
    deeptepp_status status = count_volumes(count, path, error);
    dtp_call_end(&call);
    return status;
}
