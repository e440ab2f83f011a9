#include "risk.h"

#include <math.h>

static void parse_levels(dtp_covariate *out, dtp_json *json)
{
    const dtp_json_value *levels = dtp_json_array(json, "levels", 1, DTP_MAX_LEVELS);
    if (!levels)
        return;
    DTP_JSON_EACH(item, levels) {
        char path[96];
        const int i = out->n_levels++;
        dtp_format(path, sizeof path, "%.60s.levels[%d]", json->path, i);
        dtp_json level = dtp_json_root(item, path, json->check);
        out->level_names[i] = dtp_json_text(&level, "name");
        out->values[i] = dtp_json_number(&level, "value", -1e9, 1e9);
        out->effects[i] = dtp_json_number(&level, "coefficient", -1e9, 1e9);
        for (int j = 0; j < i; j++)
            if (out->values[j] == out->values[i])
                dtp_json_fail(&level, "value", DEEPTEPP_ERR_MODEL_VALUE, "%g stands twice", out->values[i]);
        dtp_json_close(&level);
    }
}

static void parse_line(dtp_covariate *out, dtp_json *json)
{
    dtp_json_numbers(json, "range", out->range, 2, 2, -1e9, 1e9);
    if (json->object && !(out->range[0] <= out->range[1]))
        dtp_json_fail(json, "range", DEEPTEPP_ERR_MODEL_VALUE, "is [%g, %g], wanted rising", out->range[0],
                      out->range[1]);
    out->coefficient = dtp_json_number(json, "coefficient", -1e9, 1e9);
    if (dtp_json_has(json, "centre"))
        out->centre = dtp_json_number(json, "centre", -1e9, 1e9);
}

/* The term of a value, or false when the value is out of range or no level. */
static bool term_of(const dtp_covariate *covariate, double value, double *term)
{
    if (!covariate->n_levels) {
        *term = covariate->coefficient * (value - covariate->centre);
        return value >= covariate->range[0] && value <= covariate->range[1];
    }
    for (int i = 0; i < covariate->n_levels; i++) {
        if (covariate->values[i] == value) {
            *term = covariate->effects[i];
            return true;
        }
    }
    return false;
}

static void parse_covariate(dtp_covariate *out, dtp_json *json)
{
    double term;
    out->name = dtp_json_text(json, "name");
    out->unit = dtp_json_text(json, "unit");
    if (dtp_json_has(json, "levels"))
        parse_levels(out, json);
    else
        parse_line(out, json);
    if (dtp_json_has(json, "missing")) {
        out->has_substitute = true;
        out->substitute = dtp_json_number(json, "missing", -1e9, 1e9);
        if (json->object && !term_of(out, out->substitute, &term))
            dtp_json_fail(json, "missing", DEEPTEPP_ERR_MODEL_VALUE, "is %g, not a value this covariate may have",
                          out->substitute);
    }
    dtp_json_close(json);
}

static void parse_covariates(dtp_risk *out, dtp_json *root)
{
    const dtp_json_value *array = dtp_json_array(root, "covariates", 0, DTP_MAX_COVARIATES);
    if (!array)
        return;
    out->covariates = calloc((size_t)array->count + 1, sizeof *out->covariates);
    if (!out->covariates) {
        dtp_json_fail(root, "covariates", DEEPTEPP_ERR_MEMORY, "out of memory");
        return;
    }
    DTP_JSON_EACH(value, array) {
        char path[24];
        const int i = out->n_covariates++;
        dtp_format(path, sizeof path, "covariates[%d]", i);
        dtp_json item = dtp_json_root(value, path, root->check);
        parse_covariate(&out->covariates[i], &item);
        for (int j = 0; j < i; j++)
            if (strcmp(out->covariates[i].name, out->covariates[j].name) == 0)
                dtp_json_fail(root, "covariates", DEEPTEPP_ERR_MODEL_VALUE, "\"%.60s\" stands twice",
                              out->covariates[i].name);
    }
}

/* How many there are. */
static int parse_tier_names(dtp_risk *out, dtp_json *tiers)
{
    int count = 0;
    const dtp_json_value *names = dtp_json_array(tiers, "names", 2, DTP_MAX_TIERS);
    if (!names)
        return 0;
    DTP_JSON_EACH(name, names) {
        out->tiers[count] = name->kind == DTP_JSON_TEXT ? name->text : "";
        if (!*out->tiers[count])
            dtp_json_fail(tiers, "names", DEEPTEPP_ERR_MODEL_VALUE, "element %d is not a text", count);
        count++;
    }
    return count;
}

