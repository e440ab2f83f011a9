/* The Winograd form: shapes that fill tiles and shapes that do not, 2-D and 3-D, sums, activations, several images and
 * blocks. */
#include "form_subject.h"

static void make(subject *s, dtp_shape in, int64_t oc, int64_t images, int variant)
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .add = variant % 2 ? 0 : -1, .activation = ACTIVATIONS[variant % 3],
                       .open_end = variant % 5 == 4, .name = "layer"};
    for (int i = 0; i < 3; i++) {
        layer.kernel[i] = in.d == 1 && i == 0 ? 1 : 3;
        layer.stride[i] = layer.dilation[i] = 1;
        layer.pad[i] = layer.kernel[i] / 2;
    }
    if (layer.open_end || in.c != oc)
        layer.add = -1;
    s->kind = &dtp_winograd;
    fill(s, &layer, in, oc, images);
}

/* F(4, 3) loses about three bits more than F(2, 3). */
static void check_shapes(bool flat, double allowed)
{
    uint64_t state = flat ? 21 : 22;
    double worst = 0;
    for (int i = 0; i < 30; i++) {
        subject s = {.state = state + (uint64_t)i};
        dtp_shape in = {16 * reference_draw(&state, 1, 4), flat ? 1 : reference_draw(&state, 2, 9),
                        reference_draw(&state, 2, flat ? 23 : 9), reference_draw(&state, 2, flat ? 23 : 9)};
        int64_t oc = i % 2 ? in.c : 16 * reference_draw(&state, 1, 4);
        make(&s, in, oc, reference_draw(&state, 1, 3), i);
        double squared = check(&s);
        worst = squared > worst ? squared : worst;
        finish(&s);
    }
    printf("largest error: %.3g of the root mean square, allowed %.3g\n", __builtin_sqrt(worst), allowed);
    assert_true(worst <= allowed * allowed);
}

static void cubes_equal_the_plain_loops(void **state)
{
    (void)state;
    check_shapes(false, 5e-6);
}

static void planes_equal_the_plain_loops(void **state)
{
    (void)state;
    check_shapes(true, 1.5e-5);
}

/* Products that overflow are NaN here and there: ReLU must not make a 0 of them. */
static void overflow_passes_relu(void **state)
{
    (void)state;
    subject s = {.state = 8};
    int shown = 0;
    make(&s, (dtp_shape){16, 4, 8, 8}, 16, 1, 1); /* ReLU */
    for (size_t i = 0; i < dtp_shape_size(s.graph.values[0]); i++)
        s.src[i] = 1e38f;
    on_worker(&s);
    for (size_t i = 0; i < dtp_shape_size(s.graph.values[1]); i++)
        shown += !(s.dst[i] - s.dst[i] == 0);
    assert_true(shown > 0);
    finish(&s);
}

static void many_blocks_equal_the_plain_loops(void **state)
{
    (void)state;
    subject s = {.state = 7};
    make(&s, (dtp_shape){64, 16, 18, 15}, 64, 2, 1);
    assert_transform_stops(&s);
    assert_true(check(&s) < 5e-6 * 5e-6);
    finish(&s);
}

/* Weights that leave a core's cache, and those that the team multiplies point by point: fewer, larger blocks. */
static void wide_layers_equal_the_plain_loops(void **state)
{
    static const struct {
        dtp_shape in;
        int64_t oc;
    } cases[] = {{{16, 6, 8, 8}, 512}, {{64, 4, 8, 8}, 528}};
    (void)state;
    for (size_t i = 0; i < DTP_COUNT(cases); i++) {
        subject s = {.state = 9 + i};
        make(&s, cases[i].in, cases[i].oc, 1, 1);
        assert_true(check(&s) < 5e-6 * 5e-6);
        finish(&s);
    }
}

static void only_what_it_can_do_is_asked_of_it(void **state)
{
    (void)state;
    const dtp_layer good = {.op = DTP_CONVOLUTION, .kernel = {3, 3, 3}, .stride = {1, 1, 1}, .pad = {1, 1, 1},
                            .dilation = {1, 1, 1}};
    const dtp_shape map = {32, 12, 12, 12};
    dtp_layer layer = good;
    assert_true(suits(&dtp_winograd, layer, map, 32));
    assert_false(suits(&dtp_winograd, layer, (dtp_shape){33, 12, 12, 12}, 32));
    assert_false(suits(&dtp_winograd, layer, (dtp_shape){32, 4, 4, 4}, 32));
    layer.stride[1] = 2;
    assert_false(suits(&dtp_winograd, layer, map, 32));
    layer = good;
    layer.dilation[2] = layer.pad[2] = 2;
    assert_false(suits(&dtp_winograd, layer, map, 32));
    layer = good;
    layer.pad[0] = 0;
    assert_false(suits(&dtp_winograd, layer, map, 32));
    layer = good;
    layer.activation = DTP_ELU;
    assert_false(suits(&dtp_winograd, layer, map, 32));
    layer = good;
    layer.kernel[0] = layer.kernel[1] = 1;
    layer.pad[0] = layer.pad[1] = 0;
    assert_false(suits(&dtp_winograd, layer, map, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cubes_equal_the_plain_loops),
        cmocka_unit_test(planes_equal_the_plain_loops),
        cmocka_unit_test(many_blocks_equal_the_plain_loops),
        cmocka_unit_test(wide_layers_equal_the_plain_loops),
        cmocka_unit_test(overflow_passes_relu),
        cmocka_unit_test(only_what_it_can_do_is_asked_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
