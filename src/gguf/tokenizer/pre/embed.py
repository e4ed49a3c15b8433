#!/usr/bin/env python3
"""Writes known.json as one C text: embed.py OUT.c KNOWN.json"""
import json
import pathlib
import sys


def main(out, known):
    text = json.dumps(json.loads(pathlib.Path(known).read_text()), separators=(",", ":")).encode()
    body = "".join(f"{b}," + ("\n" if i % 24 == 23 else "") for i, b in enumerate(text))
    pathlib.Path(out).write_text(f"""#include "gguf/tokenizer/pre/known_text.h"

const char wfs_pre_known_text[] = {{{body}0}};
const size_t wfs_pre_known_len = {len(text)};
""")


main(*sys.argv[1:])
