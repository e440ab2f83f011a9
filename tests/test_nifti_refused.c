/* NIfTI headers that must be refused, each for its own reason, and headers damaged anyhow: nothing crashes. */
#include "nifti_expect.h"

/* ---- Refused fields: one test a row, each in both versions and both byte orders ---------------------------------- */

typedef struct row {
    const char *name;
    deeptepp_status status;
    const char *text;
    struct {
        field name;
        int index;
        double value;
    } damage[4];
    int n;
    int version; /* 0: both */
} row;

#define ONE(name, index, value) {{name, index, value}}, 1
#define TWO(...) {__VA_ARGS__}, 2
#define THREE(...) {__VA_ARGS__}, 3
#define FOUR(...) {__VA_ARGS__}, 4

static row rows[] = {
    {"sizeof_hdr 347", DEEPTEPP_ERR_NIFTI_MAGIC, "sizeof_hdr is ", ONE(SIZEOF_HDR, 0, 347), 0},
    {"dim[0] of 2", DEEPTEPP_ERR_NIFTI_DIM, "dim[0]: 2", ONE(DIM, 0, 2), 0},
    {"dim[0] of 0", DEEPTEPP_ERR_NIFTI_DIM, "dim[0]: 0", ONE(DIM, 0, 0), 0},
    {"dim[0] of 8", DEEPTEPP_ERR_NIFTI_DIM, "dim[0]: 8", ONE(DIM, 0, 8), 0},
    {"dim[0] of 200, at which libnifti aborts", DEEPTEPP_ERR_NIFTI_DIM, "dim[0]: 200", ONE(DIM, 0, 200), 0},
    {"dim[0] of -3", DEEPTEPP_ERR_NIFTI_DIM, "dim[0]: -3", ONE(DIM, 0, -3), 0},
    {"a dimension of 0", DEEPTEPP_ERR_NIFTI_DIM, "dim[1]: 0", ONE(DIM, 1, 0), 0},
    {"a negative dimension", DEEPTEPP_ERR_NIFTI_DIM, "dim[3]: -2", ONE(DIM, 3, -2), 0},
    {"a negative count of volumes", DEEPTEPP_ERR_NIFTI_DIM, "dim[4]: -1", TWO({DIM, 0, 4}, {DIM, 4, -1}), 0},
    {"a dimension beyond 31 bits", DEEPTEPP_ERR_NIFTI_DIM, "dim[2]: 2147483648", ONE(DIM, 2, 0x1p31), 2},
    {"dimensions whose product overflows", DEEPTEPP_ERR_NIFTI_DIM, "product",
     THREE({DIM, 1, 0x1p31 - 1}, {DIM, 2, 0x1p31 - 1}, {DIM, 3, 0x1p31 - 1}), 2},
    {"dimensions beyond the cap", DEEPTEPP_ERR_FILE_TOO_LARGE, "2147483648 at most",
     THREE({DIM, 1, 32767}, {DIM, 2, 32767}, {DIM, 3, 32767}), 0},
    {"an axis beyond the bound", DEEPTEPP_ERR_VOLUME_DIMS, "dim[3]: 2049 voxels, wanted 2048 at most",
     ONE(DIM, 3, 2049), 0},
    {"an axis far beyond the bound", DEEPTEPP_ERR_VOLUME_DIMS, "dim[1]: 32767 voxels", ONE(DIM, 1, 32767), 0},
    {"no volume in a fifth dimension", DEEPTEPP_ERR_NIFTI_DIM, "dim[5]: 0", TWO({DIM, 0, 5}, {DIM, 5, 0}), 0},
    {"volumes along two dimensions", DEEPTEPP_ERR_NIFTI_DIM, "dim[4], dim[5]: 2, 3",
     THREE({DIM, 0, 5}, {DIM, 4, 2}, {DIM, 5, 3}), 0},
    {"volumes along two later dimensions", DEEPTEPP_ERR_NIFTI_DIM, "dim[5], dim[7]: 2, 3",
     THREE({DIM, 0, 7}, {DIM, 5, 2}, {DIM, 7, 3}), 0},
    {"several volumes in dim[5]", DEEPTEPP_ERR_NIFTI_4D, "dim[5]: 2 volumes", TWO({DIM, 0, 5}, {DIM, 5, 2}), 0},
    {"several volumes in dim[7]", DEEPTEPP_ERR_NIFTI_4D, "dim[7]: 3 volumes", TWO({DIM, 0, 7}, {DIM, 7, 3}), 0},
    {"several volumes, none chosen", DEEPTEPP_ERR_NIFTI_4D, "2 volumes", TWO({DIM, 0, 4}, {DIM, 4, 2}), 0},
    {"no data type", DEEPTEPP_ERR_NIFTI_DATATYPE, "datatype: 0", ONE(DATATYPE, 0, 0), 0},
    {"binary voxels", DEEPTEPP_ERR_NIFTI_DATATYPE, "BINARY", ONE(DATATYPE, 0, 1), 0},
    {"complex voxels", DEEPTEPP_ERR_NIFTI_DATATYPE, "COMPLEX64", ONE(DATATYPE, 0, 32), 0},
    {"colours", DEEPTEPP_ERR_NIFTI_DATATYPE, "RGB24", ONE(DATATYPE, 0, 128), 0},
    {"128-bit floats", DEEPTEPP_ERR_NIFTI_DATATYPE, "FLOAT128", ONE(DATATYPE, 0, 1536), 0},
    {"an unknown data type", DEEPTEPP_ERR_NIFTI_DATATYPE, "datatype: 77", ONE(DATATYPE, 0, 77), 0},
    {"bitpix of another type", DEEPTEPP_ERR_NIFTI_BITPIX, "bitpix: 8, wanted 16", ONE(BITPIX, 0, 8), 0},
    {"bitpix 0", DEEPTEPP_ERR_NIFTI_BITPIX, "bitpix: 0", ONE(BITPIX, 0, 0), 0},
    {"vox_offset 0", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "vox_offset: 0", ONE(VOX_OFFSET, 0, 0), 0},
    {"vox_offset 348, four bytes early", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "348, wanted", ONE(VOX_OFFSET, 0, 348), 0},
    {"vox_offset one byte inside the header", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "543", ONE(VOX_OFFSET, 0, 543), 2},
    {"vox_offset negative", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "-352", ONE(VOX_OFFSET, 0, -352), 0},
    {"vox_offset with a fraction", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "352.5", ONE(VOX_OFFSET, 0, 352.5), 1},
    {"vox_offset NaN", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "nan", ONE(VOX_OFFSET, 0, NAN), 1},
    {"vox_offset infinite", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "inf", ONE(VOX_OFFSET, 0, INFINITY), 1},
    {"vox_offset out of all proportion", DEEPTEPP_ERR_NIFTI_VOX_OFFSET, "vox_offset", ONE(VOX_OFFSET, 0, 0x1p40), 0},
    {"vox_offset past the end", DEEPTEPP_ERR_FILE_TRUNCATED, "wanted 100048", ONE(VOX_OFFSET, 0, 100000), 0},
    {"voxel size 0", DEEPTEPP_ERR_NIFTI_PIXDIM, "pixdim[1]: 0", ONE(PIXDIM, 1, 0), 0},
    {"voxel size negative", DEEPTEPP_ERR_NIFTI_PIXDIM, "pixdim[2]: -3", ONE(PIXDIM, 2, -3), 0},
    {"voxel size NaN", DEEPTEPP_ERR_NIFTI_PIXDIM, "pixdim[3]: ", ONE(PIXDIM, 3, NAN), 0},
    {"voxel size infinite", DEEPTEPP_ERR_NIFTI_PIXDIM, "pixdim[3]: inf", ONE(PIXDIM, 3, INFINITY), 0},
    {"an unknown unit", DEEPTEPP_ERR_NIFTI_UNITS, "spatial unit 4", ONE(UNITS, 0, 4), 0},
    {"seconds as unit", DEEPTEPP_ERR_NIFTI_UNITS, "spatial unit 7", ONE(UNITS, 0, 8 + 7), 0},
    {"an infinite slope", DEEPTEPP_ERR_NIFTI_SCALING, "inf", ONE(SLOPE, 0, INFINITY), 0},
    {"a slope without a finite intercept", DEEPTEPP_ERR_NIFTI_SCALING, "nan", TWO({SLOPE, 0, 1}, {INTER, 0, NAN}), 0},
    {"an infinite intercept", DEEPTEPP_ERR_NIFTI_SCALING, "-inf", TWO({SLOPE, 0, 2}, {INTER, 0, -INFINITY}), 0},
    {"a slope that leaves float32", DEEPTEPP_ERR_NIFTI_SCALING, "within float32", ONE(SLOPE, 0, 1e36), 0},
    {"no orientation", DEEPTEPP_ERR_NIFTI_ORIENTATION, "0, 0, wanted", ONE(SFORM_CODE, 0, 0), 0},
    {"an unknown sform_code", DEEPTEPP_ERR_NIFTI_ORIENTATION, "sform_code: 77", ONE(SFORM_CODE, 0, 77), 0},
    {"an unknown qform_code", DEEPTEPP_ERR_NIFTI_ORIENTATION, "qform_code: 6", ONE(QFORM_CODE, 0, 6), 0},
    {"a NaN in the sform", DEEPTEPP_ERR_VOLUME_AFFINE, "row 1, column 2", ONE(SROW, 6, NAN), 0},
    {"an infinite origin", DEEPTEPP_ERR_VOLUME_AFFINE, "row 2, column 3: inf", ONE(SROW, 11, INFINITY), 0},
    {"an origin beyond thought", DEEPTEPP_ERR_VOLUME_AFFINE, "origin", ONE(SROW, 3, 1e12), 0},
    {"a column of zeros", DEEPTEPP_ERR_VOLUME_AFFINE, "along i: 0 mm", ONE(SROW, 0, 0), 0},
    {"axes in one plane", DEEPTEPP_ERR_VOLUME_AFFINE, "invertible",
     FOUR({SROW, 0, 0}, {SROW, 4, 2}, {SROW, 5, 3}, {SROW, 6, 0}), 0},
    {"axes askew", DEEPTEPP_ERR_VOLUME_SHEAR, "axes i and j", TWO({SROW, 4, 0.01}, {PIXDIM, 1, 2.000025}), 0},
    {"an affine of other voxel sizes", DEEPTEPP_ERR_VOLUME_SPACING, "pixdim[2]: 3.01", ONE(PIXDIM, 2, 3.01), 0},
    {"a NaN in the quaternion", DEEPTEPP_ERR_VOLUME_AFFINE, "quatern",
     THREE({SFORM_CODE, 0, 0}, {QFORM_CODE, 0, 1}, {QUATERN, 1, NAN}), 0},
    {"a quaternion too long", DEEPTEPP_ERR_VOLUME_AFFINE, "quatern",
     THREE({SFORM_CODE, 0, 0}, {QFORM_CODE, 0, 1}, {QUATERN, 2, 1.01}), 0},
    {"a NaN in the qform's origin", DEEPTEPP_ERR_VOLUME_AFFINE, "qoffset",
     THREE({SFORM_CODE, 0, 0}, {QFORM_CODE, 0, 1}, {QOFFSET, 0, NAN}), 0},
    {"a qfac that is no sign", DEEPTEPP_ERR_NIFTI_PIXDIM, "qfac): 0.5",
     THREE({SFORM_CODE, 0, 0}, {QFORM_CODE, 0, 1}, {PIXDIM, 0, 0.5}), 0},
    {"a negative sform_code", DEEPTEPP_ERR_NIFTI_ORIENTATION, "sform_code: -1", ONE(SFORM_CODE, 0, -1), 0},
    {"a negative qform_code", DEEPTEPP_ERR_NIFTI_ORIENTATION, "qform_code: -2", ONE(QFORM_CODE, 0, -2), 0},
    {"two forms, neither usable", DEEPTEPP_ERR_VOLUME_AFFINE, "row 1, column 2",
     THREE({SROW, 6, NAN}, {QFORM_CODE, 0, 1}, {QUATERN, 0, 2}), 0},
    {"a sform askew beside a qform", DEEPTEPP_ERR_VOLUME_SHEAR, "axes i and j",
     THREE({SROW, 4, 0.01}, {PIXDIM, 1, 2.000025}, {QFORM_CODE, 0, 1}), 0},
    {"pixdim of 1, 1, 1 beside a qform", DEEPTEPP_ERR_VOLUME_SPACING, "set_qform(image.affine)",
     FOUR({PIXDIM, 1, 1}, {PIXDIM, 2, 1}, {PIXDIM, 3, 1}, {QFORM_CODE, 0, 1}), 0},
};

