#!/usr/bin/env python3
"""Writes architectures.tsv as one C text: embed_table.py OUT.c TABLE.tsv"""
import pathlib
import sys

out, table = sys.argv[1:]
data = pathlib.Path(table).read_bytes()
body = "".join(f"{b}," + ("\n" if i % 24 == 23 else "") for i, b in enumerate(data))
pathlib.Path(out).write_text(
    f'#include "mapping/roles/architectures_text.h"\n\nconst char wfs_architecture_table[] = {{{body}0}};\n')
