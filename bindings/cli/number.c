#include "number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Bytes of "e" and a whole number; 0: none. */
static size_t exponent_length(const char *text)
{
    if (*text != 'e' && *text != 'E')
        return 0;
    const size_t start = text[1] == '+' || text[1] == '-' ? 2 : 1, digits = count_digits(text + start);
    return digits ? start + digits : 0;
}

/* Bytes of the decimal number that `text` begins with; 0: none. */
static size_t number_length(const char *text)
{
    const size_t sign = *text == '+' || *text == '-', whole = count_digits(text + sign), point = sign + whole;
    const size_t fraction = text[point] == '.' ? count_digits(text + point + 1) : 0;
    if (whole + fraction == 0)
        return 0;
    const size_t mantissa = point + (text[point] == '.' ? 1 + fraction : 0);
    return mantissa + exponent_length(text + mantissa);
}

/* strtod takes much more, so it sees what is known to be decimal and must end where that does: under a locale with
 * another point, which this program never sets, it would not. */
bool cli_number_read(const char **text, double *value)
{
    char *end = NULL;
    const size_t length = number_length(*text);
    if (!length)
        return false;
    const double found = strtod(*text, &end);
    if (end != *text + length || !isfinite(found))
        return false;
    *value = found;
    *text = end;
    return true;
}

bool cli_number_read_natural(const char **text, uint64_t *value)
{
    const size_t length = count_digits(*text);
    uint64_t found = 0;
    for (size_t i = 0; i < length; i++)
        if (__builtin_mul_overflow(found, 10u, &found) ||
            __builtin_add_overflow(found, (uint64_t)((*text)[i] - '0'), &found))
            return false;
    if (!length)
        return false;
    *value = found;
    *text += length;
    return true;
}

bool cli_number_read_whole(const char **text, int64_t *value)
{
    uint64_t size = 0;
    const bool negative = **text == '-';
    const char *digits = *text + (negative || **text == '+');
    if (!cli_number_read_natural(&digits, &size) || size > INT64_MAX)
        return false;
    *value = negative ? -(int64_t)size : (int64_t)size;
    *text = digits;
    return true;
}

bool cli_number_parse(const char *text, double *value)
{
    return cli_number_read(&text, value) && *text == '\0';
}
