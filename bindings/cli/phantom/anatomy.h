/* The phantom's patient without her tumour: signals of the tissues of a breast MR at a point. RAS millimetres with
 * (0, 0, 0) between the breasts. */
#ifndef DEEPTEPP_CLI_ANATOMY_H
#define DEEPTEPP_CLI_ANATOMY_H

#include "random.h"

/* T1-weighted, fat-suppressed, in the scanner's arbitrary units: before contrast agent, and what it adds at its full
 * effect where it comes and goes fast (tumour, blood) and where it comes slowly and stays. */
typedef struct cli_signal {
    double before, fast, slow;
} cli_signal;

typedef struct cli_breast {
    double centre[3], radii[3];
} cli_breast;

typedef struct cli_anatomy {
    uint64_t warp, gland, texture, ligament, bias_noise; /* noise fields */
    cli_breast breasts[2];                               /* right, left */
    double density;                                      /* of fibroglandular tissue, about -0.15 to 0.2 */
    double bias[3];
} cli_anatomy;

void cli_anatomy_init(cli_anatomy *anatomy, uint64_t seed);

/* Millimetres below the skin (negative: in the air), and in front of the chest wall (negative: inside it). */
double cli_anatomy_depth(const cli_anatomy *anatomy, const double point[3]);
double cli_anatomy_before_wall(const double point[3]);

cli_signal cli_anatomy_at(const cli_anatomy *anatomy, const double point[3]);

/* The coil's sensitivity, about 1. */
double cli_anatomy_bias(const cli_anatomy *anatomy, const double point[3]);

cli_signal cli_signal_mix(cli_signal a, cli_signal b, double fraction_of_b);

#endif
