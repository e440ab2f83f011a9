/* JSON written: into a buffer that grows, or into one that is given. A failure sticks and is asked for at the end. */
#ifndef DTP_JSON_WRITE_H
#define DTP_JSON_WRITE_H

#include "json_tree.h"

typedef struct dtp_json_writer {
    char *text;
    size_t used, room;
    bool compact;   /* no spaces; else two for each bracket, and a line for each value */
    bool ascii;     /* other characters as \u escapes */
    bool fixed;     /* text is the caller's, of `room` bytes: what does not fit is left out */
    bool cut;       /* something was */
    bool no_memory;
    int depth;
    uint32_t filled; /* a bit for each open bracket: something is in it */
} dtp_json_writer;

/* key: of an object's member; NULL in an array and at the root. */
void dtp_write_object(dtp_json_writer *writer, const char *key);
void dtp_write_array(dtp_json_writer *writer, const char *key);
void dtp_write_object_end(dtp_json_writer *writer);
void dtp_write_array_end(dtp_json_writer *writer);
void dtp_write_text(dtp_json_writer *writer, const char *key, const char *text); /* UTF-8 */
void dtp_write_integer(dtp_json_writer *writer, const char *key, int64_t value);
void dtp_write_bool(dtp_json_writer *writer, const char *key, bool value);
void dtp_write_null(dtp_json_writer *writer, const char *key);

/* 17 digits, which read back as the same number; JSON has no NaN: what is not finite is null. */
void dtp_write_number(dtp_json_writer *writer, const char *key, double value);

void dtp_write_numbers(dtp_json_writer *writer, const char *key, const double *values, int count);
void dtp_write_integers(dtp_json_writer *writer, const char *key, const int64_t *values, int count);

/* A value that was read, numbers as they were written; NULL: null. */
void dtp_write_value(dtp_json_writer *writer, const char *key, const dtp_json_value *value);

/* The members of an object that was read, into the one that is open. */
void dtp_write_members(dtp_json_writer *writer, const dtp_json_value *object);

/* The text of a writer whose buffer grows, for free(); NULL without memory, then and all along. */
char *dtp_write_finish(dtp_json_writer *writer);

#endif
