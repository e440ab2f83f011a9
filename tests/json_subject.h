/* JSON as the library reads it, from text or from what jansson built. */
#ifndef JSON_SUBJECT_H
#define JSON_SUBJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>

#include "../libdeeptepp/base/json.h"

/* For free(). */
static inline dtp_json_value *json_read(const char *text)
{
    dtp_json_value *tree;
    deeptepp_error problem;
    if (dtp_json_parse(&tree, text, strlen(text), 1 << 20, "the test's JSON", NULL, &problem) != DEEPTEPP_OK)
        fail_msg("%s: %s", text, problem.message);
    return tree;
}

static inline dtp_json_value *json_read_tree(const json_t *built)
{
    char *text = json_dumps(built, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    dtp_json_value *tree = json_read(text);
    free(text);
    return tree;
}

#endif
