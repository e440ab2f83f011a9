/* Tiny maps, tap by tap: every stride, padding, dilation and kernel, maps down to one cell, sums, activations,
 * images. */
#include "form_subject.h"

static dtp_layer random_layer(uint64_t *state, int variant)
{
    dtp_layer layer = {.op = DTP_CONVOLUTION, .activation = ACTIVATIONS[variant % 3], .name = "layer"};
    for (int i = 0; i < 3; i++) {
        layer.kernel[i] =
            i == 0 && variant % 4 == 3 ? 1 : 2 * reference_draw(state, 1, 2) + (variant % 7 == 6 ? -1 : 1);
        layer.kernel[i] = layer.kernel[i] > 5 ? 5 : layer.kernel[i];
        layer.stride[i] = reference_draw(state, 1, 2);
        layer.dilation[i] = reference_draw(state, 1, 2);
        layer.pad[i] = layer.dilation[i] * (layer.kernel[i] - 1) / 2;
    }
    return layer;
}

static void tiny_maps_equal_the_plain_loops(void **state)
{
    (void)state;
    uint64_t random = 31;
    double worst = 0;
    int tried = 0;
    for (int i = 0; tried < 40 && i < 4000; i++) {
        subject s = {.kind = &dtp_taps, .state = 100 + (uint64_t)i};
        dtp_layer layer = random_layer(&random, i);
        dtp_shape in = {16 * reference_draw(&random, 4, 6), reference_draw(&random, 1, 4),
                        reference_draw(&random, 1, 4), reference_draw(&random, 1, 4)};
        bool same = layer.stride[0] * layer.stride[1] * layer.stride[2] == 1;
        int64_t oc = same ? in.c : 16 * reference_draw(&random, 4, 6);
        layer.open_end = in.d > layer.pad[0] && in.h > layer.pad[1] && in.w > layer.pad[2];
        layer.add = same && i % 2 && !layer.open_end ? 0 : -1;
        fill(&s, &layer, in, oc, reference_draw(&random, 1, 5));
        if (dtp_taps.suits(&s.graph, 0)) {
            assert_transform_stops(&s);
            double squared = check(&s);
            worst = squared > worst ? squared : worst;
            tried++;
        }
        finish(&s);
    }
    printf("largest error: %.3g of the root mean square\n", __builtin_sqrt(worst));
    assert_int_equal(tried, 40);
    assert_true(worst <= 3e-6 * 3e-6);
}

static void only_where_most_products_are_with_padding(void **state)
{
    (void)state;
    const dtp_layer good = {.op = DTP_CONVOLUTION, .kernel = {3, 3, 3}, .stride = {1, 1, 1}, .pad = {1, 1, 1},
                            .dilation = {1, 1, 1}, .activation = DTP_RELU};
    dtp_layer layer = good;
    assert_true(suits(&dtp_taps, good, (dtp_shape){512, 2, 2, 2}, 512));
    assert_true(suits(&dtp_taps, good, (dtp_shape){512, 1, 1, 1}, 512));
    assert_false(suits(&dtp_taps, good, (dtp_shape){512, 4, 4, 4}, 512));
    assert_true(suits(&dtp_taps, good, (dtp_shape){512, 1, 5, 5},
                      512)); /* two thirds of the kernel lie beside the only plane */
    assert_false(suits(&dtp_taps, good, (dtp_shape){40, 2, 2, 2}, 40));
    layer.activation = DTP_ELU;
    assert_false(suits(&dtp_taps, layer, (dtp_shape){512, 2, 2, 2}, 512));
    layer = good;
    layer.kernel[0] = 1;
    layer.pad[0] = 0;
    assert_false(suits(&dtp_taps, layer, (dtp_shape){512, 1, 5, 5}, 512)); /* most of it is needed */
    layer = good;
    layer.op = DTP_MAX_POOL;
    assert_false(suits(&dtp_taps, layer, (dtp_shape){512, 2, 2, 2}, 512));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_maps_equal_the_plain_loops),
        cmocka_unit_test(only_where_most_products_are_with_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
