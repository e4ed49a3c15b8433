"""`weightfs export`: the bytes of `cat`, whole or in parts, and nothing left where it fails."""
import hashlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import time
import zipfile

import numpy as np
import pytest

from conftest import BIN, DATA, run
from helpers import HANG_S, wait_until

MIB = 1 << 20


def save(path, tensors, size=None):
    """A safetensors file; `size`: of a last tensor of zeros, a hole in the file."""
    header, off = {}, 0
    shapes = {k: (v.dtype, v.shape, v.nbytes) for k, v in tensors.items()}
    if size:
        shapes["sparse.weight"] = (np.dtype("f4"), (size // 4096, 1024), size // 4096 * 4096)
    for name, (_, shape, nbytes) in shapes.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [off, off + nbytes]}
        off += nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            f.write(value.tobytes())
        f.truncate(8 + len(text) + off)


@pytest.fixture(name="source", scope="module")
def fixture_source(tmp_path_factory):
    """70 MiB of PyTorch names, so that there are several chunks and members across them."""
    rng = np.random.default_rng(7)
    path = tmp_path_factory.mktemp("export") / "model.safetensors"
    save(path, {
        "encoder.layer.0.attention.self.query.weight": rng.random((3000, 3001), np.float32),
        "encoder.layer.0.attention.self.query.bias": rng.random(3000, np.float32),
        "encoder.layer.0.output.dense.weight": rng.random((700, 800), np.float32),
        "encoder.layer.0.LayerNorm.weight": rng.random(800, np.float32),
        "encoder.layer.1.output.dense.weight": rng.random((2000, 4000), np.float32),
    })
    return path


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cat(source, path, *args):
    return run("cat", source, path, "-o", "files=all", *args, text=False).stdout


NAMES = ["model.safetensors", "flax_model.msgpack", "pytorch_model.bin", "tensors.npz"]


def check_same(path, mounted):
    """`path` is what the mount shows as `mounted`; an archive has its members, and no zeros between them but what
    aligns them."""
    data = path.read_bytes()
    if not zipfile.is_zipfile(path):
        assert data == mounted
        return
    with zipfile.ZipFile(path) as mine, zipfile.ZipFile(io.BytesIO(mounted)) as theirs:
        assert mine.testzip() is None  # every CRC holds
        assert mine.namelist() == theirs.namelist()
        for info in mine.infolist():
            assert mine.read(info) == theirs.read(info.filename)
        members = sum(info.file_size for info in mine.infolist())
        assert len(data) < members + 300 * (len(mine.infolist()) + 1)
    assert len(data) < len(mounted)


@pytest.mark.parametrize("name", NAMES)
def test_export__is_what_cat_gives(source, tmp_path, name):
    run("export", source, "--view", "flax", tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    check_same(tmp_path / name, cat(source, f"flax/{name}", "--view", "flax"))


def test_export__a_mount_keeps_corrections_off_other_pages(source):
    """What an export leaves out is there where the file is read in place: 2 MiB behind a member over 1 MiB."""
    data = cat(source, "flax/tensors.npz", "--view", "flax")
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        infos = z.infolist()
    ends = [i.header_offset for i in infos[1:]]
    assert any(data[end - (2 << 20):end] == bytes(2 << 20) for end in ends)


def test_export__file_by_extension_and_by_name(tmp_path):
    source = DATA / "bert"
    run("export", source, "--view", "flax", tmp_path / "x.msgpack")
    run("export", source, "--view", "flax", "--as", "flax_model.msgpack", tmp_path / "y")
    run("export", source, "--view", "flax", "--as", "msgpack", "-j", "1", tmp_path / "z")
    assert sha(tmp_path / "x.msgpack") == sha(tmp_path / "y") == sha(tmp_path / "z")


def test_export__source_is_the_file_itself(source, tmp_path):
    run("export", source, "--source", tmp_path / "model.safetensors")
    assert sha(tmp_path / "model.safetensors") == sha(source)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_export__parts_at_once_killed_and_again(source, tmp_path, name, seed):
    rng = random.Random(seed)
    run("export", source, "--view", "flax", tmp_path / ("whole-" + name), "--as", name)
    out, parts = tmp_path / name, list(range(1, 6))
    command = [BIN, "export", source, "--view", "flax", out, "--part"]
    todo = parts
    for attempt in range(20):
        rng.shuffle(todo)
        started = {i: subprocess.Popen([*command, f"{i}/5"], stderr=subprocess.PIPE) for i in todo}
        if attempt < 3:
            time.sleep(rng.random() / 5)
            for i in rng.sample(todo, len(todo) // 2):
                started[i].kill()
        todo = []
        for i, process in started.items():
            _, stderr = process.communicate(timeout=HANG_S)
            assert process.returncode in (0, -signal.SIGKILL), stderr
            if process.returncode:
                todo.append(i)
        if not todo:
            break
        refused = run("export", source, "--view", "flax", out, "--finish", check=False)
        if refused.returncode == 0:  # each was killed when its marker was there already
            break
        assert refused.returncode == 2
        assert "missing" in refused.stderr or "under way" in refused.stderr
    if not out.exists():
        run("export", source, "--view", "flax", out, "--finish")
    assert sha(out) == sha(tmp_path / ("whole-" + name))
    run("export", source, out, "--abort", check=False)  # what a killed part left of a marker
    assert sorted(os.listdir(tmp_path)) == sorted([name, "whole-" + name])


def test_export__finish_refuses_another_source_or_view(source, tmp_path):
    mine, out = tmp_path / "model.safetensors", tmp_path / "out.npz"
    mine.write_bytes(source.read_bytes())
    run("export", mine, "--view", "flax", out, "--part", "1/2")
    assert run("export", mine, "--source", out, "--part", "2/2", check=False).returncode == 2
    run("export", mine, "--view", "flax", out, "--part", "2/2")
    with open(mine, "r+b") as f:  # another time, the same size
        f.seek(mine.stat().st_size - 1)
        f.write(b"\x11")
    os.utime(mine, (1, 1))
    refused = run("export", mine, "--view", "flax", out, "--finish", check=False)
    assert refused.returncode == 2 and "change to the checkpoint" in refused.stderr
    run("export", mine, out, "--abort")
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_export__a_rewrite_between_parts_is_seen(source, tmp_path):
    """In place, and its mtime put back: the ctime tells."""
    mine, out = tmp_path / "model.safetensors", tmp_path / "out.npz"
    mine.write_bytes(source.read_bytes())
    before = mine.stat()
    run("export", mine, "--view", "flax", out, "--part", "1/2")
    time.sleep(0.05)  # the clock of ctime has steps
    with open(mine, "r+b") as f:
        f.seek(before.st_size - 1)
        f.write(b"\x11")
    os.utime(mine, ns=(before.st_atime_ns, before.st_mtime_ns))
    for args in (["--part", "2/2"], ["--finish"]):
        refused = run("export", mine, "--view", "flax", out, *args, check=False)
        assert refused.returncode == 2 and "mtime or ctime" in refused.stderr
    run("export", mine, out, "--abort")
    assert os.listdir(tmp_path) == [mine.name]


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_export__interrupted_leaves_nothing(tmp_path, signo):
    source, out = tmp_path / "model.safetensors", tmp_path / "out" / "pytorch_model.bin"
    out.parent.mkdir()
    save(source, {"a.weight": np.ones((3, 4), np.float32)}, size=6 << 30)
    process = subprocess.Popen([BIN, "export", source, "--source", out], stderr=subprocess.PIPE)
    partial = out.with_name(out.name + ".partial")
    wait_until(partial.exists, what="the beginning")
    process.send_signal(signo)
    _, stderr = process.communicate(timeout=HANG_S)
    assert process.returncode == -signo, stderr
    assert os.listdir(out.parent) == []


@pytest.mark.parametrize("again", [True, False])
def test_export__killed_is_begun_afresh_or_aborted(source, tmp_path, again):
    folder, sparse = tmp_path / "out", tmp_path / "model.safetensors"
    folder.mkdir()
    save(sparse, {"a.weight": np.ones((3, 4), np.float32)}, size=6 << 30)
    out, partial = folder / "tensors.npz", folder / "tensors.npz.partial"
    process = subprocess.Popen([BIN, "export", sparse, "--source", out])
    wait_until(lambda: partial.exists() and partial.stat().st_size >= MIB, what="the first megabyte")
    process.kill()
    process.wait(timeout=HANG_S)
    assert os.listdir(folder) == [partial.name]
    if again:
        run("export", source, "--view", "flax", out)
        check_same(out, cat(source, "flax/tensors.npz", "--view", "flax"))
    else:
        run("export", sparse, out, "--abort")
    assert os.listdir(folder) == ([out.name] if again else [])


def test_export__partial_of_somebody_stays(source, tmp_path):
    """The checkpoint may be called FILE.partial itself."""
    mine, out = tmp_path / "m.safetensors.partial", tmp_path / "m.safetensors"
    mine.write_bytes(source.read_bytes())
    for args in (["--source"], ["--source", "--part", "1/2"], ["--abort"]):
        done = run("export", *args, mine, out, check=False)
        assert done.returncode == 2 and str(mine) in done.stderr, done.stderr
        done = run("export", *args, source, out, check=False)
        assert done.returncode == 2 and str(mine) in done.stderr, done.stderr
    done = run("export", "--source", mine, out, check=False)
    assert "checkpoint itself" in done.stderr
    assert sha(mine) == sha(source) and os.listdir(tmp_path) == [mine.name]
    mine.unlink()
    os.mkfifo(mine)
    done = run("export", "--source", source, out, check=False)
    assert done.returncode == 2 and "no regular file" in done.stderr and mine.is_fifo()


def test_export__finish_never_publishes_what_was_lost(source, tmp_path):
    out, partial = tmp_path / "q.safetensors", tmp_path / "q.safetensors.partial"
    run("export", source, "--source", out, "--part", "1/2")
    partial.unlink()
    for args in (["--part", "2/2"], ["--finish"]):
        done = run("export", source, "--source", out, *args, check=False)
        assert done.returncode == 2, done.stderr
    assert "missing" in done.stderr and not out.exists()
    run("export", source, out, "--abort")
    run("export", source, "--source", out, "--part", "1/2")
    run("export", source, "--source", out, "--part", "2/2")
    size = partial.stat().st_size
    partial.unlink()
    with open(partial, "wb") as f:
        f.truncate(size)
    done = run("export", source, "--source", out, "--finish", check=False)
    assert done.returncode == 2 and "--abort" in done.stderr and not out.exists()


def test_export__finish_reads_what_it_publishes(source, tmp_path):
    out, partial = tmp_path / "tensors.npz", tmp_path / "tensors.npz.partial"
    for part in ("1/2", "2/2"):
        run("export", source, "--view", "flax", out, "--part", part)
    before = partial.read_bytes()
    for at in (5, 20 * MIB, 60 * MIB):
        with open(partial, "r+b") as f:
            f.seek(at)
            f.write(bytes([before[at] ^ 1]))
        done = run("export", source, "--view", "flax", out, "--finish", check=False)
        assert done.returncode == 2 and not out.exists(), done.stderr
        assert f"part {1 if at < 32 * MIB else 2} of 2" in done.stderr
        partial.write_bytes(before)
    run("export", source, "--view", "flax", out, "--finish")
    check_same(out, cat(source, "flax/tensors.npz", "--view", "flax"))


def test_export__finish_killed_before_the_rename_is_repeated(source, tmp_path):
    """The corrections are written, the stamp is off, the markers are there."""
    out = tmp_path / "tensors.npz"
    for part in ("1/2", "2/2"):
        run("export", source, "--view", "flax", out, "--part", part)
    markers = {p: p.read_bytes() for p in tmp_path.iterdir() if p.suffix != ".partial"}
    run("export", source, "--view", "flax", out, "--finish")
    assert os.listdir(tmp_path) == [out.name]
    out.rename(tmp_path / "tensors.npz.partial")
    for path, data in markers.items():
        path.write_bytes(data)
    run("export", source, "--view", "flax", out, "--finish")
    assert os.listdir(tmp_path) == [out.name]
    check_same(out, cat(source, "flax/tensors.npz", "--view", "flax"))


@pytest.mark.parametrize("size, stays", [(30_000_000, False), (1000, True)])
def test_export__abort_of_what_was_cut_off(source, tmp_path, size, stays):
    """A part's first chunk proves whose it is; where there is none the user is told."""
    out, partial = tmp_path / "q.npz", tmp_path / "q.npz.partial"
    for part in ("1/2", "2/2"):
        run("export", source, "--view", "flax", "--as", "npz", out, "--part", part)
    os.truncate(partial, size)
    done = run("export", source, "--view", "flax", "--as", "npz", out, "--finish", check=False)
    assert done.returncode == 2 and "--abort" in done.stderr and not out.exists()
    done = run("export", source, out, "--abort", check=False)
    assert done.returncode == (2 if stays else 0), done.stderr
    assert ("remove it yourself" in done.stderr) == stays
    assert os.listdir(tmp_path) == ([partial.name] if stays else [])


@pytest.mark.parametrize("keep", [0, 7, 60, 170, 215])
def test_export__a_marker_cut_off_is_damaged(source, tmp_path, keep):
    out = tmp_path / "q.npz"
    for part in ("1/2", "2/2"):
        run("export", source, "--view", "flax", "--as", "npz", out, "--part", part)
    marker = tmp_path / "q.npz.partial.1-of-2"
    assert marker.stat().st_size > 250
    os.truncate(marker, keep)
    done = run("export", source, "--view", "flax", "--as", "npz", out, "--finish", check=False)
    assert done.returncode == 2 and "damaged" in done.stderr, done.stderr
    marker.unlink()
    run("export", source, "--view", "flax", "--as", "npz", out, "--part", "1/2")
    run("export", source, "--view", "flax", "--as", "npz", out, "--finish")
    assert os.listdir(tmp_path) == [out.name]


def test_export__no_room_leaves_nothing(source, tmp_path):
    out = tmp_path / "model.safetensors"
    out.write_text("what was there before")
    done = subprocess.run(["bash", "-c", f"ulimit -f 20480; exec {BIN} export {source} {out}"],
                          capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 2 and "large" in done.stderr.lower(), done.stderr
    assert os.listdir(tmp_path) == [out.name]
    assert out.read_text() == "what was there before"


@pytest.mark.parametrize("options, said", [("shards=1K", "in shards"), ("files=npz", "-o files=npz")])
def test_export__says_why_a_file_is_not_there(source, tmp_path, options, said):
    done = run("export", source, "--source", "-o", options, tmp_path / "model.safetensors", check=False)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "model.safetensors").exists()


def test_export__a_directory_is_no_file(source, tmp_path):
    for args in ((), ("--as", "model.safetensors")):
        done = run("export", source, "--view", "flax", *args, f"{tmp_path}/", check=False)
        assert done.returncode == 2 and f"{tmp_path}/: a directory" in done.stderr


def test_export__the_checkpoint_is_never_the_target(source, tmp_path):
    mine = tmp_path / "model.safetensors"
    mine.write_bytes(source.read_bytes())
    before = sha(mine)
    done = run("export", mine, "--source", mine, check=False)
    assert done.returncode == 2 and "checkpoint itself" in done.stderr
    os.link(mine, tmp_path / "link.safetensors")
    done = run("export", mine, "--source", tmp_path / "link.safetensors", check=False)
    assert done.returncode == 2 and sha(mine) == before


def test_export__shows_nobody_more(source, tmp_path):
    mine = tmp_path / "model.safetensors"
    mine.write_bytes(source.read_bytes())
    mine.chmod(0o600)
    run("export", mine, "--view", "flax", tmp_path / "out.npz")
    assert (tmp_path / "out.npz").stat().st_mode & 0o777 == 0o600


def test_export__zeros_are_holes(tmp_path):
    source, out = tmp_path / "model.safetensors", tmp_path / "out.safetensors"
    save(source, {"a.weight": np.ones((3, 4), np.float32)}, size=300 * MIB)
    run("export", source, "--source", out)
    assert out.stat().st_size == source.stat().st_size
    assert out.stat().st_blocks * 512 < 2 * MIB
    assert sha(out) == sha(source)


@pytest.mark.parametrize("args", [["--part", "0/2"], ["--part", "3/2"], ["--part", "x"],
                                  ["--part", "1/2", "--finish"], ["-j", "0"], ["-j", "-1"], ["-j", ""], ["--as", "nothing"],
                                  ["--finish"], ["--abort"], ["--source", "--view", "flax"]])
def test_export__misuse(tmp_path, args):
    done = run("export", DATA / "bert", tmp_path / "model.safetensors", *args, check=False)
    assert done.returncode == 2 and done.stderr
    assert os.listdir(tmp_path) == []
