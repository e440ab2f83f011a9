/* Section "input" of the description, recipes of mosaics: every key is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "recipe_maker.h"

#define CHECK_ROWS(rows) check_rows_of(plain_mosaic_json, NULL, rows, DTP_COUNT(rows))

/* ---- What is read ---- */

static void every_key_of_a_mosaic_is_read(void **state)
{
    (void)state;
    dtp_recipe r = MOSAIC_WITH("recipe", "'mosaic'", "channels", "['post']", "axes", "'SAR'", "size", "[1, 512, 512]",
                               "angles_deg", "[36, 72.5]", "slices", "'spaced'", "min_mask_voxels", "27", "spacing_mm",
                               "{'hard': [0.3, 8], 'usual': [0.5, 4]}", "usual",
                               "{'mask_ml': [1, 9], 'intensity': [[20, 30]]}");
    assert_int_equal(r.kind, DTP_RECIPE_MOSAIC);
    assert_true(r.n_channels == 1 && strcmp(r.channels[0], "post") == 0);
    assert_string_equal(r.axes, "SAR");
    assert_false(r.stored_order);
    assert_true(r.size[0] == 1 && r.size[1] == 512 && r.size[2] == 512);
    assert_true(r.n_views == 2 && r.angles_deg[0] == 36 && r.angles_deg[1] == 72.5);
    assert_true(r.spaced);
    assert_int_equal(r.min_mask_voxels, 27);
    assert_true(r.hard_mm[0] == 0.3 && r.hard_mm[1] == 8 && r.usual_mm[0] == 0.5 && r.usual_mm[1] == 4);
    assert_true(r.usual_ml[0] == 1 && r.usual_ml[1] == 9 && r.has_usual_intensity);
    assert_true(r.usual_intensity[0][0] == 20 && r.usual_intensity[0][1] == 30);
    dtp_recipe_free(&r);
}

static void a_mosaic_s_cube_is_64_a_side(void **state)
{
    (void)state;
    dtp_recipe r = MOSAIC_WITH("slices", "'first'");
    assert_int_equal(r.kind, DTP_RECIPE_MOSAIC_CUBE);
    assert_true(r.size[0] == 64 && r.size[1] == 64 && r.size[2] == 64);
    assert_false(r.spaced);
    assert_int_equal(r.min_mask_voxels, 1);
    assert_true(r.hard_mm[0] == 0 && isinf(r.hard_mm[1]));
    assert_false(r.outside_error);
    dtp_recipe_free(&r);
}

static void axes_may_be_the_file_s_own(void **state)
{
    (void)state;
    dtp_recipe r = MOSAIC_WITH("axes", "'stored'");
    assert_true(r.stored_order);
    assert_string_equal(r.axes, "");
    dtp_recipe_free(&r);
}

static void a_recipe_without_a_name_is_a_cube(void **state)
{
    (void)state;
    dtp_recipe r = recipe_with(NULL);
    assert_int_equal(r.kind, DTP_RECIPE_CUBE);
    dtp_recipe_free(&r);
    r = RECIPE_WITH("recipe", "'cube'");
    assert_int_equal(r.kind, DTP_RECIPE_CUBE);
    dtp_recipe_free(&r);
}

/* ---- What is refused ---- */

static void a_missing_key_is_named(void **state)
{
    (void)state;
    static const char *const keys[] = {"channels", "axes", "size", "slices", "angles_deg"};
    for (size_t i = 0; i < DTP_COUNT(keys); i++)
        check_row_of(plain_mosaic_json, NULL, &(change_row){keys[i], NULL, DEEPTEPP_ERR_MODEL_METADATA});
}

/* A key that a mosaic does not heed must not look as if it did. */
static void a_cube_s_keys_are_refused(void **state)
{
    (void)state;
    static const change_row rows[] = {
        {"region", "{'rule': 'fixed', 'spacing_mm': [1, 1, 1]}", DEEPTEPP_ERR_MODEL_METADATA},
        {"outside", "{'rule': 'warn', 'fill': 'edge'}", DEEPTEPP_ERR_MODEL_METADATA},
        {"intensity", "{'rule': 'none'}", DEEPTEPP_ERR_MODEL_METADATA},
        {"rotation_axis", "'AP'", DEEPTEPP_ERR_MODEL_METADATA},
        {"tiles", "64", DEEPTEPP_ERR_MODEL_METADATA},
    };
    CHECK_ROWS(rows);
}

