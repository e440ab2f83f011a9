/* Recipes from JSON texts, for tests to change: with ' for ", so that C can hold them. */
#ifndef RECIPE_MAKER_H
#define RECIPE_MAKER_H

#include <stdio.h>

#include "../libdeeptepp/views/recipe.h"
#include "json_subject.h"

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
    dtp_json_value *tree = json_read_tree(json);
    dtp_json section = dtp_json_root(tree, "input", &check);
    dtp_recipe_parse(out, &section);
    free(tree);
    return check.status;
}

/* All keys of mosaics. */
static inline json_t *plain_mosaic_json(void)
{
    return json_of("{'recipe': 'mosaic_cube', 'channels': ['t1c'], 'axes': 'LPS', 'size': [64, 64, 64],"
                   " 'slices': 'first', 'angles_deg': [360]}");
}

typedef struct change_row {
    const char *path, *value; /* value NULL: the key is taken away */
    deeptepp_status status;
} change_row;

/* Applies one change to what `make` gives, after those of `base` (ended by a path of NULL; or NULL), and checks status
 * and, on failure, that the key is named. */
static inline void check_row_of(json_t *(*make)(void), const change_row *base, const change_row *row)
{
    dtp_recipe recipe;
    deeptepp_error error = {0};
    json_t *json = make();
    for (; base && base->path; base++)
        change(json, base->path, base->value);
    change(json, row->path, row->value);
    deeptepp_status status = parse_recipe(&recipe, json, &error);
    if (status != row->status)
        fail_msg("%s = %s: status %s (%s), wanted %s", row->path, row->value ? row->value : "(none)",
                 deeptepp_status_name(status), error.message, deeptepp_status_name(row->status));
    char named[96];
    snprintf(named, sizeof named, "input.%s", row->path);
    if (status != DEEPTEPP_OK && !strstr(error.message, named))
        fail_msg("\"%s\" does not name %s", error.message, named);
    dtp_recipe_free(&recipe);
    json_decref(json);
}

static inline void check_rows_of(json_t *(*make)(void), const change_row *base, const change_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row_of(make, base, &rows[i]);
}

/* The recipe with changes: {path, value, path, value, ..., NULL}. Give back with dtp_recipe_free. */
static inline dtp_recipe changed_recipe(json_t *json, const char *const *changes)
{
    dtp_recipe recipe;
    deeptepp_error error = {0};
    for (; changes && *changes; changes += 2)
        change(json, changes[0], changes[1]);
    deeptepp_status status = parse_recipe(&recipe, json, &error);
    json_decref(json);
    if (status != DEEPTEPP_OK)
        fail_msg("the test's own recipe is wrong: %s", error.message);
    return recipe;
}

static inline dtp_recipe recipe_with(const char *const *changes)
{
    return changed_recipe(plain_recipe_json(), changes);
}

#define RECIPE_WITH(...) recipe_with((const char *const[]){__VA_ARGS__, NULL})
#define MOSAIC_WITH(...) changed_recipe(plain_mosaic_json(), (const char *const[]){__VA_ARGS__, NULL})

#endif
