"""Does a view give each weight the layout that its module's class calls for, or say that it doubts?

usage: check.py WEIGHTFS DIR [VIEW ...] [--config as-is|none|unknown] [--set KEY=VALUE ...]
                [--doubts PERCENT] [--doubted-weights PERCENT] [--sample N SEED] [--not-half SEED] [--brief]

A part of a weight that is computed (weight norm) has no place in other frameworks, which is said of it; that is
no doubt about what it is, and the architectures with such entries alone are counted by themselves.

For every parameter of two or more axes the operations must be exactly those of its role; an
operation that is not expected is wrong. A doubt is a report entry about that very name. Without a
config.json (none), with model types that nobody knows (unknown), for the architectures that are not in
the half which table.py --half takes. Exit status 1: a silent mistake, a refused plan, or more doubts
than allowed.
"""
import argparse
import collections
import json
import os
import random
import re
import subprocess
import sys
import tempfile

VIEWS = ["linen", "nnx", "keras", "mlx", "flax"]
COMPUTED = {"weight_g", "weight_v", "original0", "original1"}
DOUBTS = {"ambiguous", "unexpected", "packed", "collision", "missing"}


def flips(rank):
    return " flip(" + ", ".join(map(str, range(rank - 2))) + ")"


# Dense layers on (channels, bins) of audio, which no forward pass of corpus.py reaches: read off the forward functions
# of modeling_parakeet.py, modeling_nemotron_asr_streaming.py and modeling_qwen3_asr.py (transformers 5.23), which all
# put the channels in front of the bins. {end of the layer's name: convolutions in front of it, of which one is there}
FLATTENED = {"subsampling.linear.weight": ["subsampling.layers.6.weight", "subsampling.conv_in.weight"],
             "conv_out.weight": ["conv2d3.weight"]}


def flattened(roles):
    """{name: channels}, of those."""
    found = {}
    for name in roles:
        for end, convolutions in FLATTENED.items():
            for other in convolutions:
                conv = roles.get(name.removesuffix(end) + other) if name.endswith(end) else None
                if conv and len(roles[name][3]) == 2 and len(conv[3]) == 4:
                    found[name] = conv[3][0]
    return found


def roles_of(path):
    """{name: (role, class, attribute, shape, channels of the convolution in front, or 0)}"""
    with open(path + "/roles.json") as f:
        roles = json.load(f)
    for name, channels in flattened(roles).items():
        roles[name] = ("flattened", *roles[name][1:4], channels)
    return roles


