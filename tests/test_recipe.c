/* Section "input" of the description: every key is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "recipe_maker.h"
#include "../libdeeptepp/volume/axes.h"

static void check_row(const change_row *base, const change_row *row)
{
    check_row_of(plain_recipe_json, base, row);
}

#define CHECK_ROWS(base, rows) check_rows_of(plain_recipe_json, base, rows, DTP_COUNT(rows))

static void assert_numbers(const double *found, const double *wanted, int count)
{
    for (int i = 0; i < count; i++)
        assert_true(found[i] == wanted[i]);
}

/* ---- What is read ---- */

static void every_key_of_a_full_recipe_is_read(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("channels", "['pre', 'post']", "axes", "'SPL'", "size", "[16, 24, 512]", "angles_deg",
                               "[36, -90, 0.5]", "rotation_axis", "'SI'", "region",
                               "{'rule': 'fixed', 'spacing_mm': [0.5, 1, 2]}", "outside",
                               "{'rule': 'error', 'fill': 'constant', 'value': -1024}", "intensity",
                               "{'rule': 'percentile', 'over': 'images_together', 'range': [-1, 2],"
                               " 'percentiles': [0.5, 99.5]}",
                               "min_mask_voxels", "27", "spacing_mm", "{'hard': [0.3, 8], 'usual': [0.5, 4]}", "usual",
                               "{'mask_ml': [0.5, 60], 'intensity': [[-3, 5], [100, 250.5]]}");
    assert_int_equal(r.n_channels, 2);
    assert_string_equal(r.channels[0], "pre");
    assert_string_equal(r.channels[1], "post");
    assert_string_equal(r.axes, "SPL");
    assert_true(r.size[0] == 16 && r.size[1] == 24 && r.size[2] == 512);
    assert_int_equal(r.n_views, 3);
    assert_numbers(r.angles_deg, (const double[]){36, -90, 0.5}, 3);
    assert_int_equal(r.rotation_axis, 2);
    assert_int_equal(r.region, DTP_REGION_FIXED);
    assert_int_equal(r.lattice, DTP_LATTICE_FIRST_VOXEL);
    assert_numbers(r.spacing_mm, (const double[]){0.5, 1, 2}, 3);
    assert_true(r.outside_error);
    assert_false(r.fill_edge);
    assert_true(r.fill_value == -1024);
    assert_int_equal(r.intensity, DTP_INTENSITY_PERCENTILE);
    assert_int_equal(r.over, DTP_OVER_IMAGES_TOGETHER);
    assert_numbers(r.range, (const double[]){-1, 2}, 2);
    assert_numbers(r.percentiles, (const double[]){0.5, 99.5}, 2);
    assert_int_equal(r.min_mask_voxels, 27);
    assert_numbers(r.hard_mm, (const double[]){0.3, 8}, 2);
    assert_numbers(r.usual_mm, (const double[]){0.5, 4}, 2);
    assert_numbers(r.usual_ml, (const double[]){0.5, 60}, 2);
    assert_true(r.has_usual_intensity);
    assert_numbers(r.usual_intensity[0], (const double[]){-3, 5}, 2);
    assert_numbers(r.usual_intensity[1], (const double[]){100, 250.5}, 2);
    dtp_recipe_free(&r);
}

static void a_box_has_margin_and_aspect(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("region", "{'rule': 'box', 'margin_mm': 7.5, 'keep_aspect': true}");
    assert_int_equal(r.region, DTP_REGION_BOX);
    assert_true(r.margin_mm == 7.5);
    assert_true(r.keep_aspect);
    dtp_recipe_free(&r);
    r = RECIPE_WITH("region", "{'rule': 'box', 'margin_mm': 0, 'keep_aspect': false}");
    assert_false(r.keep_aspect);
    dtp_recipe_free(&r);
}