static void is_refused(void **state)
{
    const row *r = *state;
    for (int version = 1; version <= 2; version++)
        for (int swapped = 0; swapped < 2; swapped++) {
            if (r->version && r->version != version)
                continue;
            nifti_file file = make_nifti(version == 2, swapped);
            for (int d = 0; d < r->n; d++)
                put(&file, r->damage[d].name, r->damage[d].index, r->damage[d].value);
            refuse(&file, r->status, r->text);
        }
}

static void refuse_magic(const char *first, const char *second, deeptepp_status status, const char *text)
{
    nifti_file one = make_nifti(false, false), two = make_nifti(true, true);
    memcpy(one.bytes + magic_at(&one), first, 4);
    memcpy(two.bytes + magic_at(&two), second, 8);
    refuse(&one, status, text);
    refuse(&two, status, text);
}

static void a_pair_is_refused_by_name(void **state)
{
    (void)state;
    refuse_magic("ni1", "ni2\0\r\n\032\n", DEEPTEPP_ERR_NIFTI_PAIR, ".hdr/.img");
}

static void analyze_is_refused_by_name(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    memset(file.bytes + magic_at(&file), 0, 4);
    refuse(&file, DEEPTEPP_ERR_NIFTI_ANALYZE, "ANALYZE");
}

