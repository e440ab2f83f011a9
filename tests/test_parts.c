/* Connected parts of a mask against a flood fill, their distances against all pairs of voxels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "../libdeeptepp/views/mask.h"
#include "mask_options.h"
#include "picture_maker.h"

/* ---- The reference: 26 neighbours, voxel by voxel ---- */

typedef struct part {
    int64_t voxels, first; /* first: in RAS order, for pictures along R, A, S */
    int64_t *members;
} part;

static void flood(const picture *p, int *seen, int64_t from, int number, part *out)
{
    int64_t *stack = malloc(picture_count(p) * sizeof *stack), top = 0;
    assert_non_null(stack);
    *out = (part){.first = from, .members = malloc(picture_count(p) * sizeof *stack)};
    assert_non_null(out->members);
    stack[top++] = from;
    seen[from] = number;
    while (top > 0) {
        int64_t at = stack[--top];
        int64_t i = at % p->dims[0], j = at / p->dims[0] % p->dims[1], k = at / p->dims[0] / p->dims[1];
        out->members[out->voxels++] = at;
        for (int n = 0; n < 27; n++) {
            int64_t x = i + n % 3 - 1, y = j + n / 3 % 3 - 1, z = k + n / 9 - 1;
            if (x < 0 || y < 0 || z < 0 || x >= p->dims[0] || y >= p->dims[1] || z >= p->dims[2])
                continue;
            int64_t to = x + p->dims[0] * (y + p->dims[1] * z);
            if (p->values[to] == 0 || seen[to])
                continue;
            seen[to] = number;
            stack[top++] = to;
        }
    }
    free(stack);
}

static int by_size(const void *a, const void *b)
{
    const part *p = a, *q = b;
    return p->voxels != q->voxels ? (p->voxels < q->voxels ? 1 : -1) : p->first < q->first ? -1 : 1;
}

static int flood_all(const picture *p, part *parts, int room)
{
    int count = 0;
    int *seen = calloc(picture_count(p), sizeof *seen);
    assert_non_null(seen);
    for (int64_t n = 0; n < (int64_t)picture_count(p); n++)
        if (p->values[n] != 0 && !seen[n]) {
            assert_true(count < room);
            flood(p, seen, n, count + 1, &parts[count]);
            count++;
        }
    free(seen);
    qsort(parts, (size_t)count, sizeof *parts, by_size);
    return count;
}

static double place(const picture *p, int64_t voxel, int row)
{
    const int64_t at[3] = {voxel % p->dims[0], voxel / p->dims[0] % p->dims[1], voxel / p->dims[0] / p->dims[1]};
    double mm = p->affine[4 * row + 3];
    for (int v = 0; v < 3; v++)
        mm += p->affine[4 * row + v] * (double)at[v];
    return mm;
}

static double nearest_pair(const picture *p, const part *a, const part *b)
{
    double best = INFINITY;
    for (int64_t n = 0; n < a->voxels; n++)
        for (int64_t m = 0; m < b->voxels; m++) {
            double squares = 0;
            for (int row = 0; row < 3; row++) {
                double apart = place(p, a->members[n], row) - place(p, b->members[m], row);
                squares += apart * apart;
            }
            best = fmin(best, sqrt(squares));
        }
    return best;
}

/* ---- Trials ---- */

static deeptepp_mask *mask_of(const picture *p, const deeptepp_mask_options *options)
{
    deeptepp_mask *mask = NULL;
    deeptepp_error error = {0};
    deeptepp_volume *volume = picture_volume(p);
    if (deeptepp_mask_new(&mask, volume, options, &error) != DEEPTEPP_OK)
        fail_msg("refused: %s", error.message);
    deeptepp_volume_free(volume);
    return mask;
}

static void check_numbers(const picture *p, const deeptepp_mask *mask, const part *parts, int count)
{
    int64_t dims[3];
    int32_t *numbers = malloc(picture_count(p) * sizeof *numbers);
    assert_non_null(numbers);
    assert_int_equal(deeptepp_mask_copy_ras(mask, numbers, picture_count(p), dims, NULL, NULL), DEEPTEPP_OK);
    assert_memory_equal(dims, p->dims, sizeof dims);
    int64_t outside = 0, inside = 0;
    for (size_t n = 0; n < picture_count(p); n++)
        outside += numbers[n] == 0;
    for (int c = 0; c < count; c++) {
        inside += parts[c].voxels;
        for (int64_t n = 0; n < parts[c].voxels; n++)
            assert_int_equal(numbers[parts[c].members[n]], c < 64 ? c + 1 : 65);
    }
    assert_int_equal(outside + inside, picture_count(p));
    free(numbers);
}

