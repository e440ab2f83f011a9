/* Statuses, messages and the struct_size rule. The numbers stand here once more: they may never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../libdeeptepp/base/base.h"
#include "../libdeeptepp/base/warnings.h"

static const struct {
    int number;
    deeptepp_status status;
    const char *name;
} statuses[] = {
#define STATUS(number, name) {number, name, #name}
    STATUS(0, DEEPTEPP_OK),
    STATUS(1, DEEPTEPP_ERR_ARGUMENT),
    STATUS(2, DEEPTEPP_ERR_STRUCT_SIZE),
    STATUS(3, DEEPTEPP_ERR_MEMORY),
    STATUS(4, DEEPTEPP_ERR_MEMORY_LIMIT),
    STATUS(5, DEEPTEPP_ERR_CANCELLED),
    STATUS(6, DEEPTEPP_ERR_BUSY),
    STATUS(7, DEEPTEPP_ERR_THREAD),
    STATUS(8, DEEPTEPP_ERR_BACKEND),
    STATUS(9, DEEPTEPP_ERR_INTERNAL),
    STATUS(10, DEEPTEPP_ERR_PRECISION),
    STATUS(20, DEEPTEPP_ERR_FILE_MISSING),
    STATUS(21, DEEPTEPP_ERR_FILE_READ),
    STATUS(22, DEEPTEPP_ERR_FILE_TOO_LARGE),
    STATUS(23, DEEPTEPP_ERR_FILE_TRUNCATED),
    STATUS(24, DEEPTEPP_ERR_GZIP),
    STATUS(25, DEEPTEPP_ERR_FILE_FORMAT),
    STATUS(26, DEEPTEPP_ERR_FILE_POINTER),
    STATUS(40, DEEPTEPP_ERR_NIFTI_MAGIC),
    STATUS(41, DEEPTEPP_ERR_NIFTI_PAIR),
    STATUS(42, DEEPTEPP_ERR_NIFTI_ANALYZE),
    STATUS(43, DEEPTEPP_ERR_NIFTI_DIM),
    STATUS(44, DEEPTEPP_ERR_NIFTI_4D),
    STATUS(45, DEEPTEPP_ERR_NIFTI_DATATYPE),
    STATUS(46, DEEPTEPP_ERR_NIFTI_BITPIX),
    STATUS(47, DEEPTEPP_ERR_NIFTI_VOX_OFFSET),
    STATUS(48, DEEPTEPP_ERR_NIFTI_PIXDIM),
    STATUS(49, DEEPTEPP_ERR_NIFTI_UNITS),
    STATUS(50, DEEPTEPP_ERR_NIFTI_SCALING),
    STATUS(51, DEEPTEPP_ERR_NIFTI_ORIENTATION),
    STATUS(60, DEEPTEPP_ERR_VOLUME_DIMS),
    STATUS(61, DEEPTEPP_ERR_VOLUME_STRIDES),
    STATUS(62, DEEPTEPP_ERR_VOLUME_TYPE),
    STATUS(63, DEEPTEPP_ERR_VOLUME_AFFINE),
    STATUS(64, DEEPTEPP_ERR_VOLUME_SHEAR),
    STATUS(65, DEEPTEPP_ERR_VOLUME_SPACING),
    STATUS(66, DEEPTEPP_ERR_VOLUME_NONFINITE),
    STATUS(67, DEEPTEPP_ERR_VOLUME_INEXACT),
    STATUS(81, DEEPTEPP_ERR_MODEL_HEADER_LENGTH),
    STATUS(82, DEEPTEPP_ERR_MODEL_JSON),
    STATUS(83, DEEPTEPP_ERR_MODEL_TENSOR_ENTRY),
    STATUS(84, DEEPTEPP_ERR_MODEL_OFFSETS),
    STATUS(85, DEEPTEPP_ERR_MODEL_DTYPE),
    STATUS(86, DEEPTEPP_ERR_MODEL_METADATA),
    STATUS(87, DEEPTEPP_ERR_MODEL_VALUE),
    STATUS(88, DEEPTEPP_ERR_MODEL_SCHEMA),
    STATUS(89, DEEPTEPP_ERR_MODEL_ARCHITECTURE),
    STATUS(90, DEEPTEPP_ERR_MODEL_TENSORS),
    STATUS(91, DEEPTEPP_ERR_MODEL_NONFINITE),
    STATUS(92, DEEPTEPP_ERR_MODEL_VARIANCE),
    STATUS(93, DEEPTEPP_ERR_MODEL_SELF_TEST),
    STATUS(94, DEEPTEPP_ERR_MODEL_NO_SELF_TEST),
    STATUS(95, DEEPTEPP_ERR_MODEL_SHA256),
    STATUS(110, DEEPTEPP_ERR_CHANNEL_MISSING),
    STATUS(111, DEEPTEPP_ERR_CHANNEL_UNKNOWN),
    STATUS(112, DEEPTEPP_ERR_CHANNEL_DUPLICATE),
    STATUS(113, DEEPTEPP_ERR_MASK_MISSING),
    STATUS(114, DEEPTEPP_ERR_GEOMETRY_SIZE),
    STATUS(115, DEEPTEPP_ERR_GEOMETRY_SPACING),
    STATUS(116, DEEPTEPP_ERR_GEOMETRY_DIRECTION),
    STATUS(117, DEEPTEPP_ERR_GEOMETRY_ORIGIN),
    STATUS(118, DEEPTEPP_ERR_MASK_EMPTY),
    STATUS(119, DEEPTEPP_ERR_MASK_LABEL),
    STATUS(120, DEEPTEPP_ERR_MASK_LABELS),
    STATUS(121, DEEPTEPP_ERR_MASK_FRACTIONAL),
    STATUS(122, DEEPTEPP_ERR_MASK_SMALL),
    STATUS(123, DEEPTEPP_ERR_REGION_OUTSIDE),
    STATUS(124, DEEPTEPP_ERR_IMAGE_CONSTANT),
    STATUS(125, DEEPTEPP_ERR_SPACING_RANGE),
    STATUS(126, DEEPTEPP_ERR_COVARIATE_MISSING),
    STATUS(127, DEEPTEPP_ERR_COVARIATE_UNKNOWN),
    STATUS(128, DEEPTEPP_ERR_COVARIATE_DUPLICATE),
    STATUS(129, DEEPTEPP_ERR_COVARIATE_VALUE),
    STATUS(130, DEEPTEPP_ERR_COVARIATE_RANGE),
    STATUS(131, DEEPTEPP_ERR_SCORE_NONFINITE),
    STATUS(132, DEEPTEPP_ERR_MASK_OUTSIDE_REGION),
};

static void every_status_keeps_its_number_and_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(statuses); i++) {
        assert_int_equal(statuses[i].status, statuses[i].number);
        assert_string_equal(deeptepp_status_name(statuses[i].status), statuses[i].name);
    }
}

/* A status that is not in the table above would have a name here. */
static void no_other_number_has_a_name(void **state)
{
    size_t named = 0;
    (void)state;
    for (int number = -10; number < 5000; number++)
        named += strcmp(deeptepp_status_name((deeptepp_status)number), "DEEPTEPP_ERR_UNKNOWN") != 0;
    assert_int_equal(named, DTP_COUNT(statuses));
    assert_string_equal(deeptepp_status_name(DEEPTEPP_STATUS_FORCE_INT32), "DEEPTEPP_ERR_UNKNOWN");
}

