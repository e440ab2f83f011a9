/* A strict tokenizer of JSON (RFC 8259) over bytes: one token a call, nothing allocated, no recursion. Stricter than
 * the RFC in that no text holds a NUL, not even as \u0000, and that an integer fits 64 bits. */
#ifndef DTP_JSON_TOKENS_H
#define DTP_JSON_TOKENS_H

#include "watch.h"

enum { DTP_JSON_MAX_DEPTH = 32 };

typedef enum dtp_token {
    DTP_TOKEN_FAULT, /* not JSON: `fault` says why, `at` where */
    DTP_TOKEN_END,
    DTP_TOKEN_NULL,
    DTP_TOKEN_FALSE,
    DTP_TOKEN_TRUE,
    DTP_TOKEN_INTEGER, /* neither fraction nor exponent */
    DTP_TOKEN_REAL,
    DTP_TOKEN_TEXT,
    DTP_TOKEN_KEY, /* and its colon */
    DTP_TOKEN_ARRAY,
    DTP_TOKEN_OBJECT,
    DTP_TOKEN_CLOSE,
} dtp_token;

typedef struct dtp_tokens {
    const char *text;
    size_t size, at;
    const dtp_watch *watch; /* once it is cancelled a text may be a fault, or copied in part */
    size_t begin, end; /* of the token; of a text or key without its quotes */
    size_t length;     /* bytes of a text or key with its escapes undone, or of a number */
    int depth;         /* brackets open after this token */
    uint32_t objects;  /* a bit for each of them: an object, else an array */
    enum { DTP_WANT_VALUE, DTP_WANT_VALUE_OR_CLOSE, DTP_WANT_KEY, DTP_WANT_KEY_OR_CLOSE, DTP_WANT_COMMA_OR_CLOSE,
           DTP_WANT_END } want;
    const char *fault;
} dtp_tokens;

/* After a fault or the end, call no more. */
dtp_token dtp_tokens_next(dtp_tokens *tokens);

/* Writes the `length` bytes of the text, key or number that was just read, and a NUL. */
void dtp_tokens_copy(const dtp_tokens *tokens, char *out);

/* The value of an integer's text; false when it does not fit. */
bool dtp_tokens_integer(const char *text, size_t size, int64_t *out);

#endif
