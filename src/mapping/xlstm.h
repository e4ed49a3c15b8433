/*
 * xlstm.h - the `xlstm` view (see xlstm.c). Its options are the view's own.
 */
#ifndef WEIGHTFS_MAPPING_XLSTM_H
#define WEIGHTFS_MAPPING_XLSTM_H

#include "mapping/template.h"

int wfs_xlstm_run(struct wfs_mapper *mapper, const struct wfs_table *in, struct wfs_table *ret_out);

#endif
