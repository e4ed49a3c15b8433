"""weightfs map: text, JSON, --explain, --strict and the exit status."""
import json

import numpy as np
import pytest

from conftest import run
from helpers import small_bert, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    return write_safetensors(tmp_path / "model.safetensors", small_bert(1), {"format": "pt"})


@pytest.fixture
def template(tmp_path):
    """Asks for what the checkpoint does not have."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"pooler.dense.kernel": [64, 64]}))
    return path


def test_map__clean_is_0(checkpoint):
    done = run("map", checkpoint)
    assert "flax" in done.stdout and "mapped" in done.stdout


def test_map__json(checkpoint):
    report = json.loads(run("map", "--json", checkpoint, "--view", "flax").stdout)
    assert isinstance(report, dict)
    both = json.loads(run("map", "--json", checkpoint, "--view", "flax", "--view", "b=flax").stdout)
    assert isinstance(both, list) and len(both) == 2


def test_map__problems_are_1(checkpoint, template):
    done = run("map", checkpoint, "--view", "flax", "--template", template, check=False)
    assert done.returncode == 1 and "missing" in done.stdout
    done = run("map", checkpoint, "--view", "flax", "--template", template, "--json", "--strict", check=False)
    assert done.returncode == 1
    json.loads(done.stdout)


def test_map__explain(checkpoint):
    done = run("map", checkpoint, "--explain", "encoder.layer.0.intermediate.dense.weight")
    assert "flax.map" in done.stdout


def test_map__unreadable_is_2(tmp_path):
    done = run("map", tmp_path / "none", check=False)
    assert done.returncode == 2 and "none" in done.stderr


def test_map__rules_with_a_mistake_are_2(checkpoint, tmp_path):
    rules = tmp_path / "bad.map"
    rules.write_text("this is no rule ->\n")
    done = run("map", checkpoint, "--view", "flax", "--rules", rules, check=False)
    assert done.returncode == 2 and "bad.map" in done.stderr
    done = run("map", checkpoint, "--view", "flax", "--rules", tmp_path / "none.map", check=False)
    assert done.returncode == 2 and "none.map" in done.stderr
