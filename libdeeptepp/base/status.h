/* Failing: a status and one line of text in the caller's error struct. */
#ifndef DTP_STATUS_H
#define DTP_STATUS_H

#include <stddef.h>

#include <deeptepp/deeptepp.h>

/* Names come from files and callers, and may be cut short: control characters and bytes that are no UTF-8 become '?',
 * so that one line stays one line and no terminal is steered. */
void dtp_clean_line(char *text);

/* Writes the status and the formatted line, cleaned, and returns the status. error may be NULL. */
__attribute__((format(printf, 3, 4))) deeptepp_status dtp_fail(deeptepp_error *error, deeptepp_status status,
                                                               const char *format, ...);

/* Says which volumes of a case (DEEPTEPP_MASK_VOLUME, or images from 1) a failure is about: around the call that
 * failed, whose status it returns. Not of OK, MEMORY and CANCELLED. error may be NULL. */
deeptepp_status dtp_about(deeptepp_status status, int32_t first, int32_t second, deeptepp_error *error);

/* Puts the file a failure is about before its message: "PATH: text". error may be NULL. */
void dtp_name_file(deeptepp_error *error, const char *path);

/* dtp_fail for an allocation: names what was being made and its size; 0: unknown. */
deeptepp_status dtp_fail_memory(deeptepp_error *error, const char *what, size_t bytes);

/* The struct_size rule for every options struct: as large as any version's from the first, which ended with the field
 * `last`. *out gets what the caller has and 0 for what it does not know yet; all 0 for NULL. What this library does not
 * know must be 0. Errors: STRUCT_SIZE. */
#define DTP_OPTIONS_READ(out, type, last, in, error)                                                                   \
    dtp_options_read(out, sizeof(type), offsetof(type, last) + sizeof((in)->last), in, #type, error)
deeptepp_status dtp_options_read(void *out, size_t known, size_t first, const void *in, const char *name,
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
