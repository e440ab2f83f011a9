#include "case.h"

#include "mask.h"

deeptepp_status deeptepp_case_new(deeptepp_case **out, deeptepp_error *error)
{
    if (!out)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "out: NULL, wanted a place for the case");
    *out = calloc(1, sizeof **out);
    return *out ? DEEPTEPP_OK : dtp_fail_memory(error, "a case", sizeof **out);
}

void deeptepp_case_free(deeptepp_case *patient)
{
    if (!patient)
        return;
    for (size_t n = 0; n < patient->n_channels; n++) {
        free(patient->channels[n].name);
        deeptepp_volume_free(patient->channels[n].image);
    }
    for (size_t n = 0; n < patient->n_covariates; n++)
        free(patient->covariates[n].name);
    deeptepp_volume_free(patient->mask);
    free(patient->channels);
    free(patient->covariates);
    free(patient);
}

/* Room for one element more, and a copy of its name. On failure the array may have grown, which changes nothing. */
static deeptepp_status make_room(void **array, size_t count, size_t size, const char *name, char **copy,
                                 deeptepp_error *error)
{
    size_t bytes;
    void *larger = dtp_mul_overflows(count + 1, size, &bytes) ? NULL : realloc(*array, bytes);
    if (!larger)
        return dtp_fail_memory(error, "a case", size);
    *array = larger;
    *copy = strdup(name);
    return *copy ? DEEPTEPP_OK : dtp_fail_memory(error, "a name", strlen(name) + 1);
}

deeptepp_status deeptepp_case_set_image(deeptepp_case *patient, const char *name, deeptepp_volume *image,
                                        deeptepp_error *error)
{
    if (!patient || !image || (name && !*name))
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s, wanted a case, an image, and a channel name or NULL",
                        !patient ? "case: NULL" : !image ? "image: NULL" : "name: empty");
    if (!name)
        name = "";
    for (size_t n = 0; n < patient->n_channels; n++)
        if (strcmp(patient->channels[n].name, name) == 0)
            return dtp_about(dtp_fail(error, DEEPTEPP_ERR_CHANNEL_DUPLICATE,
                                      "channel \"%.100s\": given twice, wanted once", name),
                             (int32_t)n + 1, DEEPTEPP_NO_VOLUME, error);
    void *array = patient->channels;
    dtp_channel channel = {.image = image};
    deeptepp_status status = make_room(&array, patient->n_channels, sizeof channel, name, &channel.name, error);
    patient->channels = array;
    if (status != DEEPTEPP_OK)
        return status;
    dtp_volume_ref(image);
    patient->channels[patient->n_channels++] = channel;
    return DEEPTEPP_OK;
}

deeptepp_status deeptepp_case_set_mask(deeptepp_case *patient, deeptepp_volume *mask,
                                       const deeptepp_mask_options *options, deeptepp_error *error)
{
    deeptepp_mask_options read;
    if (!patient || !mask)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s: NULL, wanted a case and a mask", patient ? "mask" : "case");
    deeptepp_status status = dtp_mask_options_read(&read, options, error);
    if (status != DEEPTEPP_OK)
        return status;
    deeptepp_volume *before = patient->mask;
    patient->mask = dtp_volume_ref(mask);
    patient->mask_options = read;
    deeptepp_volume_free(before);
    return DEEPTEPP_OK;
}

/* R's missing integer arrives as INT32_MIN once it is converted to double. By its bits: the host may trap NaNs. */
static bool is_missing(double value)
{
    const double integer = INT32_MIN;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits >> 52 & 0x7ff) == 0x7ff || memcmp(&value, &integer, sizeof value) == 0;
}

deeptepp_status deeptepp_case_set_covariate(deeptepp_case *patient, const char *name, double value,
                                            deeptepp_error *error)
{
    if (!patient || !name || !*name)
        return dtp_fail(error, DEEPTEPP_ERR_ARGUMENT, "%s, wanted a case and a covariate's name",
                        !patient ? "case: NULL" : !name ? "name: NULL" : "name: empty");
    for (size_t n = 0; n < patient->n_covariates; n++)
        if (strcmp(patient->covariates[n].name, name) == 0)
            return dtp_fail(error, DEEPTEPP_ERR_COVARIATE_DUPLICATE, "covariate \"%.100s\": given twice, wanted once",
                            name);
    if (is_missing(value))
        return dtp_fail(error, DEEPTEPP_ERR_COVARIATE_VALUE,
                        "covariate \"%.100s\": %.17g, which means missing, wanted a finite value", name, value);
    void *array = patient->covariates;
    dtp_covariate_value covariate = {.value = value};
    deeptepp_status status = make_room(&array, patient->n_covariates, sizeof covariate, name, &covariate.name, error);
    patient->covariates = array;
    if (status != DEEPTEPP_OK)
        return status;
    patient->covariates[patient->n_covariates++] = covariate;
    return DEEPTEPP_OK;
}
