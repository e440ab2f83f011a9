#include "kinds.h"

/* What to do, for a volume and for a model. */
typedef struct kind {
    const char *name;
    const char *advice[2];
} kind;

typedef struct magic {
    size_t at;
    const char *bytes;
    size_t size;
    kind kind;
} magic;

#define MAGIC(at, bytes) at, bytes, sizeof(bytes) - 1
#define TO_NIFTI "convert it to NIfTI, e.g. with 3D Slicer or SimpleITK"
#define TO_SAFETENSORS "convert the checkpoint, see docs/convert.md"
#define UNPACK "unpack it and give the file in it"
#define GUNZIP "unpack it with gunzip"
#define DCM2NIIX "convert the series to NIfTI, e.g. with dcm2niix"
#define NOT_A_MODEL "name the model file"
#define NOT_A_VOLUME "name the file of the volume"
#define FROM_PICTURE "go back to the scanner's files, which say sizes and orientation"
#define SHADOW "name the file itself, without the leading \"._\""

static const magic magics[] = {
    {MAGIC(0, "NRRD0"), {"a NRRD image", {TO_NIFTI, NOT_A_MODEL}}},
    {MAGIC(128, "DICM"), {"a DICOM file", {DCM2NIIX, NOT_A_MODEL}}},
    {MAGIC(0, "\x89HDF\r\n\x1a\n"), {"a HDF5 file (MINC 2, MATLAB 7.3 or Keras)", {TO_NIFTI, TO_SAFETENSORS}}},
    {MAGIC(0, "CDF\x01"), {"a NetCDF file (MINC 1)", {"convert it to NIfTI, e.g. with mnc2nii", NOT_A_MODEL}}},
    {MAGIC(0, "CDF\x02"), {"a NetCDF file (MINC 1)", {"convert it to NIfTI, e.g. with mnc2nii", NOT_A_MODEL}}},
    {MAGIC(0, "MATLAB 5.0"), {"a MATLAB file", {TO_NIFTI, NOT_A_MODEL}}},
    {MAGIC(0, "\x93NUMPY"), {"a NumPy array", {"save it as NIfTI with its affine, e.g. with nibabel", NOT_A_MODEL}}},
    {MAGIC(0, "# vtk DataFile"), {"a VTK file", {TO_NIFTI, NOT_A_MODEL}}},
    {MAGIC(0, "PK\x03\x04"), {"a ZIP archive, as PyTorch's .pt and .pth are", {UNPACK, TO_SAFETENSORS}}},
    {MAGIC(0, "PK\x05\x06"), {"an empty ZIP archive", {UNPACK, TO_SAFETENSORS}}},
    {MAGIC(0, "\x28\xb5\x2f\xfd"), {"zstd data", {UNPACK, UNPACK}}},
    {MAGIC(0, "\xfd" "7zXZ"), {"xz data", {UNPACK, UNPACK}}},
    {MAGIC(0, "BZh"), {"bzip2 data", {UNPACK, UNPACK}}},
    {MAGIC(0, "7z\xbc\xaf\x27\x1c"), {"a 7-Zip archive", {UNPACK, UNPACK}}},
    {MAGIC(0, "Rar!"), {"a RAR archive", {UNPACK, UNPACK}}},
    {MAGIC(257, "ustar"), {"a tar archive", {UNPACK, UNPACK}}},
    {MAGIC(0, "\x00\x05\x16\x07"), {"a macOS shadow file (AppleDouble)", {SHADOW, SHADOW}}},
    {MAGIC(0, "\x00\x05\x16\x00"), {"a macOS AppleSingle file", {UNPACK, UNPACK}}},
    {MAGIC(0, "\x89PNG"), {"a PNG picture", {FROM_PICTURE, NOT_A_MODEL}}},
    {MAGIC(0, "\xff\xd8\xff"), {"a JPEG picture", {FROM_PICTURE, NOT_A_MODEL}}},
    {MAGIC(0, "GIF8"), {"a GIF picture", {FROM_PICTURE, NOT_A_MODEL}}},
    {MAGIC(0, "II*\0"), {"a TIFF picture", {FROM_PICTURE, NOT_A_MODEL}}},
    {MAGIC(0, "MM\0*"), {"a TIFF picture", {FROM_PICTURE, NOT_A_MODEL}}},
    {MAGIC(0, "%PDF"), {"a PDF", {NOT_A_VOLUME, NOT_A_MODEL}}},
    {MAGIC(0, "GGUF"), {"a GGUF file", {NOT_A_VOLUME, TO_SAFETENSORS}}},
};

