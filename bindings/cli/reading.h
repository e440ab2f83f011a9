/* Volumes read side by side. */
#ifndef DEEPTEPP_CLI_READING_H
#define DEEPTEPP_CLI_READING_H

#include "volume.h"

/* How many may be read at once, 1 or more; threads: of the command line, 0 for as many as there are processors. */
int cli_readers(int64_t threads);

/* Tries `count` attempts, `readers` at once, this thread among them. Once one has failed those after it are given up:
 * they are cancelled, or as they were. */
void cli_read(cli_volume_attempt *attempts, size_t count, int readers);

#endif
