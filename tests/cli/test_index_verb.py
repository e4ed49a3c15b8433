"""weightfs index: list, stat, verify, prune, clear."""
import json
import os

import numpy as np
import pytest

from conftest import run
from helpers import write_safetensors


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/weightfs"


@pytest.fixture
def checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    return write_safetensors(tmp_path / "model.safetensors",
                             {"a.weight": rng.standard_normal((512, 2048)).astype(np.float32)}, {"format": "pt"})


def fill(checkpoint):
    """Computes the mapped parameter with an index that keeps it."""
    run("cat", "-o", "cache=always", checkpoint, "nnx/tensors/a/kernel.npy", text=False)


def stat(*args):
    return json.loads(run("index", "stat", "--json", *args).stdout)


def test_index_verb__empty(home):
    assert run("index").stdout == "" and json.loads(run("index", "list", "--json").stdout) == []


def test_index_verb__cat_leaves_none_unless_asked(home, checkpoint):
    run("cat", checkpoint, "nnx/tensors/a/kernel.npy", text=False)
    assert stat() == []


def test_index_verb__list_and_stat(home, checkpoint):
    fill(checkpoint)
    [info] = stat()
    assert info["source"] == str(checkpoint) and not info["stale"] and info["blocks"] > 0
    assert info["raw_bytes"] >= 512 * 2048 * 4 > info["stored_bytes"] > 0
    assert os.path.dirname(info["path"]) == str(home) and info["file_bytes"] > 0
    assert stat(checkpoint) == [info] == stat(info["path"])
    text = run("index").stdout
    assert info["path"] in text and str(checkpoint) in text


def test_index_verb__verify_finds_and_repairs(home, checkpoint):
    fill(checkpoint)
    [info] = stat()
    assert " 0 bad" in run("index", "verify").stdout
    with open(info["path"], "r+b") as f:
        f.seek(info["file_bytes"] // 2)
        f.write(b"\x5a" * 512)
    done = run("index", "verify", info["path"], check=False)
    assert done.returncode != 0
    run("index", "verify", "--repair", info["path"], check=False)
    out = run("cat", "-o", "cache=always", checkpoint, "nnx/tensors/a/kernel.npy", text=False).stdout
    rng = np.random.default_rng(0)
    assert out[128:] == rng.standard_normal((512, 2048)).astype(np.float32).T.tobytes()


def test_index_verb__prune_removes_what_is_stale(home, checkpoint):
    fill(checkpoint)
    run("index", "prune")
    assert len(stat()) == 1
    checkpoint.unlink()
    assert stat()[0]["stale"]
    assert "gone or changed" in run("index").stdout
    run("index", "prune")
    assert stat() == []


def test_index_verb__prune_to_a_size(home, checkpoint):
    fill(checkpoint)
    [before] = stat()
    run("index", "prune", "--size", "500K")
    after = stat()
    assert not after or after[0]["file_bytes"] <= 500 << 10 < before["file_bytes"]


def test_index_verb__clear(home, checkpoint, tmp_path):
    fill(checkpoint)
    done = run("index", "clear", check=False)
    assert done.returncode == 2 and "--all" in done.stderr
    run("index", "clear", checkpoint)
    assert stat() == [] and not list(home.glob("*.db*"))
    fill(checkpoint)
    run("index", "clear", "--all")
    assert stat() == []


def test_index_verb__of_a_path_of_its_own(home, checkpoint, tmp_path):
    at = tmp_path / "mine.db"
    run("cat", "-o", f"index={at},cache=always", checkpoint, "nnx/tensors/a/kernel.npy", text=False)
    [info] = stat(at)
    assert info["blocks"] > 0 and stat() == []
    run("index", "clear", at)
    assert not at.exists()


@pytest.mark.parametrize("args", [
    ("list", "--size", "1G"), ("list", "--repair"), ("stat", "--all"), ("verify", "--all"), ("verify", "--json"),
    ("prune", "WHAT"), ("prune", "--json"), ("clear", "--repair", "WHAT"), ("clear", "--all", "WHAT"), ("--all",),
])
def test_index_verb__what_does_not_belong_together(home, checkpoint, args):
    fill(checkpoint)
    done = run("index", *(checkpoint if a == "WHAT" else a for a in args), check=False)
    assert done.returncode == 2 and not done.stdout
    named = [a for a in args if a.startswith("--")] or [str(checkpoint)]
    assert any(a in done.stderr.splitlines()[0] for a in named) and len(stat()) == 1


def test_index_verb__of_a_source_without_one(home, checkpoint):
    for action in ("list", "stat", "verify", "clear"):
        done = run("index", action, checkpoint, check=False)
        assert done.returncode == 2 and done.stderr == f"weightfs: {checkpoint}: it has no index\n"


def test_index_verb__mistakes(home, tmp_path):
    assert run("index", "frobnicate", check=False).returncode == 2
    assert run("index", "stat", tmp_path / "none", check=False).returncode == 2
    assert run("index", "prune", "--size", "x", check=False).returncode == 2
    (tmp_path / "junk.db").write_bytes(b"junk")
    done = run("index", "stat", tmp_path / "junk.db", check=False)
    assert done.returncode == 2 and "junk.db" in done.stderr
