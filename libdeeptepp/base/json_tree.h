/* JSON read whole: every value and text of it in one block of memory, immutable. */
#ifndef DTP_JSON_TREE_H
#define DTP_JSON_TREE_H

#include "watch.h"

typedef enum dtp_json_kind {
    DTP_JSON_NULL,
    DTP_JSON_FALSE,
    DTP_JSON_TRUE,
    DTP_JSON_INTEGER,
    DTP_JSON_REAL,
    DTP_JSON_TEXT,
    DTP_JSON_ARRAY,
    DTP_JSON_OBJECT,
} dtp_json_kind;

typedef struct dtp_json_value {
    const char *key;  /* of an object's member; else NULL */
    const char *text; /* of a text, escapes undone; of a number as it was written; else NULL */
    dtp_json_kind kind;
    uint32_t count; /* values directly in an array or object */
    uint32_t span;  /* this value and all within it, which follow it: value + span comes next */
} dtp_json_value;

/* One value, strictly: RFC 8259, UTF-8, no duplicate key, no NUL (not even as \u0000), integers of 64 bits, reals
 * within double, at most 32 brackets deep and `most` values (up to 2^31). `what` is named in messages. The only
 * allocation is the tree itself, at most one byte a byte of text and 48 a value; give it back with free().
 * watch: NULL, or asked some thousand times a second. Errors: MODEL_JSON, MEMORY, CANCELLED. */
deeptepp_status dtp_json_parse(dtp_json_value **out, const char *text, size_t size, size_t most, const char *what,
                               dtp_watch *watch, deeptepp_error *error);

/* The member of an object, or NULL: none of that name, or no object. */
const dtp_json_value *dtp_json_find(const dtp_json_value *object, const char *key);

/* Each value of an array or object. */
#define DTP_JSON_EACH(child, parent)                                                                                   \
    for (const dtp_json_value *child = (parent) + 1; child < (parent) + (parent)->span; child += child->span)

/* A number's value. false: no number, or no memory. */
bool dtp_json_real(const dtp_json_value *value, double *out);

/* An integer's value; 0 for anything else. */
int64_t dtp_json_whole(const dtp_json_value *value);

#endif
