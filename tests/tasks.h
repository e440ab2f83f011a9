/* How many threads this process has; shared by tests that leave none behind. */
#ifndef TASKS_H
#define TASKS_H

#include <stdio.h>

static inline int count_tasks(void)
{
    int count = 0;
    char line[200];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "Threads: %d", &count);
    if (file)
        fclose(file);
    return count;
}

#endif
