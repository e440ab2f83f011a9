/* Stands in for libFuzzer where there is none: runs a target once on each file named. */
#include "fuzz.h"

static bool replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    uint8_t *bytes = size >= 0 ? malloc((size_t)size + (size == 0)) : NULL;
    bool whole = bytes && fseek(file, 0, SEEK_SET) == 0 && fread(bytes, 1, (size_t)size, file) == (size_t)size;
    if (whole)
        LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    if (file)
        fclose(file);
    return whole;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        fprintf(stderr, "%s\n", argv[i]);
        if (!replay(argv[i]))
            return 2;
    }
    printf("%d inputs\n", argc - 1);
    return argc < 2;
}
