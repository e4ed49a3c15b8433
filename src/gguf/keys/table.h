/*
 * table.h - the tables of keys, as parsed: which keys a GGUF file of each architecture has, and how
 * they follow from config.json. The language is described in tables/LANGUAGE; its expressions are
 * those of the rules.
 */
#ifndef WEIGHTFS_GGUF_KEYS_TABLE_H
#define WEIGHTFS_GGUF_KEYS_TABLE_H

#include "gguf/kv/kv.h"
#include "rules/rules.h"

#define WFS_KEYS_MAX_PATHS   8  /* of one find(...) */
#define WFS_KEYS_MAX_CLASSES 16 /* of one architecture */

/* What stands behind a "=". */
enum wfs_keys_form {
    WFS_KEYS_EXPR,      /* expr [if cond else otherwise] */
    WFS_KEYS_FIND,      /* find(a, b): the first path that the config has, even where it is null */
    WFS_KEYS_HAS,       /* has(a): whether it has it, even null */
    WFS_KEYS_COUNT,     /* count(a, "text"): how many of a list's elements are it; 0 without it */
    WFS_KEYS_LENGTH,    /* length(a): of a list; 0 without it */
    WFS_KEYS_PAD,       /* pad(a, n): the first n of a list, zeros where it is shorter */
    WFS_KEYS_EACH,      /* each a [and N more]: an expression for each element of a list */
    WFS_KEYS_TENSORS,   /* tensors(a): the number that layer.N.a holds, of each layer */
    WFS_KEYS_QUANTILES, /* quantiles(a): the normal distribution's, of a list of probabilities */
    WFS_KEYS_LABELS,    /* labels(a): of an id2label that is more than the class's default */
};
struct wfs_keys_value {
    enum wfs_keys_form form;
    struct wfs_pos pos;
    const struct wfs_vexpr *expr, *cond, *otherwise; /* EXPR, EACH */
    uint32_t n_paths;
    const char *paths[WFS_KEYS_MAX_PATHS];
    const char *text;             /* COUNT */
    int64_t number;               /* PAD */
    const struct wfs_vexpr *more; /* EACH: or NULL */
};

enum wfs_keys_kind {
    WFS_KEYS_KEY,     /* TYPE NAME = VALUE: a key of the file */
    WFS_KEYS_LET,     /* let NAME = VALUE */
    WFS_KEYS_INT,     /* int NAME = VALUE: the same, cut to a whole number */
    WFS_KEYS_CONFIG,  /* config NAME = VALUE: the config says this from now on */
    WFS_KEYS_FORGET,  /* forget NAME: the config has no such value from now on */
    WFS_KEYS_DEFAULT, /* default NAME = VALUE: what the config's class makes of a missing one */
    WFS_KEYS_NEED,    /* need COND: "message" */
    WFS_KEYS_USE,     /* use BLOCK */
    WFS_KEYS_BECOME,  /* become ARCH: goes on as another architecture */
    WFS_KEYS_MODEL,   /* model CLASS MODEL_TYPE: backwards, what config.json calls it */
    WFS_KEYS_BACK,    /* back NAME = VALUE: backwards, a value of config.json */
};
struct wfs_keys_statement {
    enum wfs_keys_kind kind;
    struct wfs_pos pos;
    const char *name;
    const char *message;     /* NEED; MODEL: the model_type */
    bool is_first;           /* KEY: stands before general.type */
    bool is_optional;        /* KEY: left out where the value is not known */
    bool is_array;           /* KEY */
    enum wfs_gguf_type type; /* KEY: of the value, or of the array's elements */
    struct wfs_keys_value value;
    const struct wfs_vexpr *when; /* or NULL: always */
};
/* An architecture, or a block that several use. */
struct wfs_keys_section {
    const char *name;
    bool is_block;
    uint32_t n_classes;
    const char *classes[WFS_KEYS_MAX_CLASSES];
    uint32_t n_statements;
    const struct wfs_keys_statement *statements;
};
struct wfs_keys_table {
    uint32_t n_sections;
    const struct wfs_keys_section *sections;
};

#endif
