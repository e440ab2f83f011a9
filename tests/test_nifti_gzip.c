/* NIfTI in gzip: sound to the last byte, or refused. */
#include "../libdeeptepp/volume/stream.h"
#include "nifti_expect.h"

static void the_digest_is_of_the_bytes_as_stored(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, true), gz = gzipped(&file);
    const nifti_file *files[2] = {&file, &gz};
    for (int n = 0; n < 2; n++) {
        dtp_digest digest;
        char hex[DTP_DIGEST_SIZE];
        dtp_digest_init(&digest);
        dtp_digest_add(&digest, files[n]->bytes, files[n]->size);
        dtp_digest_hex(&digest, hex);
        deeptepp_volume *volume = accept_with(files[n], NULL);
        assert_string_equal(deeptepp_volume_sha256(volume), hex);
        deeptepp_volume_free(volume);
    }
}

static void several_members_are_one_file(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), gz = file;
    for (size_t cut = 1; cut < file.size; cut += 13) {
        gz.size = gzip_member(file.bytes, cut, gz.bytes, 0, sizeof gz.bytes);
        gz.size = gzip_member(file.bytes, 0, gz.bytes, gz.size, sizeof gz.bytes);
        gz.size = gzip_member(file.bytes + cut, file.size - cut, gz.bytes, gz.size, sizeof gz.bytes);
        deeptepp_volume *volume = accept_with(&gz, NULL);
        assert_memory_equal(volume->data, file.bytes + file.voxels, 2 * N_VOXELS);
        deeptepp_volume_free(volume);
    }
}

static void a_wrong_checksum_or_length_is_refused(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    for (size_t back = 1; back <= 8; back++) {
        nifti_file gz = gzipped(&file);
        gz.bytes[gz.size - back] ^= 0x40;
        refuse_with(&gz, NULL, DEEPTEPP_ERR_GZIP, "a wrong checksum or length");
    }
}

static void anything_after_the_last_member_is_refused(void **state)
{
    (void)state;
    static const char *const extra[] = {"x", "\0", "\0\0\0\0", "n+1", "\x1f\x8c"};
    static const size_t sizes[] = {1, 1, 4, 3, 2};
    nifti_file file = make_nifti(false, false);
    for (size_t n = 0; n < DTP_COUNT(extra); n++) {
        nifti_file gz = gzipped(&file);
        memcpy(gz.bytes + gz.size, extra[n], sizes[n]);
        gz.size += sizes[n];
        refuse_with(&gz, NULL, DEEPTEPP_ERR_GZIP, "nothing after them");
    }
}

static void no_changed_byte_changes_a_voxel(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), gz = gzipped(&file);
    for (size_t at = 0; at < gz.size; at++)
        for (int bit = 0; bit < 8; bit++) {
            deeptepp_error error = {0};
            deeptepp_volume *volume = NULL;
            gz.bytes[at] ^= (uint8_t)(1 << bit);
            if (open_with(&volume, &gz, NULL, &error) == DEEPTEPP_OK)
                assert_memory_equal(volume->data, file.bytes + file.voxels, 2 * N_VOXELS);
            deeptepp_volume_free(volume);
            gz.bytes[at] ^= (uint8_t)(1 << bit);
        }
}

static void every_shorter_gzip_is_truncated(void **state)
{
    (void)state;
    nifti_file file = make_nifti(true, false), gz = gzipped(&file);
    for (gz.size--; gz.size > 0; gz.size--)
        refuse_with(&gz, NULL, DEEPTEPP_ERR_FILE_TRUNCATED, "wanted");
}

static void gzip_that_inflates_to_too_little_is_truncated(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    for (file.size--; file.size > 0; file.size -= 7) {
        nifti_file gz = gzipped(&file);
        refuse_with(&gz, NULL, DEEPTEPP_ERR_FILE_TRUNCATED, "wanted");
        if (file.size < 7)
            break;
    }
}

static void memory_is_not_asked_for_what_gzip_cannot_hold(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    for (int d = 1; d <= 3; d++)
        put(&file, DIM, d, 1000);
    nifti_file gz = gzipped(&file);
    refuse_with(&gz, NULL, DEEPTEPP_ERR_FILE_TRUNCATED, "at most, wanted 2000000352");
}