static void warnings_and_types_keep_their_numbers(void **state)
{
    static const deeptepp_warning warnings[] = {
        DEEPTEPP_WARN_AFFINES_DISAGREE, DEEPTEPP_WARN_ORIENTATION_ASSUMED, DEEPTEPP_WARN_PADDED,
        DEEPTEPP_WARN_MASK_AT_BORDER,   DEEPTEPP_WARN_SPACING,             DEEPTEPP_WARN_NEAR_CUTPOINT,
        DEEPTEPP_WARN_COVARIATE_FILLED, DEEPTEPP_WARN_GEOMETRY_TOLERATED,  DEEPTEPP_WARN_SEEDED_WEIGHTS};
    static const deeptepp_type types[] = {DEEPTEPP_UINT8,  DEEPTEPP_INT8,   DEEPTEPP_UINT16, DEEPTEPP_INT16,
                                          DEEPTEPP_UINT32, DEEPTEPP_INT32,  DEEPTEPP_UINT64, DEEPTEPP_INT64,
                                          DEEPTEPP_FLOAT32, DEEPTEPP_FLOAT64};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(warnings); i++)
        assert_int_equal(warnings[i], i + 1);
    assert_int_equal(DEEPTEPP_WARN_FORM_UNUSABLE, 17);
    assert_int_equal(DEEPTEPP_WARN_PIXDIM_IGNORED, 20);
    for (size_t i = 0; i < DTP_COUNT(types); i++)
        assert_int_equal(types[i], i + 1);
}