/* `p` along R, A, S, and a little turned perhaps. */
static void compare_with_flood(const picture *p)
{
    enum { ROOM = 4000 };
    part *parts = calloc(ROOM, sizeof *parts);
    assert_non_null(parts);
    int count = flood_all(p, parts, ROOM);
    deeptepp_mask *mask = mask_of(p, NULL);
    assert_int_equal(deeptepp_mask_part_count(mask), count);
    int64_t voxels = 0;
    for (int c = 0; c < count; c++) {
        voxels += parts[c].voxels;
        assert_int_equal(deeptepp_mask_part_voxels(mask, c), c < 64 ? parts[c].voxels : 0);
        double wanted = c == 0 ? 0 : c < 64 ? nearest_pair(p, &parts[0], &parts[c]) : (double)NAN;
        double found = deeptepp_mask_part_distance(mask, c);
        assert_true(c < 64 ? fabs(found - wanted) <= 1e-9 * (1 + wanted) : isnan(found));
    }
    assert_int_equal(deeptepp_mask_voxels(mask), voxels);
    check_numbers(p, mask, parts, count);
    for (int c = 0; c < count; c++)
        free(parts[c].members);
    free(parts);
    deeptepp_mask_free(mask);
}

/* Voxels set at random, from lone ones to one sponge, on grids of unequal and turned voxels. */
static void parts_are_those_of_a_flood_fill(void **state)
{
    (void)state;
    static const double filled[] = {0.004, 0.02, 0.06, 0.1, 0.3, 0.9};
    uint64_t random = 5;
    for (size_t f = 0; f < DTP_COUNT(filled); f++)
        for (int trial = 0; trial < 6; trial++) {
            const int64_t dims[3] = {7 + 5 * trial, 23 - 3 * trial, 9};
            picture p = picture_make(dims, (const double[]){0.7, 1.3 + trial, 3}, (const double[]){-20, 5, 9});
            picture_turn(&p, trial % 3, 4.0 * trial);
            for (size_t n = 0; n < picture_count(&p); n++)
                p.values[n] = picture_random(&random) < filled[f];
            p.values[3] = 1;
            compare_with_flood(&p);
            free(p.values);
        }
}

/* By a face, an edge and a corner, in every direction: together; two apart: not. */
static void every_neighbour_is_one(void **state)
{
    (void)state;
    for (int n = 0; n < 125; n++) {
        const int64_t step[3] = {n % 5 - 2, n / 5 % 5 - 2, n / 25 - 2};
        picture p = picture_make((const int64_t[]){5, 5, 5}, (const double[]){1, 1, 1}, (const double[]){0, 0, 0});
        bool far = false;
        for (int v = 0; v < 3; v++)
            far |= step[v] < -1 || step[v] > 1;
        *picture_at(&p, 2, 2, 2) = *picture_at(&p, 2 + step[0], 2 + step[1], 2 + step[2]) = 1;
        deeptepp_mask *mask = mask_of(&p, NULL);
        assert_int_equal(deeptepp_mask_part_count(mask), far ? 2 : 1);
        deeptepp_mask_free(mask);
        free(p.values);
    }
}

/* Neither the order of storage nor a tie of sizes makes another part the largest. */
static void the_largest_part_is_the_same_in_every_order(void **state)
{
    (void)state;
    for (int order = 0; order < 48; order++) {
        picture p = picture_make((const int64_t[]){9, 8, 7}, (const double[]){1, 2, 3}, (const double[]){5, 6, 7});
        *picture_at(&p, 7, 1, 1) = *picture_at(&p, 7, 2, 1) = 1;
        *picture_at(&p, 1, 6, 1) = *picture_at(&p, 2, 6, 1) = 1;
        *picture_at(&p, 4, 4, 5) = 1;
        picture q = picture_reorder(&p, order);
        deeptepp_mask *mask = mask_of(&q, MASK_OPTIONS(.largest_part = 1));
        int32_t numbers[9 * 8 * 7];
        int64_t low[3], high[3];
        assert_int_equal(deeptepp_mask_copy_ras(mask, numbers, DTP_COUNT(numbers), NULL, NULL, NULL), DEEPTEPP_OK);
        assert_int_equal(numbers[7 + 9 * (1 + 8 * 1)], 1);
        assert_int_equal(numbers[1 + 9 * (6 + 8 * 1)], 2);
        assert_int_equal(numbers[4 + 9 * (4 + 8 * 5)], 3);
        assert_int_equal(deeptepp_mask_voxels(mask), 2);
        deeptepp_mask_box(mask, low, high);
        int64_t box = 1;
        for (int v = 0; v < 3; v++)
            box *= high[v] - low[v] + 1;
        assert_int_equal(box, 2);
        deeptepp_mask_free(mask);
        free(p.values);
        free(q.values);
    }
}

