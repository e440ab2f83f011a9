/* Intensity rules against their formulas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../libdeeptepp/views/intensity.h"
#include "intensity_reference.h"
#include "picture_maker.h"
#include "recipe_maker.h"

/* ---- The library ---- */

static double *random_values(size_t count, uint64_t seed, double low, double high)
{
    double *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)(float)(low + (high - low) * picture_random(&seed));
    return values;
}

static float *to_floats(const double *values, size_t count)
{
    float *floats = malloc(count * sizeof *floats);
    assert_non_null(floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = (float)values[i];
    return floats;
}

/* Maps the values by their own mapping; each must be what the formula gives, to `tolerance`. */
static void assert_mapped(const dtp_recipe *r, const double *values, size_t count, double tolerance)
{
    dtp_mapping mapping;
    float *floats = to_floats(values, count);
    assert_int_equal(dtp_mapping_of_values(&mapping, r, floats, count, "crop", NULL, NULL), DEEPTEPP_OK);
    dtp_mapping_apply(&mapping, floats, count);
    for (size_t i = 0; i < count; i += 1 + count / 50) {
        double wanted = expected(r, values, count, values[i]);
        if (!(fabs(floats[i] - wanted) <= tolerance))
            fail_msg("value %zu of %zu, %.9g, became %.9g, wanted %.9g", i, count, values[i],
                     (double)floats[i], wanted);
    }
    free(floats);
}

#define PERCENTILE(low, high)                                                                                          \
    "{'rule': 'percentile', 'over': 'view', 'range': [-1, 3], 'percentiles': [" low ", " high "]}"

static const char *const RULES[] = {
    "{'rule': 'none'}",
    "{'rule': 'zscore', 'over': 'view'}",
    "{'rule': 'minmax', 'over': 'view', 'range': [0, 255]}",
    PERCENTILE("0.5", "99.5"),
    PERCENTILE("0", "100"),
    PERCENTILE("25", "75"),
    PERCENTILE("0", "1"),
    PERCENTILE("99", "100"),
};

/* ---- Over values ---- */

static void every_rule_is_its_formula(void **state)
{
    (void)state;
    static const size_t counts[] = {2, 3, 10, 101, 4096, 5000};
    for (size_t rule = 0; rule < DTP_COUNT(RULES); rule++) {
        dtp_recipe r = RECIPE_WITH("intensity", RULES[rule]);
        for (size_t n = 0; n < DTP_COUNT(counts); n++) {
            double *values = random_values(counts[n], rule * 10 + n, -300, 1700);
            assert_mapped(&r, values, counts[n], 1e-3);
            free(values);
        }
        dtp_recipe_free(&r);
    }
}

static void no_rule_changes_nothing(void **state)
{
    (void)state;
    dtp_recipe r = recipe_with(NULL);
    dtp_mapping mapping;
    float values[] = {-0.0f, 1e-40f, 3e38f, 7, 7, -12345.678f}, copy[6];
    memcpy(copy, values, sizeof values);
    assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, 6, "crop", NULL, NULL), DEEPTEPP_OK);
    dtp_mapping_apply(&mapping, values, 6);
    for (int i = 0; i < 6; i++)
        assert_true(values[i] == copy[i]);
    dtp_recipe_free(&r);
}

/* Orders that trouble a careless selection: sorted, reversed, many equal, one peak, a saw; values that differ in their
 * last bits only, so that all ranks begin alike to the end, and of both signs, so that they part at once. */
static double awkward(int kind, size_t i, size_t count)
{
    switch (kind) {
    case 0: return (double)i;
    case 1: return (double)(count - i);
    case 2: return (double)(i % 3);
    case 3: return i < count / 2 ? (double)i : (double)(count - i);
    case 4: return (double)(i * 7919 % 101);
    case 5: return 1 + (double)(i * 7919 % 1009) * 0x1p-23;
    case 6: return ((double)i - (double)count / 2) * 0x1.234p-3;
    default: return i == count - 1 ? 1e6 : (double)(i % 2);
    }
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    (void)state;
    static const char *const pairs[] = {PERCENTILE("0", "100"), PERCENTILE("0.1", "99.9"), PERCENTILE("33", "67"),
                                        PERCENTILE("10", "99.99")};
    for (int kind = 0; kind < 8; kind++)
        for (size_t pair = 0; pair < DTP_COUNT(pairs); pair++) {
            dtp_recipe r = RECIPE_WITH("intensity", pairs[pair]);
            size_t count = 997;
            dtp_mapping mapping;
            double *values = malloc(count * sizeof *values);
            assert_non_null(values);
            for (size_t i = 0; i < count; i++)
                values[i] = awkward(kind, i, count);
            float *floats = to_floats(values, count);
            double *sorted = sorted_copy(values, count);
            assert_int_equal(dtp_mapping_of_values(&mapping, &r, floats, count, "crop", NULL, NULL), DEEPTEPP_OK);
            double low = quantile(sorted, count, r.percentiles[0]), high = quantile(sorted, count, r.percentiles[1]);
            assert_true(fabs(mapping.low - low) <= 1e-9 * fabs(high) && fabs(mapping.high - high) <= 1e-9 * fabs(high));
            free(sorted);
            free(floats);
            free(values);
            dtp_recipe_free(&r);
        }
}

