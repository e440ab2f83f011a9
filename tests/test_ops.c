/* Every operation of nn/ against plain loops in double, over seeded random shapes. */
#include "ops_trial.h"

enum { CONVOLUTIONS = 160, SUMS = 40, POOLS = 60, LINEARS = 24 };

static void convolutions_agree(void **state)
{
    for (int n = 0; n < CONVOLUTIONS; n++) {
        trial t;
        begin(&t, (uint64_t)n, 70);
        int64_t oc = reference_draw(&t.state, 1, 70);
        dtp_layer layer = draw_convolution(&t);
        shrink(&t, &layer, oc);
        draw_padding(&t, &layer);
        append(&t, &layer, oc);
        run(*state, &t, 1 + n % 2);
    }
}

/* The shortcut of a residual block that changes the shape: a strided 1x1x1 convolution, added in place. */
static void projected_sums_agree(void **state)
{
    for (int n = 0; n < SUMS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 1000, 70);
        int64_t oc = reference_draw(&t.state, 1, 70);
        dtp_layer layer = draw_convolution(&t), shortcut = point_convolution(layer.stride);
        shrink(&t, &layer, oc);
        layer.add = append(&t, &shortcut, oc);
        append(&t, &layer, oc);
        run(*state, &t, 1 + n % 2);
    }
}

/* The shortcut of a block that keeps the shape: the value that was read first is added last. */
static void identity_sums_agree(void **state)
{
    for (int n = 0; n < SUMS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 2000, 40);
        int64_t oc = reference_draw(&t.state, 1, 40);
        dtp_layer layer = draw_convolution(&t);
        shrink(&t, &layer, oc + t.graph.values[0].c);
        memcpy(layer.stride, (const int64_t[3]){1, 1, 1}, sizeof layer.stride);
        int block = append(&t, &layer, oc);
        dtp_layer inner = point_convolution(layer.stride), last = inner;
        inner.src = block;
        inner.activation = layer.activation;
        last.src = append(&t, &inner, reference_draw(&t.state, 1, 40));
        last.add = block;
        append(&t, &last, oc);
        run(*state, &t, 1 + n % 2);
    }
}

/* On the plain input, and on a map in the layout of the convolution before it. */
static void pools_agree(void **state)
{
    const int64_t one[3] = {1, 1, 1};
    for (int n = 0; n < POOLS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 3000, 40);
        dtp_layer pool = draw_pool(&t, n % 3 ? DTP_MAX_POOL : DTP_AVERAGE_POOL), point = point_convolution(one);
        shrink(&t, &point, 40);
        pool = draw_pool(&t, pool.op);
        if (n % 2)
            pool.src = append(&t, &point, reference_draw(&t.state, 1, 40));
        append(&t, &pool, 0);
        run(*state, &t, 1 + n / 2 % 2);
    }
}

/* A pool over the whole map and a linear layer, as at the end of every network here. */
static void linear_layers_agree(void **state)
{
    const int64_t one[3] = {1, 1, 1};
    for (int n = 0; n < LINEARS; n++) {
        trial t;
        begin(&t, (uint64_t)n + 4000, 2048);
        dtp_shape *in = &t.graph.values[0];
        in->d = in->h = 1 + n % 3;
        in->w = 1 + n % 5;
        dtp_layer pool = {.op = DTP_AVERAGE_POOL, .name = "pool", .add = -1, .kernel = {in->d, in->h, in->w},
                          .stride = {in->d, in->h, in->w}, .dilation = {1, 1, 1}};
        dtp_layer linear = point_convolution(one);
        linear.src = n % 2 ? append(&t, &pool, 0) : 0;
        if (!linear.src)
            in->d = in->h = in->w = 1;
        append(&t, &linear, reference_draw(&t.state, 1, 10));
        run(*state, &t, 1 + n / 2 % 2);
    }
}

static void a_linear_layer_is_the_convolution_it_is_run_as(void **state)
{
    const float weights[6] = {1, 2, 3, -1, 0.5f, 4}, bias[2] = {10, 20}, values[3] = {1, -2, 3};
    reference_map in = reference_of(values, 1, 3, 1, 1, 1), out = reference_linear(&in, 2, weights, bias);
    (void)state;
    assert_true(out.values[0] == 10 + 1 - 4 + 9);
    assert_true(out.values[1] == 20 - 1 - 1 + 12);
    reference_free(&in);
    reference_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(projected_sums_agree),
        cmocka_unit_test(identity_sums_agree),
        cmocka_unit_test(pools_agree),
        cmocka_unit_test(linear_layers_agree),
        cmocka_unit_test(a_linear_layer_is_the_convolution_it_is_run_as),
    };
    return cmocka_run_group_tests(tests, start_workers, stop_workers);
}
