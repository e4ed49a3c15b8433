"""How -o, --view and operands are understood, by verbs that need no mount."""
import os

import numpy as np
import pytest

from conftest import run
from helpers import write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    return write_safetensors(tmp_path / "model.safetensors",
                             {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.ones(2, np.float32)},
                             {"format": "pt"})


def test_arguments__a_source_called_like_a_verb(tmp_path):
    write_safetensors(tmp_path / "index", {"a.weight": np.ones((2, 3), np.float32)})
    assert run("ls", "index", "source/tensors/a", cwd=tmp_path).stdout == "weight.npy\n"
    assert run("ls", "./index", cwd=tmp_path).stdout.split() == ["info", "nnx", "source"]
    done = run("index", "mnt", cwd=tmp_path, check=False)  # the verb
    assert done.returncode == 2 and "verify" in done.stderr


def test_arguments__a_source_that_begins_with_a_dash(tmp_path):
    write_safetensors(tmp_path / "-m.safetensors", {"a.weight": np.ones((2, 3), np.float32)})
    assert run("ls", "--", "-m.safetensors", "source/tensors/a", cwd=tmp_path).stdout == "weight.npy\n"


def test_arguments__an_empty_name_is_no_directory(checkpoint):
    for args in (("ls", ""), ("table", ""), ("check", checkpoint, "--against", ""), ("diff", checkpoint, ""),
                 ("ls", checkpoint, "-o", "template="), ("", "mnt")):
        done = run(*args, check=False, cwd=checkpoint.parent)
        assert done.returncode == 2 and "weightfs: " in done.stderr and not done.stdout, args
        assert "template" in str(args) or "''" in done.stderr, args


def test_arguments__anywhere_among_operands(checkpoint):
    for args in (("-o", "view=flax", checkpoint, "flax"), (checkpoint, "-o", "view=flax", "flax"),
                 (checkpoint, "flax", "-oview=flax"), (checkpoint, "flax", "--view=flax")):
        assert "tensors" in run("ls", *args).stdout.split()


def test_arguments__several_views(checkpoint):
    assert run("ls", "--view", "flax", "-o", "view=mine=flax", checkpoint).stdout.split() == \
        ["flax", "info", "mine", "source"]


def test_arguments__dtype_for_the_default_view_and_for_one(checkpoint):
    def dtype(view, *args):
        line = [x for x in run("ls", "-l", *args, checkpoint, f"{view}/tensors/a").stdout.splitlines()
                if "bias" in x][0]
        return line.split()[-2]

    assert dtype("nnx") == "float32"
    assert dtype("nnx", "-o", "dtype=float16") == "float16"
    both = ("--view", "flax:dtype=float16", "--view", "other=flax")
    assert dtype("flax", *both) == "float16"
    assert dtype("other", *both) == "float32"


@pytest.mark.parametrize("view, named", [
    ("flax:bogus=1", "bogus"), ("flax:dtype", "dtype"), ("flax:dtype=", "dtype"), ("", "--view"), ("info", "info"),
    (".", "."), ("nosuchset", "nosuchset"), ("xlstm,flax:match=x", "match"),
])
def test_arguments__views_that_are_mistakes(checkpoint, view, named):
    done = run("ls", "--view", view, checkpoint, check=False)
    assert done.returncode == 2 and named in done.stderr


@pytest.mark.parametrize("view", ["a=", "a=flax+", "a=+flax", "a=flax++mlx", "a=~"])
def test_arguments__chains_with_a_gap(checkpoint, view):
    done = run("ls", "--view", view, checkpoint, check=False)
    assert done.returncode == 2 and f"--view {view}: " in done.stderr