/* What follows the voxels: `zeros` bytes in a member of their own. */
static deeptepp_status open_followed_by(size_t zeros, deeptepp_error *error)
{
    const size_t room = zeros / 512 + (1 << 16);
    nifti_file file = make_nifti(false, false);
    uint8_t *nothing = calloc(1, zeros), *bomb = malloc(room);
    deeptepp_volume *volume = NULL;
    assert_true(nothing && bomb);
    size_t size = gzip_member(file.bytes, file.size, bomb, 0, room);
    size = gzip_member(nothing, zeros, bomb, size, room);
    deeptepp_status status = deeptepp_volume_from_bytes(&volume, bomb, size, NULL, error);
    deeptepp_volume_free(volume);
    free(nothing);
    free(bomb);
    return status;
}

static void gzip_is_not_inflated_without_end(void **state)
{
    (void)state;
    const size_t most = ((size_t)64 << 20) + 2 * N_VOXELS;
    deeptepp_error error = {0};
    assert_int_equal(open_followed_by(most, &error), DEEPTEPP_OK);
    assert_int_equal(open_followed_by(most + 1, &error), DEEPTEPP_ERR_FILE_TOO_LARGE);
    assert_non_null(strstr(error.message, "inflated: more than 67108912 bytes after the volume's voxels"));
}

static void a_files_other_volumes_may_follow(void **state)
{
    (void)state;
    enum { MOST = (64 << 20) + (2 + 4) * 2 * N_VOXELS };
    nifti_file file = make_nifti(false, false);
    deeptepp_volume_options o = options();
    o.volume_number = 2;
    put(&file, DIM, 0, 4);
    put(&file, DIM, 4, 4);
    for (int beyond = 0; beyond < 2; beyond++) {
        size_t size = file.voxels + 2 * 2 * N_VOXELS + MOST + (size_t)beyond;
        uint8_t *bytes = calloc(1, size);
        deeptepp_volume *volume = NULL;
        memcpy(bytes, file.bytes, file.size);
        assert_int_equal(deeptepp_volume_from_bytes(&volume, bytes, size, &o, NULL),
                         beyond ? DEEPTEPP_ERR_FILE_TOO_LARGE : DEEPTEPP_OK);
        deeptepp_volume_free(volume);
        free(bytes);
    }
}

/* A member whose file name has that many letters. */
static size_t named_member(const nifti_file *gz, size_t letters, uint8_t *out)
{
    enum { HEADER = 10, FLAGS = 3, HAS_NAME = 8 };
    memcpy(out, gz->bytes, HEADER);
    out[FLAGS] |= HAS_NAME;
    memset(out + HEADER, 'n', letters);
    out[HEADER + letters] = 0;
    memcpy(out + HEADER + letters + 1, gz->bytes + HEADER, gz->size - HEADER);
    return gz->size + letters + 1;
}

/* Else gigabytes could be taken up before there is a byte of a header. */
static void a_megabyte_that_inflates_to_nothing_is_refused(void **state)
{
    (void)state;
    const size_t room = (size_t)4 << 20;
    nifti_file file = make_nifti(false, false), gz = gzipped(&file);
    uint8_t *bytes = malloc(room);
    for (int n = 0; n < 2; n++) {
        deeptepp_volume *volume = NULL;
        deeptepp_error error = {0};
        size_t size = named_member(&gz, n ? room / 2 : 1000, bytes);
        deeptepp_status status = deeptepp_volume_from_bytes(&volume, bytes, size, NULL, &error);
        assert_int_equal(status, n ? DEEPTEPP_ERR_GZIP : DEEPTEPP_OK);
        assert_true(!n || strstr(error.message, "inflates to nothing"));
        deeptepp_volume_free(volume);
    }
    free(bytes);
}

