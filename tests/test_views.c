/* Where the network looks, against another way to compute it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../libdeeptepp/views/cube.h"
#include "recipe_maker.h"
#include "views_reference.h"

/* ---- The library's way ---- */

static dtp_cube place(const picture *p, const tumour *t, const dtp_recipe *r, dtp_frame *frame)
{
    deeptepp_volume *volume = picture_volume(p);
    dtp_study study = {.recipe = r};
    dtp_cube cube;
    dtp_frame_of(frame, volume, r->axes);
    study.mask_frame = study.frames[0] = *frame;
    for (int f = 0; f < 3; f++) {
        int v = frame->axis[f];
        study.low[f] = frame->flip[f] ? p->dims[v] - 1 - t->high[v] : t->low[v];
        study.high[f] = frame->flip[f] ? p->dims[v] - 1 - t->low[v] : t->high[v];
    }
    dtp_cube_place(&cube, &study);
    deeptepp_volume_free(volume);
    return cube;
}

static void grid_voxel(const dtp_grid *grid, const int64_t at[3], double out[3])
{
    for (int v = 0; v < 3; v++)
        out[v] = grid->origin[v] + (double)at[0] * grid->step[0][v] + (double)at[1] * grid->step[1][v] +
                 (double)at[2] * grid->step[2][v];
}

/* All corners and some sample within, of every view. */
static void assert_same_places(const picture *p, const tumour *t, const dtp_recipe *r)
{
    dtp_frame frame;
    dtp_cube cube = place(p, t, r, &frame);
    expected e = expect_cube(p, t, r);
    for (int view = 0; view < r->n_views; view++) {
        dtp_grid grid;
        dtp_grid_make(&grid, &cube, r, view, &frame);
        for (int n = 0; n < 9; n++) {
            int64_t at[3];
            double found[3], wanted[3];
            for (int f = 0; f < 3; f++)
                at[f] = n == 8 ? r->size[f] / 3 : n >> f & 1 ? r->size[f] - 1 : 0;
            grid_voxel(&grid, at, found);
            expect_voxel(p, &e, r, view, at, wanted);
            for (int v = 0; v < 3; v++)
                if (!(fabs(found[v] - wanted[v]) < 1e-9))
                    fail_msg("axes %s, view %d, sample (%d, %d, %d): voxel axis %d at %.12g, wanted %.12g", r->axes,
                             view, (int)at[0], (int)at[1], (int)at[2], v, found[v], wanted[v]);
        }
    }
}

/* A volume at some distance from everything, its axes not those of the patient; order: how it is stored. */
static picture make_picture(bool oblique, int order)
{
    picture p = picture_make((const int64_t[]){31, 22, 17}, (const double[]){0.7, 1.1, 2.3},
                             (const double[]){-37.3, 12.9, 101.7});
    if (oblique) {
        picture_turn(&p, 0, 13);
        picture_turn(&p, 1, -9);
        picture_turn(&p, 2, 24);
    }
    picture q = picture_reorder(&p, order);
    free(p.values);
    return q;
}

static tumour make_tumour(const picture *p)
{
    tumour t;
    for (int a = 0; a < 3; a++) {
        t.low[a] = p->dims[a] / 3;
        t.high[a] = p->dims[a] / 2 + 2;
    }
    return t;
}

static void check(const dtp_recipe *r, bool oblique, int order)
{
    picture p = make_picture(oblique, order);
    tumour t = make_tumour(&p);
    assert_same_places(&p, &t, r);
    free(p.values);
}

#define ALL_ANGLES "[0, 36, 72, 108, 144, 180, 216, 252, 288, 324, 360, -36, 90, -90, 270, 7.25]"
#define BOX(margin, aspect) "{'rule': 'box', 'margin_mm': " margin ", 'keep_aspect': " aspect "}"

static const char *const REGIONS[] = {"{'rule': 'fixed', 'spacing_mm': [0.9, 1.3, 2.2]}",
                                      "{'rule': 'fixed', 'spacing_mm': [1, 1, 1]}", BOX("0", "false"),
                                      BOX("6.5", "false"), BOX("3", "true")};
static const char *const ROTATION_AXES[] = {"'LR'", "'AP'", "'SI'"};

/* ---- Promises ---- */

static void samples_lie_where_geometry_says(void **state)
{
    (void)state;
    for (size_t region = 0; region < DTP_COUNT(REGIONS); region++)
        for (int axis = 0; axis < 3; axis++)
            for (int oblique = 0; oblique < 2; oblique++) {
                dtp_recipe r = RECIPE_WITH("region", REGIONS[region], "rotation_axis", ROTATION_AXES[axis],
                                           "angles_deg", ALL_ANGLES, "size", "[9, 12, 16]", "axes", "'SAR'");
                check(&r, oblique, 0);
                dtp_recipe_free(&r);
            }
}