def half(names, seed):
    """The architectures that a table of a half knows."""
    return sorted(random.Random(seed).sample(sorted(names), len(names) // 2))


def expected(view, role, rank, shape, channels):
    """The operations that are right, or None where nobody can say."""
    last = view == "mlx"
    if role == "flattened":
        order = "0, 2, 1" if last else "2, 1, 0"
        back = f"{shape[0]}, -1" if last else f"-1, {shape[0]}"
        return {f"reshape({shape[0]}, {channels}, -1) permute({order}) reshape({back})"}
    if role == "dense":
        return {""} if last else {"transpose"}
    if role == "dense_io":
        return {"transpose"} if view in ("mlx", "flax") else {""}
    if role in ("embedding", "norm"):
        return {""}
    if role in ("opaque", "stacked"):
        return {""}
    if role == "convolution":
        if rank == 2:
            return None
        return {'"OI*>O*I"'} if last else {'"OI*>*IO"'}
    if role == "depthwise":
        if view == "keras":
            return {'"OI*>*OI"', f'reshape({shape[0]}, 1, {", ".join(map(str, shape[2:]))}) "Im*>*Im"'}
        return {'"OI*>O*I"'} if last else {'"OI*>*IO"'}
    if role == "transposed":
        if view in ("linen", "nnx"):
            return {'"IO*>*IO"' + flips(rank)}
        return {'"IO*>O*I"'} if last else {'"OI*>*IO"'}
    return None  # recurrent cells, attention in parts, grouped transposed convolutions, any


def plan(weightfs, path, view, settings):
    command = [weightfs, "map", path, "--view", view, "--json"]
    for s in settings:
        command += ["-o", "set=" + s]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode > 1 or not run.stdout:
        return None, run.stderr.strip()[-160:]
    return json.loads(run.stdout), None


def judge(weightfs, path, view, settings):
    """(silent mistakes, doubted names, weights looked at, refusal)"""
    roles = roles_of(path)
    got, refusal = plan(weightfs, path, view, settings)
    if refusal is not None:
        return [], set(), 0, refusal
    doubted = {e["subject"] for e in got["report"] if e["status"] in DOUBTS}
    targets = collections.defaultdict(list)
    for t in got["targets"]:
        for s in t["sources"]:
            targets[s].append(t)
    wrong, doubts, looked = [], set(), 0
    for name, (role, cls, attribute, shape, channels) in roles.items():
        want = expected(view, role, len(shape), shape, channels) if len(shape) > 1 else None
        if want is None or name not in targets:
            continue
        looked += 1
        for t in targets[name]:
            if t["status"] in DOUBTS or name in doubted or t["target"] in doubted:
                doubts.add(name)
            elif re.sub(r" ?cast\(\w+\)", "", t["operations"]).strip() not in want:
                wrong.append((name, role, cls, shape, t["operations"]))
                break
    return wrong, doubts, looked, None


def renamed(config):
    """The config of a model whose type and classes nobody knows."""
    if isinstance(config, dict):
        return {k: "unheard-of" if k in ("model_type", "architecture", "_class_name") else renamed(v)
                for k, v in config.items() if k != "architectures"}
    return config


def dressed(path, config, top):
    """The checkpoint with another config.json, or none."""
    if config == "as-is":
        return path
    for f in ("model.safetensors", "roles.json"):
        os.symlink(os.path.abspath(os.path.join(path, f)), os.path.join(top, f))
    if config == "unknown" and os.path.exists(path + "/config.json"):
        with open(path + "/config.json") as f:
            text = json.dumps(renamed(json.load(f)))
        with open(top + "/config.json", "w") as f:
            f.write(text)
    return top


def check_view(args, view, names):
    total = collections.Counter()
    for name in names:
        with tempfile.TemporaryDirectory() as top:
            path = dressed(os.path.join(args.dir, name), args.config, top)
            wrong, doubts, looked, refusal = judge(args.weightfs, path, view, args.set)
        total["plans"] += 1
        total["weights"] += looked
        total["doubted weights"] += len(doubts)
        parts = {d for d in doubts if d.rsplit(".", 1)[-1] in COMPUTED}
        total["architectures in doubt"] += bool(doubts - parts)
        total["with parts of computed weights alone"] += bool(parts) and doubts == parts
        total["silent mistakes"] += len(wrong)
        if refusal is not None:
            total["refused"] += 1
            print(f"{name} {view}: refused: {refusal}")
        if wrong and not args.brief:
            example, role, cls, shape, operations = wrong[0]
            print(f"{name} {view}: {len(wrong)} silent, e.g. {example} {cls} ({role}) {shape} -> {operations or 'as it is'}")
    share = 100 * total["architectures in doubt"] / max(1, total["plans"])
    weights = 100 * total["doubted weights"] / max(1, total["weights"])
    print(f"{view}: " + ", ".join(f"{total[k]} {k}" for k in (
        "plans", "weights", "silent mistakes", "refused", "architectures in doubt",
        "with parts of computed weights alone", "doubted weights"))
        + f" ({share:.1f} %, {weights:.2f} %)", flush=True)
    return total["silent mistakes"] == 0 and total["refused"] == 0 and \
        share <= args.doubts and weights <= args.doubted_weights


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weightfs")
    parser.add_argument("dir")
    parser.add_argument("views", nargs="*", default=VIEWS)
    parser.add_argument("--config", choices=["as-is", "none", "unknown"], default="as-is")
    parser.add_argument("--not-half", type=int)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--doubts", type=float, default=100)
    parser.add_argument("--doubted-weights", type=float, default=100)
    parser.add_argument("--sample", nargs=2, type=int)
    parser.add_argument("--brief", action="store_true")
    args = parser.parse_args()
    names = sorted(n for n in os.listdir(args.dir) if os.path.exists(f"{args.dir}/{n}/roles.json"))
    if args.not_half is not None:
        names = sorted(set(names) - set(half([n for n in names if os.path.exists(f"{args.dir}/{n}/config.json")], args.not_half)))
    if args.sample:
        names = random.Random(args.sample[1]).sample(names, min(args.sample[0], len(names)))
    good = [check_view(args, view, names) for view in args.views or VIEWS]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
