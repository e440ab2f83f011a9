/* NIfTI files on disk: the file that was asked for, whole, or none. */
#include "nifti_expect.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *name, const nifti_file *file)
{
    write_bytes(name, file->bytes, file->size);
}

static deeptepp_volume *accept_path(const char *name)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = NULL;
    if (deeptepp_volume_open(&volume, path_of(name), NULL, &error) != DEEPTEPP_OK)
        fail_msg("refused: %s", error.message);
    return volume;
}

static void refuse_path(const char *name, const deeptepp_volume_options *options, deeptepp_status wanted)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = (deeptepp_volume *)&error;
    deeptepp_status status = deeptepp_volume_open(&volume, path_of(name), options, &error);
    assert_string_equal(deeptepp_status_name(status), deeptepp_status_name(wanted));
    assert_null(volume);
    assert_non_null(strstr(error.message, name));
    assert_non_null(strstr(error.message, "wanted"));
}

static void remove_all(void)
{
    static const char *const names[] = {"a.nii", "a.nii.gz", "a.hdr", "a.img", "pipe.nii"};
    for (size_t n = 0; n < DTP_COUNT(names); n++)
        unlink(path_of(names[n]));
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/deeptepp-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_all();
    return rmdir(folder);
}

static int clear(void **state)
{
    (void)state;
    remove_all();
    return 0;
}

/* ---- The file that was asked for --------------------------------------------------------------------------------- */

static void a_path_and_its_bytes_give_the_same_volume(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    write_file("a.nii", &file);
    deeptepp_volume *from_path = accept_path("a.nii"), *from_bytes = accept_with(&file, NULL);
    assert_string_equal(deeptepp_volume_sha256(from_path), deeptepp_volume_sha256(from_bytes));
    assert_memory_equal(from_path->data, from_bytes->data, 2 * N_VOXELS);
    deeptepp_volume_free(from_path);
    deeptepp_volume_free(from_bytes);
}

static int64_t count_in(const char *name)
{
    deeptepp_error error = {0};
    int64_t count = -7;
    if (deeptepp_volume_count_in_file(&count, path_of(name), &error) != DEEPTEPP_OK) {
        assert_int_equal(count, -7);
        assert_non_null(strstr(error.message, name));
        return -(int64_t)error.status;
    }
    return count;
}

static void a_files_volumes_are_counted_from_its_header(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), gz;
    file.size = file.voxels; /* no voxel is looked at */
    for (int along = 3; along <= 7; along++) {
        put(&file, DIM, 0, along);
        put(&file, DIM, along, along + 2);
        write_file("a.nii", &file);
        gz = gzipped(&file);
        write_file("a.nii.gz", &gz);
        assert_int_equal(count_in("a.nii"), along == 3 ? 1 : along + 2);
        assert_int_equal(count_in("a.nii.gz"), along == 3 ? 1 : along + 2);
        put(&file, DIM, along, 1);
    }
    file.size = 300;
    write_file("a.nii", &file);
    assert_int_equal(count_in("a.nii"), -DEEPTEPP_ERR_FILE_TRUNCATED);
    assert_int_equal(count_in("a.img"), -DEEPTEPP_ERR_FILE_MISSING);
}

static void counting_wants_a_path_and_a_place(void **state)
{
    (void)state;
    int64_t count = 5;
    assert_int_equal(deeptepp_volume_count_in_file(&count, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_volume_count_in_file(NULL, "a.nii", NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(count, 5);
    assert_int_equal(deeptepp_volume_number(NULL), 0);
}

static void gzip_is_known_by_its_bytes_not_its_name(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), gz = gzipped(&file);
    write_file("a.nii", &gz);
    write_file("a.nii.gz", &file);
    deeptepp_volume *first = accept_path("a.nii"), *second = accept_path("a.nii.gz");
    assert_memory_equal(first->data, file.bytes + file.voxels, 2 * N_VOXELS);
    assert_memory_equal(second->data, file.bytes + file.voxels, 2 * N_VOXELS);
    deeptepp_volume_free(first);
    deeptepp_volume_free(second);
}

static void a_missing_gz_is_not_replaced_by_its_nii(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    write_file("a.nii", &file);
    refuse_path("a.nii.gz", NULL, DEEPTEPP_ERR_FILE_MISSING);
    refuse_path("a", NULL, DEEPTEPP_ERR_FILE_MISSING);
    refuse_path("a.hdr", NULL, DEEPTEPP_ERR_FILE_MISSING);
    refuse_path("A.NII", NULL, DEEPTEPP_ERR_FILE_MISSING);
}

static void a_missing_nii_is_not_replaced_by_its_gz(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), gz = gzipped(&file);
    write_file("a.nii.gz", &gz);
    refuse_path("a.nii", NULL, DEEPTEPP_ERR_FILE_MISSING);
}

static void voxels_never_come_from_a_sibling(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), other = make_nifti(false, false);
    memset(other.bytes + other.voxels, 0x55, 2 * N_VOXELS);
    nifti_file gz = gzipped(&file);
    write_file("a.nii", &other);
    write_file("a.nii.gz", &gz);
    deeptepp_volume *volume = accept_path("a.nii.gz");
    assert_memory_equal(volume->data, file.bytes + file.voxels, 2 * N_VOXELS);
    deeptepp_volume_free(volume);
    file.size = file.voxels;
    gz = gzipped(&file);
    write_file("a.nii.gz", &gz);
    refuse_path("a.nii.gz", NULL, DEEPTEPP_ERR_FILE_TRUNCATED);
}

