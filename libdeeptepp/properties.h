/* A JSON object, flattened: keys joined by dots, each plain value or list of plain values as text. */
#ifndef DTP_PROPERTIES_H
#define DTP_PROPERTIES_H

#include "base/json_tree.h"

typedef struct dtp_property {
    char *key;   /* "covariates.0.name"; owned, with the value in the same block */
    char *value; /* texts as they are, numbers shortest, true, false, null; a list's joined by ", " */
} dtp_property;

typedef struct dtp_properties {
    dtp_property *items; /* in the object's order */
    size_t count, room;
} dtp_properties;

/* false: no memory. Give back what was made either way. */
bool dtp_properties_make(dtp_properties *out, const dtp_json_value *object);
void dtp_properties_free(dtp_properties *properties);

#endif
