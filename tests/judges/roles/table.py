"""Makes src/mapping/roles/architectures.tsv: the weights of known architectures whose role the general
evidence does not tell, or tells wrongly.

usage: table.py WEIGHTFS DIR [--half SEED] >TABLE

DIR holds what corpus.py made. Every architecture is planned with the table switched off; what was
wrong or in doubt and has a role by its module's class becomes a line, numbers folded to {n}. With
--half only a random half of the model types is taken (the seed is printed), so that the other half
can judge what the evidence is worth alone.
"""
import argparse
import json
import os
import random
import re

import check

# The names of roles in the table; what check.py knows besides is no role of a weight there.
ROLES = {"dense": "dense", "dense_io": "dense_io", "embedding": "embedding", "norm": "norm",
         "convolution": "convolution", "depthwise": "convolution", "transposed": "transposed",
         "bilinear": "bilinear", "stacked": "stacked", "opaque": "opaque"}
VIEWS = ["linen", "keras", "mlx"]


def fold(name):
    return ".".join("{n}" if part.isdigit() else part for part in name.split("."))


def model_type(path):
    config = json.load(open(path + "/config.json"))
    return config.get("model_type") or config.get("_class_name") or config.get("architecture")


def lines_of(weightfs, path):
    roles = json.load(open(path + "/roles.json"))
    lines = {}
    for view in VIEWS:
        wrong, doubts, _, _ = check.judge(weightfs, path, view, ["architectures=false"])
        for name in {w[0] for w in wrong} | doubts:
            role = ROLES.get(roles[name][0])
            if role:
                lines.setdefault(fold(name), set()).add(role)
    return {pattern: found.pop() for pattern, found in lines.items() if len(found) == 1}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weightfs")
    parser.add_argument("dir")
    parser.add_argument("--half", type=int)
    args = parser.parse_args()
    names = sorted(n for n in os.listdir(args.dir) if os.path.exists(f"{args.dir}/{n}/config.json"))
    if args.half is not None:
        names = sorted(random.Random(args.half).sample(names, len(names) // 2))
        print(f"# a half of the model types, seed {args.half}")
    rows = {}
    for name in names:
        path = os.path.join(args.dir, name)
        kind = model_type(path)
        for pattern, role in lines_of(args.weightfs, path).items():
            rows.setdefault((kind, pattern), role)
    print("# What known architectures are made of, where shapes and names do not tell, or tell wrongly. Made by")
    print("# tests/judges/roles/table.py from the module classes of transformers 5.23.0; its own lines may follow.")
    print("# model_type<TAB>name ({n}: a number)<TAB>role")
    for (kind, pattern), role in sorted(rows.items()):
        print(f"{kind}\t{pattern}\t{role}")


if __name__ == "__main__":
    main()