static void a_pair_is_refused_whichever_half_is_named(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    memcpy(file.bytes + magic_at(&file), "ni1", 4);
    write_bytes("a.hdr", file.bytes, 348);
    write_bytes("a.img", file.bytes + file.voxels, 2 * N_VOXELS);
    refuse_path("a.hdr", NULL, DEEPTEPP_ERR_NIFTI_PAIR);
    refuse_path("a.img", NULL, DEEPTEPP_ERR_NIFTI_MAGIC);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    write_file("a.nii", &file);
    assert_int_equal(mkfifo(path_of("pipe.nii"), 0600), 0);
    refuse_path("pipe.nii", NULL, DEEPTEPP_ERR_FILE_READ); /* and not waited for */
    refuse_path("", NULL, DEEPTEPP_ERR_FILE_READ);
    refuse_path("a.nii/b.nii", NULL, DEEPTEPP_ERR_FILE_MISSING);
}

static void refuse_path_with(const char *name, deeptepp_status wanted, const char *text)
{
    deeptepp_error error = {0};
    deeptepp_volume *volume = NULL;
    assert_int_equal(deeptepp_volume_open(&volume, path_of(name), NULL, &error), wanted);
    if (!strstr(error.message, text))
        fail_msg("\"%s\" does not speak of \"%s\"", error.message, text);
}

static void a_folder_is_called_that(void **state)
{
    (void)state;
    refuse_path_with("", DEEPTEPP_ERR_FILE_READ, "is a folder");
    refuse_path_with("", DEEPTEPP_ERR_FILE_READ, "dcm2niix");
}

static void a_link_is_followed_or_said_to_lead_nowhere(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    assert_int_equal(symlink("a.img", path_of("a.nii")), 0);
    refuse_path_with("a.nii", DEEPTEPP_ERR_FILE_MISSING, "a link that leads nowhere, to \"a.img\"");
    write_file("a.img", &file);
    deeptepp_volume_free(accept_path("a.nii"));
    unlink(path_of("a.nii"));
    assert_int_equal(symlink("a.nii", path_of("a.nii")), 0);
    refuse_path_with("a.nii", DEEPTEPP_ERR_FILE_READ, "cannot be read");
    refuse_path_with("a.hdr", DEEPTEPP_ERR_FILE_MISSING, "does not exist");
}

static void a_link_into_an_annex_is_called_that(void **state)
{
    (void)state;
    assert_int_equal(symlink("../.git/annex/objects/Xq/0F/MD5E-s9--0/MD5E-s9--0.nii.gz", path_of("a.nii.gz")), 0);
    refuse_path_with("a.nii.gz", DEEPTEPP_ERR_FILE_POINTER, "git annex get");
    int64_t count;
    assert_int_equal(deeptepp_volume_count_in_file(&count, path_of("a.nii.gz"), NULL), DEEPTEPP_ERR_FILE_POINTER);
}

static void an_unreadable_file_is_refused(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    if (geteuid() == 0) {
        print_message("skipped: root may read everything\n");
        skip();
    }
    write_file("a.nii", &file);
    assert_int_equal(chmod(path_of("a.nii"), 0), 0);
    refuse_path("a.nii", NULL, DEEPTEPP_ERR_FILE_READ);
}

static void a_file_beyond_the_cap_is_refused(void **state)
{
    (void)state;
    deeptepp_volume_options o = options();
    nifti_file file = make_nifti(false, false);
    o.max_bytes = 2 * N_VOXELS;
    write_file("a.nii", &file);
    assert_int_equal(truncate(path_of("a.nii"), (off_t)1 << 30), 0);
    refuse_path("a.nii", &o, DEEPTEPP_ERR_FILE_TOO_LARGE);
    deeptepp_error error = {0};
    deeptepp_volume *volume = NULL;
    deeptepp_volume_open(&volume, path_of("a.nii"), &o, &error);
    assert_non_null(strstr(error.message, "1073741824 bytes")); /* known before anything was read */
}