static void optional_keys_have_their_documented_defaults(void **state)
{
    (void)state;
    dtp_recipe r = recipe_with(NULL);
    assert_int_equal(r.rotation_axis, 1);
    assert_int_equal(r.min_mask_voxels, 1);
    assert_true(r.hard_mm[0] == 0 && isinf(r.hard_mm[1]) && r.usual_mm[0] == 0 && isinf(r.usual_mm[1]));
    assert_true(r.usual_ml[0] == 0 && isinf(r.usual_ml[1]) && !r.has_usual_intensity);
    dtp_recipe_free(&r);
    r = RECIPE_WITH("usual", "{'mask_ml': [1, 2]}");
    assert_true(r.usual_ml[1] == 2 && !r.has_usual_intensity);
    dtp_recipe_free(&r);
    r = RECIPE_WITH("usual", "{'intensity': [[1, 2]]}");
    assert_true(r.usual_ml[0] == 0 && isinf(r.usual_ml[1]) && r.has_usual_intensity);
    dtp_recipe_free(&r);
}

static void every_choice_is_known_by_its_name(void **state)
{
    (void)state;
    static const char *const axes[] = {"'LR'", "'AP'", "'SI'"};
    static const char *const overs[] = {"'view'", "'view_together'", "'image'", "'images_together'"};
    for (int i = 0; i < 3; i++) {
        dtp_recipe r = RECIPE_WITH("rotation_axis", axes[i]);
        assert_int_equal(r.rotation_axis, i);
        dtp_recipe_free(&r);
    }
    for (int i = 0; i < 4; i++) {
        dtp_recipe r = RECIPE_WITH("intensity", "{'rule': 'zscore'}", "intensity.over", overs[i]);
        assert_int_equal(r.intensity, DTP_INTENSITY_ZSCORE);
        assert_int_equal((int)r.over, i);
        dtp_recipe_free(&r);
    }
    dtp_recipe r = RECIPE_WITH("intensity", "{'rule': 'minmax', 'over': 'view', 'range': [0, 1]}");
    assert_int_equal(r.intensity, DTP_INTENSITY_MINMAX);
    dtp_recipe_free(&r);
}

static const char ends[] = "RLAPSI"; /* pairs side by side */

static bool letters_name_each_pair_once(const char *letters)
{
    int pairs[3] = {0};
    for (int i = 0; i < 3; i++)
        pairs[(strchr(ends, letters[i]) - ends) / 2]++;
    return pairs[0] == 1 && pairs[1] == 1 && pairs[2] == 1;
}

static void axes_are_the_48_orders_and_nothing_else(void **state)
{
    (void)state;
    int accepted = 0;
    for (int n = 0; n < 216; n++) {
        const char axes[4] = {ends[n / 36], ends[n / 6 % 6], ends[n % 6], 0};
        assert_int_equal(dtp_axes_valid(axes), letters_name_each_pair_once(axes));
        accepted += dtp_axes_valid(axes);
    }
    assert_int_equal(accepted, 48);
    static const char *const wrong[] = {"", "R", "RA", "RASS", "ras", "XYZ", "RA ", "RAX"};
    for (size_t i = 0; i < DTP_COUNT(wrong); i++)
        assert_false(dtp_axes_valid(wrong[i]));
}

static void letters_tell_axis_and_sense(void **state)
{
    (void)state;
    static const struct {
        char letter;
        int axis, sign;
    } rows[] = {{'R', 0, 1}, {'L', 0, -1}, {'A', 1, 1}, {'P', 1, -1}, {'S', 2, 1}, {'I', 2, -1}};
    int sign;
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        assert_int_equal(dtp_axis_of(rows[i].letter, &sign), rows[i].axis);
        assert_int_equal(sign, rows[i].sign);
    }
    assert_true(dtp_axis_of('X', &sign) < 0);
}

static void channel_names_outlive_the_description(void **state)
{
    (void)state;
    dtp_recipe recipe;
    json_t *json = plain_recipe_json();
    assert_int_equal(parse_recipe(&recipe, json, NULL), DEEPTEPP_OK);
    json_decref(json);
    assert_string_equal(recipe.channels[0], "t1c");
    dtp_recipe_free(&recipe);
    assert_int_equal(recipe.n_channels, 0);
    dtp_recipe_free(&recipe);
}

/* ---- What is refused ---- */

static void a_missing_key_is_named(void **state)
{
    (void)state;
    static const char *const paths[] = {"channels", "axes", "size", "angles_deg", "region", "region.rule",
                                        "region.spacing_mm", "outside", "outside.rule", "outside.fill", "intensity",
                                        "intensity.rule"};
    for (size_t i = 0; i < DTP_COUNT(paths); i++)
        check_row(NULL, &(change_row){paths[i], NULL, DEEPTEPP_ERR_MODEL_METADATA});
}

