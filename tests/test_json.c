/* The strict reader of descriptions: every kind of member, every way in which it can be wrong, the first error
 * sticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "json_subject.h"

typedef struct subject {
    dtp_json_value *tree;
    deeptepp_error error;
    dtp_json_check check;
    dtp_json root;
} subject;

static void begin(subject *s, const char *text)
{
    memset(s, 0, sizeof *s);
    s->tree = json_read(text);
    s->check.error = &s->error;
    s->root = dtp_json_root(s->tree, "top", &s->check);
}

static void end(subject *s)
{
    free(s->tree);
}

static void end_good(subject *s)
{
    if (s->check.status != DEEPTEPP_OK)
        fail_msg("%s", s->error.message);
    end(s);
}

static void end_refused(subject *s, deeptepp_status wanted, const char *part)
{
    assert_string_equal(deeptepp_status_name(s->check.status), deeptepp_status_name(wanted));
    assert_int_equal(s->error.status, wanted);
    if (!strstr(s->error.message, part))
        fail_msg("\"%s\" does not say \"%s\"", s->error.message, part);
    end(s);
}

/* ---- what is there is read ---- */

static void members_are_read(void **state)
{
    static const char *const choices[] = {"a", "b", NULL};
    subject s;
    double numbers[3];
    int64_t integers[2];
    (void)state;
    begin(&s, "{\"t\": \"text\", \"n\": -2.5, \"i\": 7, \"y\": true, \"f\": false, \"c\": \"b\", \"ns\": [1, 2.5, -3], "
              "\"is\": [4, 5], \"a\": [null, {}], \"o\": {\"inner\": 1}}");
    assert_string_equal(dtp_json_text(&s.root, "t"), "text");
    assert_true(dtp_json_number(&s.root, "n", -3, 3) == -2.5);
    assert_true(dtp_json_number(&s.root, "i", 7, 7) == 7);
    assert_int_equal(dtp_json_integer(&s.root, "i", 7, 7), 7);
    assert_true(dtp_json_bool(&s.root, "y"));
    assert_false(dtp_json_bool(&s.root, "f"));
    assert_int_equal(dtp_json_choice(&s.root, "c", choices), 1);
    assert_int_equal(dtp_json_numbers(&s.root, "ns", numbers, 1, 3, -3, 3), 3);
    assert_true(numbers[0] == 1 && numbers[1] == 2.5 && numbers[2] == -3);
    assert_int_equal(dtp_json_integers(&s.root, "is", integers, 2, 2, 0, 9), 2);
    assert_true(integers[0] == 4 && integers[1] == 5);
    assert_int_equal(dtp_json_array(&s.root, "a", 0, 2)->count, 2);
    dtp_json child = dtp_json_child(&s.root, "o");
    assert_int_equal(dtp_json_integer(&child, "inner", 0, 1), 1);
    dtp_json_close(&child);
    dtp_json_close(&s.root);
    end_good(&s);
}

static void optional_members_may_be_absent(void **state)
{
    subject s;
    (void)state;
    begin(&s, "{\"here\": null}");
    assert_true(dtp_json_has(&s.root, "here"));
    assert_false(dtp_json_has(&s.root, "gone"));
    dtp_json_close(&s.root);
    end_good(&s);
}

static void range_ends_are_inside(void **state)
{
    subject s;
    (void)state;
    begin(&s, "{\"low\": -1, \"high\": 1.5, \"big\": 9007199254740993}");
    assert_true(dtp_json_number(&s.root, "low", -1, 1) == -1);
    assert_true(dtp_json_number(&s.root, "high", -1, 1.5) == 1.5);
    assert_true(dtp_json_integer(&s.root, "big", 0, INT64_MAX) == INT64_C(9007199254740993));
    end_good(&s);
}

/* ---- what is wrong is refused with its path ---- */