static void a_cube_refuses_what_mosaics_have(void **state)
{
    (void)state;
    static const change_row rows[] = {{"slices", "'first'", DEEPTEPP_ERR_MODEL_METADATA},
                                      {"axes", "'stored'", DEEPTEPP_ERR_MODEL_VALUE}};
    check_rows_of(plain_recipe_json, NULL, rows, DTP_COUNT(rows));
}

static void a_wrong_value_is_refused(void **state)
{
    (void)state;
    static const change_row rows[] = {
        {"recipe", "'Mosaic'", DEEPTEPP_ERR_MODEL_VALUE},     {"recipe", "1", DEEPTEPP_ERR_MODEL_VALUE},
        {"recipe", "null", DEEPTEPP_ERR_MODEL_VALUE},         {"channels", "['pre', 'post']", DEEPTEPP_ERR_MODEL_VALUE},
        {"channels", "[]", DEEPTEPP_ERR_MODEL_VALUE},         {"axes", "'STORED'", DEEPTEPP_ERR_MODEL_VALUE},
        {"axes", "'RAL'", DEEPTEPP_ERR_MODEL_VALUE},          {"axes", "''", DEEPTEPP_ERR_MODEL_VALUE},
        {"size", "[1, 512, 512]", DEEPTEPP_ERR_MODEL_VALUE},  {"size", "[64, 64, 63]", DEEPTEPP_ERR_MODEL_VALUE},
        {"size", "[64, 64]", DEEPTEPP_ERR_MODEL_VALUE},       {"size", "[64, 64, 64.0]", DEEPTEPP_ERR_MODEL_VALUE},
        {"slices", "'last'", DEEPTEPP_ERR_MODEL_VALUE},       {"slices", "64", DEEPTEPP_ERR_MODEL_VALUE},
        {"angles_deg", "[]", DEEPTEPP_ERR_MODEL_VALUE},       {"angles_deg", "[3601]", DEEPTEPP_ERR_MODEL_VALUE},
        {"min_mask_voxels", "0", DEEPTEPP_ERR_MODEL_VALUE},   {"spacing_mm", "[1, 2]", DEEPTEPP_ERR_MODEL_VALUE},
        {"usual", "{'intensity': [[1, 2], [1, 2]]}", DEEPTEPP_ERR_MODEL_VALUE},
    };
    CHECK_ROWS(rows);
}

static void a_mosaic_of_another_size_is_refused(void **state)
{
    (void)state;
    static const change_row mosaic[] = {{"recipe", "'mosaic'", 0}, {NULL, NULL, 0}};
    static const change_row rows[] = {{"size", "[1, 512, 512]", DEEPTEPP_OK},
                                      {"size", "[64, 64, 64]", DEEPTEPP_ERR_MODEL_VALUE},
                                      {"size", "[3, 512, 512]", DEEPTEPP_ERR_MODEL_VALUE},
                                      {"size", "[1, 448, 448]", DEEPTEPP_ERR_MODEL_VALUE}};
    check_rows_of(plain_mosaic_json, mosaic, rows, DTP_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_a_mosaic_is_read),
        cmocka_unit_test(a_mosaic_s_cube_is_64_a_side),
        cmocka_unit_test(axes_may_be_the_file_s_own),
        cmocka_unit_test(a_recipe_without_a_name_is_a_cube),
        cmocka_unit_test(a_missing_key_is_named),
        cmocka_unit_test(a_cube_s_keys_are_refused),
        cmocka_unit_test(a_cube_refuses_what_mosaics_have),
        cmocka_unit_test(a_wrong_value_is_refused),
        cmocka_unit_test(a_mosaic_of_another_size_is_refused),
    };
    return cmocka_run_group_tests_name("recipe of mosaics", tests, NULL, NULL);
}
