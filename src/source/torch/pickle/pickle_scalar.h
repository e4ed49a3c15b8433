/*
 * pickle_scalar.h - opcodes that push constants, numbers and strings.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_SCALAR_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_SCALAR_H

#include "source/torch/pickle/pickle_machine.h"

wfs_pickle_op wfs_pickle_op_constant, wfs_pickle_op_number, wfs_pickle_op_text_number;
wfs_pickle_op wfs_pickle_op_string, wfs_pickle_op_text_string;

/* A line of text up to '\n', NUL-terminated, in the machine's arena. */
int wfs_pickle_line(struct wfs_pickle_machine *m, char **ret, size_t *ret_len);
/* A STR node (BYTES where it is not UTF-8) over bytes that are in the arena already. */
struct wfs_node *wfs_pickle_text_node(struct wfs_pickle_machine *m, const char *data, size_t len);

#endif