/* In type 7, 25 % of 1, 2, 3, 4 is 1.75 (R and NumPy agree; types 5 and 6 say 1.5 and 1.25). */
static void percentiles_are_of_type_7(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("intensity", PERCENTILE("25", "60"));
    dtp_mapping mapping;
    const float values[] = {3, 1, 4, 2};
    assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, 4, "crop", NULL, NULL), DEEPTEPP_OK);
    assert_true(fabs(mapping.low - 1.75) < 1e-12 && fabs(mapping.high - 2.8) < 1e-12);
    dtp_recipe_free(&r);
}

static void values_are_not_reordered(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("intensity", PERCENTILE("10", "90"));
    dtp_mapping mapping;
    double *values = random_values(1000, 6, 0, 1);
    float *floats = to_floats(values, 1000), *copy = to_floats(values, 1000);
    assert_int_equal(dtp_mapping_of_values(&mapping, &r, floats, 1000, "crop", NULL, NULL), DEEPTEPP_OK);
    assert_memory_equal(floats, copy, 1000 * sizeof *floats);
    free(copy);
    free(floats);
    free(values);
    dtp_recipe_free(&r);
}

static void values_beyond_the_percentiles_are_clipped(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("intensity", PERCENTILE("10", "90"));
    dtp_mapping mapping;
    float values[101], probes[] = {-1e30f, 9.99f, 10, 50, 90, 90.01f, 1e30f};
    for (int i = 0; i <= 100; i++)
        values[i] = (float)i;
    assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, 101, "crop", NULL, NULL), DEEPTEPP_OK);
    dtp_mapping_apply(&mapping, probes, 7);
    static const float wanted[] = {-1, -1, -1, 1, 3, 3, 3};
    for (int i = 0; i < 7; i++)
        assert_true(fabsf(probes[i] - wanted[i]) < 1e-6f);
    dtp_recipe_free(&r);
}

static void constants_are_refused(void **state)
{
    (void)state;
    for (size_t rule = 1; rule < DTP_COUNT(RULES); rule++) {
        dtp_recipe r = RECIPE_WITH("intensity", RULES[rule]);
        dtp_mapping mapping;
        deeptepp_error error = {0};
        float values[100];
        for (int i = 0; i < 100; i++)
            values[i] = 1234.567f;
        assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, 100, "crop of X", NULL, &error),
                         DEEPTEPP_ERR_IMAGE_CONSTANT);
        assert_non_null(strstr(error.message, "crop of X"));
        assert_non_null(strstr(error.message, "1234.56"));
        assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, 1, "crop", NULL, NULL),
                         DEEPTEPP_ERR_IMAGE_CONSTANT);
        dtp_recipe_free(&r);
    }
}

/* Not all values are equal, but nearly all: nothing lies between the percentiles. */
static void percentiles_that_coincide_are_refused(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("intensity", PERCENTILE("5", "95"));
    dtp_mapping mapping;
    float values[100] = {[7] = 1, [8] = -1};
    assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, 100, "crop", NULL, NULL), DEEPTEPP_ERR_IMAGE_CONSTANT);
    dtp_recipe_free(&r);
}

/* float32 values near 1e6 differ by 1/16: the sum of squares would lose them. */
static void a_huge_offset_costs_no_precision(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("intensity", RULES[1]);
    enum { N = 200000 };
    double *values = random_values(N, 12, 0, 64);
    static const double offsets[] = {0, 1e6, -8e6, 1.6e7};
    for (size_t o = 0; o < DTP_COUNT(offsets); o++) {
        for (int i = 0; i < N; i++)
            values[i] = offsets[o] + floor(values[i] - (o ? offsets[o - 1] : 0));
        assert_mapped(&r, values, N, 1e-5);
    }
    free(values);
    dtp_recipe_free(&r);
}

