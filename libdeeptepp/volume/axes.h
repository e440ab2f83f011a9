/* Letters for directions: where an axis runs to, R or L, A or P, S or I. */
#ifndef DTP_AXES_H
#define DTP_AXES_H

#include "../base/base.h"

/* The RAS axis (0, 1, 2) a letter belongs to, and its sign there; -1 for no such letter. */
static inline int dtp_axis_of(char letter, int *sign)
{
    static const char positive[] = "RAS", negative[] = "LPI";
    *sign = 1;
    for (int i = 0; i < 3; i++) {
        if (letter == positive[i] || letter == negative[i]) {
            *sign = letter == positive[i] ? 1 : -1;
            return i;
        }
    }
    return -1;
}

/* Whether these are three letters that name one of each pair. */
static inline bool dtp_axes_valid(const char *letters)
{
    int seen = 0, sign;
    if (strnlen(letters, 4) != 3)
        return false;
    for (int i = 0; i < 3; i++) {
        int axis = dtp_axis_of(letters[i], &sign);
        seen |= axis < 0 ? 8 : 1 << axis;
    }
    return seen == 7;
}

#endif
