"""Makes src/mapping/roles/architectures.tsv: the weights of known architectures whose role the general
evidence does not tell, or tells wrongly.

usage: table.py WEIGHTFS LIBRARY=DIR ... [--half SEED] >TABLE

A LIBRARY is what the table says of its source ("transformers" takes the version that is installed).

A DIR holds what corpus.py made of a library. Every architecture is planned with the table switched
off, and once without its config.json; what was wrong or in doubt and has a role by its module's class becomes a row, and so does every
weight that is stored (in, out), stacked, bilinear, transposed or depthwise, whose proof by a bias or a
sibling another checkpoint may lack. Names are cut to the shortest end that tells, numbers are {n}
where they do not matter. Architectures with the same rows share a section. With --half only a random
half of each library's architectures is taken (the seed is printed), so that the other half can judge
what the evidence is worth alone.
"""
import argparse
import importlib.metadata
import json
import os
import random
import sys
import tempfile

import check

# The names of roles in the table; what check.py knows besides is no role of a weight there.
ROLES = {"dense", "dense_io", "embedding", "norm", "convolution", "depthwise", "transposed", "bilinear", "stacked",
         "opaque", "flattened"}
ALWAYS = {"dense_io", "bilinear", "stacked", "transposed", "depthwise"}
VIEWS = ["linen", "keras", "mlx", "flax"]
KINDS = {"model_type": "model_type", "architecture": "architecture", "_class_name": "class"}

# Tables whose sizes may be those of other things in a small model, and whose model always has them.
RELATIVE = {"*.relative_attention_bias.weight": "embedding", "*.global_relative_attention_bias.weight": "embedding"}
T5_LIKE = ["longt5", "mt5", "pop2piano", "switch_transformers", "t5", "udop", "umt5"]


def numbers(parts):
    return [i for i, part in enumerate(parts) if part.isdigit()]


def folded(name, literal):
    """Numbers as {n}, but for those that are kept: none, the last, the one before it, both."""
    parts = name.split(".")
    digits = numbers(parts)
    keep = {0: [], 1: digits[-1:], 2: digits[-2:-1], 3: digits[-2:]}[literal]
    return ".".join("{n}" if i in digits and i not in keep else part for i, part in enumerate(parts))


def ends(name):
    """From two words before `weight` on: a part of another model may have a module of the last one's name."""
    parts = name.split(".")
    for n in range(2, len(parts)):
        if sum(not part.isdigit() and part != "{n}" for part in parts[-n:-1]) > 1:
            yield "*." + ".".join(parts[-n:])
    yield "*." + name


class Names:
    """The shortest pattern of a weight that no weight of another role of its model has."""

    def __init__(self, roles):
        self.by_end = [{} for _ in range(4)]
        for name, (role, _, attribute, shape, channels) in roles.items():
            if attribute == "weight" and len(shape) > 1:
                for literal in range(4):
                    for end in ends(folded(name, literal)):
                        self.by_end[literal].setdefault(end, set()).add((role, channels))

    def pattern(self, name):
        for literal in range(4):
            for end in ends(folded(name, literal)):
                if len(self.by_end[literal][end]) == 1:
                    return end
        return None


def convolution_before(roles, name, channels):
    """flattened:UP:NAME, of a convolution with so many outputs, as near by its name as there is one."""
    best = None
    for other, row in roles.items():
        out = {"convolution": 0, "depthwise": 0, "transposed": 1}.get(row[0])
        if out == 0 and row[2] == "weight" and row[3][0] == channels:
            common = len(os.path.commonprefix([name.split("."), other.split(".")]))
            if best is None or common >= best[0]:
                best = (common, other)
    if best is None:
        return None
    return f"flattened:{len(name.split('.')) - best[0]}:{'.'.join(best[1].split('.')[best[0]:])}"


def rows_of(weightfs, path):
    roles = check.roles_of(path)
    names = Names(roles)
    wanted = {name for name, row in roles.items() if row[0] in ALWAYS and row[2] == "weight"}
    for view, config in [(view, "as-is") for view in VIEWS] + [("linen", "none")]:
        with tempfile.TemporaryDirectory() as top:
            wrong, doubts, _, _ = check.judge(weightfs, check.dressed(path, config, top), view, ["architectures=off"])
        wanted |= {w[0] for w in wrong} | doubts
    rows = {}
    for name in wanted:
        role, _, attribute, _, channels = roles[name]
        if attribute != "weight" or role not in ROLES:
            continue
        pattern = names.pattern(name)
        if role == "flattened":
            role = convolution_before(roles, name, channels)
        if role and pattern:
            rows[pattern] = role
    return rows


def key_of(path):
    with open(path + "/config.json") as f:
        config = json.load(f)
    for key, kind in KINDS.items():
        if config.get(key):
            return kind, config[key]
    return None


def library_rows(weightfs, top, half, found):
    names = sorted(n for n in os.listdir(top) if os.path.exists(f"{top}/{n}/config.json"))
    if half is not None:
        names = check.half(names, half)
    for name in names:
        key = key_of(os.path.join(top, name))
        for pattern, role in rows_of(weightfs, os.path.join(top, name)).items():
            there = found.setdefault(key, {}).setdefault(pattern, role)
            if there != role:
                print(f"{key}: {pattern} is {there} and {role}: left out", file=sys.stderr)
                found[key][pattern] = None


def wrapped(kind, names):
    line = kind
    for name in names:
        if len(line) + len(name) > 150:
            yield line
            line = kind
        line += " " + name
    yield line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weightfs")
    parser.add_argument("libraries", nargs="+")
    parser.add_argument("--half", type=int)
    args = parser.parse_args()
    found, versions = {("model_type", name): dict(RELATIVE) for name in T5_LIKE}, []
    for library in args.libraries:
        label, top = library.split("=")
        versions.append(label if " " in label else f"{label} {importlib.metadata.version(label)}")
        library_rows(args.weightfs, top, args.half, found)
    print("# Weights of known architectures whose role shapes and names do not tell, or tell wrongly. Made by")
    print("# tests/judges/roles/table.py from the module classes of " + ", ".join(versions) + ".")
    if args.half is not None:
        print(f"# Of a half of the architectures, seed {args.half}.")
    sections = {}
    for key, rows in found.items():
        text = "".join(f"{pattern}\t{role}\n" for pattern, role in sorted(rows.items()) if role)
        if key and text:
            sections.setdefault((key[0], text), []).append(key[1])
    for (kind, text), names in sorted(sections.items(), key=lambda s: (s[0][0], sorted(s[1]))):
        print("\n".join(wrapped(kind, sorted(names))))
        print(text, end="")


if __name__ == "__main__":
    main()
