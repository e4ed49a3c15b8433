/*
 * planned.c - see planned.h.
 */
#include "tree/nodes/planned.h"

#include <stdlib.h>

int wfs_tree_file_get(const struct wfs_session *session, struct wfs_tree_file *file,
                      const struct wfs_vfile **ret, struct wfs_error *err)
{
    const struct wfs_vfile *made = atomic_load_explicit(&file->file, memory_order_acquire);
    int r = 0;
    if (!made) {
        pthread_mutex_lock(&file->lock);
        made = atomic_load_explicit(&file->file, memory_order_relaxed);
        if (!made && !file->arena)
            file->arena = wfs_arena_new();
        if (!made)
            r = file->arena ? file->plan_fn(session, file, file->arena, &made, err)
                            : wfs_error_nomem(err, "a virtual file");
        if (!r) {
            atomic_store_explicit(&file->file, made, memory_order_release);
        } else { /* what was allocated would stay, and grow with every try */
            wfs_arena_free(file->arena);
            file->arena = NULL;
        }
        pthread_mutex_unlock(&file->lock);
    }
    if (!r)
        *ret = made;
    return r;
}

void wfs_tree_file_free(struct wfs_tree_file *file)
{
    if (!file)
        return;
    wfs_arena_free(file->arena);
    pthread_mutex_destroy(&file->lock);
    free(file);
}
