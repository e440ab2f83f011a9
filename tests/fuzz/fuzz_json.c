/* Any bytes as JSON. What is accepted is written, read again and the same. */
#include "../../libdeeptepp/base/json.h"
#include "../../libdeeptepp/base/json_write.h"
#include "../../libdeeptepp/base/text.h"
#include "fuzz.h"

enum { MOST = 1 << 16 };

static void check_value(const dtp_json_value *value)
{
    double number;
    bool numeric = value->kind == DTP_JSON_INTEGER || value->kind == DTP_JSON_REAL;
    require(dtp_json_real(value, &number) == numeric && (!numeric || isfinite(number)));
    require((value->text != NULL) == (numeric || value->kind == DTP_JSON_TEXT));
    require(value->kind != DTP_JSON_INTEGER || (double)dtp_json_whole(value) == number);
    for (const char *c = value->text; c && *c;) {
        int length = dtp_utf8_length(c, strlen(c));
        require(length > 0);
        c += length;
    }
    uint32_t count = 0;
    if (value->kind >= DTP_JSON_ARRAY)
        DTP_JSON_EACH(child, value) {
            require((child->key != NULL) == (value->kind == DTP_JSON_OBJECT));
            require(!child->key || dtp_json_find(value, child->key) == child);
            count++;
        }
    require(count == value->count && value->span >= 1);
}

static char *written(const dtp_json_value *tree, dtp_json_writer writer)
{
    dtp_write_value(&writer, NULL, tree);
    char *text = dtp_write_finish(&writer);
    require(text != NULL);
    return text;
}

/* Each way of writing reads back as the same tree. */
static void check_written(const dtp_json_value *tree, const char *plain, dtp_json_writer writer)
{
    dtp_json_value *again;
    char *text = written(tree, writer);
    require(dtp_json_parse(&again, text, strlen(text), MOST, "again", NULL, NULL) == DEEPTEPP_OK);
    char *same = written(again, (dtp_json_writer){0});
    require(again->span == tree->span && strcmp(same, plain) == 0);
    free(same);
    free(again);
    free(text);
}

static void check_shown(const dtp_json_value *tree)
{
    for (size_t room = 4; room < 64; room += 7) {
        char shown[64];
        memset(shown, 'x', sizeof shown);
        require(strlen(dtp_json_show(tree, shown, room)) < room);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    dtp_json_value *tree;
    deeptepp_error error = {0};
    deeptepp_status status = dtp_json_parse(&tree, (const char *)bytes, size, MOST, "text", NULL, &error);
    require(error.status == status && (status == DEEPTEPP_OK) == (tree != NULL));
    if (!tree)
        return 0;
    for (uint32_t i = 0; i < tree->span; i++)
        check_value(&tree[i]);
    char *plain = written(tree, (dtp_json_writer){0});
    check_written(tree, plain, (dtp_json_writer){0});
    check_written(tree, plain, (dtp_json_writer){.compact = true, .ascii = true});
    check_shown(tree);
    free(plain);
    free(tree);
    return 0;
}
