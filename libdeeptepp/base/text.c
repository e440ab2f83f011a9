#include "base.h"

#include <locale.h>
#include <stdio.h>

#include "floats.h"

typedef struct host_state {
    locale_t locale;
    fenv_t floats;
} host_state;

/* The C library holds the C locale ready: asking for it and giving it back allocates nothing. */
static bool enter(host_state *host)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    host->locale = uselocale(plain);
    dtp_floats_enter(&host->floats);
    return true;
}

static void leave(const host_state *host)
{
    dtp_floats_leave(&host->floats);
    freelocale(uselocale(host->locale));
}

int dtp_vformat(char *out, size_t size, const char *format, va_list arguments)
{
    host_state host;
    int length = -1;
    if (enter(&host)) {
        length = vsnprintf(out, size, format, arguments);
        leave(&host);
    }
    if (length < 0 && size > 0)
        *out = '\0';
    return length < 0 ? 0 : length;
}

int dtp_format(char *out, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = dtp_vformat(out, size, format, arguments);
    va_end(arguments);
    return length;
}

bool dtp_number(const char *text, double *out)
{
    host_state host;
    if (!enter(&host))
        return false;
    *out = strtod(text, NULL);
    leave(&host);
    return true;
}

void dtp_system_error(int number, char *out, size_t size)
{
    host_state host;
    bool known = false;
    if (enter(&host)) {
        known = strerror_r(number, out, size) == 0;
        leave(&host);
    }
    if (!known)
        dtp_format(out, size, "system error %d", number);
}

int dtp_utf8_length(const char *text, size_t size)
{
    const uint8_t *c = (const uint8_t *)text;
    if (size == 0)
        return 0;
    int length = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;
    if ((size_t)length > size)
        return 0;
    for (int i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool outside = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f);
    return overlong || outside ? 0 : length;
}
