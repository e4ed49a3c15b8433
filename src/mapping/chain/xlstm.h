/*
 * xlstm.h - the `xlstm` view (see xlstm.c). Its options are the view's own.
 */
#ifndef WEIGHTFS_MAPPING_CHAIN_XLSTM_H
#define WEIGHTFS_MAPPING_CHAIN_XLSTM_H

#include "mapping/items/mapper.h"

int wfs_xlstm_run(const struct wfs_mapper *mapper, struct wfs_sink *sink,
                  const struct wfs_table *in, struct wfs_table *ret_out);

#endif
