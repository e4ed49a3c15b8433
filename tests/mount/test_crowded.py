"""A checkpoint in a folder of more files than are listed: it is shown, and the report says what is not."""
import os
import shutil

import numpy as np
import pytest

from conftest import run
from helpers import small_bert, write_safetensors

N_FILES = 100_050  # 100,000 are listed, 10,000 of them shown
NAME = "encoder.layer.0.intermediate.dense.weight"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(N_FILES):
        os.close(os.open(f"{i:06}.jpg", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
    os.close(at)
    write_safetensors(folder / "model.safetensors", small_bert(1), {"format": "pt"})
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "tokenizer.json").write_text("{}")
    yield folder
    shutil.rmtree(folder)


def test_crowded__is_mounted(mount, crowd):
    m = mount(crowd, "--view", "flax")
    assert "not shown" in m.done.stderr and "not looked at" in m.done.stderr
    report = (m / "info/report.txt").read_text()
    assert f"{N_FILES - 100_000} files beyond the first 100000 without weights: not looked at" in report
    assert "more than 10000 files without weights: the others are not shown" in report
    assert (m / "source/model.safetensors").read_bytes() == (crowd / "model.safetensors").read_bytes()
    np.testing.assert_array_equal(np.load(m / "flax/tensors" / (NAME.replace(".", "/").replace("weight", "kernel.npy"))),
                                  small_bert(1)[NAME].T)
    for name in ("config.json", "tokenizer.json"):
        assert (m / "flax" / name).read_bytes() == (crowd / name).read_bytes()
    assert len(os.listdir(m / "source")) < 10_100


def test_crowded__one_file_of_it(mount, crowd):
    m = mount(crowd / "model.safetensors", "--view", "source")
    assert (m / "source/model.safetensors").read_bytes() == (crowd / "model.safetensors").read_bytes()
    assert (m / "source/config.json").exists()


def test_crowded__weights_without_a_telling_name_are_asked_for(crowd):
    """None of the files that are left out is passed over as if it were no weights."""
    os.rename(crowd / "model.safetensors", crowd / "weights.of.mine")
    try:
        done = run("ls", crowd, check=False)
        assert done.returncode == 2 and "-o weights=GLOB names one" in done.stderr
        assert "model.safetensors" in run("ls", "-o", "weights=weights.of.mine", crowd, "source").stdout
    finally:
        os.rename(crowd / "weights.of.mine", crowd / "model.safetensors")
