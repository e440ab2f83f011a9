/* A bitmap font of fixed width: printable ASCII, anything else looks like '?'. */
#ifndef DEEPTEPP_CLI_FONT_H
#define DEEPTEPP_CLI_FONT_H

#include "../cli.h"

enum { CLI_FONT_WIDTH = 9, CLI_FONT_HEIGHT = 15 };

/* Whether the glyph covers the pixel; (0, 0) is its cell's top left. */
bool cli_font_pixel(char character, int x, int y);

#endif
