"""-o set=architectures=: the table of known architectures, off, or one of the user's own."""
import json

import numpy as np
import pytest

from conftest import run
from helpers import write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    """What names and shapes do not tell: tables, a Conv1D without biases, convolutions of every kind."""
    def array(*shape):
        return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    tensors = {"trunk.0.thing.weight": array(7, 3), "trunk.1.thing.weight": array(7, 3),
               "trunk.0.square.weight": array(4, 4), "stem.0.weight": array(6, 1, 3), "stem.2.weight": array(6, 1, 3),
               "out.weight": array(6, 6, 3), "fc.weight": array(2, 12), "conv.weight": array(4, 5, 1, 1)}
    write_safetensors(tmp_path / "model.safetensors", tensors, {"format": "pt"})
    config = {"model_type": "whole", "part_config": {"model_type": "part"}, "architectures": ["WholeModel"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def plan(checkpoint, view, table, text=None):
    """{target: (role, operations)}, and the names in doubt."""
    if text is not None:
        table = checkpoint / "table.tsv"
        table.write_text(text)
    done = run("map", "--json", checkpoint, "--view", view, "-o", f"set=architectures={table}", check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    targets = {t["sources"][0]: (t["role"], t["operations"]) for t in report["targets"]}
    return targets, {e["subject"] for e in report["report"] if e["status"] == "ambiguous"}


def test_architectures__rows_tell_what_nothing_else_does(checkpoint):
    _, doubts = plan(checkpoint, "keras", "off")
    assert {"trunk.0.thing.weight", "stem.0.weight", "stem.2.weight"} <= doubts
    text = ("# mine\nmodel_type other whole\n*.trunk.{n}.thing.weight\tembedding\n*.square.weight\tdense_io\n"
            "stem.0.weight\tconvolution\n*.stem.2.weight\tdepthwise\n*.out.weight\ttransposed\n"
            "fc.weight\tflattened:2:conv.weight\n")
    for view in ("keras", "nnx", "linen", "mlx"):
        targets, doubts = plan(checkpoint, view, None, text)
        assert not doubts, view
        assert targets["trunk.1.thing.weight"] == ("embedding", "")
        assert targets["fc.weight"][0] == "flattened" and "reshape(2, 4, -1)" in targets["fc.weight"][1]
        assert ("flip" in targets["out.weight"][1]) == (view in ("nnx", "linen"))
    assert plan(checkpoint, "keras", None, text)[0]["stem.2.weight"][1] == '"OI*>*OI"'
    assert plan(checkpoint, "keras", None, text)[0]["stem.0.weight"][1] == '"OI*>*IO"'
    assert plan(checkpoint, "nnx", None, text)[0]["trunk.0.square.weight"] == ("dense_io", "")


def test_architectures__the_whole_model_counts_before_its_parts(checkpoint):
    part = "model_type part\n*.trunk.{n}.thing.weight\tembedding\n"
    assert plan(checkpoint, "nnx", None, part)[0]["trunk.0.thing.weight"][0] == "embedding"
    for whole in ("model_type whole", "class WholeModel", "architecture x\nclass WholeModel Y"):
        for text in (part + whole + "\n*.trunk.{n}.thing.weight\tdense\n",
                     whole + "\n*.trunk.{n}.thing.weight\tdense\n" + part):
            assert plan(checkpoint, "nnx", None, text)[0]["trunk.0.thing.weight"][0] == "dense"
    nothing = "model_type wholes who\nclass Whole\n*.trunk.{n}.thing.weight\tembedding\n"
    assert "trunk.0.thing.weight" in plan(checkpoint, "nnx", None, nothing)[1]


def test_architectures__parts_that_differ_say_nothing(checkpoint):
    config = {"a_config": {"model_type": "a"}, "b_config": {"model_type": "b"}}
    (checkpoint / "config.json").write_text(json.dumps(config))
    text = "model_type a\n*.trunk.{n}.thing.weight\tembedding\nmodel_type b\n*.trunk.{n}.thing.weight\tdense\n"
    assert "trunk.0.thing.weight" in plan(checkpoint, "nnx", None, text)[1]


def test_architectures__shapes_veto_a_row(checkpoint):
    for row in ("*.stem.0.weight\tembedding", "fc.weight\tflattened:2:nothing.weight",
                "fc.weight\tflattened:2:out.weight\n", "*.out.weight\tdepthwise", "fc.weight\tconvolution"):
        name = row.split("\t")[0].replace("*.", "")
        _, doubts = plan(checkpoint, "nnx", None, "model_type whole\n" + row + "\n")
        assert name in doubts or row.startswith("fc.weight\tflattened:2:out"), row


@pytest.mark.parametrize("text, what", [
    ("model_type whole\nfc.weight\tdoubtful\n", ":2: no such role"),
    ("model_type whole\nfc.weight\tflattened\n", ":2: no such role"),
    ("model_type whole\nfc.weight\tflattened:2:\n", ":2: expected flattened"),
    ("model_type whole\nfc.weight\tflattened:x:y\n", ":2: expected flattened"),
    ("model_type whole\na.0.b.{n}.c.1.weight\tdense\n", ":2: only the last two numbers"),
    ("something else\n", ":1: expected NAME"),
    ("model_type\n", ":1: expected NAME"),
    ("\0", ":1: expected NAME"),
])
def test_architectures__malformed_tables_are_refused(checkpoint, text, what):
    (checkpoint / "table.tsv").write_text(text)
    done = run("map", checkpoint, "--view", "nnx", "-o", f"set=architectures={checkpoint / 'table.tsv'}", check=False)
    assert done.returncode == 2 and what in done.stderr, done.stderr


def test_architectures__a_table_that_is_not_there_is_refused(checkpoint):
    done = run("map", checkpoint, "--view", "nnx", "-o", "set=architectures=/nonexistent/table", check=False)
    assert done.returncode == 2 and "/nonexistent/table" in done.stderr


def test_architectures__the_user_says_which_it_is(checkpoint):
    (checkpoint / "config.json").unlink()
    (checkpoint / "table.tsv").write_text("architecture vgg\nfc.weight\tdense_io\n")
    done = run("map", "--json", checkpoint, "--view", "nnx", "-o", f"set=architectures={checkpoint / 'table.tsv'}",
               "-o", "set=architecture=vgg", check=False)
    roles = {t["sources"][0]: t["role"] for t in json.loads(done.stdout)["targets"]}
    assert roles["fc.weight"] == "dense_io"
