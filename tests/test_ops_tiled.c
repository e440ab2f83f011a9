/* Convolutions that nn/ computes by its own forms, and crops, against plain loops in double, over seeded random
 * shapes. */
#include "../libdeeptepp/nn/forms/form.h"
#include "ops_trial.h"

enum { TILED = 60, CROPS = 20 };

/* Shapes that go through Winograd's tiles: 3x3x3 and the flat ones, every activation it knows, with and without a sum,
 * maps that are no multiple of a tile, padded on both ends or one. */
static void tiled_convolutions_agree(void **state)
{
    static const int64_t kernels[4][3] = {{3, 3, 3}, {1, 3, 3}, {3, 1, 3}, {3, 3, 1}}, one[3] = {1, 1, 1};
    int tiled = 0;
    for (int n = 0; n < TILED; n++) {
        trial t;
        begin(&t, (uint64_t)n + 5000, 8);
        int64_t oc = 16 * reference_draw(&t.state, 1, 3);
        dtp_layer first = point_convolution(one), layer = first;
        first.src = 0;
        memcpy(layer.kernel, kernels[n % 4], sizeof layer.kernel);
        for (int i = 0; i < 3; i++)
            layer.pad[i] = layer.kernel[i] / 2;
        layer.activation = (dtp_activation)reference_draw(&t.state, DTP_IDENTITY, DTP_LEAKY_RELU);
        layer.open_end = n % 5 == 4;
        t.graph.values[0].d = layer.kernel[0] == 1 ? reference_draw(&t.state, 1, 3) : reference_draw(&t.state, 6, 14);
        t.graph.values[0].h = reference_draw(&t.state, 6, 14);
        t.graph.values[0].w = reference_draw(&t.state, 6, 14);
        t.runner.batch = n % 5 ? 1 : 3;
        layer.src = append(&t, &first, 16 * reference_draw(&t.state, 1, 2));
        int block = append(&t, &layer, oc);
        layer.src = block;
        layer.open_end = false;
        layer.add = n % 3 ? -1 : append_shortcut(&t, block, oc);
        append(&t, &layer, oc);
        t.tolerance = n % 4 ? FLAT_TILES : USUAL;
        tiled += dtp_winograd.suits(&t.graph, t.graph.n_layers - 1);
        run(*state, &t, 1 + n / 2 % 2);
    }
    assert_true(tiled > TILED / 2);
}

/* More output channels than are packed at once, in the layout of weights that the backend chooses, by each form. */
static void wide_layers_agree(void **state)
{
    static const struct {
        const dtp_form_kind *kind;
        int64_t ic, oc, size;
    } cases[] = {{&dtp_taps, 64, 256, 2},     {&dtp_taps, 80, 448, 2},     {&dtp_taps, 64, 272, 2},
                 {&dtp_winograd, 16, 208, 8}, {&dtp_winograd, 32, 272, 6}, {&dtp_winograd, 32, 448, 5}};
    const int64_t one[3] = {1, 1, 1};
    bool wide = strncmp(dtp_backend_isa(), "AVX512", 6) == 0; /* elsewhere the layout before may be none for a form */
    for (size_t n = 0; n < DTP_COUNT(cases); n++) {
        trial t;
        begin(&t, n + 7000, 8);
        t.graph.values[0].d = t.graph.values[0].h = t.graph.values[0].w = cases[n].size;
        t.runner.batch = 2;
        dtp_layer first = point_convolution(one), layer = first;
        for (int i = 0; i < 3; i++) {
            layer.kernel[i] = 3;
            layer.pad[i] = 1;
        }
        layer.src = append(&t, &first, cases[n].ic);
        append(&t, &layer, cases[n].oc);
        assert_ptr_equal(dtp_form_choose(&t.graph, 1), cases[n].kind);
        run(*state, &t, 2);
        print_message("%s, %d to %d: %s\n", cases[n].kind->name, (int)cases[n].ic, (int)cases[n].oc,
                      t.form ? t.form->name : "the backend's own");
        if (wide && cases[n].oc % 64 == 0)
            assert_ptr_equal(t.form, cases[n].kind);
    }
}

/* The first cells of a map in the layout of a convolution, read by another. */
static void crops_agree(void **state)
{
    const int64_t one[3] = {1, 1, 1};
    for (int n = 0; n < CROPS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 6000, 40);
        dtp_shape in = t.graph.values[0];
        dtp_layer point = point_convolution(one), crop = {.op = DTP_CROP, .name = "crop", .add = -1,
                                                          .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
        crop.kernel[0] = reference_draw(&t.state, 1, in.d);
        crop.kernel[1] = reference_draw(&t.state, 1, in.h);
        crop.kernel[2] = reference_draw(&t.state, 1, in.w);
        crop.src = append(&t, &point, reference_draw(&t.state, 1, 40));
        point.src = append(&t, &crop, 0);
        if (n % 2)
            append(&t, &point, 8);
        run(*state, &t, 1 + n / 2 % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiled_convolutions_agree),
        cmocka_unit_test(wide_layers_agree),
        cmocka_unit_test(crops_agree),
    };
    return cmocka_run_group_tests(tests, start_workers, stop_workers);
}