static void absence_is_refused(void **state)
{
    subject s;
    (void)state;
    begin(&s, "{}");
    assert_string_equal(dtp_json_text(&s.root, "name"), "");
    end_refused(&s, DEEPTEPP_ERR_MODEL_METADATA, "top.name: is missing");
    begin(&s, "{}");
    dtp_json child = dtp_json_child(&s.root, "network");
    assert_null(child.object);
    end_refused(&s, DEEPTEPP_ERR_MODEL_METADATA, "top.network: is missing");
    begin(&s, "{}");
    assert_null(dtp_json_array(&s.root, "list", 0, 3));
    end_refused(&s, DEEPTEPP_ERR_MODEL_METADATA, "top.list: is missing");
}

static void a_text_has_a_character(void **state)
{
    static const char *const wrong[] = {"{\"k\": 1}", "{\"k\": \"\"}", "{\"k\": null}", "{\"k\": [\"a\"]}"};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        subject s;
        begin(&s, wrong[i]);
        assert_string_equal(dtp_json_text(&s.root, "k"), "");
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted a text of at least one character");
    }
}

static void a_number_is_one_and_in_range(void **state)
{
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"{\"k\": \"1\"}", "wanted a number"}, {"{\"k\": true}", "wanted a number"},
        {"{\"k\": null}", "wanted a number"},  {"{\"k\": 1.0000001}", "wanted 0 to 1"},
        {"{\"k\": -1e-300}", "wanted 0 to 1"}, {"{\"k\": 2}", "is 2, wanted 0 to 1"},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        subject s;
        begin(&s, wrong[i].text);
        assert_true(dtp_json_number(&s.root, "k", 0, 1) == 0);
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, wrong[i].part);
    }
}

static void an_integer_is_written_as_one(void **state)
{
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"{\"k\": 1.0}", "wanted an integer"}, {"{\"k\": \"1\"}", "wanted an integer"},
        {"{\"k\": 1e2}", "wanted an integer"}, {"{\"k\": 4}", "is 4, wanted 1 to 3"},
        {"{\"k\": 0}", "is 0, wanted 1 to 3"}, {"{\"k\": -9223372036854775808}", "wanted 1 to 3"},
    };
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        subject s;
        begin(&s, wrong[i].text);
        assert_true(dtp_json_integer(&s.root, "k", 1, 3) == 0);
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, wrong[i].part);
    }
}

static void a_truth_value_is_true_or_false(void **state)
{
    static const char *const wrong[] = {"{\"k\": 1}", "{\"k\": \"true\"}", "{\"k\": null}"};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        subject s;
        begin(&s, wrong[i]);
        assert_false(dtp_json_bool(&s.root, "k"));
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted true or false");
    }
}

static void a_choice_names_what_there_is(void **state)
{
    static const char *const choices[] = {"logit", "softmax", NULL};
    subject s;
    (void)state;
    begin(&s, "{\"k\": \"Logit\"}");
    assert_int_equal(dtp_json_choice(&s.root, "k", choices), 0);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "is \"Logit\", wanted one of: logit, softmax");
    begin(&s, "{\"k\": 1}");
    assert_int_equal(dtp_json_choice(&s.root, "k", choices), 0);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted a text of at least one character");
}

static void an_array_has_its_number_of_elements(void **state)
{
    static const char *const wrong[] = {"{\"k\": [1]}", "{\"k\": [1, 2, 3, 4]}", "{\"k\": {}}", "{\"k\": 2}",
                                        "{\"k\": []}"};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        double out[3] = {-1, -1, -1};
        subject s;
        begin(&s, wrong[i]);
        assert_int_equal(dtp_json_numbers(&s.root, "k", out, 2, 3, 0, 9), 0);
        assert_true(out[0] == -1 && out[2] == -1);
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted an array of 2 to 3 elements");
    }
}

