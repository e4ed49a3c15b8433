/*
 * pickle_globals.h - the closed table of globals that weightfs understands, and the names that are
 * known from attacks.
 */
#ifndef WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_GLOBALS_H
#define WEIGHTFS_SOURCE_TORCH_PICKLE_PICKLE_GLOBALS_H

#include "base/base.h"

/* Globals that something here understands; the rest is WFS_GLOBAL_UNKNOWN. */
enum wfs_global_kind {
    WFS_GLOBAL_UNKNOWN,
    WFS_GLOBAL_ORDERED_DICT, /* and other dict classes: a DICT */
    WFS_GLOBAL_DEFAULT_DICT,
    WFS_GLOBAL_COUNTER,
    WFS_GLOBAL_NAMESPACE, /* a DICT of its attributes */
    WFS_GLOBAL_LIST,
    WFS_GLOBAL_TUPLE,
    WFS_GLOBAL_SET,
    WFS_GLOBAL_FROZEN_SET,
    WFS_GLOBAL_SIZE, /* torch.Size(tuple): a TUPLE */
    WFS_GLOBAL_BYTES,
    WFS_GLOBAL_BYTE_ARRAY,
    WFS_GLOBAL_CODECS_ENCODE,
    WFS_GLOBAL_RECONSTRUCTOR, /* copy_reg._reconstructor(cls, base, state) */
    /* torch: the call stays a CALL node */
    WFS_GLOBAL_REBUILD_TENSOR,
    WFS_GLOBAL_REBUILD_TENSOR_V2,
    WFS_GLOBAL_REBUILD_TENSOR_V3,
    WFS_GLOBAL_REBUILD_PARAMETER,
    WFS_GLOBAL_REBUILD_PARAMETER_WITH_STATE,
    WFS_GLOBAL_REBUILD_FROM_TYPE,
    WFS_GLOBAL_REBUILD_FROM_TYPE_V2,
    WFS_GLOBAL_REBUILD_QTENSOR,
    WFS_GLOBAL_REBUILD_SPARSE,
    WFS_GLOBAL_REBUILD_NESTED,
    WFS_GLOBAL_REBUILD_META,
    WFS_GLOBAL_REBUILD_WRAPPER,
    WFS_GLOBAL_REBUILD_FROM_NUMPY,
    WFS_GLOBAL_REBUILD_FROM_CPU,
    WFS_GLOBAL_GET_LAYOUT,
    WFS_GLOBAL_PARAMETER,     /* torch.nn.parameter.Parameter, Buffer, torch.Tensor as a class */
    WFS_GLOBAL_TORCH_STORAGE, /* torch.FloatStorage ...: name is the column of the dtype table */
    WFS_GLOBAL_NUMPY_RECONSTRUCT,
    WFS_GLOBAL_NUMPY_FROMBUFFER,
    WFS_GLOBAL_NUMPY_SCALAR,
    WFS_GLOBAL_NUMPY_DTYPE,
};

enum wfs_global_kind wfs_global_kind(const char *module, const char *name);
/* True where a global of this name is one that attacks use. */
bool wfs_global_is_dangerous(const char *module, const char *name);

#endif
