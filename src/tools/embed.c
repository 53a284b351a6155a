/* embed NAME FILE - writes FILE as a C array on standard output; runs at build time. */
#include <stdio.h>

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    unsigned long size = 0;
    int byte;

    if (file == NULL) {
        (void)fprintf(stderr, "usage: embed NAME FILE\n");
        return 2;
    }
    (void)printf("#include <stddef.h>\nextern const unsigned char %s[];\nextern const size_t %s_size;\nconst unsigned char %s[] = {", argv[1], argv[1], argv[1]);
    while ((byte = fgetc(file)) != EOF)
        (void)printf("%s%d,", size++ % 24 == 0 ? "\n" : "", byte);
    (void)printf("0\n};\nconst size_t %s_size = %luul;\n", argv[1], size);
    (void)fclose(file);
    return 0;
}