static const kind gzip_twice = {"gzip data within gzip data", {GUNZIP, GUNZIP}};
static const kind gzip_once = {"gzip data", {GUNZIP, GUNZIP}};
static const kind safetensors = {"a safetensors file, as models are", {NOT_A_VOLUME, NOT_A_MODEL}};
static const kind nifti = {"a NIfTI file, as volumes are", {NOT_A_VOLUME, NOT_A_MODEL}};
static const kind metaimage = {"a MetaImage", {TO_NIFTI, NOT_A_MODEL}};
static const kind dicom_bare = {"a DICOM file without preamble", {DCM2NIIX, NOT_A_MODEL}};
static const kind mgh = {"a FreeSurfer MGH image", {"convert it to NIfTI, e.g. with mri_convert", NOT_A_MODEL}};
static const kind pickle = {"a Python pickle, as PyTorch's older .pt are", {NOT_A_VOLUME, TO_SAFETENSORS}};
static const kind page = {"a web page (HTML)", {"fetch the file itself again", "fetch the file itself again"}};
static const kind xml = {"XML text", {"if it is a server's answer, fetch the file itself again",
                                      "if it is a server's answer, fetch the file itself again"}};
static const kind json = {"JSON text, as a side-car or a server's answer", {NOT_A_VOLUME, NOT_A_MODEL}};
static const kind text = {"text", {NOT_A_VOLUME, NOT_A_MODEL}};
static const kind lfs_pointer = {"a Git-LFS pointer", {"run `git lfs pull`", "run `git lfs pull`"}};
static const kind annex_pointer = {"a git-annex pointer", {"run `git annex get`", "run `git annex get`"}};

static bool begins(const uint8_t *bytes, size_t size, const char *with)
{
    size_t length = strlen(with);
    return size >= length && memcmp(bytes, with, length) == 0;
}

static bool contains(const uint8_t *bytes, size_t size, const char *what)
{
    for (size_t at = 0; at < size; at++)
        if (begins(bytes + at, size - at, what))
            return true;
    return false;
}

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

/* A first element of group 2 or 8, with its type in two letters or with a short length of its value. */
static bool is_dicom_bare(const uint8_t *b, size_t size)
{
    if (size < 8 || (b[0] != 2 && b[0] != 8) || b[1] != 0 || b[3] != 0)
        return false;
    return (is_upper(b[4]) && is_upper(b[5])) || (b[4] > 0 && b[4] <= 64 && b[4] % 2 == 0 && !b[5] && !b[6] && !b[7]);
}

static bool is_nifti(const uint8_t *b, size_t size)
{
    return (size >= 348 && memcmp(b + 344, "n+1", 4) == 0) || (size >= 8 && memcmp(b + 4, "n+2", 4) == 0);
}

/* A length within a terabyte, and an object. */
static bool is_safetensors(const uint8_t *b, size_t size)
{
    return size >= 10 && !b[5] && !b[6] && !b[7] && b[8] == '{';
}

/* Version 1, three dimensions, frames and a type, all of 32 bits with the high byte first. */
static bool is_mgh(const uint8_t *b, size_t size)
{
    if (size < 24 || b[0] || b[1] || b[2] || b[3] != 1)
        return false;
    for (int field = 1; field <= 4; field++)
        if (b[4 * field] || b[4 * field + 1] || !(b[4 * field + 2] || b[4 * field + 3]))
            return false;
    return !b[20] && !b[21] && !b[22] && b[23] <= 10;
}

static bool is_pickle(const uint8_t *b, size_t size)
{
    return size >= 4 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5;
}

