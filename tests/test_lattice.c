/* Where samples of a fixed region may fall, by laws; against NumPy and MONAI: test_lattice.py, test_monai.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "../libdeeptepp/views/lattice.h"

/* ---- Subjects ---- */

/* Axes that run nearly along R, A and S; lean: cosines of the first and second, the first and third, the last two. */
static dtp_frame frame_of(const double spacing[3], const int64_t dims[3], const double lean[3])
{
    dtp_frame frame = {.axis = {0, 1, 2}, .origin = {-120.5, 33.25, 7}};
    const double rows[3][3] = {{1, 0, 0}, {lean[0], 1, 0}, {lean[1], lean[2], 1}};
    for (int f = 0; f < 3; f++) {
        const double length = sqrt(rows[f][0] * rows[f][0] + rows[f][1] * rows[f][1] + rows[f][2] * rows[f][2]);
        frame.spacing[f] = spacing[f];
        frame.dims[f] = dims[f];
        for (int row = 0; row < 3; row++)
            frame.direction[f][row] = rows[f][row] / length;
    }
    return frame;
}

static dtp_lattice lattice_of(const dtp_frame *frame, const double spacing[3], dtp_lattice_rule rule)
{
    dtp_recipe recipe = {.lattice = rule};
    dtp_lattice lattice;
    memcpy(recipe.spacing_mm, spacing, sizeof recipe.spacing_mm);
    dtp_lattice_of(&lattice, frame, &recipe);
    return lattice;
}

static void assert_begins_at_the_first_voxel(const dtp_lattice *lattice, const double step[3])
{
    for (int f = 0; f < 3; f++) {
        assert_true(lattice->origin[f] == 0);
        assert_true(lattice->step[f] == step[f]);
    }
}

static const double EDGES[3] = {0.7, 1.1, 2.3}, STEPS[3] = {1, 0.9, 1.4}, STRAIGHT[3] = {0, 0, 0};
static const int64_t DIMS[3] = {41, 52, 23};

/* ---- Laws ---- */

static void right_angles_begin_at_the_first_voxel(void **state)
{
    (void)state;
    const dtp_frame frame = frame_of(EDGES, DIMS, STRAIGHT);
    for (int rule = DTP_LATTICE_FIRST_VOXEL; rule <= DTP_LATTICE_MONAI; rule++) {
        const dtp_lattice lattice = lattice_of(&frame, STEPS, (dtp_lattice_rule)rule);
        assert_begins_at_the_first_voxel(&lattice, STEPS);
    }
}

/* Any axis that leans back puts a corner before the first voxel, at any strength above rounding. */
static void an_axis_that_leans_back_centres(void **state)
{
    static const double counts[3] = {29, 63, 37}; /* 40 * 0.7 + 1, 51 * 1.1 / 0.9 + 1 and 22 * 2.3 / 1.4 + 1, rounded */
    (void)state;
    for (int n = 0; n < 12; n++) {
        double lean[3] = {0, 0, 0};
        lean[n / 4] = (n & 1 ? -1 : 1) * (n & 2 ? 1e-5 : 1e-8);
        const dtp_frame frame = frame_of(EDGES, DIMS, lean);
        const dtp_lattice first = lattice_of(&frame, STEPS, DTP_LATTICE_FIRST_VOXEL);
        const dtp_lattice monai = lattice_of(&frame, STEPS, DTP_LATTICE_MONAI);
        assert_begins_at_the_first_voxel(&first, STEPS);
        if (lean[n / 4] > 0)
            assert_begins_at_the_first_voxel(&monai, STEPS);
        for (int f = 0; f < 3 && lean[n / 4] < 0; f++) {
            const double middle = 0.5 * (double)DIMS[f] * EDGES[f];
            assert_true(fabs(monai.origin[f] + 0.5 * counts[f] * STEPS[f] - middle) < 1e-3);
            assert_true(monai.step[f] == STEPS[f]);
        }
    }
}

