#!/usr/bin/env python3
"""Writes rules/*.map as one C table: embed.py OUT.c FILE.map ..."""
import pathlib
import sys


def main(out, *files):
    lines = ['#include "rules/rules.h"', ""]
    rows = []
    for n, path in enumerate(sorted(map(pathlib.Path, files), key=lambda p: p.stem)):
        data = path.read_bytes()
        body = "".join(f"{b}," + ("\n" if i % 24 == 23 else "") for i, b in enumerate(data))
        lines.append(f"static const char text_{n}[] = {{{body}0}};")
        rows.append(f'    {{"{path.stem}", text_{n}, {len(data)}}},')
    lines += ["const struct wfs_rule_text wfs_rule_texts[] = {", *rows, "};",
              f"const size_t wfs_n_rule_texts = {len(rows)};", ""]
    pathlib.Path(out).write_text("\n".join(lines))


main(*sys.argv[1:])
