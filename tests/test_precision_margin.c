/* How far bfloat16 moves scores: measured in the model's own scale, of a softmax in its odds; what cannot be measured
 * is refused. And opening: its progress, its cancelling, its options. On a processor without it: what float32 has of
 * this. */
#include "session_subject.h"

#define INTENSITY(rest) "{\"input\": {\"intensity\": {" rest "}}}"
#define MINMAX "\"rule\": \"minmax\", \"over\": \"view\", \"range\": [0, 255]"
#define PERCENTILE "\"rule\": \"percentile\", \"over\": \"view\", \"range\": [-20, 90], \"percentiles\": [1, 99]"
#define ZSCORE "\"rule\": \"zscore\", \"over\": \"view\""

static bool available(void)
{
    return deeptepp_precision_available(DEEPTEPP_PRECISION_BF16) != 0;
}

static deeptepp_status open_bytes(deeptepp_model **out, tiny_bytes bytes, int32_t precision, deeptepp_error *error)
{
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 1, .precision = precision};
    deeptepp_status status = deeptepp_model_from_bytes(out, bytes.data, bytes.size, &o, error);
    free(bytes.data);
    return status;
}

static deeptepp_model *must_open(tiny_bytes bytes, int32_t precision)
{
    deeptepp_error error;
    deeptepp_model *model = NULL;
    if (open_bytes(&model, bytes, precision, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    return model;
}

/* ---- intensities ---- */

static double score_in(const tiny_options *options, int32_t precision, const patient *p, double *margin)
{
    deeptepp_model *model = must_open(tiny_model_bytes(options), precision);
    deeptepp_session *session = session_with(model, NULL);
    double score = score_of(session, p->known);
    *margin = deeptepp_model_precision_margin(model);
    deeptepp_session_free(session);
    deeptepp_model_free(model);
    return score;
}

static void a_phantom_stays_within_the_margin_whatever_its_scale(void **state)
{
    const char *const patches[] = {
        INTENSITY(MINMAX), INTENSITY(PERCENTILE), INTENSITY(ZSCORE),
        "{\"input\": {\"intensity\": {" MINMAX "}}, \"score\": {\"rule\": \"softmax\", \"class\": 1}}"};
    (void)state;
    if (!available())
        skip();
    patient *p = patient_new(1);
    for (size_t i = 0; i < DTP_COUNT(patches); i++)
        for (uint64_t seed = 20; seed < 24; seed++) {
            const tiny_options options = {.seed = seed, .width = 16, .members = 2, .patch = patches[i]};
            double margin, none, exact = score_in(&options, DEEPTEPP_PRECISION_F32, p, &none);
            double moved = fabs(score_in(&options, DEEPTEPP_PRECISION_BF16, p, &margin) - exact);
            if (!(moved <= margin))
                fail_msg("seed %d, %s: moved by %g, margin %g", (int)seed, patches[i], moved, margin);
        }
    patient_free(p);
}

/* Ten times the range, ten times what the first convolution gives, its bias apart: the shift is of that order. */
static void the_shift_grows_with_the_range(void **state)
{
    double shifts[2];
    const char *const patches[] = {
        INTENSITY("\"rule\": \"minmax\", \"over\": \"view\", \"range\": [0, 100]"),
        INTENSITY("\"rule\": \"minmax\", \"over\": \"view\", \"range\": [0, 1000]")};
    (void)state;
    if (!available())
        skip();
    for (int i = 0; i < 2; i++) {
        const tiny_options options = {.seed = 9, .width = 16, .patch = patches[i]};
        deeptepp_model *model = must_open(tiny_model_bytes(&options), DEEPTEPP_PRECISION_BF16);
        shifts[i] = deeptepp_model_precision_shift(model);
        deeptepp_model_free(model);
    }
    assert_true(shifts[1] > 3 * shifts[0] && shifts[1] < 30 * shifts[0]);
}

static void intensities_as_they_are_are_refused(void **state)
{
    const tiny_options options = {.seed = 9, .width = 16};
    deeptepp_error error;
    deeptepp_model *model;
    (void)state;
    deeptepp_model_free(must_open(tiny_model_bytes(&options), DEEPTEPP_PRECISION_F32));
    if (!available())
        skip();
    assert_int_equal(open_bytes(&model, tiny_model_bytes(&options), DEEPTEPP_PRECISION_BF16, &error),
                     DEEPTEPP_ERR_PRECISION);
    assert_null(model);
    assert_says(error.message, "input.intensity none");
    assert_says(error.message, "open it in f32");
}

/* ---- softmax ---- */

/* With `bias` added to the last class, and the last layer's weights times `scale`; less: of two classes the first one's
 * weights and bias are taken from the second's, whose logit is then the logarithm of its odds. */
static deeptepp_model *with_last_layer(const char *patch, float bias, float scale, bool less)
{
    const tiny_options options = {.seed = 9, .width = 16, .patch = patch};
    tiny_model file = tiny_model_make(&options);
    tiny_tensor *weight = tiny_model_find(&file, "fc.weight"), *biases = tiny_model_find(&file, "fc.bias");
    const size_t channels = (size_t)weight->shape[1];
    for (size_t i = 0; i < 2 * channels; i++)
        weight->values[i] *= scale;
    for (size_t i = 0; less && i < channels; i++)
        weight->values[channels + i] -= weight->values[i];
    biases->values[1] += bias - (less ? biases->values[0] : 0);
    tiny_bytes bytes = tiny_model_write(&file);
    tiny_model_free(&file);
    return must_open(bytes, DEEPTEPP_PRECISION_BF16);
}

static double shift_with(const char *patch, float bias, float scale, bool less)
{
    deeptepp_model *model = with_last_layer(patch, bias, scale, less);
    double shift = deeptepp_model_precision_shift(model);
    deeptepp_model_free(model);
    return shift;
}

static const char SOFTMAX[] =
    "{\"input\": {\"intensity\": {" ZSCORE "}}, \"score\": {\"rule\": \"softmax\", \"class\": 1}}";

/* However near to 1 the probability of noise is: a quarter of the odds' logarithm's shift. */
static void the_shift_of_a_probability_is_that_of_its_odds(void **state)
{
    (void)state;
    if (!available())
        skip();
    const double wanted = shift_with(INTENSITY(ZSCORE), 0, 1, true) / 4;
    const float biases[] = {0, 60, -60};
    assert_true(wanted > 1e-5);
    for (int i = 0; i < 3; i++) {
        double found = shift_with(SOFTMAX, biases[i], 1, false);
        if (!(fabs(found - wanted) <= 0.02 * wanted))
            fail_msg("bias %g: shift %g, wanted %g", (double)biases[i], found, wanted);
    }
}

/* A last layer of zeros. */
static void what_does_not_move_has_a_margin_all_the_same(void **state)
{
    (void)state;
    if (!available())
        skip();
    deeptepp_model *model = with_last_layer(SOFTMAX, 0, 0, false);
    assert_same(deeptepp_model_precision_shift(model), 0);
    assert_same(deeptepp_model_precision_margin(model), 1e-6);
    deeptepp_model_free(model);
}

/* ---- progress ---- */

typedef struct told {
    int rising; /* how often it was more than before, above half */
    double last, after_half; /* after_half: the first above half; 0: none yet */
} told;

static void note(void *user, double fraction)
{
    told *t = user;
    t->rising += fraction > 0.5 && fraction > t->last;
    if (fraction > 0.5 && t->after_half == 0)
        t->after_half = fraction;
    t->last = fraction;
}

static told open_and_listen(tiny_bytes bytes, int32_t precision)
{
    told t = {0};
    deeptepp_model *model;
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .progress = note, .user = &t};
    const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 1, .callbacks = &callbacks,
                                      .precision = precision};
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &o, NULL), DEEPTEPP_OK);
    deeptepp_model_free(model);
    assert_same(t.last, 1);
    return t;
}