static void what_no_corner_shows_does_not_centre(void **state)
{
    static const double faint[3] = {-1e-10, -1e-11, -1e-10}, back[3] = {1e-5, -1e-5, -1e-5};
    static const int64_t flat[3] = {41, 52, 1};
    (void)state;
    const dtp_frame nearly = frame_of(EDGES, DIMS, faint), plane = frame_of(EDGES, flat, back);
    const dtp_lattice rounded = lattice_of(&nearly, STEPS, DTP_LATTICE_MONAI);
    const dtp_lattice sliced = lattice_of(&plane, STEPS, DTP_LATTICE_MONAI);
    assert_begins_at_the_first_voxel(&rounded, STEPS);
    assert_begins_at_the_first_voxel(&sliced, STEPS);
}

static void a_step_within_a_micrometre_is_the_voxels(void **state)
{
    static const double asked[3] = {0.7009, 1.0991, 2.3011}, wanted[3] = {0.7, 1.1, 2.3011};
    (void)state;
    const dtp_frame frame = frame_of(EDGES, (const int64_t[3]){400, 500, 2400}, STRAIGHT);
    const dtp_lattice monai = lattice_of(&frame, asked, DTP_LATTICE_MONAI);
    const dtp_lattice first = lattice_of(&frame, asked, DTP_LATTICE_FIRST_VOXEL);
    assert_begins_at_the_first_voxel(&monai, wanted);
    assert_begins_at_the_first_voxel(&first, asked);
}

static void assert_steps(const dtp_frame *frame, const double asked[3], const double wanted[3])
{
    const dtp_lattice lattice = lattice_of(frame, asked, DTP_LATTICE_MONAI);
    for (int f = 0; f < 3; f++)
        assert_true(lattice.step[f] == wanted[f]);
}

/* 0.0025 mm of 3 mm: 12 slices are the same 12 slices; of 1300 one is lost; and 12 that are centred do move. */
static void an_image_that_would_hardly_move_stays(void **state)
{
    static const double edges[3] = {3, 3, 3}, asked[3] = {3.0025, 3.0025, 3.0025}, back[3] = {-1e-7, 0, 0};
    (void)state;
    const dtp_frame few = frame_of(edges, (const int64_t[3]){12, 12, 12}, STRAIGHT);
    const dtp_frame many = frame_of(edges, (const int64_t[3]){12, 12, 1300}, STRAIGHT);
    const dtp_frame leaning = frame_of(edges, (const int64_t[3]){12, 12, 12}, back);
    assert_steps(&few, asked, edges);
    assert_steps(&many, asked, asked);
    assert_steps(&leaning, asked, asked);
}

/* 0.0012 mm along an axis between those of the patient are 0.0008 mm in each element of the affine; centred, the first
 * voxel would move by 0.0072 mm in each. */
static void an_affine_that_would_hardly_change_stays(void **state)
{
    static const double edges[3] = {1, 1, 1}, asked[3] = {1.0012, 1.0012, 1.0012};
    static const double third = 1.0 / 3, twisted[3][3] = {{2, -1, 2}, {2, 2, -1}, {-1, 2, 2}};
    (void)state;
    const dtp_frame straight = frame_of(edges, (const int64_t[3]){12, 12, 12}, STRAIGHT);
    dtp_frame oblique = straight;
    for (int f = 0; f < 3; f++)
        for (int row = 0; row < 3; row++)
            oblique.direction[f][row] = third * twisted[f][row];
    assert_steps(&straight, asked, asked);
    assert_steps(&oblique, asked, edges);
    for (int row = 0; row < 3; row++)
        oblique.direction[1][row] -= 1e-7 * oblique.direction[0][row];
    assert_steps(&oblique, asked, asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_angles_begin_at_the_first_voxel),
        cmocka_unit_test(an_axis_that_leans_back_centres),
        cmocka_unit_test(what_no_corner_shows_does_not_centre),
        cmocka_unit_test(a_step_within_a_micrometre_is_the_voxels),
        cmocka_unit_test(an_image_that_would_hardly_move_stays),
        cmocka_unit_test(an_affine_that_would_hardly_change_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
