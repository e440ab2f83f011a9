/* Writing JSON beside jansson: the same bytes for what both can write, and nothing written where memory fails. */
#include <math.h>
#include <stdio.h>

#include "../libdeeptepp/base/json_write.h"
#include "../libdeeptepp/base/text.h"
#include "json_subject.h"

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static char *write_value(const dtp_json_value *tree, bool compact, bool ascii)
{
    dtp_json_writer writer = {.compact = compact, .ascii = ascii};
    dtp_write_value(&writer, NULL, tree);
    return dtp_write_finish(&writer);
}

/* ---- numbers ---- */

static void check_number(double value)
{
    dtp_json_writer writer = {0};
    dtp_write_number(&writer, NULL, value);
    char *found = dtp_write_finish(&writer);
    json_t *built = json_real(value);
    char *wanted = json_dumps(built, JSON_ENCODE_ANY);
    dtp_json_value *again = json_read(found);
    double back;
    assert_string_equal(found, wanted);
    assert_true(again->kind == DTP_JSON_REAL && dtp_json_real(again, &back));
    assert_memory_equal(&back, &value, sizeof value);
    free(again);
    free(wanted);
    json_decref(built);
    free(found);
}

static void numbers_are_written_as_before_and_read_back(void **state)
{
    static const double values[] = {0, -0.0, 1, -1, 0.27, 0.1, 1e15, 1e16, 1e17, 1e20, 1e-4, 1e-5, 1e100, 1e-100,
                                    4.9e-324, 1.7976931348623157e308, 123456789, 1.0 / 3};
    uint64_t seed = 88172645463325252u;
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(values); i++)
        check_number(values[i]);
    for (int i = 0; i < 20000; i++) {
        double value;
        uint64_t bits = random_bits(&seed);
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_number(value);
    }
}

static void what_is_no_number_is_null(void **state)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    dtp_json_writer writer = {.compact = true};
    (void)state;
    dtp_write_numbers(&writer, NULL, values, 3);
    char *text = dtp_write_finish(&writer);
    assert_string_equal(text, "[null,null,null]");
    free(text);
}

static void integers_are_written_whole(void **state)
{
    static const int64_t values[] = {0, -1, INT64_MAX, INT64_MIN};
    dtp_json_writer writer = {.compact = true};
    (void)state;
    dtp_write_integers(&writer, NULL, values, 4);
    char *text = dtp_write_finish(&writer);
    assert_string_equal(text, "[0,-1,9223372036854775807,-9223372036854775808]");
    free(text);
}

/* ---- texts and structure ---- */

static const char *const documents[] = {
    "{}", "[]", "null", "\"\"", "[[],{},[[]],{\"a\":{}}]",
    "{\"a\":1,\"b\":[1,2,{\"c\":null,\"d\":[true,false]}],\"e\":\"x\"}",
    "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"]",
    "[\"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf\"]",
    "{\"\xc3\xa9\\n\":\"k\"}",
};

static void texts_and_structure_are_written_as_before(void **state)
{
    static const struct {
        bool compact, ascii;
        size_t flags;
    } ways[] = {{false, false, JSON_INDENT(2)},
                {true, false, JSON_COMPACT},
                {true, true, JSON_COMPACT | JSON_ENSURE_ASCII}};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(documents); i++) {
        dtp_json_value *tree = json_read(documents[i]);
        json_t *built = json_loads(documents[i], JSON_DECODE_ANY, NULL);
        for (size_t w = 0; w < DTP_COUNT(ways); w++) {
            char *found = write_value(tree, ways[w].compact, ways[w].ascii);
            char *wanted = json_dumps(built, ways[w].flags | JSON_ENCODE_ANY);
            assert_string_equal(found, wanted);
            free(found);
            free(wanted);
        }
        json_decref(built);
        free(tree);
    }
}

/* A cut-point of 0.27 is shown as the file has it. */
static void a_number_that_was_read_keeps_its_text(void **state)
{
    (void)state;
    dtp_json_value *tree = json_read("{\"cut\": 0.27, \"n\": [1e0, -0, 1.50]}");
    char *text = write_value(tree, true, false);
    assert_string_equal(text, "{\"cut\":0.27,\"n\":[1e0,-0,1.50]}");
    free(text);
    free(tree);
}

static void what_does_not_fit_is_cut(void **state)
{
    char text[12];
    (void)state;
    dtp_json_value *tree = json_read("[\"\xc3\xa9\xc3\xa9\xc3\xa9\"]"), *small = json_read("[1,2,34]");
    memset(text, 'x', sizeof text);
    assert_string_equal(dtp_json_show(tree, text, sizeof text), "[\"\\u00E9...");
    assert_string_equal(dtp_json_show(small, text, sizeof text), "[1,2,34]");
    assert_string_equal(dtp_json_show(small, text, 9), "[1,2,...");
    assert_string_equal(dtp_json_show(NULL, text, sizeof text), "null");
    free(tree);
    free(small);
}

