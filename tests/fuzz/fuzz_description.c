/* The description of a valid small model, damaged: a model file with it opens, or is refused with a status, and one
 * that opens says what it is and can be made ready to run. */
#include "../tiny_model.h"
#include "fuzz.h"

enum { MOST_TEXT = 1 << 14, MOST_BYTES = 1 << 24 };

static const char PATCH[] =
    "{\"covariates\": [{\"name\": \"age\", \"unit\": \"years\", \"range\": [18, 99.5], \"coefficient\": 0.01, "
    "\"centre\": 50, \"missing\": 50}, {\"name\": \"status\", \"unit\": \"class\", \"levels\": [{\"value\": 0, "
    "\"name\": \"neither\", \"coefficient\": 0}, {\"value\": 2.5, \"name\": \"both\", \"coefficient\": 0.4}]}], "
    "\"tiers\": {\"names\": [\"Low\", \"Middle\", \"High\"], \"cutpoints\": [0.27, 0.85], \"source\": \"none\", "
    "\"tolerance\": 0.1, \"guidance\": \"deeptepp\"}, \"calibration\": {\"endpoint\": \"relapse\", \"unit\": "
    "\"years\", \"source\": \"none\", \"times\": [3, 5], \"baseline_survival\": [0.9, 0.8], \"slope\": 1, "
    "\"centre\": 0}, \"self_test\": {\"seed\": 1, \"score\": 0.5}, \"input\": {\"min_mask_voxels\": 2, "
    "\"rotation_axis\": \"SI\", \"spacing_mm\": {\"hard\": [0.1, 9], \"usual\": [0.5, 2]}, \"intensity\": "
    "{\"rule\": \"percentile\", \"over\": \"image\", \"range\": [0, 1], \"percentiles\": [1, 99]}, "
    "\"usual\": {\"mask_ml\": [0.5, 60], \"intensity\": [[10, 250]]}}, \"provenance\": {\"epochs\": \"40\", "
    "\"software\": \"none\"}}";

static char *plain;           /* the description */
static tiny_bytes tensors;    /* what follows it in the file's header, and the data */
static size_t rest_of_header;

/* Of `{"__metadata__":{"deeptepp":"..."},"conv1...` the part from the quote before `},` on. */
static void prepare(void)
{
    const tiny_options options = {.seed = 1, .size = {8, 8, 8}, .patch = PATCH};
    tiny_model model = tiny_model_make(&options);
    plain = json_dumps(model.description, JSON_COMPACT);
    tensors = tiny_model_write(&model);
    uint64_t header;
    memcpy(&header, tensors.data, sizeof header);
    const char *text = (const char *)tensors.data + 8, *rest = strstr(text, "\"},\"conv1");
    require(plain && rest);
    rest_of_header = (size_t)header - (size_t)(rest - text);
    tensors.size -= (size_t)((const uint8_t *)rest - tensors.data);
    memmove(tensors.data, rest, tensors.size);
    tiny_model_free(&model);
}

/* Where the n-th of the signs stands that part a JSON text, counted round and round. */
static size_t sign(const char *text, size_t n)
{
    size_t count = 0;
    for (const char *c = text; *c; c++)
        count += strchr("{}[],:", *c) != NULL;
    n = count ? n % count : 0;
    for (const char *c = text; *c; c++)
        if (strchr("{}[],:", *c) && n-- == 0)
            return (size_t)(c - text);
    return 0;
}

/* What stands behind one sign and before the next becomes the line that the input holds. */
static void replace(char *text, bites *b)
{
    char line[200], rest[MOST_TEXT];
    size_t length = 0, at = sign(text, (size_t)bite_within(b, 0, 400)) + 1;
    while (b->left && *b->at != '\n' && length + 1 < sizeof line)
        line[length++] = (char)bite(b);
    line[length] = '\0';
    bite(b);
    snprintf(rest, sizeof rest, "%s", text + at + strcspn(text + at, "{}[],:"));
    snprintf(text + at, MOST_TEXT - at, "%s%s", line, rest);
}

static tiny_bytes make_file(const char *text)
{
    static const char before[] = "{\"__metadata__\":{\"deeptepp\":\"";
    tiny_bytes file = {.data = malloc(8 + sizeof before + 2 * strlen(text) + tensors.size), .size = 8};
    require(file.data != NULL);
    memcpy(file.data + 8, before, sizeof before - 1);
    file.size += sizeof before - 1;
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            file.data[file.size++] = '\\';
        file.data[file.size++] = (uint8_t)*text;
    }
    uint64_t header = file.size - 8 + rest_of_header;
    memcpy(file.data, &header, sizeof header);
    memcpy(file.data + file.size, tensors.data, tensors.size);
    file.size += tensors.size;
    return file;
}

static void check(deeptepp_model *opened)
{
    int64_t shape[5];
    deeptepp_session *session = NULL;
    deeptepp_error error = {0};
    deeptepp_model_input_shape(opened, shape);
    require(deeptepp_model_channel_count(opened) == shape[1] && deeptepp_model_property_count(opened) > 0);
    for (int64_t i = 0; i < deeptepp_model_property_count(opened); i++)
        require(deeptepp_model_property(opened, deeptepp_model_property_key(opened, i)) != NULL);
    require(deeptepp_model_memory(opened) > 0 && strlen(deeptepp_model_sha256(opened)) == 64);
    const deeptepp_session_options options = {.struct_size = sizeof options, .memory_limit = MOST_BYTES};
    deeptepp_status status = deeptepp_session_new(&session, opened, &options, &error);
    require_sound(status, &error);
    require(status == DEEPTEPP_OK || status == DEEPTEPP_ERR_MEMORY_LIMIT);
    double expected = 0, found = 0;
    if (session)
        status = deeptepp_session_self_test(session, &expected, &found, NULL);
    require(status != DEEPTEPP_OK || isfinite(found));
    deeptepp_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char text[MOST_TEXT];
    bites b = {bytes, size};
    deeptepp_model *opened;
    deeptepp_error error = {0};
    if (!plain)
        prepare();
    snprintf(text, sizeof text, "%s", plain);
    while (b.left && size < 1000)
        replace(text, &b);
    tiny_bytes file = make_file(text);
    const deeptepp_model_options options = {.struct_size = sizeof options, .threads = 1};
    deeptepp_status status = deeptepp_model_from_bytes(&opened, file.data, file.size, &options, &error);
    require_sound(status, &error);
    require((status == DEEPTEPP_OK) == (opened != NULL));
    if (opened)
        check(opened);
    deeptepp_model_free(opened);
    free(file.data);
    return 0;
}
