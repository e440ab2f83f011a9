/* Strict reading of the model description: each room reads its own section, every value is checked, an unknown key is
 * an error (a misspelt option must not become a silent default). The first error sticks; later reads return 0. */
#ifndef DTP_JSON_H
#define DTP_JSON_H

#include "json_tree.h"

typedef struct dtp_json_check {
    deeptepp_status status; /* DEEPTEPP_OK until the first error */
    deeptepp_error *error;
} dtp_json_check;

typedef struct dtp_json {
    const dtp_json_value *object; /* NULL after an error */
    char path[96];        /* for messages: "input.region" */
    const char *known[40];
    int n_known;
    dtp_json_check *check;
} dtp_json;

/* A tree's root, and the member `key` of `parent`, as objects to read. */
dtp_json dtp_json_root(const dtp_json_value *object, const char *path, dtp_json_check *check);
dtp_json dtp_json_child(dtp_json *parent, const char *key);

/* Whether an optional key is present. */
bool dtp_json_has(dtp_json *json, const char *key);

/* Required members. Ranges are inclusive. Text lives as long as the JSON tree and is not empty. */
const char *dtp_json_text(dtp_json *json, const char *key);
double dtp_json_number(dtp_json *json, const char *key, double low, double high);
int64_t dtp_json_integer(dtp_json *json, const char *key, int64_t low, int64_t high);
bool dtp_json_bool(dtp_json *json, const char *key);

/* The index of the member's text in `choices` (NULL-terminated). */
int dtp_json_choice(dtp_json *json, const char *key, const char *const *choices);

/* An array of `least` to `most` numbers; returns how many. */
int dtp_json_numbers(dtp_json *json, const char *key, double *out, int least, int most, double low, double high);
int dtp_json_integers(dtp_json *json, const char *key, int64_t *out, int least, int most, int64_t low, int64_t high);

/* An array of `least` to `most` arrays of two numbers; returns how many. */
int dtp_json_pairs(dtp_json *json, const char *key, double (*out)[2], int least, int most, double low, double high);

/* An object member of at most `most` texts, neither they nor their keys empty. */
void dtp_json_texts(dtp_json *json, const char *key, int most);

/* An array member of `least` to `most` elements of any kind, or NULL. */
const dtp_json_value *dtp_json_array(dtp_json *json, const char *key, int least, int most);

/* Refuses every key that was neither read nor asked for. */
void dtp_json_close(dtp_json *json);

/* A value as ASCII for a message, with "..." where it does not fit. */
const char *dtp_json_show(const dtp_json_value *value, char *text, size_t size);

/* An error of this section: "path.key: text". */
__attribute__((format(printf, 4, 5))) void dtp_json_fail(dtp_json *json, const char *key, deeptepp_status status,
                                                         const char *format, ...);

#endif