/* Packing and measuring are looked at every 20 ms, on a busy machine later: one of some times must have it. */
static void opening_goes_on_where_reading_ended(void **state)
{
    const tiny_options options = {.seed = 3, .depth = 18, .width = 32, .members = 4, .size = {32, 32, 32},
                                  .patch = INTENSITY(ZSCORE)};
    tiny_bytes bytes = tiny_model_bytes(&options);
    (void)state;
    for (int precision = 0; precision <= available(); precision++) {
        bool heard = false;
        told t = {0};
        for (int attempt = 0; attempt < 5 && !heard; attempt++) {
            t = open_and_listen(bytes, precision);
            heard = t.after_half < 0.7 && t.rising >= 3;
        }
        if (!heard)
            fail_msg("precision %d: first %g after reading, %d times above half", precision, t.after_half, t.rising);
    }
    free(bytes.data);
}

/* ---- cancelling ---- */

static int yes(void *user)
{
    int *calls = user;
    return --*calls < 0;
}

/* Wherever it is cancelled it says so, and opens all the same afterwards. */
static void opening_can_be_cancelled(void **state)
{
    const tiny_options options = {.seed = 9, .width = 16, .patch = INTENSITY(ZSCORE)};
    tiny_bytes bytes = tiny_model_bytes(&options);
    deeptepp_status status = DEEPTEPP_ERR_CANCELLED;
    (void)state;
    for (int calls = 0; available() && status == DEEPTEPP_ERR_CANCELLED; calls++) {
        int left = calls;
        deeptepp_model *model;
        const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .cancel = yes, .user = &left};
        const deeptepp_model_options o = {.struct_size = sizeof o, .threads = 1, .callbacks = &callbacks,
                                          .precision = DEEPTEPP_PRECISION_BF16};
        status = deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &o, NULL);
        assert_true(status == DEEPTEPP_OK || (status == DEEPTEPP_ERR_CANCELLED && !model));
        deeptepp_model_free(model);
    }
    assert_true(status == DEEPTEPP_OK || !available());
    free(bytes.data);
}

