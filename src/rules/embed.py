#!/usr/bin/env python3
"""Writes text files as one C table of struct wfs_rule_text: embed.py OUT.c HEADER TABLE FILE ...

HEADER declares `extern const struct wfs_rule_text wfs_TABLE[]` and `wfs_n_TABLE`; a text's name is its
file's, without the extension."""
import pathlib
import sys


def main(out, header, table, *files):
    lines = [f'#include "{header}"', ""]
    rows = []
    for n, path in enumerate(sorted(map(pathlib.Path, files), key=lambda p: p.stem)):
        data = path.read_bytes()
        body = "".join(f"{b}," + ("\n" if i % 24 == 23 else "") for i, b in enumerate(data))
        lines.append(f"static const char text_{n}[] = {{{body}0}};")
        rows.append(f'    {{"{path.stem}", text_{n}, {len(data)}}},')
    lines += [f"const struct wfs_rule_text wfs_{table}[] = {{", *rows, "};",
              f"const size_t wfs_n_{table} = {len(rows)};", ""]
    pathlib.Path(out).write_text("\n".join(lines))


main(*sys.argv[1:])
