#include "property.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

static const char *look_up(const deeptepp_model *model, const char *format, va_list arguments)
{
    char key[128];
    vsnprintf(key, sizeof key, format, arguments);
    const char *value = deeptepp_model_property(model, key);
    return value ? value : "";
}

const char *cli_property(const deeptepp_model *model, const char *key, ...)
{
    va_list arguments;
    va_start(arguments, key);
    const char *value = look_up(model, key, arguments);
    va_end(arguments);
    return value;
}

bool cli_property_is(const deeptepp_model *model, const char *key, const char *value)
{
    return strcmp(cli_property(model, "%s", key), value) == 0;
}

double cli_property_number(const deeptepp_model *model, const char *key, ...)
{
    double number = 0;
    va_list arguments;
    va_start(arguments, key);
    const char *value = look_up(model, key, arguments);
    va_end(arguments);
    return cli_number_parse(value, &number) ? number : 0;
}

void cli_property_pair(const deeptepp_model *model, const char *key, double pair[2])
{
    const char *at = cli_property(model, "%s", key);
    pair[0] = pair[1] = 0;
    if (cli_number_read(&at, &pair[0]) && strncmp(at, ", ", 2) == 0) {
        at += 2;
        cli_number_read(&at, &pair[1]);
    }
}

const char *cli_property_numbers(const deeptepp_model *model, const char *key, char *out, size_t size)
{
    const char *at = cli_property(model, "%s", key);
    size_t used = 0;
    double number = 0;
    out[0] = '\0';
    while (used < size && cli_number_read(&at, &number)) {
        used += (size_t)snprintf(out + used, size - used, "%s%.6g", used ? ", " : "", number);
        at += strncmp(at, ", ", 2) == 0 ? 2 : 0;
    }
    return out;
}