static void parse_tiers(dtp_risk *out, dtp_json tiers)
{
    const int count = parse_tier_names(out, &tiers);
    int cuts = dtp_json_numbers(&tiers, "cutpoints", out->cutpoints, 1, DTP_MAX_TIERS - 1, -1e30, 1e30);
    if (tiers.object && cuts != count - 1)
        dtp_json_fail(&tiers, "cutpoints", DEEPTEPP_ERR_MODEL_VALUE, "has %d numbers for %d names, wanted %d", cuts,
                      count, count - 1);
    for (int i = 1; i < cuts; i++)
        if (!(out->cutpoints[i] > out->cutpoints[i - 1]))
            dtp_json_fail(&tiers, "cutpoints", DEEPTEPP_ERR_MODEL_VALUE, "number %d does not rise", i);
    dtp_json_text(&tiers, "source");
    if (dtp_json_has(&tiers, "tolerance"))
        out->tolerance = dtp_json_number(&tiers, "tolerance", 0, 1e30);
    if (dtp_json_has(&tiers, "guidance")) {
        static const char *const choices[] = {"deeptepp", NULL};
        dtp_json_choice(&tiers, "guidance", choices);
        out->guidance = true;
        if (tiers.object && count != 3)
            dtp_json_fail(&tiers, "guidance", DEEPTEPP_ERR_MODEL_VALUE, "is for 3 tiers, the file has %d", count);
    }
    out->n_tiers = count;
    dtp_json_close(&tiers);
}

static void parse_calibration(dtp_risk *out, dtp_json calibration)
{
    dtp_json_text(&calibration, "endpoint");
    dtp_json_text(&calibration, "unit");
    dtp_json_text(&calibration, "source");
    int times = dtp_json_numbers(&calibration, "times", out->times, 1, DTP_MAX_TIMES, 1e-9, 1e9);
    int values = dtp_json_numbers(&calibration, "baseline_survival", out->baseline, 1, DTP_MAX_TIMES, 1e-12, 1);
    if (calibration.object && times != values)
        dtp_json_fail(&calibration, "baseline_survival", DEEPTEPP_ERR_MODEL_VALUE, "has %d numbers for %d times",
                      values, times);
    for (int i = 1; i < times; i++)
        if (!(out->times[i] > out->times[i - 1]) || out->baseline[i] > out->baseline[i - 1])
            dtp_json_fail(&calibration, "times", DEEPTEPP_ERR_MODEL_VALUE,
                          "number %d: times must rise and survival must not", i);
    out->slope = dtp_json_number(&calibration, "slope", -1e9, 1e9);
    out->centre = dtp_json_number(&calibration, "centre", -1e9, 1e9);
    out->n_times = times;
    dtp_json_close(&calibration);
}

static void parse_self_test(dtp_risk *out, dtp_json test)
{
    out->has_self_test = true;
    out->self_test_seed = dtp_json_integer(&test, "seed", 0, INT64_C(1) << 53);
    out->self_test_score = dtp_json_number(&test, "score", -1e30, 1e30);
    out->self_test_tolerance = 1e-4;
    if (dtp_json_has(&test, "tolerance"))
        out->self_test_tolerance = dtp_json_number(&test, "tolerance", 0, 1);
    dtp_json_close(&test);
}

void dtp_risk_parse(dtp_risk *out, dtp_json *root)
{
    static const char *const rules[] = {"logit", "softmax", NULL};
    *out = (dtp_risk){.tolerance = NAN};
    dtp_json score = dtp_json_child(root, "score");
    out->softmax = dtp_json_choice(&score, "rule", rules) == 1;
    out->class_index = dtp_json_integer(&score, "class", 0, 4095);
    dtp_json_close(&score);
    if (dtp_json_has(root, "covariates"))
        parse_covariates(out, root);
    if (dtp_json_has(root, "tiers"))
        parse_tiers(out, dtp_json_child(root, "tiers"));
    if (dtp_json_has(root, "calibration"))
        parse_calibration(out, dtp_json_child(root, "calibration"));
    if (dtp_json_has(root, "self_test"))
        parse_self_test(out, dtp_json_child(root, "self_test"));
}

void dtp_risk_free(dtp_risk *risk)
{
    free(risk->covariates);
    risk->covariates = NULL;
}

static double head_sum(const float *logits, int64_t heads, int64_t classes, int64_t class_index)
{
    double sum = 0;
    for (int64_t h = 0; h < heads; h++)
        sum += logits[h * classes + class_index];
    return sum;
}

double dtp_risk_rule(const dtp_risk *risk, const float *logits, int64_t heads, int64_t classes)
{
    double chosen = head_sum(logits, heads, classes, risk->class_index), sum = 0;
    if (!risk->softmax)
        return chosen;
    for (int64_t i = 0; i < classes; i++)
        sum += exp(head_sum(logits, heads, classes, i) - chosen);
    return 1 / sum;
}

/* Of a single class 0: its probability is 1 whatever its logit. */
double dtp_risk_log_odds(const dtp_risk *risk, const float *logits, int64_t heads, int64_t classes)
{
    double chosen = head_sum(logits, heads, classes, risk->class_index), largest = -INFINITY, sum = 0;
    if (!risk->softmax)
        return chosen;
    for (int64_t i = 0; i < classes; i++)
        if (i != risk->class_index)
            largest = fmax(largest, head_sum(logits, heads, classes, i));
    for (int64_t i = 0; i < classes; i++)
        if (i != risk->class_index)
            sum += exp(head_sum(logits, heads, classes, i) - largest);
    return classes > 1 ? chosen - largest - log(sum) : 0;
}

