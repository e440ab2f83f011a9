/* What this library calls of OpenMP's run-time library. Declared here and not taken from omp.h, which clang comes
 * without: the same runtime must serve the backend and this library (meson.build), and that is gcc's. */
#ifndef DTP_OPENMP_H
#define DTP_OPENMP_H

extern int omp_get_max_threads(void);
extern int omp_get_thread_num(void);
extern int omp_get_thread_limit(void);
extern int omp_in_parallel(void);
extern int omp_get_max_active_levels(void);
extern void omp_set_max_active_levels(int levels);
extern void omp_set_num_threads(int threads);
extern void omp_set_dynamic(int dynamic);

#endif
