/* Prints a checkpoint's tensors as a table: example CHECKPOINT [KEY=VALUE ...], as in view=flax. */
#include <inttypes.h>
#include <stdio.h>
#include <weightfs.h>

static void print_tensor(const struct wfs_checkpoint_tensor *t)
{
    printf("%s\t%s\t(", t->name, t->dtype);
    for (uint32_t i = 0; i < t->ndim; i++)
        printf("%s%" PRIu64, i ? ", " : "", t->shape[i]);
    printf(")\t%" PRIu64 " bytes\t%s\n", t->size_bytes, t->operations);
}

int main(int argc, char **argv)
{
    struct wfs_failure why = {0, "usage: example CHECKPOINT [KEY=VALUE ...]"};
    struct wfs_checkpoint *checkpoint;
    const char *const *options = (const char *const *)(argv + 2); /* "view=flax", NULL */
    if (argc < 2 || wfs_checkpoint_open(argv[1], options, &checkpoint, &why)) {
        fprintf(stderr, "%s\n", why.message);
        return 1;
    }
    fputs(wfs_checkpoint_warnings(checkpoint), stderr);
    for (uint32_t i = 0; i < wfs_checkpoint_n_tensors(checkpoint); i++) {
        struct wfs_checkpoint_tensor tensor;
        tensor.struct_size = sizeof(tensor);
        if (wfs_checkpoint_tensor(checkpoint, i, &tensor, &why) == 0)
            print_tensor(&tensor);
    }
    wfs_checkpoint_close(checkpoint);
    return 0;
}
