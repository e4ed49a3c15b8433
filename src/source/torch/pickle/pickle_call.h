/*
 * pickle_call.h - opcodes that name globals, call them and set the state of objects.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_CALL_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_CALL_H

#include "source/torch/pickle/pickle_machine.h"

wfs_pickle_op wfs_pickle_op_global, wfs_pickle_op_call, wfs_pickle_op_build;
wfs_pickle_op wfs_pickle_op_extension, wfs_pickle_op_buffer;

#endif
