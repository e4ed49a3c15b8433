#!/usr/bin/env python3
"""Golden plans: what every view makes of tiny checkpoints that are only names and shapes.

    tests/golden_plans.py [--write] [--coverage] [NAME...]

Each folder of tests/golden is a checkpoint. `spec` says what it consists of, `PLAN.tsv` what a plan
of it is today: every target with its source and operations, a CRC of its bytes and its first
values, then what the report says. Without --write the differences are printed. With it the tables
are written anew, and `git diff` is reviewed: a line that changed is a tensor that a user sees
changed. --coverage prints the rules of the built-in sets that no plan meets.

A line of `spec` is one of
    # TEXT                             a comment; "Known wrong:" marks what a later fix will change
    config {...}                       what config.json holds
    metadata KEY=VALUE                 of the safetensors file
    views NAME ...                     plans named as their views
    plan NAME VIEW [KEY=VALUE ...]     a plan with options of the view; a value that is a file of the
                                       folder stands for its path
    NAME DTYPE SHAPE                   a tensor: `a.weight F32 4,3`; the shape of a scalar is `-`

The values of a tensor count up from a number that its name gives. So a CRC tells every permutation,
and any two tensors, apart, and a spec's other lines do not change it. WEIGHTFS_BIN names the program
beside whose unit tests plan_tool is.
"""
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

import numpy as np

from helpers import HANG_S, write_safetensors

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
SETS = ROOT / "src" / "rules" / "sets"
# As plans name them; BF16 values are whole numbers below 256, which both it and float32 hold.
NUMPY = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
         "U8": "u1", "BOOL": "?", "float64": "f8", "float32": "f4", "float16": "f2", "int64": "i8", "int32": "i4",
         "int16": "i2", "int8": "i1", "uint8": "u1", "bool": "?"}
# The greatest whole number below which each type holds all of them (sums of two included).
LIMITS = {"F64": 1 << 22, "F32": 1 << 22, "F16": 1 << 10, "BF16": 1 << 7, "I64": 1 << 22, "I32": 1 << 22,
          "I16": 1 << 14, "I8": 1 << 6, "U8": 1 << 7, "BOOL": 2}


def plan_tool():
    binary = pathlib.Path(os.environ.get("WEIGHTFS_BIN", ROOT / "build" / "weightfs"))
    return binary.parent / "tests" / "unit" / "plan_tool"