static void a_tiny_scale_costs_none_either(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("intensity", RULES[1]);
    double *values = random_values(5000, 13, 0, 1e-30);
    assert_mapped(&r, values, 5000, 1e-4);
    free(values);
    dtp_recipe_free(&r);
}

/* ---- Over images ---- */

typedef struct bench {
    picture pictures[2];
    deeptepp_volume *volumes[2];
    dtp_recipe recipe;
    dtp_study study;
} bench;

/* Two images of different ranges, stored in different axis orders. Heap memory: the study points into it. */
static bench *make_bench(const char *rule, const char *over)
{
    bench *b = calloc(1, sizeof *b);
    uint64_t seed = 31;
    assert_non_null(b);
    b->recipe = RECIPE_WITH("channels", "['pre', 'post']", "intensity", rule, "intensity.over", over);
    b->study.recipe = &b->recipe;
    for (int c = 0; c < 2; c++) {
        picture p = picture_make((const int64_t[]){13, 11, 7}, (const double[]){1, 1, 1}, (const double[]){0, 0, 0});
        for (size_t n = 0; n < picture_count(&p); n++)
            p.values[n] = (double)(float)((c ? 500 : -20) + (c ? 900 : 130) * picture_random(&seed));
        b->pictures[c] = picture_reorder(&p, c ? 37 : 5);
        free(p.values);
        b->study.images[c] = b->volumes[c] = picture_volume(&b->pictures[c]);
    }
    return b;
}

static void free_bench(bench *b)
{
    for (int c = 0; c < 2; c++) {
        deeptepp_volume_free(b->volumes[c]);
        free(b->pictures[c].values);
    }
    dtp_recipe_free(&b->recipe);
    free(b);
}

static void assert_image_mapping(const bench *b, int first, int last)
{
    dtp_mapping mapping;
    double values[2 * 13 * 11 * 7];
    size_t count = 0;
    for (int c = first; c <= last; c++)
        for (size_t n = 0; n < picture_count(&b->pictures[c]); n++)
            values[count++] = b->pictures[c].values[n];
    assert_int_equal(dtp_mapping_of_images(&mapping, &b->study, first, last, NULL, NULL), DEEPTEPP_OK);
    float probes[] = {-500, 0, 100, 555.5f, 800, 2000};
    for (int i = 0; i < 6; i++) {
        double x = (double)probes[i], wanted = expected(&b->recipe, values, count, x);
        float y = probes[i];
        dtp_mapping_apply(&mapping, &y, 1);
        assert_true(fabs((double)y - wanted) < 1e-4 * fmax(1, fabs(wanted)));
    }
}

/* In memory they rise and fall again: the worst order for a selection by pivots, which would not end. */
static void the_order_of_values_costs_no_time(void **state)
{
    (void)state;
    enum { N = 1000001 };
    dtp_recipe r = RECIPE_WITH("intensity", PERCENTILE("0.1", "99.9"));
    dtp_mapping mapping;
    float *values = malloc(N * sizeof *values);
    assert_non_null(values);
    for (int i = 0; i < N; i++)
        values[i] = (float)(N / 2 - abs(i - N / 2));
    assert_int_equal(dtp_mapping_of_values(&mapping, &r, values, N, "crop", NULL, NULL), DEEPTEPP_OK);
    assert_true(fabs(mapping.low - 499.5) <= 1 && fabs(mapping.high - 499500) <= 1);
    free(values);
    dtp_recipe_free(&r);
}

static void every_rule_can_be_cancelled(void **state)
{
    (void)state;
    dtp_watch cancelled = {.cancelled = true};
    const float values[] = {1, 2, 3};
    for (size_t rule = 1; rule < DTP_COUNT(RULES); rule++) {
        dtp_mapping mapping;
        bench *b = make_bench(RULES[rule], "'image'");
        assert_int_equal(dtp_mapping_of_values(&mapping, &b->recipe, values, 3, "crop", &cancelled, NULL),
                         DEEPTEPP_ERR_CANCELLED);
        assert_int_equal(dtp_mapping_of_images(&mapping, &b->study, 0, 1, &cancelled, NULL), DEEPTEPP_ERR_CANCELLED);
        free_bench(b);
    }
}

