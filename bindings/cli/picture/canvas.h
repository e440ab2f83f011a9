/* A picture being drawn: 8-bit RGB, (0, 0) at the top left. Everything is clipped to the canvas. */
#ifndef DEEPTEPP_CLI_CANVAS_H
#define DEEPTEPP_CLI_CANVAS_H

#include "../output.h"

typedef struct cli_colour {
    uint8_t red, green, blue;
} cli_colour;

typedef struct cli_rectangle {
    int x, y, width, height;
} cli_rectangle;

typedef struct cli_canvas {
    int width, height;
    cli_colour *pixels;
} cli_canvas;

/* Filled with `colour`. False: no memory. */
bool cli_canvas_init(cli_canvas *canvas, int width, int height, cli_colour colour);
void cli_canvas_free(cli_canvas *canvas);

/* Lays `colour` over a pixel: alpha 0 leaves it, 1 covers it. */
void cli_canvas_blend(cli_canvas *canvas, int x, int y, cli_colour colour, double alpha);
void cli_canvas_fill(cli_canvas *canvas, cli_rectangle where, cli_colour colour, double alpha);

/* A line of one pixel just inside the rectangle. */
void cli_canvas_frame(cli_canvas *canvas, cli_rectangle where, cli_colour colour, double alpha);

/* Text with its top left at (x, y), and a dark rim that keeps it legible on any background. */
void cli_canvas_text(cli_canvas *canvas, int x, int y, const char *text, cli_colour colour);
int cli_canvas_text_width(const char *text);

/* Writes a PNG to an open output. Returns an exit code. */
int cli_canvas_write(const cli_canvas *canvas, cli_output *output);

#endif