/* Printable ASCII and white space alone; fewer than four bytes say too little. */
static bool is_text(const uint8_t *b, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (b[at] >= 0x7f || (b[at] < 0x20 && b[at] != '\t' && b[at] != '\n' && b[at] != '\r' && b[at] != '\f'))
            return false;
    return size >= 4;
}

static size_t skip_blanks(const uint8_t *b, size_t size)
{
    size_t at = 0;
    while (at < size && (b[at] == ' ' || b[at] == '\t' || b[at] == '\r' || b[at] == '\n'))
        at++;
    return at;
}

/* Pages say what they are in any letter case, some only after a comment. */
static bool is_page(const uint8_t *b, size_t size)
{
    uint8_t lower[DTP_KIND_BYTES];
    for (size_t at = 0; at < size; at++)
        lower[at] = is_upper(b[at]) ? (uint8_t)(b[at] + 'a' - 'A') : b[at];
    return contains(lower, size, "<!doctype html") || contains(lower, size, "<html") || contains(lower, size, "<head");
}

/* Of these the first bytes are characters, if not all of ASCII. */
static const kind *kind_of_markup(const uint8_t *bytes, size_t size)
{
    size_t blanks = skip_blanks(bytes, size);
    const uint8_t *b = bytes + blanks;
    size -= blanks;
    if (size >= 2 && b[0] == '<' && is_page(b, size))
        return &page;
    if (begins(b, size, "<?xml"))
        return &xml;
    return size >= 2 && (begins(b, size, "{\"") || begins(b, size, "{\n") || begins(b, size, "[{")) ? &json : NULL;
}

static const kind *kind_of_text(const uint8_t *b, size_t size)
{
    if (begins(b, size, "version https://git-lfs") || begins(b, size, "version https://hawser"))
        return &lfs_pointer;
    if (contains(b, size, "/annex/objects/"))
        return &annex_pointer;
    return &text;
}

/* Its header is text, which voxels may follow. */
static bool is_metaimage(const uint8_t *b, size_t size)
{
    return begins(b, size, "ObjectType = ") || begins(b, size, "NDims = ") || contains(b, size, "\nNDims = ");
}

static const kind *kind_of_binary(const uint8_t *bytes, size_t size, dtp_wanted wanted)
{
    const bool model = wanted == DTP_WANTED_MODEL;
    for (size_t m = 0; m < DTP_COUNT(magics); m++)
        if (size >= magics[m].at + magics[m].size && !memcmp(bytes + magics[m].at, magics[m].bytes, magics[m].size))
            return &magics[m].kind;
    if (begins(bytes, size, "\x1f\x8b"))
        return model ? &gzip_once : &gzip_twice;
    if (model ? is_nifti(bytes, size) : is_safetensors(bytes, size))
        return model ? &nifti : &safetensors;
    if (is_dicom_bare(bytes, size))
        return &dicom_bare;
    if (is_metaimage(bytes, size))
        return &metaimage;
    return is_mgh(bytes, size) ? &mgh : is_pickle(bytes, size) ? &pickle : NULL;
}

deeptepp_status dtp_kinds_refuse(const uint8_t *bytes, size_t size, dtp_wanted wanted, deeptepp_error *error)
{
    static const char *const names[] = {"a NIfTI-1 or NIfTI-2 file", "a safetensors model file"};
    size = size < DTP_KIND_BYTES ? size : DTP_KIND_BYTES;
    const kind *found = kind_of_binary(bytes, size, wanted);
    const size_t mark = begins(bytes, size, "\xef\xbb\xbf") ? 3 : 0; /* of the byte order */
    bytes += mark;
    size -= mark;
    found = found ? found : kind_of_markup(bytes, size);
    found = found ? found : is_text(bytes, size) ? kind_of_text(bytes, size) : NULL;
    if (!found)
        return DEEPTEPP_OK;
    const bool pointer = found == &lfs_pointer || found == &annex_pointer;
    const deeptepp_status status = pointer ? DEEPTEPP_ERR_FILE_POINTER : DEEPTEPP_ERR_FILE_FORMAT;
    return dtp_fail(error, status, "this is %s, wanted %s%s: %s", found->name, pointer ? "what it stands for, " : "",
                    names[wanted], found->advice[wanted]);
}