static void every_element_is_checked(void **state)
{
    double numbers[3];
    int64_t integers[3];
    subject s;
    (void)state;
    begin(&s, "{\"k\": [1, \"2\", 3]}");
    dtp_json_numbers(&s.root, "k", numbers, 3, 3, 0, 9);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "top.k[1]: is \"2\", wanted a number");
    begin(&s, "{\"k\": [1, 2, 10]}");
    dtp_json_numbers(&s.root, "k", numbers, 3, 3, 0, 9);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "top.k[2]: is 10, wanted 0 to 9");
    begin(&s, "{\"k\": [1, 2, 3.5]}");
    dtp_json_integers(&s.root, "k", integers, 3, 3, 0, 9);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted an integer");
}

static void pairs_are_read_and_checked(void **state)
{
    static const struct {
        const char *text, *part;
    } wrong[] = {{"{\"k\": [[1, 2]]}", "top.k: is [[1,2]], wanted an array of 2 to 3 elements"},
                 {"{\"k\": [[1, 2], 3]}", "top.k[1]: is 3, wanted an array of 2 to 2 elements"},
                 {"{\"k\": [[1, 2], [3]]}", "top.k[1]: is [3], wanted an array of 2 to 2 elements"},
                 {"{\"k\": [[1, \"2\"], [3, 4]]}", "top.k[0][1]: is \"2\", wanted a number"},
                 {"{\"k\": [[1, 2], [10, 4]]}", "top.k[1][0]: is 10, wanted 0 to 9"}};
    double out[3][2] = {{0}};
    subject s;
    (void)state;
    begin(&s, "{\"k\": [[1, 2], [4, 3]]}");
    assert_int_equal(dtp_json_pairs(&s.root, "k", out, 2, 3, 0, 9), 2);
    assert_true(out[0][0] == 1 && out[0][1] == 2 && out[1][0] == 4 && out[1][1] == 3);
    end_good(&s);
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        begin(&s, wrong[i].text);
        dtp_json_pairs(&s.root, "k", out, 2, 3, 0, 9);
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, wrong[i].part);
    }
}

static void texts_are_checked(void **state)
{
    static const struct {
        const char *text, *part;
    } wrong[] = {{"{\"k\": {\"a\": \"1\", \"b\": \"2\", \"c\": \"3\"}}", "top.k: has 3 texts, wanted at most 2"},
                 {"{\"k\": {\"a\": \"1\", \"b\": 2}}", "top.k.b: is 2, wanted a text of at least one character"},
                 {"{\"k\": {\"a\": \"\"}}", "top.k.a: is \"\", wanted a text of at least one character"},
                 {"{\"k\": {\"a\": {\"b\": \"c\"}}}", "top.k.a: is {\"b\":\"c\"}, wanted a text"},
                 {"{\"k\": {\"\": \"1\"}}", "top.k: has a key of no character, wanted at least one"},
                 {"{\"k\": [\"1\"]}", "top.k: is [\"1\"], wanted an object"}};
    subject s;
    (void)state;
    begin(&s, "{\"k\": {\"a\": \"1\", \"b.c\": \"2\"}, \"none\": {}}");
    dtp_json_texts(&s.root, "k", 2);
    dtp_json_texts(&s.root, "none", 2);
    dtp_json_close(&s.root);
    end_good(&s);
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        begin(&s, wrong[i].text);
        dtp_json_texts(&s.root, "k", 2);
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, wrong[i].part);
    }
}

static void what_should_be_an_object_is_one(void **state)
{
    static const char *const wrong[] = {"[]", "1", "\"x\"", "null"};
    subject s;
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(wrong); i++) {
        begin(&s, wrong[i]);
        assert_null(s.root.object);
        end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted an object");
    }
    begin(&s, "{\"k\": [1]}");
    dtp_json child = dtp_json_child(&s.root, "k");
    assert_null(child.object);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "top.k: is ");
}

