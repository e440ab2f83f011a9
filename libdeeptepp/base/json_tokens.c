#include "json_tokens.h"

static dtp_token fault(dtp_tokens *t, size_t at, const char *why)
{
    t->at = at;
    t->fault = why;
    return DTP_TOKEN_FAULT;
}

/* The byte at `at`, or -1 at the end. */
static int byte_at(const dtp_tokens *t, size_t at)
{
    return at < t->size ? (uint8_t)t->text[at] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(dtp_tokens *t)
{
    while (t->at < t->size && (t->text[t->at] == ' ' || t->text[t->at] == '\n' || t->text[t->at] == '\r' ||
                               t->text[t->at] == '\t'))
        t->at++;
}

static bool in_object(const dtp_tokens *t)
{
    return t->depth > 0 && (t->objects >> (t->depth - 1) & 1);
}

static void value_is_done(dtp_tokens *t)
{
    t->want = t->depth > 0 ? DTP_WANT_COMMA_OR_CLOSE : DTP_WANT_END;
}

/* ---- texts ---- */

/* Four hexadecimal digits, or -1. */
static int hex4(const dtp_tokens *t, size_t at)
{
    int value = 0;
    for (size_t i = at; i < at + 4; i++) {
        int c = byte_at(t, i), low = c | 0x20;
        if (!is_digit(c) && !(low >= 'a' && low <= 'f'))
            return -1;
        value = value * 16 + (is_digit(c) ? c - '0' : low - 'a' + 10);
    }
    return value;
}

/* The character of the \u escape that begins at `at`, and in *bytes the escape's own length; -1 when it is none, 0 also
 * for half a surrogate pair. */
static int32_t unicode_escape(const dtp_tokens *t, size_t at, size_t *bytes)
{
    int32_t first = hex4(t, at + 2);
    *bytes = 6;
    if (first < 0xd800 || first > 0xdfff)
        return first;
    if (first > 0xdbff || byte_at(t, at + 6) != '\\' || byte_at(t, at + 7) != 'u')
        return 0;
    int32_t second = hex4(t, at + 8);
    *bytes = 12;
    return second >= 0xdc00 && second <= 0xdfff ? 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00) : 0;
}

static char simple_escape(int c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = c > 0 ? strchr(from, c) : NULL;
    return found ? to[found - from] : '\0';
}

static size_t utf8_put(char *out, int32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    for (size_t i = more; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xff00 >> (more + 1) & 0xff) | c);
    return more + 1;
}

/* The bytes that an escape at `at` stands for, in out, how many in *length; the escape's own bytes, 0 for a bad one. */
static size_t escape(const dtp_tokens *t, size_t at, char out[4], size_t *length)
{
    size_t bytes;
    *length = 1;
    if (byte_at(t, at + 1) != 'u') {
        out[0] = simple_escape(byte_at(t, at + 1));
        return out[0] ? 2 : 0;
    }
    int32_t c = unicode_escape(t, at, &bytes);
    if (c <= 0)
        return 0;
    *length = utf8_put(out, c);
    return bytes;
}

/* Of plain ASCII from `at` on; eight bytes at a time, for headers are long. */
static size_t plain_run(const dtp_tokens *t, size_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    for (uint64_t word; at + 8 <= t->size; at += 8) {
        memcpy(&word, t->text + at, 8);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        if ((((word - ones * 0x20) | (quote - ones) | (slash - ones)) & high) || (word & high))
            break;
    }
    for (int c; (c = byte_at(t, at)) >= 0x20 && c < 0x80 && c != '"' && c != '\\';)
        at++;
    return at;
}

/* What is wrong with the byte c, at which neither a plain character nor a good escape begins. */
static const char *text_fault(int c)
{
    if (c == '\\')
        return "an escape that is none, or of half a character, or of NUL";
    return c < 0 ? "it ends within a text" : c < 0x20 ? "a control character within a text" : "not UTF-8";
}

/* From the opening quote on: sets begin, end and length. */
static bool scan_text(dtp_tokens *t)
{
    char bytes[4];
    t->begin = t->at + 1;
    t->length = 0;
    for (size_t at = t->begin, size;; at += size) {
        const size_t run = plain_run(t, at);
        t->length += run - at;
        at = run;
        int c = byte_at(t, at);
        if (dtp_watch_cancelled(t->watch)) {
            fault(t, at, "cancelled");
            return false;
        }
        if (c == '"') {
            t->end = at;
            t->at = at + 1;
            return true;
        }
        size_t length = size = c < 0x80 ? 0 : (size_t)dtp_utf8_length(t->text + at, t->size - at);
        if (c == '\\')
            size = escape(t, at, bytes, &length);
        if (size == 0) {
            fault(t, at, text_fault(c));
            return false;
        }
        t->length += length;
    }
}

/* ---- numbers ---- */

static bool scan_digits(dtp_tokens *t)
{
    size_t from = t->at;
    while (is_digit(byte_at(t, t->at)))
        t->at++;
    return t->at > from;
}

bool dtp_tokens_integer(const char *text, size_t size, int64_t *out)
{
    bool negative = size > 0 && text[0] == '-';
    *out = 0;
    for (size_t i = negative; i < size; i++) {
        int64_t digit = text[i] - '0';
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, negative ? -digit : digit, out))
            return false;
    }
    return true;
}

