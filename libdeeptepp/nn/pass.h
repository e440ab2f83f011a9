/* A net as its making (net.c), its runs (run.c) and the watch over overflow (reach.c) see it. Private to nn/. */
#ifndef DTP_PASS_H
#define DTP_PASS_H

#include <stdatomic.h>

#include "plan.h"
#include "weights.h"

/* What a lane runs a primitive with. */
typedef struct dtp_bound_memory {
    dnnl_memory_t src, dst, scratchpad;
    dnnl_memory_t weights, bias; /* of narrow parts */
} dtp_bound_memory;

typedef struct dtp_lane {
    dtp_bound_memory *parts;
    double *bounds; /* one a tensor: no value that this run has made of it is larger in magnitude */
} dtp_lane;

struct dtp_net {
    dtp_plan *plan;
    dnnl_stream_t stream;
    dnnl_primitive_t *primitives; /* one a part */
    dtp_lane *lanes;
    uint8_t *arena, *scratchpad;
    double macs; /* of a run */
};

/* Lanes of which a part is run at once. */
static inline int dtp_bound_lanes(const dtp_plan *plan)
{
    return plan->divides ? (int)plan->batch : plan->lanes;
}

/* The memory of a tensor from image `first` on, as a lane sees it. */
void *dtp_net_address(const dtp_net *net, int tensor, int64_t first, int lane);

/* Multiplications of a node for one image. */
double dtp_node_macs(const dtp_net *net, const dtp_node *node);

/* What all lanes of a run see. Of images that fail the first counts, as it would one after the other. */
typedef struct dtp_pass {
    dtp_net *net;
    const dtp_weights *weights;
    dtp_watch *watch;
    dtp_team *team;
    const dtp_stage *stage; /* the one in hand */
    int first_node, last_node;
    int node;            /* the one in hand, where all lanes work on one */
    int64_t first_image; /* from which on they do */
    bool timing;         /* nodes run alone, on what other tensors left in their memory: no number means anything */
    atomic_llong done;   /* multiplications */
    pthread_mutex_t lock;
    atomic_llong failed; /* image; INT64_MAX: none */
    deeptepp_status status;
    deeptepp_error error;
} dtp_pass;

/* Some images on their way through one node. */
typedef struct dtp_visit {
    int lane, node;
    int home; /* the lane whose memory the chunk is in */
    int64_t first, images;
    int part; /* of the node; -1: all, one after the other */
    void *src, *dst;
} dtp_visit;

/* ---- Overflow, which ReLU and max-pool would hide (reach.c) ---- */

/* The largest magnitude; NaN counts as larger than all. */
double dtp_largest(const float *values, size_t count, dtp_team *team);

/* Before a node is run: how large what it makes can be. Errors: SCORE_NONFINITE. */
deeptepp_status dtp_check_reach(const dtp_pass *pass, const dtp_visit *visit, deeptepp_error *error);

/* What lanes found of a tensor, each of its images, is what all know. */
void dtp_merge_bounds(const dtp_net *net, int tensor);

#endif
