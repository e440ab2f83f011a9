/* Warnings gathered while a case is scored; they end up in its result. */
#ifndef DTP_WARNINGS_H
#define DTP_WARNINGS_H

#include "base.h"

/* Every covariate filled in (64); two headers, one geometry, one twin and one mean for each volume (17); the rest. */
enum { DTP_MAX_WARNINGS = 176 };

typedef struct dtp_warning {
    deeptepp_warning code;
    char message[320];
} dtp_warning;

typedef struct dtp_warnings {
    dtp_warning items[DTP_MAX_WARNINGS];
    int count;
} dtp_warnings;

__attribute__((format(printf, 3, 4))) void dtp_warn(dtp_warnings *warnings, deeptepp_warning code, const char *format,
                                                    ...);

#endif
