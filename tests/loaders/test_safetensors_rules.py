"""Accepts what the safetensors library accepts, refuses what it refuses, and reads the same.

Headers are made and broken at random (the seed is printed). Stricter than the library only where
the format's text is: duplicate keys; and in the number of axes.
"""
import json
import os
import pathlib
import random
import struct
import subprocess

import pytest
import safetensors

from conftest import BIN
from helpers import HANG_S

TOOL = pathlib.Path(os.environ.get(
    "WEIGHTFS_SCAN_TOOL", pathlib.Path(BIN).parent / "tests" / "unit" / "scan_tool"))
N_CASES = 4000
BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8,
        "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16,
        "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
        "U64": 64}


def catalogs(paths):
    """What the tool says of each path, in order."""
    done = subprocess.run([str(TOOL)], input="".join(f"{p}\n" for p in paths), text=True,
                          capture_output=True, timeout=HANG_S)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(paths), done.stderr
    return answers


def reference(data):
    """{name: (dtype, shape, bytes)}, or None where the library refuses."""
    try:
        return {name: (t["dtype"], list(t["shape"]), bytes(t["data"]))
                for name, t in safetensors.deserialize(data)}
    except safetensors.SafetensorError:
        return None


def is_stricter(data):
    """True where we may refuse what the library takes: a key twice (it keeps the last), or too many
    axes."""
    found = []

    def look(pairs):
        entry = dict(pairs)
        found.append(len(entry) < len(pairs))
        found.append(isinstance(entry.get("shape"), list) and len(entry["shape"]) > 64)
        return entry

    json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]], object_pairs_hook=look)
    return any(found)


def ours(answer, data):
    return {t["name"]: (t["safetensors"], t["shape"], data[t["offset"]:t["offset"] + t["size"]])
            for t in answer["tensors"]}


def compare(cases, folder):
    """Both readers on every case; returns how many were accepted."""
    paths = []
    for i, data in enumerate(cases):
        path = folder / f"{i}.safetensors"
        path.write_bytes(data)
        paths.append(path)
    n_accepted = 0
    for data, answer in zip(cases, catalogs(paths)):
        expected = reference(data)
        if "error" in answer:
            assert expected is None or is_stricter(data), (answer, data)
        else:
            assert expected is not None, ("accepted what the library refuses", data)
            assert ours(answer, data) == expected, data
            n_accepted += 1
    return n_accepted


def build(header, n_data, length=None):
    return struct.pack("<Q", len(header) if length is None else length) + header + bytes(
        i % 251 for i in range(n_data))


def random_name(rng):
    return "".join(rng.choice(["a", "b", ".", "layer", "0", "é", "\U0001f600", "\\", '"', "/", "\n", "\0", " "])
                   for _ in range(rng.randrange(6)))


def random_entries(rng):
    """A consistent header's entries as {name: {...}} and the data's size."""
    entries, at = {}, 0
    for _ in range(rng.randrange(6)):
        dtype = rng.choice(list(BITS))
        shape = [rng.choice([0, 1, 2, 3, 4, 8]) for _ in range(rng.randrange(4))]
        n = 1
        for d in shape:
            n *= d
        if n * BITS[dtype] % 8 or not (name := random_name(rng)) not in entries:
            continue
        entries[name] = {"dtype": dtype, "shape": shape,
                         "data_offsets": [at, at + n * BITS[dtype] // 8]}
        at += n * BITS[dtype] // 8
    return entries, at


def break_entry(rng, entry):
    what = rng.randrange(9)
    if what == 0:
        entry["data_offsets"][rng.randrange(2)] += rng.choice([-1, 1, 4, 1 << 63])
    elif what == 1:
        entry["shape"].insert(0, rng.choice([0, 1, 2, -1, 1.0, 1 << 62, 1 << 64, "1", None]))
    elif what == 2:
        entry["dtype"] = rng.choice([*BITS, "f32", "", None, 3])
    elif what == 3:
        del entry[rng.choice(list(entry))]
    elif what == 4:
        entry[rng.choice(["x", "", "Dtype"])] = rng.choice([None, [], [[{}]], {"a": [1.5e3]}, "y"])
    elif what == 5:
        entry["data_offsets"] = entry["data_offsets"][:rng.randrange(3)]
    elif what == 6:
        entry["data_offsets"] = [*entry["data_offsets"], 0]
    elif what == 7:
        entry["data_offsets"].reverse()
    else:
        entry["shape"] = rng.choice([None, 4, [[]], {}, "12"])


def random_text(rng, entries):
    members = list(entries.items())
    rng.shuffle(members)
    if rng.random() < 0.3:
        members.insert(rng.randrange(len(members) + 1), ("__metadata__", rng.choice(
            [{}, {"format": "pt"}, {"a": "\0é"}, {"a": 1}, None, [], {"a": None}])))
    if members and rng.random() < 0.1:
        members.append(rng.choice(members))
    gap = lambda: "".join(rng.choice(" \t\r\n") for _ in range(rng.randrange(3))) if rng.random() < 0.2 else ""
    texts = []
    for name, value in members:
        if name != "__metadata__" and rng.random() < 0.1 and len(value) == 3:
            value = [value.get("dtype"), value.get("shape"), value.get("data_offsets")]
        texts.append(gap() + json.dumps(name, ensure_ascii=rng.random() < 0.5) + gap() + ":" + gap()
                     + json.dumps(value, ensure_ascii=rng.random() < 0.5))
    return gap() + "{" + ",".join(texts) + gap() + "}" + gap()


def random_case(rng):
    entries, size = random_entries(rng)
    if entries and rng.random() < 0.4:
        break_entry(rng, rng.choice(list(entries.values())))
    header = bytearray(random_text(rng, entries).encode())
    if rng.random() < 0.4:
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(header))
            what = rng.randrange(4)
            if what == 0:
                header[at] = rng.randrange(256)
            elif what == 1:
                del header[at]
            elif what == 2:
                header.insert(at, rng.choice(b' ,:{}[]"\\0123456789eE.+-\0\x80\xc3'))
            else:
                header[at:at] = rng.choice([b"null", b"\\u0061", b"\\ud800", b"\xef\xbb\xbf", b"[[]]", b"1e999"])
            if not header:
                header = bytearray(b" ")
    length = None
    if rng.random() < 0.05:
        length = rng.choice([0, 1, len(header) - 1, len(header) + 1, 1 << 27, 1 << 63])
    if rng.random() < 0.1:
        size = max(0, size + rng.choice([-4, -1, 1, 8]))
    return build(bytes(header), size, length)


@pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
def test_random_headers(tmp_path, seed):
    rng = random.Random(seed)
    n_accepted = compare([random_case(rng) for _ in range(N_CASES)], tmp_path)
    assert N_CASES // 10 < n_accepted < N_CASES


@pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
def test_limits(tmp_path):
    """The largest header, and deep nesting where nobody looks."""
    nested = lambda n: b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":' + b"[" * n + b"]" * n + b"}}"
    cases = [build(nested(n), 1) for n in (1, 100, 10000)]
    assert compare(cases, tmp_path) == 2
    for path in tmp_path.iterdir():
        path.unlink()
    at_most = build(b"{}".ljust(100_000_000), 0)
    assert compare([at_most], tmp_path) == 1
    assert compare([at_most[:8] + b" " + at_most[8:], build(b"{}".ljust(100_000_001), 0)], tmp_path) == 0
