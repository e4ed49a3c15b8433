"""A tensor that the source refuses: no loader file silently lacks it."""
import pathlib
import sys

import numpy as np
import pytest

from conftest import run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from make_hostile_torch import FLOATS, dict_of, program, tensor, text, torch_zip  # noqa: E402

FILES = ("model.safetensors", "flax_model.msgpack", "pytorch_model.bin", "tensors.npz")


def layers(bad):
    """Twelve good tensors and one that is damaged."""
    body = b"}(" + b"".join(text(f"layer.{i}.weight") + tensor(str(i), size=(2, 2), stride=(2, 1)) for i in range(12))
    return program(body + text("layer.12.weight") + bad + b"u")


def archive(bad, records):
    good = {f"data/{i}": FLOATS for i in range(12)}
    return torch_zip(layers(bad), {**good, **records})


DAMAGED = {
    "storage gone": archive(tensor("12", size=(2, 2), stride=(2, 1)), {}),
    "storage cut": archive(tensor("12", size=(2, 2), stride=(2, 1)), {"data/12": FLOATS[:8]}),
    "outside of its storage": archive(tensor("12", offset=2, size=(2, 2), stride=(2, 1)), {"data/12": FLOATS}),
    "unknown storage": archive(tensor("12", size=(2, 2), stride=(2, 1), kind="WhatStorage"), {"data/12": FLOATS}),
}


@pytest.fixture(params=DAMAGED)
def damaged(request, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(DAMAGED[request.param])
    return path


@pytest.mark.parametrize("view", ["source", "flax", "linen", "mlx"])
def test_partial__no_whole_file_is_listed(damaged, view):
    shown = run("ls", damaged, view, "--view", view, "-o", "files=all").stdout.split()
    assert not set(shown) & set(FILES) and "tensors" in shown
    for file in FILES:
        done = run("cat", damaged, f"{view}/{file}", "--view", view, "-o", "files=all", check=False)
        assert done.returncode == 2 and not done.stdout and "layer.12.weight" in done.stderr.splitlines()[-1]
    report = run("cat", damaged, "info/report.txt", "--view", view, "-o", "files=all").stdout
    assert all(f"{view}/{file}\tis not listed: it would lack layer.12.weight" in report for file in FILES)


def test_partial__export_and_cp_fail_and_name_the_tensor(damaged, tmp_path):
    out = tmp_path / "model.safetensors"
    for verb in (["export", damaged, out, "--source"], ["export", damaged, out, "--view", "flax"],
                 ["cp", damaged, "source/model.safetensors", out], ["cp", damaged, "//flax//model.safetensors", out,
                                                                    "--view", "flax"]):
        done = run(*verb, check=False)
        assert done.returncode == 2 and "layer.12.weight" in done.stderr.splitlines()[-1], verb
        assert not out.exists()


def test_partial__shards_neither(damaged):
    options = ("--view", "torch", "-o", "shards=64")
    assert "safetensors" not in run("ls", damaged, "torch", *options).stdout
    assert "safetensors.index.json" in run("ls", damaged, "torch", *options, "-o", "partial").stdout


def test_partial__the_option_writes_the_others(damaged, tmp_path):
    out = tmp_path / "tensors.npz"
    run("export", damaged, out, "--source", "-o", "partial,files=all")
    arrays = np.load(out)
    assert sorted(arrays.files) == sorted(f"layer.{i}.weight" for i in range(12))
    assert np.array_equal(arrays["layer.3.weight"], [[1, 2], [3, 4]])
    report = run("cat", damaged, "info/report.txt", "-o", "partial,files=all").stdout
    assert "source/tensors.npz\tlacks 1 refused tensors (-o partial), the first: layer.12.weight" in report


def test_partial__single_tensors_stay(damaged):
    assert run("ls", "-R", damaged, "source/tensors").stdout.count("weight.npy") == 12


def test_partial__a_tree_that_views_leave_out_is_not_missed_there(tmp_path):
    def tree(first):
        return dict_of(**{"a.weight": first, "b.weight": tensor("1"), "c.weight": tensor("2")})

    path = tmp_path / "x.pt"
    records = {"data/1": FLOATS, "data/2": FLOATS}
    path.write_bytes(torch_zip(program(dict_of(ema=tree(tensor("0")), model=tree(tensor("1")))), records))
    options = ("--view", "flax", "-o", "root=model")
    assert "model.safetensors" in run("ls", path, "flax", *options).stdout
    assert "model.safetensors" not in run("ls", path, "source", *options).stdout
    assert "model.safetensors" not in run("ls", path, "flax", "--view", "flax", "-o", "root=ema").stdout


def test_partial__whole_checkpoints_are_as_before(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(torch_zip(program(dict_of(w=tensor()))))
    assert "model.safetensors" in run("ls", path, "source").stdout
    assert run("export", path, tmp_path / "y.safetensors", "--source").returncode == 0
