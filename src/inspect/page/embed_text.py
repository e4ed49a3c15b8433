#!/usr/bin/env python3
"""Writes a text file as a C string: embed_text.py OUT.c SYMBOL FILE."""
import pathlib
import sys

out, symbol, name = sys.argv[1:]
body = ",".join(map(str, pathlib.Path(name).read_bytes()))
pathlib.Path(out).write_text(f"extern const char {symbol}[];\nconst char {symbol}[] = {{{body},0}};\n")
