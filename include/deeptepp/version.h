/* The version of this header. Meson reads these lines; nothing else states a version.
 * MAJOR is the ABI: it is the shared library's soversion and, from the first release on, changes whenever a program
 * must be rebuilt. */
#ifndef DEEPTEPP_VERSION_H
#define DEEPTEPP_VERSION_H

#define DEEPTEPP_VERSION_MAJOR 0
#define DEEPTEPP_VERSION_MINOR 1
#define DEEPTEPP_VERSION_PATCH 0

#endif