/* A member whose header has all that a header may have. */
static size_t full_member(const void *data, size_t size, uint8_t *out, size_t at, size_t room)
{
    gz_header header = {.extra = (Bytef *)"extra", .extra_len = 5, .name = (Bytef *)"name", .comment = (Bytef *)"said",
                        .hcrc = 1};
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = out + at,
                  .avail_out = (uInt)(room - at)};
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    deflateSetHeader(&z, &header);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* Stored bytes are taken up 256 KiB at a time: that may end anywhere in a member's trailer or the next one's header. */
static void headers_and_trailers_may_be_cut_anywhere(void **state)
{
    (void)state;
    enum { TAKEN_UP = 1 << 18, TRAILER = 8, CUT = 400, MOST = 70 };
    const size_t room = 2 * TAKEN_UP;
    nifti_file file = make_nifti(false, false), first = file;
    first.size = gzip_member(file.bytes, CUT, first.bytes, 0, sizeof first.bytes);
    uint8_t *bytes = malloc(room);
    for (size_t before = 0; before < MOST; before++) {
        size_t size = named_member(&first, TAKEN_UP + TRAILER - before - first.size - 1, bytes);
        assert_int_equal(size, TAKEN_UP + TRAILER - before);
        size = full_member(file.bytes + CUT, file.size - CUT, bytes, size, room);
        deeptepp_volume *volume = NULL;
        assert_int_equal(deeptepp_volume_from_bytes(&volume, bytes, size, NULL, NULL), DEEPTEPP_OK);
        assert_memory_equal(volume->data, file.bytes + file.voxels, 2 * N_VOXELS);
        deeptepp_volume_free(volume);
    }
    free(bytes);
}

/* What is asked of a file's header alone does not depend on what lies behind it. */
static void damage_behind_what_is_read_is_not_looked_at(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), gz = gzipped(&file);
    uint8_t inflated[400];
    for (size_t at = gz.size - 9; at > 0; at--) {
        nifti_file torn = gz;
        dtp_stream stream;
        dtp_watch watch;
        dtp_watch_start(&watch, NULL);
        torn.bytes[at] ^= 0xff;
        assert_int_equal(dtp_stream_open(&stream, NULL, torn.bytes, torn.size, UINT64_MAX, &watch, NULL), DEEPTEPP_OK);
        z_stream z = {.next_in = torn.bytes, .avail_in = (uInt)torn.size, .next_out = inflated, .avail_out = 348};
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        const int end = inflate(&z, Z_NO_FLUSH);
        if (end == Z_OK && z.avail_out == 0)
            assert_int_equal(dtp_stream_read(&stream, inflated, 348, NULL), DEEPTEPP_OK);
        inflateEnd(&z);
        dtp_stream_close(&stream);
    }
}

static void flags_that_nobody_knows_are_refused(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    for (int bit = 5; bit < 8; bit++) {
        nifti_file gz = gzipped(&file);
        gz.bytes[3] ^= (uint8_t)(1 << bit);
        refuse_with(&gz, NULL, DEEPTEPP_ERR_GZIP, "unknown flags");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_is_of_the_bytes_as_stored),
        cmocka_unit_test(several_members_are_one_file),
        cmocka_unit_test(a_wrong_checksum_or_length_is_refused),
        cmocka_unit_test(anything_after_the_last_member_is_refused),
        cmocka_unit_test(no_changed_byte_changes_a_voxel),
        cmocka_unit_test(every_shorter_gzip_is_truncated),
        cmocka_unit_test(gzip_that_inflates_to_too_little_is_truncated),
        cmocka_unit_test(memory_is_not_asked_for_what_gzip_cannot_hold),
        cmocka_unit_test(gzip_is_not_inflated_without_end),
        cmocka_unit_test(a_files_other_volumes_may_follow),
        cmocka_unit_test(a_megabyte_that_inflates_to_nothing_is_refused),
        cmocka_unit_test(headers_and_trailers_may_be_cut_anywhere),
        cmocka_unit_test(damage_behind_what_is_read_is_not_looked_at),
        cmocka_unit_test(flags_that_nobody_knows_are_refused),
    };
    return cmocka_run_group_tests_name("NIfTI in gzip", tests, NULL, NULL);
}
