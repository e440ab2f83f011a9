/* What a model's description says (docs/model-format.md), by key, e.g. "input.region.rule" or "covariates.%zu.name". */
#ifndef DEEPTEPP_CLI_PROPERTY_H
#define DEEPTEPP_CLI_PROPERTY_H

#include "cli.h"

/* The text, "" where there is none; whether it is `value`; the number, 0 where there is none. */
__attribute__((format(printf, 2, 3))) const char *cli_property(const deeptepp_model *model, const char *key, ...);
bool cli_property_is(const deeptepp_model *model, const char *key, const char *value);
__attribute__((format(printf, 2, 3))) double cli_property_number(const deeptepp_model *model, const char *key, ...);

/* The first two numbers of an array; those that are not there are 0. */
void cli_property_pair(const deeptepp_model *model, const char *key, double pair[2]);

/* An array's numbers, to six digits, with commas, into `out`. Returns `out`. */
const char *cli_property_numbers(const deeptepp_model *model, const char *key, char *out, size_t size);

#endif