static void a_rule_s_own_keys_are_required(void **state)
{
    (void)state;
    static const change_row rich[] = {
        {"region", "{'rule': 'box', 'margin_mm': 5, 'keep_aspect': true}", 0},
        {"outside", "{'rule': 'warn', 'fill': 'constant', 'value': 0}", 0},
        {"intensity", "{'rule': 'percentile', 'over': 'view', 'range': [0, 1], 'percentiles': [1, 99]}", 0},
        {"spacing_mm", "{'hard': [0.1, 9], 'usual': [0.5, 4]}", 0},
        {NULL, NULL, 0}};
    static const char *const paths[] = {"region.margin_mm", "region.keep_aspect", "outside.value", "intensity.over",
                                        "intensity.range", "intensity.percentiles", "spacing_mm.hard",
                                        "spacing_mm.usual"};
    for (size_t i = 0; i < DTP_COUNT(paths); i++)
        check_row(rich, &(change_row){paths[i], NULL, DEEPTEPP_ERR_MODEL_METADATA});
}

static void a_key_that_is_not_listed_is_refused(void **state)
{
    (void)state;
    static const change_row rows[] = {
        {"Angles_deg", "[0]", DEEPTEPP_ERR_MODEL_METADATA},
        {"rotation_axes", "'AP'", DEEPTEPP_ERR_MODEL_METADATA},
        {"region.margin", "1", DEEPTEPP_ERR_MODEL_METADATA},
        {"outside.filling", "'edge'", DEEPTEPP_ERR_MODEL_METADATA},
        {"intensity.clip", "1", DEEPTEPP_ERR_MODEL_METADATA},
    };
    CHECK_ROWS(NULL, rows);
    static const change_row spacing[] = {{"spacing_mm", "{'hard': [0.1, 9], 'usual': [0.5, 4]}", 0}, {NULL, NULL, 0}};
    CHECK_ROWS(spacing, ((const change_row[]){{"spacing_mm.soft", "[0.5, 4]", DEEPTEPP_ERR_MODEL_METADATA}}));
}

static void a_key_of_another_rule_is_refused(void **state)
{
    (void)state;
    static const change_row rows[] = {
        {"region.margin_mm", "1", DEEPTEPP_ERR_MODEL_METADATA},
        {"region.keep_aspect", "true", DEEPTEPP_ERR_MODEL_METADATA},
        {"outside.value", "0", DEEPTEPP_ERR_MODEL_METADATA},
        {"intensity.over", "'view'", DEEPTEPP_ERR_MODEL_METADATA},
        {"intensity.range", "[0, 1]", DEEPTEPP_ERR_MODEL_METADATA},
        {"intensity.percentiles", "[1, 99]", DEEPTEPP_ERR_MODEL_METADATA},
    };
    CHECK_ROWS(NULL, rows);
    static const change_row box[] = {{"region", "{'rule': 'box', 'margin_mm': 5, 'keep_aspect': true}", 0},
                                     {NULL, NULL, 0}};
    CHECK_ROWS(box, ((const change_row[]){{"region.spacing_mm", "[1, 1, 1]", DEEPTEPP_ERR_MODEL_METADATA},
                                          {"region.lattice", "'monai'", DEEPTEPP_ERR_MODEL_METADATA}}));
}

