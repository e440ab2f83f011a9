/* What this library calls of OpenMP's run-time library: the backend is told to start no threads of its own. Declared
 * here and not taken from omp.h, which clang comes without: it must be the runtime that the backend runs on
 * (meson.build), and that is gcc's. */
#ifndef DTP_OPENMP_H
#define DTP_OPENMP_H

extern void omp_set_num_threads(int threads);

#endif
