"""Looking at a checkpoint from within a mount: info/'s tables, and the verbs on what a mount shows."""
import os
import sqlite3

import numpy as np
import pytest

from conftest import run
from helpers import small_bert, wait_until, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    tensors = {**small_bert(), "a\nb.weight": np.full((2, 2), -0.0, np.float32)}
    return write_safetensors(tmp_path / "model.safetensors", tensors, {"format": "pt"}), tensors


def lines(path):
    return path.read_text().rstrip("\n").split("\n")


def test_norms_tsv__is_live(mount, checkpoint):
    path, tensors = checkpoint
    m = mount(path)
    file = m / "info/norms.tsv"
    size = os.stat(file).st_size
    assert lines(file) == ["name\tl2\tmean\tstd\tmin\tmax\tzeros\tnan\tinf"]
    run("norms", path)
    wait_until(lambda: len(lines(file)) == len(tensors) + 1, what="norms.tsv")
    assert len(file.read_bytes()) == size == os.stat(file).st_size
    assert lines(file) == run("norms", path, "--tsv", "--root", ".").stdout.rstrip("\n").split("\n")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines(file)[1:]}
    for name, a in tensors.items():
        l2 = float(rows[name.replace("\n", "\\n")][0])
        assert l2 == pytest.approx(np.linalg.norm(a.astype(np.float64)), rel=1e-12)


def test_norms_tsv__room_for_the_longest_numbers(mount, tmp_path):
    tensors = {f"t{i}": np.array([-1.2345678901234567e-300, x]) for i, x in
               enumerate((1.7976931348623157e308, np.nan, -np.inf, -1.1111111111111112e-308))}
    path = write_safetensors(tmp_path / "x.safetensors", tensors)
    run("norms", path)
    m = mount(path)
    assert len(lines(m / "info/norms.tsv")) == len(tensors) + 1


def test_table_txt__is_the_verb(mount, checkpoint):
    path, _ = checkpoint
    m = mount(path)
    assert (m / "info/table.txt").read_text() == run("table", path).stdout


def test_report_html__has_what_the_index_knows(mount, checkpoint):
    path, _ = checkpoint
    run("norms", path)
    m = mount(path)
    page = (m / "info/report.html").read_text()
    assert os.stat(m / "info/report.html").st_size == len(page.encode())
    assert "<canvas" in page and f'"source":"{path}"' in page
    assert page == (m / "info/report.html").read_text()


def test_verbs__on_a_mount(mount, checkpoint):
    path, tensors = checkpoint
    m = mount(path)
    n = len(tensors)
    for place in ("source", "source/model.safetensors", "flax", "flax/model.safetensors", "flax/flax_model.msgpack"):
        total = run("table", m / place).stdout.splitlines()[0]
        assert total.startswith(f"Total number of global parameters: {sum(a.size for a in tensors.values()):_}")
    assert run("diff", m / "source", path).stdout == f"{n} same\n"
    assert run("diff", path, m / "flax").stdout == f"{n} same\n"
    assert run("check", path, "--view", "flax", "--against", m / "flax", "--no-values").returncode == 0
    assert run("check", path, "--view", "flax", "--against", m / "info/views/flax.keys.json",
               "--no-values").returncode == 0
    # In the other direction, from the view in the mount.
    assert run("check", m / "flax", "--against", m / "flax/flax_model.msgpack", "--no-values").returncode == 0
    norms = run("norms", m / "flax").stdout.splitlines()[-1]
    assert norms == run("norms", path).stdout.splitlines()[-1]


def test_index__has_the_views_tables(mount, checkpoint, tmp_path):
    path, tensors = checkpoint
    m = mount(path)
    m.umount()
    [file] = (tmp_path / "cache" / "weightfs").glob("*.db")
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    assert db.execute("SELECT name, n_tensors FROM views ORDER BY name").fetchall() == [
        ("flax", len(tensors)), ("source", len(tensors))]
    shapes = dict(db.execute("SELECT name, shape FROM tensors WHERE view = 'source'"))
    assert shapes == {name: str(a.shape) for name, a in tensors.items()}
