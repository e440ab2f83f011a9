/* A mask's options in one expression. */
#ifndef MASK_OPTIONS_H
#define MASK_OPTIONS_H

#include <deeptepp/deeptepp.h>

#define MASK_OPTIONS(...) (&(deeptepp_mask_options){.struct_size = sizeof(deeptepp_mask_options), __VA_ARGS__})
#define WITH_LABEL(number) MASK_OPTIONS(.label = (number))

#endif
