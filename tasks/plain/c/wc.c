/* Counts lines, words and bytes: of the files named on the command line, else of standard input.
 * A plain C program for WASI preview 1. The counts go to standard output and to /out/counts. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REPORT "/out/counts"

struct counts {
    unsigned long long lines, words, bytes;
};

static int add(struct counts *counts, FILE *file, const char *name) {
    int byte, in_word = 0;
    while ((byte = getc(file)) != EOF) {
        counts->bytes++;
        counts->lines += byte == '\n';
        counts->words += !isspace(byte) && !in_word;
        in_word = !isspace(byte);
    }
    if (ferror(file)) {
        fprintf(stderr, "wc: %s: %s\n", name, strerror(errno));
        return 1;
    }
    return 0;
}

static int add_file(struct counts *counts, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "wc: %s: %s\n", path, strerror(errno));
        return 1;
    }
    int failed = add(counts, file, path);
    fclose(file);
    return failed;
}

static int report(const struct counts *counts, FILE *file) {
    return fprintf(file, "%llu %llu %llu\n", counts->lines, counts->words, counts->bytes) < 0 || fflush(file);
}

int main(int argc, char **argv) {
    struct counts counts = {0};
    int failed = argc < 2 ? add(&counts, stdin, "standard input") : 0;
    for (int i = 1; i < argc; i++)
        failed |= add_file(&counts, argv[i]);
    if (failed)
        return 1;
    FILE *file = fopen(REPORT, "wb");
    if (!file || report(&counts, file) || fclose(file) || report(&counts, stdout)) {
        fprintf(stderr, "wc: %s: %s\n", REPORT, strerror(errno));
        return 1;
    }
    return 0;
}
