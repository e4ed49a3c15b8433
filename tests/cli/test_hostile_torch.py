"""Hostile PyTorch files: nothing runs, ever; what lies is refused with the reason, the rest is shown."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import BIN, run
from helpers import HANG_S, run_bounded, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from make_hostile_torch import (ATTACKS, CASES, FLOATS, MARKER, attack_pickle, dict_of, program,  # noqa: E402
                                tensor, text, torch_zip)

TOOL = os.environ.get("WEIGHTFS_CATALOG_TOOL", str(pathlib.Path(BIN).parent / "tests" / "unit" / "catalog_tool"))
MEMORY_LIMIT = 1 << 30


def catalog(path, cwd, *args):
    plain = "asan" not in BIN and "asan" not in TOOL
    return run_bounded([TOOL, *args, "-o", cwd, path], cpu_s=20 if plain else 120,
                       data_bytes=MEMORY_LIMIT if plain else None, cwd=cwd)


@pytest.mark.parametrize("name", CASES)
def test_hostile(tmp_path, name):
    data, expect = CASES[name]
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    done = catalog(path, out)
    assert not (out / MARKER).exists()
    if "refused" in expect:
        assert done.returncode == 1, done.stdout
        assert done.stderr.strip() and re.search(expect["refused"], done.stderr), done.stderr
        return
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    tensors = [x for x in lines if "tensor" in x]
    assert tuple(t["name"] for t in tensors) == tuple(expect["shown"])
    for t in tensors:
        got = (out / str(t["tensor"])).read_bytes()
        assert len(got) == t["bytes"]
        assert got == (FLOATS * (len(got) // 16 + 1))[:len(got)]
    if expect["note"]:
        kind, text = expect["note"]
        notes = [x for x in lines if "note" in x and x["kind"] == kind and text in x["subject"] + x["text"]]
        assert notes, lines


@pytest.mark.parametrize("name", ["os_system", "eval", "exec", "inst", "obj", "nested_pickle",
                                  "stack_global", "getattr", "subprocess"])
def test_the_attacks_are_real(tmp_path, name):
    """Python's own unpickler runs them: so that nothing happens here means something."""
    body = ATTACKS[name][0]
    (tmp_path / "x.pkl").write_bytes(program(body))
    subprocess.run([sys.executable, "-c", "import pickle; pickle.load(open('x.pkl', 'rb'))"], cwd=tmp_path,
                   timeout=HANG_S, capture_output=True)
    wait_until((tmp_path / MARKER).exists, what="the attack")


def test_danger__is_told_on_stderr_and_refused_when_strict(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(torch_zip(attack_pickle(ATTACKS["os_system"][0])))
    done = run("ls", path, check=False, cwd=tmp_path)
    assert done.returncode == 0 and "posix.system" in done.stderr
    strict = catalog(path, tmp_path, "-s")
    assert strict.returncode == 1 and "posix.system" in strict.stderr
    report = run("cat", path, "info/report.txt", cwd=tmp_path).stdout
    assert "posix.system" in report
    assert not (tmp_path / MARKER).exists()


def test_every_truncation_is_refused_or_safe(tmp_path):
    whole = torch_zip()
    out = tmp_path / "out"
    out.mkdir()
    for length in range(0, len(whole), 7):
        (tmp_path / "x.pt").write_bytes(whole[:length])
        assert catalog(tmp_path / "x.pt", out).returncode == 1, length


def many_values(folder, names):
    """A checkpoint of an index: each of its files names 15 MB of text."""
    weight_map = {}
    for name, target in names.items():
        key = f"w{len(weight_map)}"
        weight_map[key] = name
        if target:
            os.symlink(target, folder / name)
            continue
        pkl = program(b"}(" + text(key) + tensor() + text("k") + b"](" + text("a" * 1000000) + b"q\x00"
                      + b"h\x00" * 14 + b"eu")
        (folder / name).write_bytes(torch_zip(pkl, compress=("data.pkl",)))
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_plain_values_of_all_files_are_bounded(tmp_path):
    (tmp_path / "m").mkdir()
    many_values(tmp_path / "m", {f"{i}.bin": None for i in range(6)})
    done = catalog(tmp_path / "m", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    objects = next(line["objects"] for line in lines if "objects" in line)
    assert list(objects["$files"]) == ["0.bin", "1.bin", "2.bin", "3.bin"]
    assert all(len(values["k"]) == 15 for values in objects["$files"].values())
    assert [x["subject"] for x in lines if "note" in x and "plain values" in x["text"]] == ["4.bin", "5.bin"]


def test_one_file_under_two_names_is_refused(tmp_path):
    (tmp_path / "m").mkdir()
    many_values(tmp_path / "m", {"0.bin": None, "1.bin": "0.bin"})
    done = catalog(tmp_path / "m", tmp_path)
    assert done.returncode == 1 and "1.bin is the same file as 0.bin" in done.stderr


def test_two_equal_trees__are_refused_until_one_is_chosen(tmp_path):
    def state(key):
        return dict_of(**{"fc.weight": tensor(key, size=(2, 2), stride=(2, 1))})

    path = tmp_path / "x.pt"
    path.write_bytes(torch_zip(program(dict_of(g1=state("0"), g2=state("1"))), {"data/0": FLOATS, "data/1": FLOATS}))
    done = run("map", path, "--view", "flax", check=False)
    assert done.returncode == 2 and "root=g1 or root=g2" in done.stderr
    done = run("map", path, "--view", "flax", "-o", "root=g2", "--json")
    assert [t["sources"] for t in json.loads(done.stdout)["targets"]] == [["g2.fc.weight"]]
