/* Small linear maps: voxel indices of one grid to those of another. */
#ifndef DTP_AFFINE_H
#define DTP_AFFINE_H

/* out = m x + t */
typedef struct dtp_affine {
    double m[3][3], t[3];
} dtp_affine;

/* Of a row-major 4x4 matrix. */
static inline dtp_affine dtp_affine_of(const double matrix[16])
{
    dtp_affine a;
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c < 3; c++)
            a.m[r][c] = matrix[4 * r + c];
        a.t[r] = matrix[4 * r + 3];
    }
    return a;
}

static inline void dtp_affine_apply(const dtp_affine *a, const double x[3], double out[3])
{
    for (int r = 0; r < 3; r++)
        out[r] = a->m[r][0] * x[0] + a->m[r][1] * x[1] + a->m[r][2] * x[2] + a->t[r];
}

/* By cofactors; `a` must be invertible, as the affine of a volume is. */
static inline dtp_affine dtp_affine_invert(const dtp_affine *a)
{
    dtp_affine out;
    double determinant = 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            int r1 = (c + 1) % 3, r2 = (c + 2) % 3, c1 = (r + 1) % 3, c2 = (r + 2) % 3;
            out.m[r][c] = a->m[r1][c1] * a->m[r2][c2] - a->m[r1][c2] * a->m[r2][c1];
        }
    for (int c = 0; c < 3; c++)
        determinant += a->m[0][c] * out.m[c][0];
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
            out.m[r][c] /= determinant;
    for (int r = 0; r < 3; r++)
        out.t[r] = -(out.m[r][0] * a->t[0] + out.m[r][1] * a->t[1] + out.m[r][2] * a->t[2]);
    return out;
}

/* First b, then a. */
static inline dtp_affine dtp_affine_after(const dtp_affine *a, const dtp_affine *b)
{
    dtp_affine out;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
            out.m[r][c] = a->m[r][0] * b->m[0][c] + a->m[r][1] * b->m[1][c] + a->m[r][2] * b->m[2][c];
    dtp_affine_apply(a, b->t, out.t);
    return out;
}

#endif