/* ---- reading ---- */

static void a_tree_is_walked_in_its_own_order(void **state)
{
    (void)state;
    dtp_json_value *tree = json_read("{\"a\": [1, [2, 3], {\"x\": 4}], \"b\": -7, \"c\": \"t\"}");
    const char *const keys[] = {"a", "b", "c"};
    int n = 0;
    DTP_JSON_EACH(member, tree)
        assert_string_equal(member->key, keys[n++]);
    assert_int_equal(n, 3);
    assert_int_equal(dtp_json_find(tree, "a")->count, 3);
    assert_int_equal(dtp_json_find(tree, "a")->span, 7);
    assert_int_equal(dtp_json_whole(dtp_json_find(tree, "b")), -7);
    assert_int_equal(dtp_json_whole(dtp_json_find(tree, "c")), 0);
    assert_null(dtp_json_find(tree, "x"));
    assert_null(dtp_json_find(dtp_json_find(tree, "a"), "x"));
    assert_null(dtp_json_find(NULL, "x"));
    free(tree);
}

static void duplicates_are_found_among_many(void **state)
{
    enum { N = 5000 };
    char *text = malloc(N * 16), *end = text;
    dtp_json_value *tree;
    deeptepp_error error;
    (void)state;
    for (int i = 0; i < N; i++)
        end += sprintf(end, "%c\"k%d\":0", i ? ',' : '{', i * 7919 % N);
    strcpy(end, "}");
    tree = json_read(text);
    free(tree);
    strcpy(end, ",\"k4321\":1}");
    assert_int_equal(dtp_json_parse(&tree, text, strlen(text), 1 << 20, "t", NULL, &error), DEEPTEPP_ERR_MODEL_JSON);
    assert_non_null(strstr(error.message, "duplicate key \"k4321\""));
    assert_null(tree);
    free(text);
}

static int asked;

static int cancel_at_third(void *user)
{
    (void)user;
    return ++asked == 3;
}

/* Large arrays, many keys to compare: both are asked within, and nothing is left. */
static void parsing_can_be_cancelled(void **state)
{
    enum { N = 30000 };
    const deeptepp_callbacks callbacks = {.struct_size = sizeof callbacks, .cancel = cancel_at_third};
    char *text = malloc(N * 12);
    (void)state;
    for (int keys = 0; keys < 2; keys++) {
        char *end = text;
        dtp_json_value *tree;
        deeptepp_error error;
        dtp_watch watch;
        for (int i = 0; i < N; i++)
            end += keys ? sprintf(end, "%c\"%d\":0", i ? ',' : '{', i) : sprintf(end, "%c%d", i ? ',' : '[', i);
        strcpy(end, keys ? "}" : "]");
        asked = 0;
        dtp_watch_start(&watch, &callbacks);
        assert_int_equal(dtp_json_parse(&tree, text, strlen(text), 1 << 20, "t", &watch, &error),
                         DEEPTEPP_ERR_CANCELLED);
        assert_int_equal(asked, 3);
        assert_null(tree);
    }
    free(text);
}

static void a_fault_is_told_with_its_byte(void **state)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"", "at byte 0: it ends too soon"},       {"[1,", "at byte 3: it ends too soon"},
        {"[1}", "at byte 2: a closing bracket"},   {"{\"a\" 1}", "at byte 5: wanted a colon"},
        {"[1 2]", "at byte 3: wanted a comma"},    {"1 2", "at byte 2: something follows"},
        {"{1:2}", "at byte 1: wanted a key"},      {"[\"\xff\"]", "at byte 2: not UTF-8"},
        {"[\"\\x\"]", "at byte 2: an escape"},     {"[\"\n\"]", "at byte 2: a control character"},
        {"[\"abc", "at byte 5: it ends within"},   {"[nul]", "at byte 1: no value"},
        {"[01]", "at byte 2: wanted a comma"},     {"[-]", "at byte 2: a number that is none"},
        {"[1e999]", "at byte 1: real number overflow"}, {"[9223372036854775808]", "at byte 1: too big an integer"},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(rows); i++) {
        dtp_json_value *tree;
        deeptepp_error error;
        assert_int_equal(dtp_json_parse(&tree, rows[i].text, strlen(rows[i].text), 100, "t", NULL, &error),
                         DEEPTEPP_ERR_MODEL_JSON);
        if (!strstr(error.message, rows[i].part))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, error.message, rows[i].part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_before_and_read_back),
        cmocka_unit_test(what_is_no_number_is_null),
        cmocka_unit_test(integers_are_written_whole),
        cmocka_unit_test(texts_and_structure_are_written_as_before),
        cmocka_unit_test(a_number_that_was_read_keeps_its_text),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(a_tree_is_walked_in_its_own_order),
        cmocka_unit_test(duplicates_are_found_among_many),
        cmocka_unit_test(parsing_can_be_cancelled),
        cmocka_unit_test(a_fault_is_told_with_its_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