static void empty_and_header_only_files_are_truncated(void **state)
{
    (void)state;
    nifti_file file = make_nifti(true, false);
    write_bytes("a.nii", "", 0);
    refuse_path("a.nii", NULL, DEEPTEPP_ERR_FILE_TRUNCATED);
    file.size = file.voxels;
    write_file("a.nii", &file);
    refuse_path("a.nii", NULL, DEEPTEPP_ERR_FILE_TRUNCATED);
}

static void null_path_and_out_are_refused(void **state)
{
    (void)state;
    deeptepp_volume *volume = (deeptepp_volume *)folder;
    assert_int_equal(deeptepp_volume_open(NULL, "x", NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_int_equal(deeptepp_volume_open(&volume, NULL, NULL, NULL), DEEPTEPP_ERR_ARGUMENT);
    assert_null(volume);
}

static void every_file_is_closed(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false);
    int before = dup(0);
    write_file("a.nii", &file);
    deeptepp_volume_free(accept_path("a.nii"));
    file.size--;
    write_file("a.nii", &file);
    refuse_path("a.nii", NULL, DEEPTEPP_ERR_FILE_TRUNCATED);
    int after = dup(0);
    assert_int_equal(after, before + 1);
    close(before);
    close(after);
}

static void what_follows_the_voxels_is_hashed_and_ignored(void **state)
{
    (void)state;
    nifti_file file = make_nifti(false, false), longer = file;
    longer.size += 5;
    deeptepp_volume *one = accept_with(&file, NULL), *two = accept_with(&longer, NULL);
    assert_memory_equal(one->data, two->data, 2 * N_VOXELS);
    assert_string_not_equal(deeptepp_volume_sha256(one), deeptepp_volume_sha256(two));
    deeptepp_volume_free(one);
    deeptepp_volume_free(two);
}

static off_t said_about_damaged_headers(int listener)
{
    int out = dup(1), err = dup(2);
    fflush(NULL);
    dup2(listener, 1);
    dup2(listener, 2);
    for (size_t at = 0; at < 2 * 352; at++) {
        nifti_file file = make_nifti(at & 1, at & 2);
        deeptepp_volume *volume = NULL;
        file.bytes[at / 2] ^= 0xff;
        open_with(&volume, &file, NULL, NULL);
        deeptepp_volume_free(volume);
    }
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    return lseek(listener, 0, SEEK_END);
}

static void nothing_is_printed(void **state)
{
    (void)state;
    int listener = open(path_of("a.nii"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(listener >= 0);
    assert_int_equal(said_about_damaged_headers(listener), 0);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_files_volumes_are_counted_from_its_header, clear),
        cmocka_unit_test(counting_wants_a_path_and_a_place),
        cmocka_unit_test_teardown(a_path_and_its_bytes_give_the_same_volume, clear),
        cmocka_unit_test_teardown(gzip_is_known_by_its_bytes_not_its_name, clear),
        cmocka_unit_test_teardown(a_missing_gz_is_not_replaced_by_its_nii, clear),
        cmocka_unit_test_teardown(a_missing_nii_is_not_replaced_by_its_gz, clear),
        cmocka_unit_test_teardown(voxels_never_come_from_a_sibling, clear),
        cmocka_unit_test_teardown(a_pair_is_refused_whichever_half_is_named, clear),
        cmocka_unit_test_teardown(what_is_no_regular_file_is_refused, clear),
        cmocka_unit_test(a_folder_is_called_that),
        cmocka_unit_test_teardown(a_link_is_followed_or_said_to_lead_nowhere, clear),
        cmocka_unit_test_teardown(a_link_into_an_annex_is_called_that, clear),
        cmocka_unit_test_teardown(an_unreadable_file_is_refused, clear),
        cmocka_unit_test_teardown(a_file_beyond_the_cap_is_refused, clear),
        cmocka_unit_test_teardown(empty_and_header_only_files_are_truncated, clear),
        cmocka_unit_test(null_path_and_out_are_refused),
        cmocka_unit_test_teardown(every_file_is_closed, clear),
        cmocka_unit_test(what_follows_the_voxels_is_hashed_and_ignored),
        cmocka_unit_test_teardown(nothing_is_printed, clear),
    };
    return cmocka_run_group_tests_name("NIfTI files", tests, make_folder, remove_folder);
}