static dtp_token finish_number(dtp_tokens *t, bool real)
{
    int64_t value;
    t->end = t->at;
    t->length = t->end - t->begin;
    if (!real && !dtp_tokens_integer(t->text + t->begin, t->length, &value))
        return fault(t, t->begin, "too big an integer");
    value_is_done(t);
    return real ? DTP_TOKEN_REAL : DTP_TOKEN_INTEGER;
}

static dtp_token number(dtp_tokens *t)
{
    static const char wrong[] = "a number that is none";
    bool real = false;
    t->at += byte_at(t, t->at) == '-';
    bool zero = byte_at(t, t->at) == '0';
    t->at += zero;
    if (!zero && !scan_digits(t))
        return fault(t, t->at, wrong);
    if (byte_at(t, t->at) == '.') {
        real = true;
        t->at++;
        if (!scan_digits(t))
            return fault(t, t->at, wrong);
    }
    if ((byte_at(t, t->at) | 0x20) == 'e') {
        real = true;
        t->at++;
        t->at += byte_at(t, t->at) == '+' || byte_at(t, t->at) == '-';
        if (!scan_digits(t))
            return fault(t, t->at, wrong);
    }
    return finish_number(t, real);
}

/* ---- the rest ---- */

static dtp_token literal(dtp_tokens *t)
{
    static const char *const words[] = {"null", "false", "true"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if (t->size - t->at >= length && memcmp(t->text + t->at, words[i], length) == 0) {
            t->at += length;
            value_is_done(t);
            return (dtp_token)(DTP_TOKEN_NULL + i);
        }
    }
    return fault(t, t->at, "no value begins like this");
}

static dtp_token open_bracket(dtp_tokens *t, bool object)
{
    if (t->depth == DTP_JSON_MAX_DEPTH)
        return fault(t, t->at, "brackets 33 deep, wanted at most 32");
    uint32_t bit = UINT32_C(1) << t->depth++;
    t->objects = object ? t->objects | bit : t->objects & ~bit;
    t->want = object ? DTP_WANT_KEY_OR_CLOSE : DTP_WANT_VALUE_OR_CLOSE;
    t->at++;
    return object ? DTP_TOKEN_OBJECT : DTP_TOKEN_ARRAY;
}

static dtp_token close_bracket(dtp_tokens *t, bool object)
{
    bool due = t->want == DTP_WANT_COMMA_OR_CLOSE || t->want == DTP_WANT_KEY_OR_CLOSE ||
               t->want == DTP_WANT_VALUE_OR_CLOSE;
    if (!due || in_object(t) != object)
        return fault(t, t->at, "a closing bracket that is not due");
    t->depth--;
    t->at++;
    value_is_done(t);
    return DTP_TOKEN_CLOSE;
}

static dtp_token key(dtp_tokens *t)
{
    if (byte_at(t, t->at) != '"')
        return fault(t, t->at, "wanted a key");
    if (!scan_text(t))
        return DTP_TOKEN_FAULT;
    skip_space(t);
    if (byte_at(t, t->at) != ':')
        return fault(t, t->at, "wanted a colon");
    t->at++;
    t->want = DTP_WANT_VALUE;
    return DTP_TOKEN_KEY;
}

static dtp_token value(dtp_tokens *t, int c)
{
    t->begin = t->at;
    if (c == '{' || c == '[')
        return open_bracket(t, c == '{');
    if (c == '-' || is_digit(c))
        return number(t);
    if (c != '"')
        return literal(t);
    if (!scan_text(t))
        return DTP_TOKEN_FAULT;
    value_is_done(t);
    return DTP_TOKEN_TEXT;
}

dtp_token dtp_tokens_next(dtp_tokens *t)
{
    skip_space(t);
    if (t->want == DTP_WANT_COMMA_OR_CLOSE && byte_at(t, t->at) == ',') {
        t->at++;
        t->want = in_object(t) ? DTP_WANT_KEY : DTP_WANT_VALUE;
        skip_space(t);
    }
    int c = byte_at(t, t->at);
    if (c < 0)
        return t->want == DTP_WANT_END ? DTP_TOKEN_END : fault(t, t->at, "it ends too soon");
    if (c == '}' || c == ']')
        return close_bracket(t, c == '}');
    if (t->want == DTP_WANT_KEY || t->want == DTP_WANT_KEY_OR_CLOSE)
        return key(t);
    if (t->want == DTP_WANT_VALUE || t->want == DTP_WANT_VALUE_OR_CLOSE)
        return value(t, c);
    return fault(t, t->at,
                 t->want == DTP_WANT_END ? "something follows the value" : "wanted a comma or closing bracket");
}

void dtp_tokens_copy(const dtp_tokens *t, char *out)
{
    size_t length;
    for (size_t at = t->begin; at < t->end && !dtp_watch_cancelled(t->watch);) {
        const char *slash = memchr(t->text + at, '\\', t->end - at);
        size_t run = slash ? (size_t)(slash - t->text) - at : t->end - at;
        memcpy(out, t->text + at, run);
        out += run;
        at += run;
        if (!slash)
            break;
        at += escape(t, at, out, &length);
        out += length;
    }
    *out = '\0';
}
