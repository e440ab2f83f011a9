/* Recipes from JSON texts, for tests to change: with ' for ", so that C can hold them. */
#ifndef RECIPE_MAKER_H
#define RECIPE_MAKER_H

#include <jansson.h>
#include <stdio.h>

#include "../libdeeptepp/input/recipe.h"

static inline json_t *json_of(const char *text)
{
    char strict[4096];
    size_t length = strlen(text);
    assert_true(length < sizeof strict);
    for (size_t i = 0; i <= length; i++)
        strict[i] = text[i] == '\'' ? '"' : text[i];
    json_t *json = json_loads(strict, JSON_DECODE_ANY, NULL);
    if (!json)
        fail_msg("the test's own JSON is wrong: %s", text);
    return json;
}

/* Sets the value at a dotted path; NULL takes the key away. */
static inline void change(json_t *object, const char *path, const char *value)
{
    char key[64];
    const char *dot;
    while ((dot = strchr(path, '.')) != NULL) {
        snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
        object = json_object_get(object, key);
        path = dot + 1;
    }
    assert_non_null(object);
    if (value)
        json_object_set_new(object, path, json_of(value));
    else
        json_object_del(object, path);
}

/* All required keys and nothing else. */
static inline json_t *plain_recipe_json(void)
{
    return json_of("{'channels': ['t1c'], 'axes': 'RAS', 'size': [8, 8, 8], 'angles_deg': [0],"
                   " 'region': {'rule': 'fixed', 'spacing_mm': [1, 1, 1]},"
                   " 'outside': {'rule': 'warn', 'fill': 'edge'}, 'intensity': {'rule': 'none'}}");
}

static inline deeptepp_status parse_recipe(dtp_recipe *out, const json_t *json, deeptepp_error *error)
{
    dtp_json_check check = {.error = error};
    dtp_json section = dtp_json_root(json, "input", &check);
    dtp_recipe_parse(out, &section);
    return check.status;
}

/* The plain recipe with changes: {path, value, path, value, ..., NULL}. Give back with dtp_recipe_free. */
static inline dtp_recipe recipe_with(const char *const *changes)
{
    dtp_recipe recipe;
    deeptepp_error error = {0};
    json_t *json = plain_recipe_json();
    for (; changes && *changes; changes += 2)
        change(json, changes[0], changes[1]);
    deeptepp_status status = parse_recipe(&recipe, json, &error);
    json_decref(json);
    if (status != DEEPTEPP_OK)
        fail_msg("the test's own recipe is wrong: %s", error.message);
    return recipe;
}

#define RECIPE_WITH(...) recipe_with((const char *const[]){__VA_ARGS__, NULL})

#endif