def test_arguments__view_source_is_the_checkpoint_as_it_is(checkpoint, tmp_path):
    view = ("--view", "source")
    assert run("ls", *view, checkpoint).stdout.split() == ["info", "source"]
    assert run("ls", "-o", "view=source", checkpoint, "source/tensors/a").stdout.split() == ["bias.npy", "weight.npy"]
    name = "source/model.safetensors"
    assert run("cat", *view, checkpoint, name, text=False).stdout == checkpoint.read_bytes()
    run("cp", *view, checkpoint, name, tmp_path / "copy.safetensors")
    run("export", *view, checkpoint, tmp_path / "export.safetensors")
    for made in ("copy", "export"):
        assert (tmp_path / f"{made}.safetensors").read_bytes() == checkpoint.read_bytes()
    for verb in ("table", "norms"):
        assert run(verb, *view, "--json", checkpoint).stdout == run(verb, "--json", checkpoint).stdout
    assert run("diff", *view, checkpoint, checkpoint).returncode == 0
    assert run("check", *view, checkpoint, "--against", checkpoint, "--no-values").returncode == 0
    assert run("ls", *view, "--view", "flax", checkpoint).stdout.split() == ["flax", "info", "source"]


def test_arguments__view_source_compares_as_it_is(checkpoint, tmp_path):
    """Not through the view that makes the names of A those of B."""
    run("export", "--view", "flax", checkpoint, tmp_path / "flax.safetensors")
    assert run("diff", checkpoint, tmp_path / "flax.safetensors").returncode == 0
    done = run("diff", "--view", "source", "--json", checkpoint, tmp_path / "flax.safetensors", check=False)
    assert done.returncode == 1 and "a.kernel" in done.stdout and "a.weight" in done.stdout


@pytest.mark.parametrize("args", [("ls", "--view", "source:dtype=float16"), ("ls", "--view", "source", "-o", "dtype=float16"),
                                  ("table", "--view", "source", "-o", "match=x.json"), ("map", "--view", "source"),
                                  ("ls", "--view", "source=flax")])
def test_arguments__view_source_takes_nothing(checkpoint, args):
    done = run(*args, checkpoint, check=False)
    assert done.returncode == 2 and ("source" in done.stderr or "match" in done.stderr) and not done.stdout


def test_arguments__a_views_own_key_needs_that_view(checkpoint):
    done = run("ls", "-o", "match=x.json", checkpoint, check=False)
    assert done.returncode == 2 and "match" in done.stderr and "no such option" in done.stderr
    done = run("ls", "--view", "a=xlstm", "--view", "b=xlstm", "-o", "match=x.json", checkpoint, check=False)
    assert done.returncode == 2 and "match" in done.stderr and "--view NAME:match" in done.stderr


@pytest.mark.parametrize("files, shown", [
    ("npz", ["tensors.npz"]), ("torch:tensors.npz", ["pytorch_model.bin", "tensors.npz"]), ("none", []),
    ("all", ["flax_model.msgpack", "model.safetensors", "pytorch_model.bin", "tensors.npz"]),
    ("safetensor", None), ("npz:bogus", None), ("all:npz", None), ("none:npz", None), ("", None),
])
def test_arguments__loader_files(checkpoint, files, shown):
    done = run("ls", "-o", f"files={files}", checkpoint, "source", check=False)
    if shown is None:
        assert done.returncode == 2 and "files" in done.stderr and not done.stdout
    else:
        assert done.stdout.split() == sorted([*shown, "tensors"])


@pytest.mark.parametrize("size, good", [("1", True), ("64K", True), ("1.5GiB", True), ("10g", True), ("7MB", True),
                                        ("", False), ("x", False), ("1KK", False), ("1e30", False), ("nan", False),
                                        ("0", False), ("-5", False), ("0x10", False)])
def test_arguments__sizes(checkpoint, size, good):
    done = run("ls", "-o", f"memory={size}", checkpoint, check=False)
    assert (done.returncode == 0) == good, done.stderr


@pytest.mark.parametrize("args", [("index", "list", "FIFO"), ("index", "verify", "FIFO"),
                                  ("check", "SOURCE", "--against", "FIFO"), ("ls", "FIFO")])
def test_arguments__a_pipe_is_refused_at_once(checkpoint, tmp_path, args):
    """Opening it would wait for who writes to it."""
    os.mkfifo(tmp_path / "pipe")
    args = [{"FIFO": tmp_path / "pipe", "SOURCE": checkpoint}.get(a, a) for a in args]
    done = run(*args, check=False)
    assert done.returncode == 2 and "not a regular file" in done.stderr, done.stderr
