/* Winograd's filtering with six points, 0, P, -P, Q, -Q and infinity: F(4, 3) and F(3, 4) (Lavin and Gray 2016). With
 * the usual 1 and 2 the error is two to three times as large; these and their products are exact in float32. Lanes may
 * be transformed in place. Private to nn/forms. */
#ifndef DTP_SIX_POINTS_H
#define DTP_SIX_POINTS_H

#include "lanes.h"

enum { DTP_SIX_POINTS = 6 };

static const float DTP_P = 5.0f / 8, DTP_Q = 3.0f / 2;

/* P, Q, their squares and their cubes. */
static const float DTP_POWERS[] = {5.0f / 8, 3.0f / 2, 25.0f / 64, 9.0f / 4, 125.0f / 512, 27.0f / 8};

/* B^T: cells x[0], x[s], ... to points y[0], y[t], ...: all six, or the five that are not infinity. */
DTP_INLINE void dtp_six_input(const lanes *x, int64_t s, lanes *y, int64_t t, int points)
{
    const float pp = DTP_POWERS[2], qq = DTP_POWERS[3];
    lanes a = x[0], b = x[s], c = x[2 * s], d = x[3 * s], e = x[4 * s];
    lanes even = e - qq * c, odd = d - qq * b, even2 = e - pp * c, odd2 = d - pp * b;
    if (points == DTP_SIX_POINTS)
        y[5 * t] = x[5 * s] - (pp + qq) * d + (pp * qq) * b;
    y[0] = e - (pp + qq) * c + (pp * qq) * a;
    y[t] = even + DTP_P * odd;
    y[2 * t] = even - DTP_P * odd;
    y[3 * t] = even2 + DTP_Q * odd2;
    y[4 * t] = even2 - DTP_Q * odd2;
}

/* A^T: points x[0], x[s], ... to m cells, 3 or 4, y[0], y[t], ... */
DTP_INLINE void dtp_six_output(const lanes *x, int64_t s, lanes *y, int64_t t, int64_t m, const float *power)
{
    lanes sum = x[s] + x[2 * s], sum2 = x[3 * s] + x[4 * s], last = x[5 * s];
    lanes difference = x[s] - x[2 * s], difference2 = x[3 * s] - x[4 * s];
    y[0] = x[0] + sum + sum2;
    y[t] = power[0] * difference + power[1] * difference2;
    if (m == 3) {
        y[2 * t] = power[2] * sum + power[3] * sum2 + last;
    } else {
        y[2 * t] = power[2] * sum + power[3] * sum2;
        y[3 * t] = power[4] * difference + power[5] * difference2 + last;
    }
}

/* G: the share that one of `taps` has in a point. */
static inline double dtp_six_share(int point, int64_t tap, int64_t taps)
{
    const double p = (double)DTP_P, q = (double)DTP_Q, at[] = {0, p, -p, q, -q};
    const double norm[] = {p * p * q * q, 2 * p * p * (p * p - q * q), 2 * q * q * (q * q - p * p)};
    double power = 1;
    if (point == DTP_SIX_POINTS - 1)
        return tap == taps - 1;
    for (int64_t i = 0; i < tap; i++)
        power *= at[point];
    return power / norm[(point + 1) / 2];
}

#endif
