/*
 * architectures_text.h - architectures.tsv as it is, compiled in (embed_table.py).
 */
#ifndef WEIGHTFS_MAPPING_ROLES_ARCHITECTURES_TEXT_H
#define WEIGHTFS_MAPPING_ROLES_ARCHITECTURES_TEXT_H

extern const char wfs_architecture_table[];

#endif