/* A misspelt option must not become a silent default. */
static void an_unknown_key_is_refused(void **state)
{
    subject s;
    (void)state;
    begin(&s, "{\"tolerance\": 1, \"tolerence\": 2}");
    dtp_json_number(&s.root, "tolerance", 0, 9);
    dtp_json_close(&s.root);
    end_refused(&s, DEEPTEPP_ERR_MODEL_METADATA, "top.tolerence: is not a key of this section");
}

static void a_childs_path_is_in_the_message(void **state)
{
    subject s;
    (void)state;
    begin(&s, "{\"input\": {\"region\": {\"rule\": 3}}}");
    dtp_json input = dtp_json_child(&s.root, "input"), region = dtp_json_child(&input, "region");
    dtp_json_text(&region, "rule");
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "top.input.region.rule: is 3, wanted a text");
}

static void the_first_error_sticks(void **state)
{
    double numbers[2];
    subject s;
    (void)state;
    begin(&s, "{\"first\": 1, \"second\": 2, \"good\": \"text\", \"o\": {}, \"a\": [1, 2]}");
    dtp_json_text(&s.root, "first");
    dtp_json_text(&s.root, "second");
    assert_string_equal(dtp_json_text(&s.root, "good"), "");
    assert_true(dtp_json_number(&s.root, "second", 0, 9) == 0);
    assert_int_equal(dtp_json_integer(&s.root, "second", 0, 9), 0);
    assert_false(dtp_json_bool(&s.root, "good"));
    assert_int_equal(dtp_json_numbers(&s.root, "a", numbers, 2, 2, 0, 9), 0);
    assert_null(dtp_json_array(&s.root, "a", 0, 9));
    assert_null(dtp_json_child(&s.root, "o").object);
    assert_false(dtp_json_has(&s.root, "good"));
    dtp_json_close(&s.root);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "top.first");
}

static void an_error_may_go_nowhere(void **state)
{
    dtp_json_check check = {.error = NULL};
    dtp_json root = dtp_json_root(NULL, "", &check);
    (void)state;
    assert_int_equal(check.status, DEEPTEPP_ERR_MODEL_VALUE);
    dtp_json_close(&root);
}

static void long_keys_and_texts_fit_the_message(void **state)
{
    static const char *const choices[] = {"a", NULL};
    char key[600], text[1400];
    subject s;
    (void)state;
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    snprintf(text, sizeof text, "{\"c\": \"%s\", \"%s\": {\"%s\": 1}}", key, key, "x");
    begin(&s, text);
    dtp_json_choice(&s.root, "c", choices);
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, "wanted one of: a");
    begin(&s, text);
    dtp_json child = dtp_json_child(&s.root, key);
    dtp_json_text(&child, "x");
    end_refused(&s, DEEPTEPP_ERR_MODEL_VALUE, ".x: is 1, wanted a text");
    begin(&s, text);
    dtp_json_has(&s.root, "c");
    dtp_json_close(&s.root);
    end_refused(&s, DEEPTEPP_ERR_MODEL_METADATA, "is not a key of this section");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read),
        cmocka_unit_test(optional_members_may_be_absent),
        cmocka_unit_test(range_ends_are_inside),
        cmocka_unit_test(absence_is_refused),
        cmocka_unit_test(a_text_has_a_character),
        cmocka_unit_test(a_number_is_one_and_in_range),
        cmocka_unit_test(an_integer_is_written_as_one),
        cmocka_unit_test(a_truth_value_is_true_or_false),
        cmocka_unit_test(a_choice_names_what_there_is),
        cmocka_unit_test(an_array_has_its_number_of_elements),
        cmocka_unit_test(every_element_is_checked),
        cmocka_unit_test(pairs_are_read_and_checked),
        cmocka_unit_test(texts_are_checked),
        cmocka_unit_test(what_should_be_an_object_is_one),
        cmocka_unit_test(an_unknown_key_is_refused),
        cmocka_unit_test(a_childs_path_is_in_the_message),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(an_error_may_go_nowhere),
        cmocka_unit_test(long_keys_and_texts_fit_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
