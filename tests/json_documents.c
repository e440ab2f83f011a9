/* Reads documents from a file, each as 4 bytes of little-endian length and its bytes, and prints for each a line: the
 * error, or the tree written compactly, a tab, and each number's bits as double. For test_json_python.py. */
#include <inttypes.h>
#include <stdio.h>

#include "../libdeeptepp/base/json_write.h"

static void print_numbers(const dtp_json_value *tree)
{
    for (uint32_t i = 0; i < tree->span; i++) {
        double number;
        uint64_t bits;
        if (!dtp_json_real(&tree[i], &number))
            continue;
        memcpy(&bits, &number, sizeof bits);
        printf(" %016" PRIx64, bits);
    }
}

static void answer(const char *text, size_t size)
{
    dtp_json_value *tree;
    deeptepp_error error;
    dtp_json_writer writer = {.compact = true};
    if (dtp_json_parse(&tree, text, size, 1000000, "document", NULL, &error) != DEEPTEPP_OK) {
        printf("! %s\n", error.message);
        return;
    }
    dtp_write_value(&writer, NULL, tree);
    char *written = dtp_write_finish(&writer);
    printf("= %s\t", written);
    print_numbers(tree);
    printf("\n");
    free(written);
    free(tree);
}

int main(int argc, char **argv)
{
    uint8_t prefix[4];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return 2;
    while (fread(prefix, 1, sizeof prefix, file) == sizeof prefix) {
        size_t size = prefix[0] | (size_t)prefix[1] << 8 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 24;
        char *text = malloc(size ? size : 1); /* of its own size: a sanitizer sees a read past it */
        if (!text || fread(text, 1, size, file) != size)
            return 3;
        answer(text, size);
        free(text);
    }
    fclose(file);
    return 0;
}