static void they_do_for_every_order_of_the_network_s_axes(void **state)
{
    (void)state;
    static const char letters[3][2] = {"RL", "AP", "SI"};
    static const int perms[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int n = 0; n < 48; n++) {
        char axes[6] = "'___'";
        for (int f = 0; f < 3; f++)
            axes[1 + f] = letters[perms[n / 8][f]][n >> f & 1];
        dtp_recipe r = RECIPE_WITH("axes", axes, "angles_deg", ALL_ANGLES, "size", "[9, 12, 16]", "rotation_axis",
                                   ROTATION_AXES[n % 3], "region", REGIONS[n % 5]);
        check(&r, true, 0);
        dtp_recipe_free(&r);
    }
}

static void they_do_for_every_axis_order_of_the_volume(void **state)
{
    (void)state;
    for (int order = 0; order < 48; order++) {
        dtp_recipe r = RECIPE_WITH("axes", "'PIR'", "angles_deg", ALL_ANGLES, "size", "[9, 12, 16]", "rotation_axis",
                                   ROTATION_AXES[order % 3], "region", REGIONS[order % 5]);
        check(&r, order % 2, order);
        dtp_recipe_free(&r);
    }
}

/* One sample 1 mm from the middle along the network's axis `from` (of RAS), turned a quarter about `axis`. */
static void assert_turns(const char *axis, int from, int to)
{
    dtp_recipe r = RECIPE_WITH("size", "[9, 9, 9]", "angles_deg", "[0, 90]", "rotation_axis", axis);
    picture p = picture_make((const int64_t[]){30, 30, 30}, (const double[]){1, 1, 1}, (const double[]){0, 0, 0});
    tumour t = {{14, 14, 14}, {16, 16, 16}};
    int64_t at[3] = {4, 4, 4};
    double wanted[3] = {15, 15, 15}, found[3];
    dtp_frame frame;
    dtp_grid grid;
    dtp_cube cube = place(&p, &t, &r, &frame);
    dtp_grid_make(&grid, &cube, &r, 1, &frame);
    at[from]++;
    wanted[to]++;
    grid_voxel(&grid, at, found);
    assert_memory_equal(found, wanted, sizeof found);
    free(p.values);
    dtp_recipe_free(&r);
}

/* Right-handed: about the patient's right, anterior turns to superior, and so on round. */
static void a_positive_angle_is_right_handed(void **state)
{
    (void)state;
    assert_turns("'LR'", 1, 2);
    assert_turns("'AP'", 2, 0);
    assert_turns("'SI'", 0, 1);
}

static void quarter_turns_map_voxels_onto_voxels(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("angles_deg", "[90, 180, 270, 360, -90, -180, 450, 3600, 0]", "size", "[16, 16, 16]");
    picture p = make_picture(false, 0);
    tumour t = make_tumour(&p);
    for (int a = 0; a < 3; a++)
        p.affine[5 * a] = 1;
    dtp_frame frame;
    dtp_cube cube = place(&p, &t, &r, &frame);
    for (int view = 0; view < r.n_views; view++) {
        dtp_grid grid;
        dtp_grid_make(&grid, &cube, &r, view, &frame);
        for (int v = 0; v < 3; v++) {
            assert_true(grid.origin[v] == round(grid.origin[v]));
            for (int f = 0; f < 3; f++)
                assert_true(grid.step[f][v] == 0 || fabs(grid.step[f][v]) == 1);
        }
    }
    free(p.values);
    dtp_recipe_free(&r);
}

static void whole_turns_are_no_turn(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("angles_deg", "[0, 360, -360, 720]", "rotation_axis", "'SI'");
    picture p = make_picture(true, 11);
    tumour t = make_tumour(&p);
    dtp_frame frame;
    dtp_grid first, other;
    dtp_cube cube = place(&p, &t, &r, &frame);
    dtp_grid_make(&first, &cube, &r, 0, &frame);
    for (int view = 1; view < r.n_views; view++) {
        dtp_grid_make(&other, &cube, &r, view, &frame);
        assert_memory_equal(&first, &other, sizeof first);
    }
    free(p.values);
    dtp_recipe_free(&r);
}

static void a_turned_view_keeps_its_middle(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("angles_deg", ALL_ANGLES, "size", "[9, 11, 13]", "region", REGIONS[0]);
    picture p = make_picture(true, 21);
    tumour t = make_tumour(&p);
    dtp_frame frame;
    dtp_cube cube = place(&p, &t, &r, &frame);
    double first[3], middle[3];
    for (int view = 0; view < r.n_views; view++) {
        dtp_grid grid;
        dtp_grid_make(&grid, &cube, &r, view, &frame);
        grid_voxel(&grid, (const int64_t[]){4, 5, 6}, view ? middle : first);
        for (int v = 0; v < 3 && view; v++)
            assert_true(fabs(middle[v] - first[v]) < 1e-10);
    }
    free(p.values);
    dtp_recipe_free(&r);
}

/* Where the first sample of an unrotated cube lies on the lattice, along each axis. */
static void starts(const char *spacing, const char *size, double edge, const tumour *t, double out[3])
{
    char region[96];
    snprintf(region, sizeof region, "{'rule': 'fixed', 'spacing_mm': [%s, %s, %s]}", spacing, spacing, spacing);
    dtp_recipe r = RECIPE_WITH("region", region, "size", size);
    picture p = picture_make((const int64_t[]){40, 40, 40}, (const double[]){edge, edge, edge},
                             (const double[]){-7.7, 3.3, 0.1});
    dtp_frame frame;
    dtp_cube cube = place(&p, t, &r, &frame);
    for (int f = 0; f < 3; f++)
        out[f] = cube.centre[f] / cube.step[f] - 0.5 * (double)(r.size[f] - 1);
    free(p.values);
    dtp_recipe_free(&r);
}

