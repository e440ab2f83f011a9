/* Where the network looks, against another way to compute it: every sample's place in the patient, RAS mm, by 4x4
 * matrices, a rotation by Rodrigues' formula, and the inverse of the image's affine by elimination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../libdeeptepp/input/views.h"
#include "picture_maker.h"
#include "recipe_maker.h"

/* ---- The other way ---- */

/* Gauss-Jordan with pivoting. */
static void invert(const double in[16], double out[16])
{
    double a[4][8];
    for (int r = 0; r < 4; r++)
        for (int c = 0; c < 8; c++)
            a[r][c] = c < 4 ? in[4 * r + c] : c - 4 == r;
    for (int c = 0; c < 4; c++) {
        int best = c;
        for (int r = c; r < 4; r++)
            best = fabs(a[r][c]) > fabs(a[best][c]) ? r : best;
        for (int n = 0; n < 8; n++) {
            double swap = a[c][n];
            a[c][n] = a[best][n];
            a[best][n] = swap;
        }
        for (int r = 0; r < 4; r++) {
            double factor = r == c ? 1 - 1 / a[c][c] : a[r][c] / a[c][c];
            for (int n = 0; n < 8; n++)
                a[r][n] -= factor * a[c][n];
        }
    }
    for (int r = 0; r < 4; r++)
        memcpy(out + 4 * r, a[r] + 4, 4 * sizeof(double));
}

static void transform(const double matrix[16], const double in[3], double out[3])
{
    double result[3];
    for (int r = 0; r < 3; r++)
        result[r] = matrix[4 * r] * in[0] + matrix[4 * r + 1] * in[1] + matrix[4 * r + 2] * in[2] + matrix[4 * r + 3];
    memcpy(out, result, sizeof result);
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* Turns v about the unit vector k, right-handed. */
static void rodrigues(const double k[3], double degrees, const double v[3], double out[3])
{
    double t = degrees * 3.14159265358979323846 / 180, along = dot(k, v);
    for (int a = 0; a < 3; a++) {
        int b = (a + 1) % 3, c = (a + 2) % 3;
        out[a] = v[a] * cos(t) + (k[b] * v[c] - k[c] * v[b]) * sin(t) + k[a] * along * (1 - cos(t));
    }
}

/* The unit vector of the voxel axis that runs nearest to `letter`, turned to run that way, and the edge along it. */
static double nearest_axis(const picture *p, char letter, double out[3])
{
    int row = letter == 'R' || letter == 'L' ? 0 : letter == 'A' || letter == 'P' ? 1 : 2, best = 0;
    double edge[3], cosine[3];
    for (int v = 0; v < 3; v++) {
        edge[v] = sqrt(p->affine[v] * p->affine[v] + p->affine[4 + v] * p->affine[4 + v] +
                       p->affine[8 + v] * p->affine[8 + v]);
        cosine[v] = p->affine[4 * row + v] / edge[v];
        best = fabs(cosine[v]) > fabs(cosine[best]) ? v : best;
    }
    bool towards = (cosine[best] > 0) == (letter == 'R' || letter == 'A' || letter == 'S');
    for (int w = 0; w < 3; w++)
        out[w] = p->affine[4 * w + best] / edge[best] * (towards ? 1 : -1);
    return edge[best];
}

/* Low and high corner voxels of the tumour, as the picture stores it. */
typedef struct tumour {
    int64_t low[3], high[3];
} tumour;

/* Along axis `unit` (edge mm long): mm from the image's first voxel centre in that sense to the tumour's middle, and
 * the tumour's size from outer edge to outer edge. */
static void project(const picture *p, const tumour *t, const double unit[3], double edge, double *middle, double *size)
{
    double first = INFINITY, low = INFINITY, high = -INFINITY, ras[3];
    for (int corner = 0; corner < 8; corner++) {
        double image[3], box[3];
        for (int a = 0; a < 3; a++) {
            bool far = corner >> a & 1;
            image[a] = far ? (double)(p->dims[a] - 1) : 0;
            box[a] = (double)(far ? t->high[a] : t->low[a]);
        }
        transform(p->affine, image, ras);
        first = fmin(first, dot(ras, unit));
        transform(p->affine, box, ras);
        low = fmin(low, dot(ras, unit));
        high = fmax(high, dot(ras, unit));
    }
    *middle = 0.5 * (low + high) - first;
    *size = high - low + edge;
}

/* The middle of a cube of `size` samples on the lattice, nearest to `middle`; of two as near, the later. */
static double on_lattice(double middle, double step, int64_t size)
{
    double best = INFINITY;
    for (int start = -2000; start < 2000; start++) {
        double candidate = ((double)start + 0.5 * (double)(size - 1)) * step;
        if (fabs(candidate - middle) <= fabs(best - middle) + 1e-7 * step)
            best = candidate;
    }
    return best;
}

typedef struct expected {
    double unit[3][3], step[3], centre[3]; /* centre: RAS mm */
} expected;

static expected expect_cube(const picture *p, const tumour *t, const dtp_recipe *r)
{
    expected e;
    double middles[3], ends[2][3];
    for (int a = 0; a < 3; a++) {
        ends[0][a] = (double)t->low[a];
        ends[1][a] = (double)t->high[a];
    }
    transform(p->affine, ends[0], ends[0]);
    transform(p->affine, ends[1], ends[1]);
    for (int w = 0; w < 3; w++)
        e.centre[w] = 0.5 * (ends[0][w] + ends[1][w]);
    for (int f = 0; f < 3; f++) {
        double size, edge = nearest_axis(p, r->axes[f], e.unit[f]);
        project(p, t, e.unit[f], edge, &middles[f], &size);
        e.step[f] = r->region == DTP_REGION_FIXED ? r->spacing_mm[f] : (size + 2 * r->margin_mm) / (double)r->size[f];
    }
    for (int f = 0; f < 3; f++) {
        double move = r->region == DTP_REGION_FIXED ? on_lattice(middles[f], e.step[f], r->size[f]) - middles[f] : 0;
        for (int w = 0; w < 3; w++)
            e.centre[w] += move * e.unit[f][w];
    }
    if (r->region == DTP_REGION_BOX && r->keep_aspect)
        e.step[0] = e.step[1] = e.step[2] = fmax(e.step[0], fmax(e.step[1], e.step[2]));
    return e;
}

static void expect_voxel(const picture *p, const expected *e, const dtp_recipe *r, int view, const int64_t at[3],
                         double out[3])
{
    double offset[3] = {0}, turned[3], about[3], inverse[16];
    for (int f = 0; f < 3; f++)
        for (int w = 0; w < 3; w++)
            offset[w] += ((double)at[f] - 0.5 * (double)(r->size[f] - 1)) * e->step[f] * e->unit[f][w];
    nearest_axis(p, "RAS"[r->rotation_axis], about);
    rodrigues(about, r->angles_deg[view], offset, turned);
    for (int w = 0; w < 3; w++)
        turned[w] += e->centre[w];
    invert(p->affine, inverse);
    transform(inverse, turned, out);
}

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
    static const char *const edges[] = {"0.05", "0.1", "0.3", "0.333333333333333", "0.664", "0.7", "1", "1.1", "2.1", "3.3"};
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