/* ---- options ---- */

/* Callers of before precision there was: what lies behind their struct is not read. */
static void options_of_before_are_in_float32(void **state)
{
    const tiny_options options = {.seed = 9};
    tiny_bytes bytes = tiny_model_bytes(&options);
    deeptepp_error error;
    deeptepp_model *model = NULL;
    deeptepp_model_options o;
    (void)state;
    memset(&o, 0xa5, sizeof o);
    memset(&o, 0, offsetof(deeptepp_model_options, precision));
    o.struct_size = offsetof(deeptepp_model_options, precision);
    if (deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &o, &error) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(deeptepp_model_precision(model), DEEPTEPP_PRECISION_F32);
    deeptepp_model_free(model);
    free(bytes.data);
}

static void what_is_reserved_is_0(void **state)
{
    const tiny_options options = {.seed = 9};
    tiny_bytes bytes = tiny_model_bytes(&options);
    const deeptepp_model_options o = {.struct_size = sizeof o, .reserved = -7};
    deeptepp_error error;
    deeptepp_model *model;
    (void)state;
    assert_int_equal(sizeof o, offsetof(deeptepp_model_options, reserved) + sizeof o.reserved);
    assert_int_equal(deeptepp_model_from_bytes(&model, bytes.data, bytes.size, &o, &error), DEEPTEPP_ERR_ARGUMENT);
    assert_says(error.message, "deeptepp_model_options.reserved is -7, wanted 0");
    free(bytes.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phantom_stays_within_the_margin_whatever_its_scale),
        cmocka_unit_test(the_shift_grows_with_the_range),
        cmocka_unit_test(intensities_as_they_are_are_refused),
        cmocka_unit_test(the_shift_of_a_probability_is_that_of_its_odds),
        cmocka_unit_test(what_does_not_move_has_a_margin_all_the_same),
        cmocka_unit_test(opening_goes_on_where_reading_ended),
        cmocka_unit_test(opening_can_be_cancelled),
        cmocka_unit_test(options_of_before_are_in_float32),
        cmocka_unit_test(what_is_reserved_is_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