static void public_types_keep_their_sizes(void **state)
{
    (void)state;
    assert_int_equal(sizeof(deeptepp_status), 4);
    assert_int_equal(sizeof(deeptepp_type), 4);
    assert_int_equal(sizeof(deeptepp_warning), 4);
    assert_int_equal(sizeof(deeptepp_log_level), 4);
    assert_int_equal(sizeof(deeptepp_precision), 4);
    assert_int_equal(DEEPTEPP_PRECISION_F32, 0);
    assert_int_equal(DEEPTEPP_PRECISION_BF16, 1);
    assert_int_equal(sizeof(deeptepp_error), 1024);
    assert_int_equal(offsetof(deeptepp_error, message), 12);
    assert_int_equal(offsetof(deeptepp_callbacks, struct_size), 0);
    assert_int_equal(offsetof(deeptepp_model_options, struct_size), 0);
    assert_int_equal(offsetof(deeptepp_volume_options, struct_size), 0);
    assert_int_equal(offsetof(deeptepp_array, struct_size), 0);
    assert_int_equal(offsetof(deeptepp_session_options, struct_size), 0);
}

static void the_version_is_the_headers(void **state)
{
    char wanted[40];
    (void)state;
    snprintf(wanted, sizeof wanted, "%d.%d.%d", DEEPTEPP_VERSION_MAJOR, DEEPTEPP_VERSION_MINOR,
             DEEPTEPP_VERSION_PATCH);
    assert_string_equal(deeptepp_version(), wanted);
}

/* ---- messages ---- */

static void a_failure_writes_status_and_message(void **state)
{
    deeptepp_error error;
    (void)state;
    memset(&error, 0xff, sizeof error);
    assert_int_equal(dtp_fail(&error, DEEPTEPP_ERR_MASK_EMPTY, "mask: %d of %s", 3, "x"), DEEPTEPP_ERR_MASK_EMPTY);
    assert_int_equal(error.status, DEEPTEPP_ERR_MASK_EMPTY);
    assert_string_equal(error.message, "mask: 3 of x");
    assert_int_equal(dtp_fail(NULL, DEEPTEPP_ERR_MASK_EMPTY, "mask: %d", 3), DEEPTEPP_ERR_MASK_EMPTY);
}

static const char *said(deeptepp_error *error, const char *text)
{
    dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s", text);
    return error->message;
}

static void a_message_is_one_line(void **state)
{
    deeptepp_error error;
    (void)state;
    assert_string_equal(said(&error, "a\nb\r\tc\x1b[31md\x7f" "e\n"), "a?b??c?[31md?e?");
    assert_string_equal(said(&error, "next\xc2\x85line"), "next??line");
}