static void whole_images_give_their_own_or_a_common_mapping(void **state)
{
    (void)state;
    for (size_t rule = 1; rule < DTP_COUNT(RULES); rule++) {
        bench *b = make_bench(RULES[rule], "'image'");
        assert_image_mapping(b, 0, 0);
        assert_image_mapping(b, 1, 1);
        assert_image_mapping(b, 0, 1);
        free_bench(b);
    }
}

static void a_constant_image_is_named(void **state)
{
    (void)state;
    for (size_t rule = 1; rule < DTP_COUNT(RULES); rule++) {
        bench *b = make_bench(RULES[rule], "'image'");
        dtp_mapping mapping;
        deeptepp_error error = {0};
        for (size_t n = 0; n < picture_count(&b->pictures[1]); n++)
            b->pictures[1].values[n] = 17;
        assert_int_equal(dtp_mapping_of_images(&mapping, &b->study, 1, 1, NULL, &error),
                         DEEPTEPP_ERR_IMAGE_CONSTANT);
        assert_non_null(strstr(error.message, "\"post\""));
        free_bench(b);
    }
}

static void a_cancelled_pass_over_an_image_says_so(void **state)
{
    (void)state;
    for (size_t rule = 1; rule < 4; rule++) {
        bench *b = make_bench(RULES[rule], "'image'");
        dtp_mapping mapping;
        dtp_watch cancelled = {.cancelled = true};
        assert_int_equal(dtp_mapping_of_images(&mapping, &b->study, 0, 1, &cancelled, NULL), DEEPTEPP_ERR_CANCELLED);
        free_bench(b);
    }
}

static void a_cancelled_pass_does_not_go_on_row_by_row(void **state)
{
    (void)state;
    const uint8_t nothing = 0;
    const deeptepp_volume endless = {.type = DEEPTEPP_UINT8, .data = &nothing, .slope = 1,
                                     .dims = {1, INT64_C(1) << 30, INT64_C(1) << 30}};
    for (size_t rule = 1; rule < 4; rule++) {
        bench *b = make_bench(RULES[rule], "'image'");
        dtp_mapping mapping;
        dtp_watch cancelled = {.cancelled = true};
        b->study.images[0] = &endless;
        assert_int_equal(dtp_mapping_of_images(&mapping, &b->study, 0, 0, &cancelled, NULL), DEEPTEPP_ERR_CANCELLED);
        free_bench(b);
    }
}

static void a_huge_offset_of_an_image_costs_no_precision(void **state)
{
    (void)state;
    bench *b = make_bench("{'rule': 'zscore'}", "'image'");
    dtp_mapping mapping;
    double spread = sd_of(b->pictures[0].values, picture_count(&b->pictures[0]));
    for (size_t n = 0; n < picture_count(&b->pictures[0]); n++)
        b->pictures[0].values[n] += 1e9;
    assert_int_equal(dtp_mapping_of_images(&mapping, &b->study, 0, 0, NULL, NULL), DEEPTEPP_OK);
    assert_true(fabs(mapping.gain * spread - 1) < 1e-7);
    free_bench(b);
}

enum { WIDE = 37, HIGH = 11, DEEP = 7, VOXELS = WIDE * HIGH * DEEP };

/* The lowest and the highest of its type, many equal ones, and others; real types get what float32 rounds. */
#define STORE(name, type, low, high)                                                                                   \
    case DEEPTEPP_##name:                                                                                              \
        for (size_t n = 0; n < VOXELS; n++)                                                                            \
            ((type *)to)[n] = n == 5 ? (type)(low) : n == 7 ? (type)(high) : n % 3 ? (type)(n % 97 + n % 2)            \
                                                                                   : (type)(n * 2654435761u % 30011);  \
        break;

static void store(void *to, deeptepp_type type)
{
    switch (type) {
        STORE(UINT8, uint8_t, 0, UINT8_MAX)
        STORE(INT8, int8_t, INT8_MIN, INT8_MAX)
        STORE(UINT16, uint16_t, 0, UINT16_MAX)
        STORE(INT16, int16_t, INT16_MIN, INT16_MAX)
        STORE(UINT32, uint32_t, 0, UINT32_MAX)
        STORE(INT32, int32_t, INT32_MIN, INT32_MAX)
        STORE(UINT64, uint64_t, 0, INT64_C(1) << 53)
        STORE(INT64, int64_t, -(INT64_C(1) << 53), INT64_C(1) << 53)
        STORE(FLOAT32, float, -1e30, 1e30)
        STORE(FLOAT64, double, -1e30, 1e30)
    case DEEPTEPP_TYPE_FORCE_INT32:
        break;
    }
}

