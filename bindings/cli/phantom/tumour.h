/* The phantom's tumour, and the vessels that run to it. */
#ifndef DEEPTEPP_CLI_TUMOUR_H
#define DEEPTEPP_CLI_TUMOUR_H

#include "anatomy.h"

enum { CLI_SPICULES = 26 };

typedef struct cli_tumour {
    double centre[3];
    double radius;        /* mm, of the ball that r = 1 would be */
    double reach;         /* mm: nothing of it lies further from the centre */
    double frame[3][3];   /* its own axes */
    double axes[3];       /* and their relative lengths */
    double spicules[CLI_SPICULES][5]; /* direction, length relative to the radius, width as 1 - cosine */
    double rim, heterogeneity;
    uint64_t lobes, texture, necrosis; /* noise fields */
} cli_tumour;

typedef struct cli_tumour_options {
    double diameter; /* mm: of the ball of the same volume */
    double rim, heterogeneity, spiculation;
} cli_tumour_options;

/* A tumour in one of the breasts, as far from skin and chest wall as its size allows. */
void cli_tumour_init(cli_tumour *tumour, const cli_anatomy *anatomy, const cli_tumour_options *options, uint64_t seed);

/* Millimetres inside its surface, negative outside; exact only in sign, and no less than -99. */
double cli_tumour_inside(const cli_tumour *tumour, const double point[3]);

/* What it looks like there. */
cli_signal cli_tumour_at(const cli_tumour *tumour, const double point[3]);

/* Where a point of a vessel lies, and how thick it is there. */
typedef void cli_vessel_visit(void *user, const double point[3], double radius);

/* Walks along every vessel in steps of at most half a millimetre. */
void cli_vessels_walk(const cli_anatomy *anatomy, const cli_tumour *tumour, uint64_t seed, cli_vessel_visit *visit,
                      void *user);

extern const cli_signal cli_vessel_signal;

#endif
