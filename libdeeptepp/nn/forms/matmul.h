/* Products of matrices on the backend, run on any lane of a team: v (points, rows, ic) times weights (points, ic, oc)
 * to m (points, rows, oc). Private to nn/forms. */
#ifndef DTP_MATMUL_H
#define DTP_MATMUL_H

#include "../ops.h"

/* What a lane of its own runs with. */
typedef struct dtp_matmul_lane {
    dnnl_memory_t v, m, weights, scratchpad;
} dtp_matmul_lane;

typedef struct dtp_matmul {
    dnnl_engine_t engine;
    dnnl_data_type_t type; /* of v and weights; m is float32 */
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    size_t part_bytes; /* from one point's weights to the next's, where points are multiplied one by one; else 0 */
    int n_lanes;
    dtp_matmul_lane *lanes;
} dtp_matmul;

/* All points at once. weights: NULL lets the backend choose their layout. dnnl_unimplemented: it has no such
 * product. */
dnnl_status_t dtp_matmul_make(dtp_matmul *out, dnnl_engine_t engine, dnnl_data_type_t type, int64_t points,
                              int64_t rows, int64_t ic, int64_t oc, dtp_const_md weights);

/* One point at once of weights (points, ic, oc) in the layout `whole`. dnnl_unimplemented also where points do not lie
 * one after the other, or with padding: that the backend may write to whenever a handle is set, while other sessions
 * read the same weights. */
dnnl_status_t dtp_matmul_make_part(dtp_matmul *out, dnnl_engine_t engine, dnnl_data_type_t type, int64_t points,
                                   int64_t rows, int64_t ic, int64_t oc, dtp_const_md whole);

void dtp_matmul_free(dtp_matmul *product);
dtp_const_md dtp_matmul_weights(const dtp_matmul *product);
size_t dtp_matmul_scratch(const dtp_matmul *product); /* bytes a lane */

/* Lane i's scratch memory is `stride` bytes after lane i - 1's. */
dnnl_status_t dtp_matmul_prepare(dtp_matmul *product, int lanes, void *scratch, size_t stride);

/* point: the one, of those made one by one; v and m are that point's. */
dnnl_status_t dtp_matmul_run(const dtp_matmul *product, dnnl_stream_t stream, int lane, dnnl_memory_t weights,
                              int64_t point, const void *v, float *m);

#endif
