/* Voxels with geometry. */
#ifndef DTP_VOLUME_H
#define DTP_VOLUME_H

#include <stdatomic.h>

#include "../base/base.h"
#include "../base/digest.h"
#include "../base/watch.h"

struct deeptepp_volume {
    atomic_int references;
    deeptepp_type type;
    int64_t dims[3];
    int64_t strides[3]; /* bytes */
    const uint8_t *data; /* voxel (0, 0, 0), native byte order, any alignment */
    void *owned;         /* the block to free, or NULL for the caller's memory */
    double slope, inter; /* value = slope * stored + inter */
    double affine[16];   /* row-major, voxel index to RAS mm */
    double spacing[3];   /* mm along i, j, k */
    char orientation[4]; /* "LPS": where i, j, k run to */
    char sha256[DTP_DIGEST_SIZE];
    int64_t number;           /* which volume of its file, from 1 */
    bool orientation_assumed; /* from the caller's option, the file states none */
    double affine_gap_mm;     /* largest distance between sform's and qform's corners; 0 when they agree */
    bool has_other_affine;    /* both forms are usable; the sform is `affine` */
    double other_affine[16];  /* then the qform, else 0 */
    bool pixdim_ignored;      /* the sform is alone, and pixdim was left at 1, 1, 1 */
    char form_unusable[200];  /* which form could not be used, why, and that the other was; "": none */
};

/* Takes a reference; dtp_volume's own counterpart is deeptepp_volume_free. */
deeptepp_volume *dtp_volume_ref(deeptepp_volume *volume);

/* Bytes of one voxel; 0 for a type this library does not know. */
size_t dtp_type_size(deeptepp_type type);

/* Of a type that the library knows. */
bool dtp_type_is_real(deeptepp_type type);

/* Finite, last row 0 0 0 1, edges and origin of a thinkable size, invertible, axes at right angles; derives the voxel
 * edges. Errors: VOLUME_AFFINE, VOLUME_SHEAR. */
deeptepp_status dtp_volume_check_affine(const double affine[16], double spacing[3], deeptepp_error *error);

/* Checks everything and makes a volume of `draft` (type, dims, strides, data, owned, slope, inter, affine, digest and
 * flags filled in); derives spacing and orientation. Takes over draft->owned on success only. Errors: VOLUME_*,
 * MEMORY, CANCELLED. */
deeptepp_status dtp_volume_make(deeptepp_volume **out, const deeptepp_volume *draft, dtp_watch *watch,
                                deeptepp_error *error);

/* The stored (unscaled) value of one voxel. */
double dtp_volume_stored(const deeptepp_volume *volume, int64_t i, int64_t j, int64_t k);

/* `n` consecutive voxels along i from (i, j, k), scaled. */
void dtp_volume_row(const deeptepp_volume *volume, int64_t i, int64_t j, int64_t k, int64_t n, double *out);

/* All voxels, scaled, in blocks along i of DTP_BLOCK at most, from voxel `at` each; false once cancelled. */
enum { DTP_BLOCK = 512 };
typedef void (*dtp_visit)(void *state, const double *block, int64_t n, const int64_t at[3]);
bool dtp_volume_visit(const deeptepp_volume *volume, dtp_visit visit, void *state, const dtp_watch *watch);

/* The same, but that blocks of nothing but 0 are left out where that is seen without reading their values. */
bool dtp_volume_visit_nonzero(const deeptepp_volume *volume, dtp_visit visit, void *state, const dtp_watch *watch);

#endif
