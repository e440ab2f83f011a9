#include "canvas.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "font.h"
#include "../report.h"

bool cli_canvas_init(cli_canvas *canvas, int width, int height, cli_colour colour)
{
    const size_t count = (size_t)width * (size_t)height;
    *canvas = (cli_canvas){width, height, malloc(count * sizeof *canvas->pixels)};
    for (size_t i = 0; canvas->pixels && i < count; i++)
        canvas->pixels[i] = colour;
    return canvas->pixels != NULL;
}

void cli_canvas_free(cli_canvas *canvas)
{
    free(canvas->pixels);
    canvas->pixels = NULL;
}

static uint8_t lay(uint8_t below, uint8_t above, double alpha)
{
    return (uint8_t)(below + (above - below) * alpha + 0.5);
}

void cli_canvas_blend(cli_canvas *canvas, int x, int y, cli_colour colour, double alpha)
{
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height)
        return;
    cli_colour *at = &canvas->pixels[(size_t)y * (size_t)canvas->width + (size_t)x];
    at->red = lay(at->red, colour.red, alpha);
    at->green = lay(at->green, colour.green, alpha);
    at->blue = lay(at->blue, colour.blue, alpha);
}

void cli_canvas_fill(cli_canvas *canvas, cli_rectangle where, cli_colour colour, double alpha)
{
    for (int y = where.y; y < where.y + where.height; y++)
        for (int x = where.x; x < where.x + where.width; x++)
            cli_canvas_blend(canvas, x, y, colour, alpha);
}

void cli_canvas_frame(cli_canvas *canvas, cli_rectangle where, cli_colour colour, double alpha)
{
    const int right = where.x + where.width - 1, bottom = where.y + where.height - 1;
    cli_canvas_fill(canvas, (cli_rectangle){where.x, where.y, where.width, 1}, colour, alpha);
    cli_canvas_fill(canvas, (cli_rectangle){where.x, bottom, where.width, 1}, colour, alpha);
    cli_canvas_fill(canvas, (cli_rectangle){where.x, where.y + 1, 1, where.height - 2}, colour, alpha);
    cli_canvas_fill(canvas, (cli_rectangle){right, where.y + 1, 1, where.height - 2}, colour, alpha);
}

static void draw_glyph(cli_canvas *canvas, int left, int top, char character, cli_colour colour, double alpha)
{
    for (int y = 0; y < CLI_FONT_HEIGHT; y++)
        for (int x = 0; x < CLI_FONT_WIDTH; x++)
            if (cli_font_pixel(character, x, y))
                cli_canvas_blend(canvas, left + x, top + y, colour, alpha);
}

void cli_canvas_text(cli_canvas *canvas, int x, int y, const char *text, cli_colour colour)
{
    static const cli_colour rim = {0, 0, 0};
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++)
            for (int i = 0; text[i]; i++)
                draw_glyph(canvas, x + i * CLI_FONT_WIDTH + dx, y + dy, text[i], rim, 0.55);
    for (int i = 0; text[i]; i++)
        draw_glyph(canvas, x + i * CLI_FONT_WIDTH, y, text[i], colour, 1);
}

int cli_canvas_text_width(const char *text)
{
    return (int)strlen(text) * CLI_FONT_WIDTH;
}

/* libpng's own handlers print; these are silent, and the caller reports. */
static void on_error(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* Nothing but parameters is used after the jump, so none of it is lost. */
static bool write_png(png_structp png, png_infop info, const cli_canvas *canvas, FILE *file)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)canvas->width, (png_uint_32)canvas->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < canvas->height; y++)
        png_write_row(png, (png_const_bytep)(canvas->pixels + (size_t)y * (size_t)canvas->width));
    png_write_end(png, info);
    return true;
}

int cli_canvas_write(const cli_canvas *canvas, cli_output *output)
{
    _Static_assert(sizeof(cli_colour) == 3, "a row of pixels is a row of a PNG");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    errno = 0;
    const bool fine = info && write_png(png, info, canvas, output->file);
    const int reason = errno;
    png_destroy_write_struct(&png, &info);
    errno = reason;
    if (fine)
        return CLI_OK;
    return reason ? cli_fail_write(output->path) : cli_fail_memory("the picture");
}
