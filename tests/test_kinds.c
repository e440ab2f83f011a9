/* A file that is of another kind is called by its name, whatever follows its first bytes. */
#include "nifti_expect.h"

#include "../libdeeptepp/base/kinds.h"

typedef struct sample {
    const char *bytes;
    size_t size, at;
    const char *volume, *model; /* words of the message; NULL: what is wanted, or not known */
    bool pointer;
} sample;

#define BYTES(bytes) bytes, sizeof(bytes) - 1, 0
#define BYTES_AT(bytes, at) bytes, sizeof(bytes) - 1, at
#define BOTH(text) text, text, false

static const sample samples[] = {
    {BYTES("NRRD0005\n# Complete NRRD file"), BOTH("NRRD")},
    {BYTES("ObjectType = Image\nNDims = 3\n"), BOTH("MetaImage")},
    {BYTES("NDims = 3\nDimSize = 4 4 4\n"), BOTH("MetaImage")},
    {BYTES("Comment = a scan\nNDims = 3\nElementDataFile = LOCAL\n\xff\x80"), BOTH("MetaImage")},
    {BYTES_AT("DICM\2\0\0\0UL\4\0", 128), "dcm2niix", "DICOM", false},
    {BYTES("\2\0\0\0UL\4\0\xb0\0\0\0"), "dcm2niix", "DICOM", false},
    {BYTES("\10\0\5\0CS\n\0ISO_IR 100"), "without preamble", "DICOM", false},
    {BYTES("\10\0\0\0\4\0\0\0\xe4\1\0\0"), "without preamble", "DICOM", false},
    {BYTES("\0\0\0\1\1\0\1\0\0\0\0\0"), NULL, NULL, false}, /* no number of voxels */
    {BYTES("\0\0\0\1\0\0\1\0\0\0\1\0\0\0\0\x80\0\0\0\1\0\0\0\3"), "mri_convert", "MGH", false},
    {BYTES("\x89HDF\r\n\x1a\n"), BOTH("HDF5")},
    {BYTES("CDF\1\0\0\0\0"), "mnc2nii", "NetCDF", false},
    {BYTES("CDF\2\0\0\0\0"), "mnc2nii", "NetCDF", false},
    {BYTES("\x93NUMPY\1\0"), "nibabel", "NumPy", false},
    {BYTES("MATLAB 5.0 MAT-file"), BOTH("MATLAB")},
    {BYTES("PK\3\4\24\0"), "unpack it", "docs/convert.md", false},
    {BYTES("\x1f\x8b\10\0\0\0\0\0"), "gzip data within gzip data", "gunzip", false},
    {BYTES("BZh91AY"), BOTH("bzip2")},
    {BYTES("\xfd" "7zXZ\0"), BOTH("xz")},
    {BYTES("\x28\xb5\x2f\xfd"), BOTH("zstd")},
    {BYTES_AT("ustar\00000", 257), BOTH("tar archive")},
    {BYTES("\0\5\x16\7\0\2\0\0Mac OS X"), BOTH("without the leading \"._\"")},
    {BYTES("\x89PNG\r\n\x1a\n"), BOTH("PNG")},
    {BYTES("\xff\xd8\xff\xe0"), BOTH("JPEG")},
    {BYTES("II*\0"), BOTH("TIFF")},
    {BYTES("MM\0*"), BOTH("TIFF")},
    {BYTES("%PDF-1.7"), BOTH("PDF")},
    {BYTES("\x80\2\x8a\nl\xfc\x9c"), "pickle", "docs/convert.md", false},
    {BYTES("\x80\4\x95\1\0\0\0\0"), "pickle", "docs/convert.md", false},
    {BYTES("\x3c\0\0\0\0\0\0\0{\"__metadata__\""), "safetensors", NULL, false},
    {BYTES_AT("n+1\0", 344), NULL, "NIfTI file", false}, /* a volume of another first size is damaged */
    {BYTES("\x1c\2\0\0n+2\0\r\n\x1a\n"), NULL, "NIfTI file", false},
    {BYTES("<!DOCTYPE html><html>"), BOTH("web page")},
    {BYTES("\xef\xbb\xbf\r\n  <!-- caf\xc3\xa9 -->\n<HTML lang=en>"), BOTH("web page")},
    {BYTES("<?xml version=\"1.0\"?><Error><Code>AccessDenied"), BOTH("XML")},
    {BYTES("{\"message\": \"Not Found\"}"), BOTH("JSON")},
    {BYTES("{\n  \"RepetitionTime\": 2\n}"), BOTH("JSON")},
    {BYTES("404: Not Found"), BOTH("text")},
    {BYTES("age,score\n51,2.5\n"), BOTH("text")},
    {BYTES("\xef\xbb\xbfid;value\n1;2\n"), BOTH("text")},
    {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"), "git lfs pull", "lfs pull", true},
    {BYTES("/annex/objects/SHA256E-s9--00.nii.gz\n"), "git annex get", "git annex get", true},
    {BYTES("../.git/annex/objects/Xq/0F/MD5E-s9--0.nii.gz/MD5E-s9--0.nii.gz"), "git annex get", "git annex get", true},
    {BYTES("abc"), NULL, NULL, false},
    {BYTES("plain words, and then\0a NUL"), NULL, NULL, false},
    {BYTES("\x12\x34\x56\x78\x9a"), NULL, NULL, false},
};

static void check(const sample *s, size_t size, const uint8_t *bytes, dtp_wanted wanted, const char *text)
{
    deeptepp_error error = {0};
    deeptepp_status status = dtp_kinds_refuse(bytes, size, wanted, &error);
    if (!text) {
        assert_int_equal(status, DEEPTEPP_OK);
        return;
    }
    assert_int_equal(status, s->pointer ? DEEPTEPP_ERR_FILE_POINTER : DEEPTEPP_ERR_FILE_FORMAT);
    assert_int_equal(status, error.status);
    if (!strstr(error.message, text) || !strstr(error.message, "wanted"))
        fail_msg("\"%s\" does not speak of \"%s\" and what is wanted", error.message, text);
}

static void every_kind_is_named(void **state)
{
    (void)state;
    for (size_t n = 0; n < DTP_COUNT(samples); n++) {
        const sample *s = &samples[n];
        size_t size = s->at + s->size;
        uint8_t *exact = calloc(size, 1);
        memcpy(exact + s->at, s->bytes, s->size);
        check(s, size, exact, DTP_WANTED_VOLUME, s->volume);
        check(s, size, exact, DTP_WANTED_MODEL, s->model);
        free(exact);
    }
}

/* The bytes of a binary kind followed by more than is looked at. */
static void what_follows_is_not_looked_at(void **state)
{
    (void)state;
    for (size_t n = 0; n < DTP_COUNT(samples); n++) {
        const sample *s = &samples[n];
        uint8_t *bytes = malloc(5000);
        memset(bytes, ' ', 5000);
        memset(bytes, 0, s->at);
        memcpy(bytes + s->at, s->bytes, s->size);
        memset(bytes + DTP_KIND_BYTES, 0xff, 5000 - DTP_KIND_BYTES);
        if (s->volume && s->model)
            check(s, 5000, bytes, DTP_WANTED_VOLUME, s->volume);
        free(bytes);
    }
}

static void no_prefix_is_read_past_its_end(void **state)
{
    (void)state;
    for (size_t n = 0; n < DTP_COUNT(samples); n++)
        for (size_t size = 0; size <= samples[n].size; size++) {
            uint8_t *exact = malloc(size ? size : 1);
            memcpy(exact, samples[n].bytes, size);
            for (int wanted = 0; wanted < 2; wanted++)
                dtp_kinds_refuse(exact, size, (dtp_wanted)wanted, NULL);
            free(exact);
        }
}

/* ---- As a volume ------------------------------------------------------------------------------------------------- */

static nifti_file file_of(const char *bytes, size_t size, size_t at)
{
    nifti_file file = {.size = at + size};
    memcpy(file.bytes + at, bytes, size);
    return file;
}

static void a_volume_is_told_from_each_plain_and_inflated(void **state)
{
    (void)state;
    for (size_t n = 0; n < DTP_COUNT(samples); n++) {
        const sample *s = &samples[n];
        nifti_file file = file_of(s->bytes, s->size, s->at), gz = gzipped(&file);
        const deeptepp_status status = s->pointer ? DEEPTEPP_ERR_FILE_POINTER : DEEPTEPP_ERR_FILE_FORMAT;
        if (s->volume && (uint8_t)s->bytes[0] != 0x1f)
            refuse(&file, status, s->volume);
        if (s->volume)
            refuse(&gz, status, s->volume);
    }
}

static void a_volume_compressed_twice_is_called_that(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), once = gzipped(&file), twice = gzipped(&once);
    refuse(&twice, DEEPTEPP_ERR_FILE_FORMAT, "gzip data within gzip data");
}

static void an_empty_file_is_called_empty(void **state)
{
    (void)state;
    nifti_file file = {.size = 0}, gz = gzipped(&file);
    refuse(&file, DEEPTEPP_ERR_FILE_TRUNCATED, "empty: 0 bytes");
    refuse(&gz, DEEPTEPP_ERR_FILE_TRUNCATED, "empty: 0 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_named),
        cmocka_unit_test(what_follows_is_not_looked_at),
        cmocka_unit_test(no_prefix_is_read_past_its_end),
        cmocka_unit_test(a_volume_is_told_from_each_plain_and_inflated),
        cmocka_unit_test(a_volume_compressed_twice_is_called_that),
        cmocka_unit_test(an_empty_file_is_called_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