/* Whole characters stay, whatever their length; half a character, an overlong one or a surrogate does not. */
static void a_message_is_utf8(void **state)
{
    deeptepp_error error;
    (void)state;
    assert_string_equal(said(&error, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                        "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_string_equal(said(&error, "\xc3"), "?");
    assert_string_equal(said(&error, "a\xe2\x82"), "a??");
    assert_string_equal(said(&error, "\xf0\x9f\x98z"), "???z");
    assert_string_equal(said(&error, "\xff\xfe\x80"), "???");
    assert_string_equal(said(&error, "\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf"), "?? ??? ????");
    assert_string_equal(said(&error, "\xed\xa0\x80 \xf4\x90\x80\x80"), "??? ????");
}

static void a_long_message_is_cut_and_ends(void **state)
{
    char text[4001];
    deeptepp_error error;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(strlen(said(&error, text)), sizeof error.message - 1);
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    said(&error, text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(error.message[sizeof error.message - 2], '?'); /* the half that was left of the last character */
}

static void a_warning_is_one_line_and_cut(void **state)
{
    char text[1000];
    dtp_warnings warnings = {.count = 0};
    (void)state;
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    dtp_warn(&warnings, DEEPTEPP_WARN_PADDED, "%s", text);
    assert_int_equal(warnings.count, 1);
    assert_int_equal(warnings.items[0].code, DEEPTEPP_WARN_PADDED);
    assert_null(strchr(warnings.items[0].message, '\n'));
    assert_int_equal(strlen(warnings.items[0].message), sizeof warnings.items[0].message - 1);
}

static void more_warnings_than_fit_are_left_out(void **state)
{
    static dtp_warnings warnings;
    char last[32];
    (void)state;
    for (int i = 0; i < DTP_MAX_WARNINGS + 5; i++)
        dtp_warn(&warnings, DEEPTEPP_WARN_SPACING, "number %d", i);
    assert_int_equal(warnings.count, DTP_MAX_WARNINGS);
    snprintf(last, sizeof last, "number %d", DTP_MAX_WARNINGS - 1);
    assert_string_equal(warnings.items[DTP_MAX_WARNINGS - 1].message, last);
}

static void a_memory_failure_names_thing_and_size(void **state)
{
    deeptepp_error error;
    (void)state;
    assert_int_equal(dtp_fail_memory(&error, "a case", 12345), DEEPTEPP_ERR_MEMORY);
    assert_non_null(strstr(error.message, "a case"));
    assert_non_null(strstr(error.message, "12345"));
    dtp_fail_memory(&error, "a case", 0);
    assert_string_equal(error.message, "out of memory: a case");
}

/* A struct of today whose first version ended with `b`. */
typedef struct thing {
    size_t struct_size;
    int64_t a, b, c, d;
} thing;

static void structs_of_every_version_are_read(void **state)
{
    thing in = {.a = 1, .b = 2, .c = 3, .d = 4}, out = {.a = 9, .d = 9};
    (void)state;
    assert_int_equal(DTP_OPTIONS_READ(&out, thing, b, (const thing *)NULL, NULL), DEEPTEPP_OK);
    assert_true(out.a == 0 && out.b == 0 && out.c == 0 && out.d == 0);
    for (size_t fields = 2; fields <= 4; fields++) {
        in.struct_size = sizeof(size_t) + fields * sizeof(int64_t);
        assert_int_equal(DTP_OPTIONS_READ(&out, thing, b, &in, NULL), DEEPTEPP_OK);
        assert_true(out.a == 1 && out.b == 2);
        assert_int_equal(out.c, fields > 2 ? 3 : 0);
        assert_int_equal(out.d, fields > 3 ? 4 : 0);
    }
}

static void structs_of_no_version_are_refused(void **state)
{
    static const size_t wrong[] = {0, 8, sizeof(thing) - 17, 4097, SIZE_MAX};
    deeptepp_error error;
    thing out;
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        const thing in = {.struct_size = wrong[i]};
        assert_int_equal(DTP_OPTIONS_READ(&out, thing, b, &in, NULL), DEEPTEPP_ERR_STRUCT_SIZE);
        assert_int_equal(DTP_OPTIONS_READ(&out, thing, b, &in, &error), DEEPTEPP_ERR_STRUCT_SIZE);
        assert_non_null(strstr(error.message, "thing.struct_size is "));
    }
}

/* The struct of a later version, as large as one may be. */
static void a_newer_struct_is_read_when_the_rest_is_0(void **state)
{
    static union {
        thing today;
        char bytes[4096];
    } in = {.today = {.a = 1, .b = 2, .c = 3, .d = 4}};
    deeptepp_error error;
    thing out;
    (void)state;
    for (size_t size = sizeof(thing); size <= 4096; size++) {
        in.today.struct_size = size;
        assert_int_equal(DTP_OPTIONS_READ(&out, thing, b, &in.today, NULL), DEEPTEPP_OK);
        assert_memory_equal(&out, &in.today, sizeof out);
    }
    for (size_t at = sizeof(thing); at < 4096; at += 7) {
        in.bytes[at] = 1;
        assert_int_equal(DTP_OPTIONS_READ(&out, thing, b, &in.today, &error), DEEPTEPP_ERR_STRUCT_SIZE);
        assert_non_null(strstr(error.message, "newer"));
        in.bytes[at] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_keeps_its_number_and_name),
        cmocka_unit_test(no_other_number_has_a_name),
        cmocka_unit_test(warnings_and_types_keep_their_numbers),
        cmocka_unit_test(public_types_keep_their_sizes),
        cmocka_unit_test(the_version_is_the_headers),
        cmocka_unit_test(a_failure_writes_status_and_message),
        cmocka_unit_test(a_message_is_one_line),
        cmocka_unit_test(a_message_is_utf8),
        cmocka_unit_test(a_long_message_is_cut_and_ends),
        cmocka_unit_test(a_warning_is_one_line_and_cut),
        cmocka_unit_test(more_warnings_than_fit_are_left_out),
        cmocka_unit_test(a_memory_failure_names_thing_and_size),
        cmocka_unit_test(structs_of_every_version_are_read),
        cmocka_unit_test(structs_of_no_version_are_refused),
        cmocka_unit_test(a_newer_struct_is_read_when_the_rest_is_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