static deeptepp_volume *specks(uint8_t *voxels, const int64_t dims[3], int every)
{
    deeptepp_volume *volume = NULL;
    for (int64_t k = 0; k < dims[2]; k += 4)
        for (int64_t j = 0; j < dims[1]; j += every)
            for (int64_t i = 0; i < dims[0]; i += every)
                voxels[i + dims[0] * (j + dims[1] * k)] = 1;
    for (int64_t k = 20; k < 60; k++) /* and one large block among them */
        for (int64_t j = 101; j < 300; j++)
            memset(voxels + 101 + dims[0] * (j + dims[1] * k), 1, 200);
    deeptepp_array array = {.struct_size = sizeof array, .data = voxels, .type = DEEPTEPP_UINT8,
                            .affine = {0.7, 0, 0, 0, 0, 0.7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
    memcpy(array.dims, dims, sizeof array.dims);
    assert_int_equal(deeptepp_volume_from_array(&volume, &array, NULL), DEEPTEPP_OK);
    return volume;
}

/* A hundred thousand parts: all counted, and not by comparing each with each, which would take minutes. */
static void thousands_of_specks_take_no_time(void **state)
{
    (void)state;
    const int64_t dims[3] = {512, 512, 80};
    uint8_t *voxels = calloc((size_t)(dims[0] * dims[1] * dims[2]), 1);
    deeptepp_mask *mask = NULL;
    struct timespec begin, end;
    assert_non_null(voxels);
    deeptepp_volume *volume = specks(voxels, dims, 6);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    assert_int_equal(deeptepp_mask_new(&mask, volume, NULL, NULL), DEEPTEPP_OK);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    print_message("%lld parts in %.3f s of processor time\n", (long long)deeptepp_mask_part_count(mask), seconds);
    assert_true(deeptepp_mask_part_count(mask) > 100000);
    assert_int_equal(deeptepp_mask_part_voxels(mask, 0) >= 40 * 199 * 200, 1);
    assert_true(seconds < 20); /* valgrind's and the sanitizers' too */
    deeptepp_mask_free(mask);
    deeptepp_volume_free(volume);
    free(voxels);
}

static void a_cancelled_search_ends(void **state)
{
    (void)state;
    picture p = picture_make((const int64_t[]){5, 5, 5}, (const double[]){1, 1, 1}, (const double[]){0, 0, 0});
    *picture_at(&p, 0, 0, 0) = *picture_at(&p, 4, 4, 4) = 1;
    deeptepp_volume *volume = picture_volume(&p);
    deeptepp_mask mask = {.label = 0};
    dtp_watch cancelled = {.cancelled = true};
    dtp_parts parts;
    uint8_t part_of[2];
    dtp_ras_index order;
    dtp_ras_index_of(&order, volume->dims, volume->orientation);
    assert_int_equal(dtp_mask_survey(&mask, volume, 0, NULL, NULL), DEEPTEPP_OK);
    assert_int_equal(dtp_parts_find(&parts, part_of, &mask.spans, volume->spacing, &order, &cancelled, NULL),
                     DEEPTEPP_ERR_CANCELLED);
    assert_int_equal(dtp_parts_find(&parts, part_of, &mask.spans, volume->spacing, &order, NULL, NULL), DEEPTEPP_OK);
    assert_int_equal(dtp_parts_measure(&parts, part_of, &mask.spans, volume->spacing, &cancelled, NULL),
                     DEEPTEPP_ERR_CANCELLED);
    dtp_mask_drop_voxels(&mask);
    deeptepp_volume_free(volume);
    free(p.values);
}

static int count_question(void *count)
{
    ++*(int *)count;
    return 0;
}

static void a_row_put_on_another_grid_asks_on_its_way(void **state)
{
    (void)state;
    int asked = 0;
    const int64_t length = 1 << 20;
    picture p = picture_make((const int64_t[]){length, 1, 1}, (const double[]){1, 1, 1}, (const double[]){0, 0, 0});
    for (int64_t i = 0; i < length; i++)
        p.values[i] = 1;
    deeptepp_volume *volume = picture_volume(&p);
    deeptepp_mask mask = {.label = 0};
    dtp_watch watch;
    dtp_watch_start(&watch, &(deeptepp_callbacks){.cancel = count_question, .user = &asked});
    assert_int_equal(dtp_mask_survey(&mask, volume, 0, NULL, NULL), DEEPTEPP_OK);
    assert_int_equal(dtp_spans_regrid(&mask.spans, volume, volume, &watch, NULL), DEEPTEPP_OK);
    assert_int_equal(mask.spans.count, 1);
    assert_int_equal(dtp_span_voxels(mask.spans.items), length);
    assert_true(asked >= 16);
    dtp_mask_drop_voxels(&mask);
    deeptepp_volume_free(volume);
    free(p.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_those_of_a_flood_fill),
        cmocka_unit_test(every_neighbour_is_one),
        cmocka_unit_test(the_largest_part_is_the_same_in_every_order),
        cmocka_unit_test(thousands_of_specks_take_no_time),
        cmocka_unit_test(a_cancelled_search_ends),
        cmocka_unit_test(a_row_put_on_another_grid_asks_on_its_way),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
