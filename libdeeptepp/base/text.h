/* Numbers to text and back, and UTF-8: the one door to printf and strtod, behind which the host's locale and rounding
 * mode do not reach (tests/test_doors.py). */
#ifndef DTP_TEXT_H
#define DTP_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* snprintf and vsnprintf in the C locale. Where formatting fails: 0, and an empty text. */
__attribute__((format(printf, 3, 4))) int dtp_format(char *out, size_t size, const char *format, ...);
__attribute__((format(printf, 3, 0))) int dtp_vformat(char *out, size_t size, const char *format, va_list arguments);

/* The decimal number that `text` begins with, correctly rounded; infinite beyond double. false: no memory. */
bool dtp_number(const char *text, double *out);

/* The system's words for an error's number, in English. */
void dtp_system_error(int number, char *out, size_t size);

/* Bytes of the UTF-8 character (RFC 3629) that `text` begins with; 0 where there is none within `size`. */
int dtp_utf8_length(const char *text, size_t size);

#endif
