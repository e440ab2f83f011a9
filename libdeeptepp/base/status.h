/* Failing: a status and one line of text in the caller's error struct. */
#ifndef DTP_STATUS_H
#define DTP_STATUS_H

#include <deeptepp/deeptepp.h>

/* Names come from files and callers, and may be cut short: control characters and bytes that are no UTF-8 become '?', so
 * that one line stays one line and no terminal is steered. */
void dtp_clean_line(char *text);

/* Writes the status and the formatted line, cleaned, and returns the status. error may be NULL. */
__attribute__((format(printf, 3, 4))) deeptepp_status dtp_fail(deeptepp_error *error, deeptepp_status status,
                                                               const char *format, ...);

/* dtp_fail for an allocation: names what was being made and its size. */
deeptepp_status dtp_fail_memory(deeptepp_error *error, const char *what, size_t bytes);

/* The struct_size rule for every options struct: known from the version that made it up to this one. */
deeptepp_status dtp_check_struct(size_t found, size_t smallest, size_t largest, const char *name,
                                 deeptepp_error *error);

/* dtp_fail and leave by the function's `fail` label; needs `status` and `error` in scope. */
#define DTP_FAIL(code, ...)                                                                                            \
    do {                                                                                                               \
        status = dtp_fail(error, DEEPTEPP_ERR_##code, __VA_ARGS__);                                                    \
        goto fail;                                                                                                     \
    } while (0)

/* Leave by `fail` when the call did not succeed. */
#define DTP_TRY(call)                                                                                                  \
    do {                                                                                                               \
        status = (call);                                                                                               \
        if (status != DEEPTEPP_OK)                                                                                     \
            goto fail;                                                                                                 \
    } while (0)

#endif