static void another_magic_is_refused(void **state)
{
    (void)state;
    refuse_magic("n+3", "n+2\0\n\n\032\n", DEEPTEPP_ERR_NIFTI_MAGIC, "magic");
    refuse_magic("n+1x", "n+1\0\r\n\032\n", DEEPTEPP_ERR_NIFTI_MAGIC, "magic");
}

static void every_shorter_file_is_truncated(void **state)
{
    (void)state;
    for (int t = 0; t < 4; t++) {
        nifti_file file = make_nifti(t & 1, t & 2);
        for (file.size--; file.size > 0; file.size--)
            refuse(&file, DEEPTEPP_ERR_FILE_TRUNCATED, "wanted");
    }
}

/* ---- Any header at all ------------------------------------------------------------------------------------------- */

static void any_outcome(const nifti_file *file)
{
    deeptepp_error error = {0};
    deeptepp_volume_options o = options();
    deeptepp_volume *volume = NULL;
    o.max_bytes = 1 << 20;
    deeptepp_status status = open_with(&volume, file, &o, &error);
    assert_int_equal(status, error.status);
    assert_int_equal(status == DEEPTEPP_OK, volume != NULL);
    assert_string_not_equal(deeptepp_status_name(status), "DEEPTEPP_ERR_UNKNOWN");
    deeptepp_volume_free(volume);
}

