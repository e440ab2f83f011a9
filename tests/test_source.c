/* A file's stored bytes: all of them, in order, no more than allowed, and a question every 512 KiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "../libdeeptepp/base/source.h"
#include "../libdeeptepp/file/model_file.h"

enum { SIZE = (5 << 19) + 12345 };

static char path[] = "/tmp/deeptepp-source-XXXXXX";
static uint8_t content[SIZE];

static int make_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 2654435761u >> 13);
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, content, SIZE) == SIZE;
    close(fd);
    return written ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void open_source(dtp_source *source, bool memory, uint64_t limit, dtp_watch *watch)
{
    deeptepp_error error;
    if ((memory ? dtp_source_open_bytes(source, content, SIZE, limit, watch, &error)
                : dtp_source_open(source, path, limit, watch, &error)) != DEEPTEPP_OK)
        fail_msg("%s", error.message);
}

static void every_byte_comes_once_and_counts_in_the_digest(void **state)
{
    (void)state;
    static const size_t steps[] = {1 << 12, 4097, 300000, 1 << 19, SIZE, 2 * SIZE};
    char wanted[DTP_DIGEST_SIZE], found[DTP_DIGEST_SIZE];
    uint8_t *out = malloc(2 * SIZE);
    dtp_digest digest;
    dtp_digest_init(&digest);
    dtp_digest_add(&digest, content, SIZE);
    dtp_digest_hex(&digest, wanted);
    for (size_t n = 0; n < 2 * DTP_COUNT(steps); n++) {
        dtp_source source;
        size_t at = 0, got = 1;
        open_source(&source, n % 2, SIZE, NULL);
        dtp_digest_init(&digest);
        memset(out, 0, SIZE);
        for (; got > 0; at += got)
            assert_int_equal(dtp_source_take(&source, out + at, steps[n / 2], &got, &digest, NULL), DEEPTEPP_OK);
        dtp_digest_hex(&digest, found);
        assert_int_equal(at, SIZE);
        assert_memory_equal(out, content, SIZE);
        assert_string_equal(found, wanted);
        dtp_source_close(&source);
    }
    free(out);
}

static void what_is_not_there_is_truncated(void **state)
{
    (void)state;
    uint8_t *out = malloc(SIZE + 1);
    for (int memory = 0; memory < 2; memory++) {
        dtp_source source;
        deeptepp_error error;
        open_source(&source, memory, SIZE, NULL);
        assert_int_equal(dtp_source_read(&source, out, 5, NULL, NULL), DEEPTEPP_OK);
        assert_int_equal(dtp_source_read(&source, out, SIZE, NULL, &error), DEEPTEPP_ERR_FILE_TRUNCATED);
        assert_non_null(strstr(error.message, "ends after 2633785 bytes, wanted 2633790"));
        dtp_source_close(&source);
    }
    free(out);
}

static void more_than_allowed_is_refused_also_when_it_comes_late(void **state)
{
    (void)state;
    dtp_source source;
    deeptepp_error error;
    uint8_t *out = malloc(SIZE);
    assert_int_equal(dtp_source_open(&source, path, SIZE - 1, NULL, &error), DEEPTEPP_ERR_FILE_TOO_LARGE);
    assert_non_null(strstr(error.message, "2633785 bytes, wanted at most 2633784"));
    assert_int_equal(dtp_source_open_bytes(&source, content, SIZE, SIZE - 1, NULL, NULL),
                     DEEPTEPP_ERR_FILE_TOO_LARGE);
    open_source(&source, false, SIZE, NULL);
    source.limit = SIZE - 1; /* as if the file had grown since */
    assert_int_equal(dtp_source_read(&source, out, SIZE, NULL, NULL), DEEPTEPP_ERR_FILE_TOO_LARGE);
    dtp_source_close(&source);
    free(out);
}

/* ---- The watch ---- */

typedef struct listener {
    const dtp_source *source; /* NULL: only counts */
    uint64_t last, gap;       /* bytes at the last question, most from one to the next */
    int asked, yes_at;
    double fraction;
} listener;

static int hear_cancel(void *user)
{
    listener *l = user;
    uint64_t at = l->source ? l->source->at : 0;
    l->gap = at - l->last > l->gap ? at - l->last : l->gap;
    l->last = at;
    return ++l->asked == l->yes_at;
}

static void hear_progress(void *user, double fraction)
{
    listener *l = user;
    assert_true(fraction > l->fraction);
    l->fraction = fraction;
}

static void listen(dtp_watch *watch, listener *l)
{
    dtp_watch_start(watch, &(deeptepp_callbacks){.cancel = hear_cancel, .progress = hear_progress, .user = l});
}

static void the_watch_is_asked_every_half_megabyte(void **state)
{
    (void)state;
    static const size_t steps[] = {1000, 400001, (1 << 19) - 1, SIZE};
    uint8_t *out = malloc(SIZE);
    for (size_t n = 0; n < 2 * DTP_COUNT(steps); n++) {
        dtp_source source;
        listener l = {.source = &source};
        dtp_watch watch;
        size_t got = 1;
        listen(&watch, &l);
        open_source(&source, n % 2, SIZE, &watch);
        while (got > 0)
            assert_int_equal(dtp_source_take(&source, out, steps[n / 2], &got, NULL, NULL), DEEPTEPP_OK);
        assert_true(l.gap <= 1 << 19);
        assert_true(l.asked >= 6 && l.asked < 10);
        assert_true(l.fraction == 1);
        dtp_source_close(&source);
    }
    free(out);
}

static void cancelling_takes_no_more_bytes(void **state)
{
    (void)state;
    uint8_t *out = malloc(SIZE);
    for (int yes_at = 1; yes_at <= 6; yes_at++) {
        dtp_source source;
        listener l = {.source = &source, .yes_at = yes_at};
        dtp_watch watch;
        listen(&watch, &l);
        open_source(&source, false, SIZE, &watch);
        assert_int_equal(dtp_source_read(&source, out, SIZE, NULL, NULL), DEEPTEPP_ERR_CANCELLED);
        assert_int_equal(source.at, (yes_at - 1) << 19);
        dtp_source_close(&source);
    }
    free(out);
}

/* One tensor of 24 MB, read at once. */
static void reading_a_tensor_asks_every_half_megabyte(void **state)
{
    (void)state;
    static const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[6291456],\"data_offsets\":[0,25165824]}}";
    const size_t size = 8 + sizeof header - 1 + 25165824;
    uint8_t *bytes = calloc(1, size);
    listener l = {.source = NULL};
    dtp_watch watch;
    dtp_model_file model;
    listen(&watch, &l);
    bytes[0] = sizeof header - 1;
    memcpy(bytes + 8, header, sizeof header - 1);
    assert_int_equal(dtp_model_file_from_bytes(&model, bytes, size, 0, &watch, NULL), DEEPTEPP_ERR_MODEL_METADATA);
    assert_true(l.asked >= 48);
    l = (listener){.yes_at = 20};
    listen(&watch, &l);
    assert_int_equal(dtp_model_file_from_bytes(&model, bytes, size, 0, &watch, NULL), DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(l.asked, 20);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_comes_once_and_counts_in_the_digest),
        cmocka_unit_test(what_is_not_there_is_truncated),
        cmocka_unit_test(more_than_allowed_is_refused_also_when_it_comes_late),
        cmocka_unit_test(the_watch_is_asked_every_half_megabyte),
        cmocka_unit_test(cancelling_takes_no_more_bytes),
        cmocka_unit_test(reading_a_tensor_asks_every_half_megabyte),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