static const dtp_covariate_value *find_value(const deeptepp_case *patient, const char *name)
{
    for (size_t i = 0; i < patient->n_covariates; i++)
        if (strcmp(patient->covariates[i].name, name) == 0)
            return &patient->covariates[i];
    return NULL;
}

static deeptepp_status fail_unknown(const dtp_risk *risk, const char *name, deeptepp_error *error)
{
    char known[600] = "none";
    size_t used = 0;
    for (int i = 0; i < risk->n_covariates && used < sizeof known; i++)
        used += (size_t)dtp_format(known + used, sizeof known - used, "%s%s", i ? ", " : "", risk->covariates[i].name);
    return dtp_fail(error, DEEPTEPP_ERR_COVARIATE_UNKNOWN, "covariate \"%.100s\": the model knows: %s", name, known);
}

static deeptepp_status refuse_unknown(const dtp_risk *risk, const deeptepp_case *patient, deeptepp_error *error)
{
    for (size_t i = 0; i < patient->n_covariates; i++) {
        bool known = false;
        for (int j = 0; j < risk->n_covariates; j++)
            known |= strcmp(patient->covariates[i].name, risk->covariates[j].name) == 0;
        if (!known)
            return fail_unknown(risk, patient->covariates[i].name, error);
    }
    return DEEPTEPP_OK;
}

static deeptepp_status use_one(const dtp_covariate *covariate, const dtp_covariate_value *given, dtp_covariate_use *out,
                               dtp_warnings *warnings, deeptepp_error *error)
{
    double value = given ? given->value : covariate->substitute;
    *out = (dtp_covariate_use){.value = value, .filled = !given};
    if (!given && !covariate->has_substitute)
        return dtp_fail(error, DEEPTEPP_ERR_COVARIATE_MISSING, "covariate \"%.100s\" (%.60s): the model wants it",
                        covariate->name, covariate->unit);
    if (!given)
        dtp_warn(warnings, DEEPTEPP_WARN_COVARIATE_FILLED,
                 "covariate \"%.100s\" is missing: the model's substitute %g %.60s was used", covariate->name, value,
                 covariate->unit);
    if (term_of(covariate, value, &out->term))
        return DEEPTEPP_OK;
    if (covariate->n_levels)
        return dtp_fail(error, DEEPTEPP_ERR_COVARIATE_RANGE,
                        "covariate \"%.100s\" is %.9g, not one of the model's %d levels (%g, ...)", covariate->name,
                        value, covariate->n_levels, covariate->values[0]);
    return dtp_fail(error, DEEPTEPP_ERR_COVARIATE_RANGE, "covariate \"%.100s\" is %.9g %.60s, the model takes %g to %g",
                    covariate->name, value, covariate->unit, covariate->range[0], covariate->range[1]);
}

deeptepp_status dtp_risk_covariates(const dtp_risk *risk, const deeptepp_case *patient, dtp_covariate_use *uses,
                                    dtp_warnings *warnings, deeptepp_error *error)
{
    deeptepp_status status = refuse_unknown(risk, patient, error);
    for (int i = 0; i < risk->n_covariates && status == DEEPTEPP_OK; i++)
        status =
            use_one(&risk->covariates[i], find_value(patient, risk->covariates[i].name), &uses[i], warnings, error);
    return status;
}

static double tolerance_of(const dtp_risk *risk, int cutpoint)
{
    return isnan(risk->tolerance) ? 1e-4 * fmax(1, fabs(risk->cutpoints[cutpoint])) : risk->tolerance;
}

bool dtp_risk_near(const dtp_risk *risk, double score, double slack)
{
    for (int i = 0; i < risk->n_tiers - 1; i++)
        if (fabs(score - risk->cutpoints[i]) <= tolerance_of(risk, i) + slack)
            return true;
    return false;
}

int dtp_risk_tier(const dtp_risk *risk, double score, double *distance, dtp_warnings *warnings)
{
    int tier = 0, nearest = 0;
    *distance = NAN;
    if (!risk->n_tiers)
        return -1;
    for (int i = 0; i < risk->n_tiers - 1; i++) {
        tier += score > risk->cutpoints[i];
        if (fabs(score - risk->cutpoints[i]) < fabs(score - risk->cutpoints[nearest]))
            nearest = i;
    }
    *distance = score - risk->cutpoints[nearest];
    double tolerance = tolerance_of(risk, nearest);
    if (fabs(*distance) <= tolerance)
        dtp_warn(warnings, DEEPTEPP_WARN_NEAR_CUTPOINT,
                 "score %.9g lies within %.3g of the cut-point %.9g: the tier could be the neighbouring one", score,
                 tolerance, risk->cutpoints[nearest]);
    return tier;
}

double dtp_risk_survival(const dtp_risk *risk, double score, int index)
{
    return pow(risk->baseline[index], exp(risk->slope * (score - risk->centre)));
}
