/* A NIfTI file behind gzip: any bytes as the compressed stream, and streams that zlib writes in every way it can, of
 * one member or several, whole or damaged. What is accepted zlib itself inflates to a file that is accepted, but for
 * codes that are not complete; what is whole is accepted. */
#include "../nifti_maker.h"
#include "fuzz.h"

enum { ROOM = 1 << 15, MAX_BYTES = 1 << 16 };

typedef struct stream {
    uint8_t bytes[ROOM];
    size_t size;
} stream;

/* The members one after another, as gunzip does: false when they are not whole or something else follows. *lax: because
 * of a set of codes that is not complete, which zlib refuses and ISA-L does not: checksum and length count. */
static bool inflate_all(const uint8_t *in, size_t size, uint8_t *out, size_t room, size_t *used, bool *lax)
{
    *lax = false;
    *used = 0;
    do {
        z_stream z = {.next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)size, .next_out = out + *used,
                      .avail_out = (uInt)(room - *used)};
        require(inflateInit2(&z, 15 + 16) == Z_OK);
        int end = inflate(&z, Z_FINISH);
        *used += z.total_out;
        in += z.total_in;
        size -= z.total_in;
        *lax = end == Z_DATA_ERROR && z.msg && strstr(z.msg, " set");
        inflateEnd(&z);
        if (end != Z_STREAM_END)
            return false;
    } while (size);
    return true;
}

static deeptepp_status open_bytes(const uint8_t *bytes, size_t size)
{
    const deeptepp_volume_options options = {.struct_size = sizeof options, .max_bytes = MAX_BYTES};
    deeptepp_volume *volume;
    deeptepp_error error = {0};
    float voxels[N_VOXELS];
    deeptepp_status status = deeptepp_volume_from_bytes(&volume, bytes, size, &options, &error);
    require_sound(status, &error);
    require((status == DEEPTEPP_OK) == (volume != NULL));
    if (volume && deeptepp_volume_copy_ras(volume, voxels, N_VOXELS, NULL, NULL, NULL) == DEEPTEPP_OK)
        for (int n = 0; n < N_VOXELS; n++)
            require(isfinite(voxels[n]));
    deeptepp_volume_free(volume);
    return status;
}

/* One member of `size` bytes of the file, written in whatever way the input asks for. */
static void add_member(stream *out, bites *b, const uint8_t *data, size_t size)
{
    gz_header header = {.extra = (Bytef *)"extra", .extra_len = 5, .name = (Bytef *)"name", .comment = (Bytef *)"said"};
    z_stream z = {0};
    uint8_t kind = bite(b);
    require(deflateInit2(&z, (int)bite_within(b, 0, 9), Z_DEFLATED, 16 + (int)bite_within(b, 9, 15),
                         (int)bite_within(b, 1, 9), (int)bite_within(b, 0, 4)) == Z_OK);
    header.extra = kind & 1 ? header.extra : NULL;
    header.name = kind & 2 ? header.name : NULL;
    header.comment = kind & 4 ? header.comment : NULL;
    header.hcrc = kind & 8;
    if (kind & 15)
        deflateSetHeader(&z, &header);
    z.next_out = out->bytes + out->size;
    z.avail_out = (uInt)(ROOM - out->size);
    z.next_in = (Bytef *)(uintptr_t)data;
    while (z.total_in < size) {
        z.avail_in = (uInt)(size - z.total_in < 400 ? size - z.total_in : 400);
        deflate(&z, kind & 16 ? Z_SYNC_FLUSH : kind & 32 ? Z_FULL_FLUSH : Z_NO_FLUSH);
    }
    require(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->size = ROOM - z.avail_out;
    deflateEnd(&z);
}

static void compress_file(stream *out, bites *b, const nifti_file *file)
{
    size_t at = 0;
    for (int64_t members = bite_within(b, 1, 4); members > 1; members--) {
        size_t size = (size_t)bite_within(b, 0, (int64_t)(file->size - at));
        add_member(out, b, file->bytes + at, size);
        at += size;
    }
    add_member(out, b, file->bytes + at, file->size - at);
}

/* Bytes changed, the end cut off or something put behind it; false: none of that. */
static bool damage(stream *out, bites *b)
{
    bool damaged = b->left > 0;
    if (damaged && bite(b) & 1)
        out->size -= (size_t)bite_within(b, 0, (int64_t)out->size);
    while (b->left > 3) {
        uint8_t kind = bite(b);
        if (kind & 1 && out->size < ROOM)
            out->bytes[out->size++] = bite(b);
        else if (out->size)
            out->bytes[(size_t)bite_within(b, 0, (int64_t)out->size - 1)] ^= (uint8_t)(bite(b) | 1);
        else
            bite(b);
    }
    return damaged;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static stream out;
    static uint8_t inflated[1 << 22];
    bites b = {bytes, size};
    size_t used;
    bool lax;
    out.size = 0;
    uint8_t kind = bite(&b);
    const nifti_file file = make_nifti(kind & 1, kind & 2);
    if (kind & 4)
        bite_bytes(&b, out.bytes, out.size = b.left < ROOM ? b.left : ROOM);
    else
        compress_file(&out, &b, &file);
    bool whole = !(kind & 4) && !damage(&out, &b);
    deeptepp_status status = open_bytes(out.bytes, out.size);
    require(!whole || status == DEEPTEPP_OK);
    if (status != DEEPTEPP_OK || out.size < 2 || out.bytes[0] != 0x1f || out.bytes[1] != 0x8b)
        return 0;
    bool same = inflate_all(out.bytes, out.size, inflated, sizeof inflated, &used, &lax);
    require(lax || used == sizeof inflated || (same && open_bytes(inflated, used) == DEEPTEPP_OK));
    return 0;
}