static void no_damaged_byte_crashes(void **state)
{
    (void)state;
    for (int t = 0; t < 4; t++) {
        nifti_file file = make_nifti(t & 1, t & 2);
        put(&file, QFORM_CODE, 0, 1);
        for (size_t at = 0; at < file.voxels; at++) {
            const uint8_t sound = file.bytes[at];
            const uint8_t values[] = {0,    1,    2,    5,          0x3f,       0x7f,       0x80,       0x81,
                                      0xc0, 0xfe, 0xff, sound ^ 1u, sound ^ 8u, sound ^ 64u, sound ^ 128u, sound + 1u};
            for (size_t v = 0; v < sizeof values; v++) {
                file.bytes[at] = values[v];
                any_outcome(&file);
            }
            file.bytes[at] = sound;
        }
    }
}

int main(void)
{
    struct CMUnitTest refusals[DTP_COUNT(rows)];
    for (size_t r = 0; r < DTP_COUNT(rows); r++)
        refusals[r] = (struct CMUnitTest){rows[r].name, is_refused, NULL, NULL, &rows[r]};
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_pair_is_refused_by_name),     cmocka_unit_test(analyze_is_refused_by_name),
        cmocka_unit_test(another_magic_is_refused),      cmocka_unit_test(every_shorter_file_is_truncated),
        cmocka_unit_test(no_damaged_byte_crashes),
    };
    int failed = cmocka_run_group_tests_name("refused fields", refusals, NULL, NULL);
    return failed + cmocka_run_group_tests_name("refused files", others, NULL, NULL);
}
