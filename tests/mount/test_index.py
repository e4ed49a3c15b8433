"""The index behind a real mount: it saves computing, and whatever is wrong with it costs speed only."""
import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import numpy as np
import pytest

from conftest import run
from helpers import HANG_S, is_alive, server_of, wait_until, write_safetensors

N_TENSORS = 6
SHAPE = (1024, 1536)


@pytest.fixture
def weights():
    rng = np.random.default_rng(7)
    return {f"dense{i}.weight": (rng.standard_normal(SHAPE) * 0.02).astype(np.float32)
            for i in range(N_TENSORS)}


@pytest.fixture
def model(tmp_path, weights):
    return write_safetensors(tmp_path / "model.safetensors", weights)


@pytest.fixture
def index(tmp_path):
    (tmp_path / "idx").mkdir(mode=0o700)
    return tmp_path / "idx" / "x.db"


@pytest.fixture
def mounted(mount, model, index, tmp_path):
    """mounted(extra options) -> a mount with cache=always, that index and a log."""
    def make(*options):
        text = ",".join(("cache=always", f"index={index}", f"log={tmp_path / 'log'}", *options))
        return mount(model, "--view", "flax", "-o", text)
    return make


def assert_right(m, weights):
    for i in range(N_TENSORS):
        got = np.load(m / f"flax/tensors/dense{i}/kernel.npy")
        assert got.tobytes() == weights[f"dense{i}.weight"].T.tobytes()


def warnings(tmp_path, text):
    log = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
    return [line for line in log.splitlines() if text in line and "warning" in line]


def filled(mounted, weights):
    m = mounted()
    assert_right(m, weights)
    m.umount()


def test_index__second_mount_computes_nothing(mounted, weights, index):
    m = mounted()
    assert_right(m, weights)
    first = m.stats()["blocks"]
    assert first["computed"] >= N_TENSORS and first["index"] == 0 and first["dropped"] == 0
    m.umount()
    assert index.stat().st_size < sum(w.nbytes for w in weights.values())
    assert index.stat().st_mode & 0o777 == 0o600
    m = mounted()
    assert_right(m, weights)
    second = m.stats()["blocks"]
    assert second["computed"] == 0 and N_TENSORS <= second["index"] <= first["computed"]


def test_index__tables_can_be_queried(mounted, weights, index, model):
    filled(mounted, weights)
    db = sqlite3.connect(index)
    rows = db.execute("SELECT name, dtype, shape, sources, operations FROM tensors"
                      " WHERE view = 'flax' ORDER BY name").fetchall()
    assert rows[0] == ("dense0.kernel", "float32", "(1536, 1024)", "dense0.weight", "transpose")
    assert len(rows) == N_TENSORS
    assert dict(db.execute("SELECT key, value FROM identity"))["source"] == str(model)
    assert db.execute("SELECT path FROM files").fetchall() == [(str(model),)]


def test_index__two_mounts_share_it(mounted, weights):
    a, b = mounted(), mounted()
    assert_right(a, weights)
    a.umount()
    assert_right(b, weights)
    assert b.stats()["blocks"]["computed"] == 0


@pytest.mark.parametrize("how", ["truncated", "scribbled", "header", "empty", "log"])
def test_index__damaged(mounted, weights, index, tmp_path, seed, how):
    rng = random.Random(seed)
    filled(mounted, weights)
    size = index.stat().st_size
    if how == "truncated":
        os.truncate(index, rng.randrange(1, size))
    elif how == "empty":
        os.truncate(index, 0)
    elif how == "log":
        index.with_name("x.db-wal").write_bytes(rng.randbytes(70000))
        index.with_name("x.db-wal").chmod(0o600)
    else:
        with open(index, "r+b") as f:
            for at in [0] if how == "header" else [rng.randrange(size) for _ in range(20)]:
                f.seek(at)
                f.write(rng.randbytes(200))
    for _ in range(2):
        m = mounted()
        assert_right(m, weights)
        assert_right(m, weights)
        m.umount()
    assert len(warnings(tmp_path, "x.db")) <= 3


def test_index__foreign_is_left_alone(mounted, weights, index, tmp_path):
    db = sqlite3.connect(index)
    db.execute("CREATE TABLE mine(x)")
    db.commit()
    db.close()
    index.chmod(0o600)
    before = index.read_bytes()
    m = mounted()
    assert_right(m, weights)
    m.umount()
    assert index.read_bytes() == before
    assert len(warnings(tmp_path, "not an index of weightfs")) <= 1


def test_index__read_only(mounted, weights, index):
    filled(mounted, weights)
    index.chmod(0o400)
    m = mounted()
    assert_right(m, weights)
    assert m.stats()["blocks"]["computed"] == 0


def test_index__locked(mounted, weights, index):
    filled(mounted, weights)
    db = sqlite3.connect(index, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    m = mounted()
    assert_right(m, weights)
    assert m.stats()["blocks"]["computed"] == 0
    m.umount()
    db.close()


def test_index__full(mount, model, weights, tmp_path):
    small = tmp_path / "small"
    small.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", small],
                      capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        m = mount(model, "--view", "flax", "-o",
                  f"cache=always,index={small}/x.db,log={tmp_path / 'log'}")
        assert_right(m, weights)
        wait_until(lambda: m.stats()["blocks"]["dropped"] > 0, what="a dropped block")
        assert_right(m, weights)
        m.umount()
        assert len(warnings(tmp_path, "no space")) == 1
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_index__killed_while_writing(mounted, weights, seed):
    rng = random.Random(seed)
    for _ in range(3):
        m = mounted()
        pid = server_of(m.path)
        reader = subprocess.Popen(["sh", "-c", f"cat {m.path}/flax/tensors/*/*.npy >/dev/null 2>&1"])
        time.sleep(rng.random() * 0.2)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), what="the server's end")
        reader.wait(HANG_S)
        subprocess.run(["umount", "-l", m.path], capture_output=True)
        m = mounted()
        assert_right(m, weights)
        m.umount()


def test_index__verbs(mounted, weights, index):
    filled(mounted, weights)
    info = json.loads(run("index", "stat", index, "--json").stdout)
    info = info[0] if isinstance(info, list) else info
    assert "0 bad" in run("index", "verify", index).stdout
    db = sqlite3.connect(index)
    db.execute("UPDATE chunks SET data = zeroblob(20) WHERE id = (SELECT min(id) FROM chunks)")
    db.commit()
    db.close()
    done = run("index", "verify", index, check=False)
    assert done.returncode == 1 and "1 bad" in done.stdout
    m = mounted()
    assert_right(m, weights)
    assert m.stats()["blocks"]["computed"] == 1
    m.umount()
    assert "0 bad" in run("index", "verify", index).stdout
    run("index", "clear", index)
    assert not index.exists()