static void a_value_of_the_wrong_kind_is_refused(void **state)
{
    (void)state;
    static const change_row rows[] = {
        {"channels", "'t1c'", DEEPTEPP_ERR_MODEL_VALUE},     {"channels", "[1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"channels", "['']", DEEPTEPP_ERR_MODEL_VALUE},      {"channels", "[null]", DEEPTEPP_ERR_MODEL_VALUE},
        {"axes", "['R', 'A', 'S']", DEEPTEPP_ERR_MODEL_VALUE}, {"axes", "'RAR'", DEEPTEPP_ERR_MODEL_VALUE},
        {"size", "8", DEEPTEPP_ERR_MODEL_VALUE},             {"size", "[8, 8]", DEEPTEPP_ERR_MODEL_VALUE},
        {"size", "[8, 8, 8, 8]", DEEPTEPP_ERR_MODEL_VALUE},  {"size", "[8, 8, 8.0]", DEEPTEPP_ERR_MODEL_VALUE},
        {"angles_deg", "0", DEEPTEPP_ERR_MODEL_VALUE},       {"angles_deg", "['0']", DEEPTEPP_ERR_MODEL_VALUE},
        {"angles_deg", "[]", DEEPTEPP_ERR_MODEL_VALUE},      {"rotation_axis", "'RL'", DEEPTEPP_ERR_MODEL_VALUE},
        {"rotation_axis", "1", DEEPTEPP_ERR_MODEL_VALUE},    {"region", "'fixed'", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.rule", "'Box'", DEEPTEPP_ERR_MODEL_VALUE},  {"region.spacing_mm", "1", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.spacing_mm", "[1, 1]", DEEPTEPP_ERR_MODEL_VALUE}, {"outside", "null", DEEPTEPP_ERR_MODEL_VALUE},
        {"outside.rule", "'pad'", DEEPTEPP_ERR_MODEL_VALUE}, {"outside.fill", "'zero'", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity", "[]", DEEPTEPP_ERR_MODEL_VALUE},       {"intensity.rule", "'z'", DEEPTEPP_ERR_MODEL_VALUE},
        {"min_mask_voxels", "1.5", DEEPTEPP_ERR_MODEL_VALUE}, {"min_mask_voxels", "true", DEEPTEPP_ERR_MODEL_VALUE},
        {"spacing_mm", "[0.5, 4]", DEEPTEPP_ERR_MODEL_VALUE},
    };
    CHECK_ROWS(NULL, rows);
}

static void a_value_out_of_range_is_refused_and_the_ends_are_not(void **state)
{
    (void)state;
    static const change_row rows[] = {
        {"size", "[7, 8, 8]", DEEPTEPP_ERR_MODEL_VALUE},
        {"size", "[8, 8, 513]", DEEPTEPP_ERR_MODEL_VALUE},
        {"size", "[512, 8, 512]", DEEPTEPP_OK},
        {"angles_deg", "[3601]", DEEPTEPP_ERR_MODEL_VALUE},
        {"angles_deg", "[-3600, 3600]", DEEPTEPP_OK},
        {"region.spacing_mm", "[0.049, 1, 1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.spacing_mm", "[1, 1, 50.1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.spacing_mm", "[0.05, 50, 1]", DEEPTEPP_OK},
        {"region.lattice", "'first_voxel'", DEEPTEPP_OK},
        {"region.lattice", "'monai'", DEEPTEPP_OK},
        {"region.lattice", "'MONAI'", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.lattice", "true", DEEPTEPP_ERR_MODEL_VALUE},
        {"min_mask_voxels", "0", DEEPTEPP_ERR_MODEL_VALUE},
        {"min_mask_voxels", "-1", DEEPTEPP_ERR_MODEL_VALUE},
        {"min_mask_voxels", "1", DEEPTEPP_OK},
    };
    CHECK_ROWS(NULL, rows);
}

static void numbers_of_rules_have_ranges_too(void **state)
{
    (void)state;
    static const change_row rich[] = {
        {"region", "{'rule': 'box', 'margin_mm': 5, 'keep_aspect': true}", 0},
        {"outside", "{'rule': 'warn', 'fill': 'constant', 'value': 0}", 0},
        {"intensity", "{'rule': 'percentile', 'over': 'view', 'range': [0, 1], 'percentiles': [1, 99]}", 0},
        {"spacing_mm", "{'hard': [0.1, 9], 'usual': [0.5, 4]}", 0},
        {NULL, NULL, 0}};
    static const change_row rows[] = {
        {"region.margin_mm", "-0.1", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.margin_mm", "500.1", DEEPTEPP_ERR_MODEL_VALUE},
        {"region.margin_mm", "500", DEEPTEPP_OK},
        {"region.keep_aspect", "1", DEEPTEPP_ERR_MODEL_VALUE},
        {"outside.value", "'0'", DEEPTEPP_ERR_MODEL_VALUE},
        {"outside.value", "1e31", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.over", "'all'", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.range", "[1, 1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.range", "[1, 0]", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.range", "[0]", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.percentiles", "[-1, 99]", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.percentiles", "[1, 100.5]", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.percentiles", "[99, 1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"intensity.percentiles", "[0, 100]", DEEPTEPP_OK},
        {"spacing_mm.hard", "[9, 0.1]", DEEPTEPP_ERR_MODEL_VALUE},
        {"spacing_mm.usual", "[-1, 4]", DEEPTEPP_ERR_MODEL_VALUE},
    };
    CHECK_ROWS(rich, rows);
}

static void channels_and_views_have_a_most(void **state)
{
    (void)state;
    char names[512] = "[", angles[512] = "[";
    for (int i = 0; i < 16; i++)
        snprintf(names + strlen(names), 32, "%s'c%d'", i ? ", " : "", i);
    for (int i = 0; i < 64; i++)
        snprintf(angles + strlen(angles), 32, "%s%d", i ? ", " : "", i);
    char longer_names[600], longer_angles[600];
    snprintf(longer_names, sizeof longer_names, "%s, 'c16']", names);
    snprintf(longer_angles, sizeof longer_angles, "%s, 64]", angles);
    strcat(names, "]");
    strcat(angles, "]");
    CHECK_ROWS(NULL, ((const change_row[]){{"channels", names, DEEPTEPP_OK},
                                           {"channels", longer_names, DEEPTEPP_ERR_MODEL_VALUE},
                                           {"channels", "[]", DEEPTEPP_ERR_MODEL_VALUE},
                                           {"angles_deg", angles, DEEPTEPP_OK},
                                           {"angles_deg", longer_angles, DEEPTEPP_ERR_MODEL_VALUE}}));
}

static void a_repeated_channel_is_refused(void **state)
{
    (void)state;
    CHECK_ROWS(NULL, ((const change_row[]){{"channels", "['pre', 'post', 'pre']", DEEPTEPP_ERR_MODEL_VALUE}}));
}

static void the_first_error_is_the_one_told(void **state)
{
    (void)state;
    dtp_recipe recipe;
    deeptepp_error error = {0};
    json_t *json = plain_recipe_json();
    change(json, "axes", "'XYZ'");
    change(json, "intensity.rule", "'magic'");
    assert_int_equal(parse_recipe(&recipe, json, &error), DEEPTEPP_ERR_MODEL_VALUE);
    assert_non_null(strstr(error.message, "input.axes"));
    assert_non_null(strstr(error.message, "\"XYZ\""));
    assert_null(strstr(error.message, "magic"));
    dtp_recipe_free(&recipe);
    json_decref(json);
}

static void a_section_that_is_no_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "1", "'RAS'", "null", "{}"};
    for (size_t i = 0; i < DTP_COUNT(texts); i++) {
        dtp_recipe recipe;
        json_t *json = json_of(texts[i]);
        assert_int_not_equal(parse_recipe(&recipe, json, NULL), DEEPTEPP_OK);
        dtp_recipe_free(&recipe);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_a_full_recipe_is_read),
        cmocka_unit_test(a_box_has_margin_and_aspect),
        cmocka_unit_test(optional_keys_have_their_documented_defaults),
        cmocka_unit_test(every_choice_is_known_by_its_name),
        cmocka_unit_test(axes_are_the_48_orders_and_nothing_else),
        cmocka_unit_test(letters_tell_axis_and_sense),
        cmocka_unit_test(channel_names_outlive_the_description),
        cmocka_unit_test(a_missing_key_is_named),
        cmocka_unit_test(a_rule_s_own_keys_are_required),
        cmocka_unit_test(a_key_that_is_not_listed_is_refused),
        cmocka_unit_test(a_key_of_another_rule_is_refused),
        cmocka_unit_test(a_value_of_the_wrong_kind_is_refused),
        cmocka_unit_test(a_value_out_of_range_is_refused_and_the_ends_are_not),
        cmocka_unit_test(numbers_of_rules_have_ranges_too),
        cmocka_unit_test(channels_and_views_have_a_most),
        cmocka_unit_test(a_repeated_channel_is_refused),
        cmocka_unit_test(the_first_error_is_the_one_told),
        cmocka_unit_test(a_section_that_is_no_object_is_refused),
    };
    return cmocka_run_group_tests_name("recipe", tests, NULL, NULL);
}