/* An even cube round an odd tumour, and the other way, cannot be centred: half a step later, whatever the last bit of
 * the voxel size says. */
static void ties_go_to_the_later_start_whatever_the_rounding(void **state)
{
    (void)state;
    static const char *const edges[] = {"0.05", "0.1", "0.3", "0.333333333333333", "0.664",
                                        "0.7", "1", "1.1", "2.1", "3.3"};
    static const struct {
        const char *size;
        tumour t;
        double start;
    } rows[] = {
        {"[8, 8, 8]", {{9, 9, 9}, {11, 11, 11}}, 7},         /* middle 10: 6.5 */
        {"[8, 8, 8]", {{9, 9, 9}, {12, 12, 12}}, 7},         /* middle 10.5: 7, no tie */
        {"[9, 9, 9]", {{9, 9, 9}, {12, 12, 12}}, 7},         /* middle 10.5: 6.5 */
        {"[64, 64, 64]", {{20, 20, 20}, {22, 22, 22}}, -10}, /* middle 21: -10.5 */
        {"[9, 9, 9]", {{1, 1, 1}, {2, 2, 2}}, -2},           /* middle 1.5: -2.5 */
    };
    for (size_t e = 0; e < DTP_COUNT(edges); e++)
        for (size_t i = 0; i < DTP_COUNT(rows); i++) {
            double found[3];
            starts(edges[e], rows[i].size, strtod(edges[e], NULL), &rows[i].t, found);
            for (int f = 0; f < 3; f++)
                if (!(fabs(found[f] - rows[i].start) < 1e-9))
                    fail_msg("edge %s, row %d: start %.12g, wanted %g", edges[e], (int)i, found[f], rows[i].start);
        }
}

static void a_fixed_cube_moves_by_half_a_step_at_most(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("region", "{'rule': 'fixed', 'spacing_mm': [0.9, 1.7, 4]}", "size", "[10, 11, 12]");
    picture p = make_picture(true, 0);
    dtp_frame frame;
    for (int64_t n = 0; n < 200; n++) {
        tumour t = {{n % 7, n % 5, n % 3}, {7 + n % 11, 6 + n % 13, 4 + n % 10}};
        dtp_cube cube = place(&p, &t, &r, &frame);
        for (int f = 0; f < 3; f++) {
            double middle = 0.5 * (double)(t.low[f] + t.high[f]) * frame.spacing[f];
            double start = cube.centre[f] / r.spacing_mm[f] - 0.5 * (double)(r.size[f] - 1);
            assert_true(fabs(cube.centre[f] - middle) <= (0.5 + 1e-5) * r.spacing_mm[f]);
            assert_true(fabs(start - round(start)) < 1e-9);
        }
    }
    free(p.values);
    dtp_recipe_free(&r);
}

static void a_box_spans_the_tumour_and_its_margin(void **state)
{
    (void)state;
    dtp_recipe r = RECIPE_WITH("region", BOX("5", "false"), "size", "[8, 10, 16]");
    picture p = picture_make((const int64_t[]){40, 40, 20}, (const double[]){1, 2, 3}, (const double[]){0, 0, 0});
    tumour t = {{10, 10, 5}, {19, 11, 5}};
    dtp_frame frame;
    dtp_cube cube = place(&p, &t, &r, &frame);
    const double extent[3] = {10 * 1 + 10, 2 * 2 + 10, 1 * 3 + 10}, middle[3] = {14.5, 10.5 * 2, 15};
    for (int f = 0; f < 3; f++) {
        assert_true(fabs(cube.step[f] - extent[f] / (double)r.size[f]) < 1e-12);
        assert_true(fabs(cube.centre[f] - middle[f]) < 1e-12);
    }
    r.keep_aspect = true;
    cube = place(&p, &t, &r, &frame);
    for (int f = 0; f < 3; f++)
        assert_true(fabs(cube.step[f] - 20.0 / 8) < 1e-12);
    free(p.values);
    dtp_recipe_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_lie_where_geometry_says),
        cmocka_unit_test(they_do_for_every_order_of_the_network_s_axes),
        cmocka_unit_test(they_do_for_every_axis_order_of_the_volume),
        cmocka_unit_test(a_positive_angle_is_right_handed),
        cmocka_unit_test(quarter_turns_map_voxels_onto_voxels),
        cmocka_unit_test(whole_turns_are_no_turn),
        cmocka_unit_test(a_turned_view_keeps_its_middle),
        cmocka_unit_test(ties_go_to_the_later_start_whatever_the_rounding),
        cmocka_unit_test(a_fixed_cube_moves_by_half_a_step_at_most),
        cmocka_unit_test(a_box_spans_the_tumour_and_its_margin),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