static deeptepp_volume volume_of(deeptepp_type type, double slope, double inter)
{
    const int64_t size = (int64_t)dtp_type_size(type);
    deeptepp_volume v = {.type = type, .dims = {WIDE, HIGH, DEEP}, .slope = slope, .inter = inter,
                         .strides = {size, WIDE * size, WIDE * HIGH * size}};
    v.data = v.owned = malloc((size_t)size * VOXELS);
    assert_non_null(v.owned);
    store(v.owned, type);
    return v;
}

/* Adds the volume's values to a list: what the percentiles of floats are of. */
static size_t list(const deeptepp_volume *v, float *floats, size_t count)
{
    double row[WIDE];
    for (int64_t jk = 0; jk < HIGH * DEEP; jk++) {
        dtp_volume_row(v, 0, jk % HIGH, jk / HIGH, WIDE, row);
        for (int i = 0; i < WIDE; i++)
            floats[count++] = (float)row[i];
    }
    return count;
}

static void assert_as_of_values(const dtp_study *study, int first, int last, dtp_watch *watch)
{
    static float floats[2 * VOXELS];
    dtp_mapping wanted, found;
    size_t count = 0;
    for (int c = first; c <= last; c++)
        count = list(study->images[c], floats, count);
    const deeptepp_status status = dtp_mapping_of_values(&wanted, study->recipe, floats, count, "", NULL, NULL);
    assert_int_equal(dtp_mapping_of_images(&found, study, first, last, watch, NULL), status);
    if (status == DEEPTEPP_OK)
        assert_memory_equal(&found, &wanted, sizeof found);
}

/* Backwards along i and k, which leaves the values as they are. */
static void turn_round(deeptepp_volume *v)
{
    v->data += (WIDE - 1) * v->strides[0] + (DEEP - 1) * v->strides[2];
    v->strides[0] = -v->strides[0];
    v->strides[2] = -v->strides[2];
}

/* Small integers are counted, others selected; to the last bit that is no difference. */
static void percentiles_of_images_are_those_of_their_values_in_any_type(void **state)
{
    static const double scales[][2] = {{1, 0}, {-0.37, 11}, {0, 5}, {1e-3, -2e3}};
    (void)state;
    bench *b = make_bench(PERCENTILE("0.7", "98.3"), "'image'");
    dtp_watch watch = {.cancelled = false};
    assert_int_equal(dtp_team_new(&watch.team, 3, NULL), DEEPTEPP_OK);
    for (int type = DEEPTEPP_UINT8; type <= DEEPTEPP_FLOAT64; type++)
        for (size_t n = 0; n < DTP_COUNT(scales); n++) {
            deeptepp_volume own = volume_of((deeptepp_type)type, scales[n][0], scales[n][1]);
            deeptepp_volume other = volume_of(n % 2 ? DEEPTEPP_INT16 : DEEPTEPP_UINT8, 2, -30);
            if (n % 2)
                turn_round(&own);
            b->study.images[0] = &own;
            b->study.images[1] = &other;
            assert_as_of_values(&b->study, 0, 0, NULL);
            assert_as_of_values(&b->study, 0, 1, &watch);
            free(own.owned);
            free(other.owned);
        }
    dtp_team_free(watch.team);
    free_bench(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_its_formula),
        cmocka_unit_test(no_rule_changes_nothing),
        cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
        cmocka_unit_test(percentiles_are_of_type_7),
        cmocka_unit_test(values_are_not_reordered),
        cmocka_unit_test(values_beyond_the_percentiles_are_clipped),
        cmocka_unit_test(constants_are_refused),
        cmocka_unit_test(percentiles_that_coincide_are_refused),
        cmocka_unit_test(a_huge_offset_costs_no_precision),
        cmocka_unit_test(a_tiny_scale_costs_none_either),
        cmocka_unit_test(the_order_of_values_costs_no_time),
        cmocka_unit_test(every_rule_can_be_cancelled),
        cmocka_unit_test(whole_images_give_their_own_or_a_common_mapping),
        cmocka_unit_test(a_constant_image_is_named),
        cmocka_unit_test(a_cancelled_pass_over_an_image_says_so),
        cmocka_unit_test(a_cancelled_pass_does_not_go_on_row_by_row),
        cmocka_unit_test(a_huge_offset_of_an_image_costs_no_precision),
        cmocka_unit_test(percentiles_of_images_are_those_of_their_values_in_any_type),
    };
    return cmocka_run_group_tests_name("intensity", tests, NULL, NULL);
}