class Spec:
    """A folder of tests/golden."""

    def __init__(self, folder):
        self.folder, self.name = folder, folder.name
        self.config, self.metadata, self.plans, self.tensors = None, {}, {}, {}
        for number, line in enumerate((folder / "spec").read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                try:
                    self._parse(line)
                except (ValueError, KeyError) as e:
                    raise ValueError(f"{folder}/spec:{number}: {e}") from None

    def _parse(self, line):
        word, _, rest = line.partition(" ")
        if word == "config":
            self.config = json.loads(rest)
        elif word == "metadata":
            self.metadata.update(pair.split("=", 1) for pair in rest.split())
        elif word == "views":
            self.plans.update((view, [view]) for view in rest.split())
        elif word == "plan":
            name, *arguments = rest.split()
            self.plans[name] = arguments
        else:
            dtype, shape = rest.split()
            if word in self.tensors:
                raise ValueError(f"{word} is there twice")
            self.tensors[word] = (dtype, () if shape == "-" else tuple(map(int, shape.split(","))))

    def write(self, folder):
        """The checkpoint, in an empty folder."""
        tensors = {name: (dtype, shape, values(name, dtype, shape)) for name, (dtype, shape) in self.tensors.items()}
        write_safetensors(folder / "model.safetensors", tensors, self.metadata)
        if self.config is not None:
            (folder / "config.json").write_text(json.dumps(self.config))

    def arguments(self, plan):
        """plan_tool's, behind the source."""
        view, *options = self.plans[plan]
        for i, option in enumerate(options):
            key, _, value = option.partition("=")
            if (self.folder / value).is_file():
                options[i] = f"{key}={self.folder / value}"
        return [view, *options]


def specs(names=()):
    return [Spec(p.parent) for p in sorted(GOLDEN.glob("*/spec")) if not names or p.parent.name in names]


def values(name, dtype, shape):
    """Consecutive whole numbers, as bytes."""
    limit = LIMITS[dtype]
    count = int(np.prod(shape, dtype=np.int64))
    numbers = (zlib.crc32(name.encode()) + np.arange(count, dtype=np.int64)) % limit
    if dtype == "BF16":
        return (numbers.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return numbers.astype(np.dtype(NUMPY[dtype]).newbyteorder("<")).tobytes()


def first_values(dtype, data, count=4):
    """The first elements as text: enough to see an order by eye."""
    if dtype == "bfloat16":
        numbers = (np.frombuffer(data, "<u2")[:count].astype("<u4") << 16).view("<f4")
    else:
        # Of a block type the bytes.
        numbers = np.frombuffer(data, np.dtype(NUMPY.get(dtype, "u1")).newbyteorder("<"))[:count]
    return " ".join(f"{float(x):.9g}" for x in numbers)


def without_lines(text):
    """A rule set's file without its line numbers, which every edit moves."""
    return re.sub(r"([\w-]+\.map)(:\d+)+", r"\1", text)


def plan(spec, name, checkpoint):
    """(table, places): the golden text of a plan, and the rules that it names as {"flax.map:12"}."""
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([plan_tool(), checkpoint, *spec.arguments(name), "-o", out], capture_output=True,
                              text=True, timeout=HANG_S)
        hidden = [(str(checkpoint), "CHECKPOINT"), (str(spec.folder), "SPEC")]
        if done.returncode:
            text = done.stderr
            rows = ["refused\t" + text.strip()]
        else:
            text = done.stdout
            rows = table(json.loads(text), pathlib.Path(out))
    golden = without_lines("\n".join(rows)) + "\n"
    for path, word in hidden:
        golden = golden.replace(path, word)
    return golden, set(re.findall(r"[\w-]+\.map:\d+", text))


def table(report, out):
    rows = [f"# {report['chain']}, {'clean' if report['clean'] else 'not clean'}"]
    rows.append("target\tdtype\tshape\tstatus\tsources\toperations\tcrc32\tfirst")
    for i, t in enumerate(report["targets"]):
        data = (out / f"{i}.bin").read_bytes()
        rows.append("\t".join([t["target"], t["dtype"], ",".join(map(str, t["shape"])) or "-", t["status"],
                               " ".join(t["sources"]), t["operations"], f"{zlib.crc32(data):08x}",
                               first_values(t["dtype"], data)]))
    if report["report"]:
        rows += ["", "status\tsubject\ttext"]
    rows += ["\t".join([e["status"], e["subject"], e["text"]]).replace("\n", " ") for e in report["report"]]
    return rows


def differences(spec, write=False):
    """The unified diff of all plans of a checkpoint, and what is there that no plan asks for."""
    diff = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = pathlib.Path(folder)
        spec.write(checkpoint)
        for name in spec.plans:
            path = spec.folder / f"{name}.tsv"
            want = path.read_text() if path.exists() else ""
            got, _ = plan(spec, name, checkpoint)
            diff += difflib.unified_diff(want.splitlines(), got.splitlines(), f"{spec.name}/{name}.tsv", "now", lineterm="")
            if write:
                path.write_text(got)
    for path in sorted(spec.folder.glob("*.tsv")):
        if path.stem not in spec.plans:
            diff.append(f"{spec.name}/{path.name} is of no plan")
            if write:
                path.unlink()
    return diff


def statements():
    """{"flax.map:12": its text} of everything in the sets that takes, renames, leaves out or makes tensors."""
    found, words = {}, r"(set|from|to|detect|source|target|files|format|match|unmatched|invertible|include|let|program|prefix)\b"
    for path in sorted(SETS.rglob("*.map")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line and (not line[0].isspace() or path.parent != SETS) and line[0] != "#" and not re.match(words + r"|inverse let|require|missing|when ", line):
                found[f"{path.name}:{number}"] = line
    return found


def met(spec):
    """The rules that the plans of a checkpoint name, and that --explain says take or rename a tensor."""
    places = set()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = pathlib.Path(folder)
        spec.write(checkpoint)
        for name in spec.plans:
            places |= plan(spec, name, checkpoint)[1]
            for tensor in spec.tensors:
                done = subprocess.run([plan_tool(), checkpoint, *spec.arguments(name), "-e", tensor],
                                      capture_output=True, text=True, timeout=HANG_S)
                places |= set(re.findall(r"^ +([\w-]+\.map:\d+): (?:takes it|renames it)", done.stdout, re.M))
    return places


def main(arguments):
    write, coverage = "--write" in arguments, "--coverage" in arguments
    chosen = specs([a for a in arguments if not a.startswith("--")])
    diff = [line for spec in chosen for line in differences(spec, write)]
    print("\n".join(diff), end="\n" if diff else "")
    if coverage:
        rules = statements()
        places = set().union(*(met(spec) for spec in chosen))
        for place in sorted(set(rules) - places, key=lambda p: (p.split(":")[0], int(p.split(":")[1]))):
            print(f"{place}: {rules[place]}")
        print(f"{len(set(rules) & places)} of {len(rules)} rules are met by a plan")
    return 1 if diff and not write else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
