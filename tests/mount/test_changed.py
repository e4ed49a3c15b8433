"""A source that changes while it is mounted, or between two mounts: EIO or computed again, never
SIGBUS, never zeros, never a byte of two versions."""
import errno
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from helpers import HANG_S, server_of, is_alive, small_bert, wait_until, write_safetensors

WIDTH = 64


@pytest.fixture
def checkpoint(tmp_path):
    return write_safetensors(tmp_path / "model.safetensors", small_bert(width=WIDTH), {"format": "pt"})


WHOLE = "source/model.safetensors"
STORED = "source/tensors/encoder/layer/1/intermediate/dense/weight.npy"
MAPPED = "flax/tensors/encoder/layer/1/intermediate/dense/kernel.npy"
VIEW = "flax/model.safetensors"


def eio(path):
    with pytest.raises(OSError) as e:
        path.read_bytes()
    assert e.value.errno == errno.EIO, path


def rewrite(path, keep_mtime, seed=1):
    """Other values, the same header and size, in the same inode."""
    st = path.stat()
    new = write_safetensors(path.with_suffix(".new"), small_bert(width=WIDTH, seed=seed), {"format": "pt"})
    data = new.read_bytes()
    new.unlink()
    assert len(data) == st.st_size
    with open(path, "r+b") as f:
        f.write(data)
    if keep_mtime:
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    else:
        os.utime(path)


def test_changed__replaced_by_rename_is_served_on(mount, checkpoint, tmp_path):
    log = tmp_path / "log"
    m = mount(checkpoint, "-o", f"log={log}")
    before = checkpoint.read_bytes()
    new = write_safetensors(tmp_path / "new", small_bert(width=WIDTH, seed=7), {"format": "pt"})
    os.replace(new, checkpoint)
    for _ in range(3):
        assert (m / WHOLE).read_bytes() == before
        np.testing.assert_array_equal(
            np.load(m / STORED), small_bert(width=WIDTH)["encoder.layer.1.intermediate.dense.weight"])
        np.testing.assert_array_equal(
            np.load(m / MAPPED), small_bert(width=WIDTH)["encoder.layer.1.intermediate.dense.weight"].T)
    assert log.read_text().count("was replaced or") == 1
    again = mount(checkpoint)
    assert (again / WHOLE).read_bytes() == checkpoint.read_bytes() != before


@pytest.mark.parametrize("keep_mtime", [False, True])
def test_changed__rewritten_in_place(mount, checkpoint, keep_mtime, tmp_path):
    m = mount(checkpoint, "-o", "cache=always")
    before = {n: (m / n).read_bytes() for n in (WHOLE, STORED, MAPPED, VIEW)}
    rewrite(checkpoint, keep_mtime)
    for name in before:
        eio(m / name)
    for name in before:
        eio(m / name)  # and so it stays
    assert (m / "info/report.txt").read_text()
    assert any("model.safetensors" in line for line in m.stats()["errors"])
    m.umount()
    again = mount(checkpoint, "-o", "cache=always")
    wanted = small_bert(width=WIDTH, seed=1)["encoder.layer.1.intermediate.dense.weight"]
    np.testing.assert_array_equal(np.load(again / MAPPED), wanted.T)
    assert (again / WHOLE).read_bytes() == checkpoint.read_bytes()


@pytest.mark.parametrize("truncate", [False, True])
def test_changed__below_sums_and_nested_expressions(mount, tmp_path, truncate):
    """What is computed of what is computed: blocks in memory are not served for a file that is gone."""
    rng, rules = np.random.default_rng(0), tmp_path / "t.map"
    tensors = {n: rng.standard_normal((1024, 1536), np.float32) for n in "abc"}
    path = write_safetensors(tmp_path / "model.safetensors", tensors, {"format": "pt"})
    rules.write_text("a : transpose & b : transpose -> sum : sum\nc -> torn : transpose reshape(2048, 768) transpose\n")
    m = mount(path, "--view", "t", "--rules", rules, "-o", "index=none")
    names = ["t/tensors/sum.npy", "t/tensors/torn.npy"]
    np.testing.assert_array_equal(np.load(m / names[0]), (tensors["a"].T.astype(float) + tensors["b"].T).astype("f"))
    np.testing.assert_array_equal(np.load(m / names[1]), tensors["c"].T.reshape(2048, 768).T)
    with open(path, "r+b") as f:
        if truncate:
            f.truncate(5000)
        else:
            f.seek(-1536 * 1024, os.SEEK_END)
            f.write(b"\0" * 1536 * 1024)
    for name in names:
        eio(m / name)


def test_changed__put_back_is_still_refused(mount, checkpoint):
    """Other bytes may have been seen in between; only a new mount can tell what is there now."""
    m = mount(checkpoint)
    (m / WHOLE).read_bytes()
    st = checkpoint.stat()
    data = checkpoint.read_bytes()
    rewrite(checkpoint, True)
    eio(m / WHOLE)
    with open(checkpoint, "r+b") as f:
        f.write(data)
    os.utime(checkpoint, ns=(st.st_atime_ns, st.st_mtime_ns))
    eio(m / WHOLE)


def test_changed__open_files_lose_their_pages(mount, checkpoint):
    """A reader that has the file open, and read it, is not shown the kernel's pages of the past once
    the change is known."""
    m = mount(checkpoint)
    with open(m / WHOLE, "rb", buffering=0) as f:
        assert len(os.pread(f.fileno(), 1 << 20, 0)) > 0
        rewrite(checkpoint, True)
        eio(m / STORED)  # somebody's open finds out

        def refused():
            try:
                os.pread(f.fileno(), 4096, 65536)
            except OSError as e:
                return e.errno == errno.EIO
            return False

        wait_until(refused, what="EIO")


@pytest.mark.parametrize("cut", ["inside a page", "at a page", "to nothing", "by one byte"])
@pytest.mark.parametrize("name", [WHOLE, STORED, MAPPED, VIEW])
def test_changed__truncated(mount, checkpoint, cut, name):
    m = mount(checkpoint)
    pid = server_of(m.path)
    size = checkpoint.stat().st_size
    to = {"inside a page": size // 2 // 4096 * 4096 + 1000, "at a page": size // 2 // 4096 * 4096,
          "to nothing": 0, "by one byte": size - 1}[cut]
    os.truncate(checkpoint, to)
    eio(m / name)
    assert is_alive(pid)
    assert (m / "info/report.txt").read_text()


@pytest.mark.parametrize("name", [WHOLE, MAPPED])
def test_changed__truncated_while_it_is_read(mount, checkpoint, name):
    """The reader has the file open already: its next read fails, the server lives."""
    m = mount(checkpoint)
    pid = server_of(m.path)
    with open(m / name, "rb", buffering=0, opener=lambda p, f: os.open(p, f | os.O_DIRECT)) as f:
        assert len(os.pread(f.fileno(), 4096, 0)) == 4096
        os.truncate(checkpoint, 5000)
        with pytest.raises(OSError) as e:
            os.pread(f.fileno(), 16384, 16384)
        assert e.value.errno == errno.EIO
    assert is_alive(pid)


def test_changed__truncated_and_grown_again_is_no_zeros(mount, checkpoint):
    m = mount(checkpoint)
    size = checkpoint.stat().st_size
    os.truncate(checkpoint, 5000)
    os.truncate(checkpoint, size)
    for name in (WHOLE, STORED, MAPPED, VIEW):
        eio(m / name)


def test_changed__one_shard_of_several(mount, tmp_path):
    """The other shard's tensors stay readable."""
    import json
    folder = tmp_path / "sharded"
    folder.mkdir()
    tensors = small_bert(width=WIDTH)
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        write_safetensors(folder / file, {n: tensors[n] for n in part}, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {}, "weight_map": {n: f for f, part in halves.items() for n in part}}))
    m = mount(folder)
    first, second = (m / "source/tensors" / (halves[f][3].replace(".", "/") + ".npy") for f in halves)
    np.testing.assert_array_equal(np.load(first), tensors[halves["model-00001-of-00002.safetensors"][3]])
    with open(folder / "model-00001-of-00002.safetensors", "r+b") as f:
        f.seek(-1, 2)
        f.write(b"\x55")
    eio(first)
    eio(m / WHOLE)
    np.testing.assert_array_equal(np.load(second), tensors[halves["model-00002-of-00002.safetensors"][3]])


def test_changed__mapped_reader_is_refused_at_open(mount, checkpoint):
    """A page fault cannot return an error; so the open does."""
    m = mount(checkpoint)
    rewrite(checkpoint, True)
    for name in (WHOLE, STORED, MAPPED):
        with pytest.raises(OSError) as e:
            open(m / name, "rb")
        assert e.value.errno == errno.EIO


def test_changed__attributes_alone_change_nothing(mount, checkpoint, tmp_path):
    m = mount(checkpoint)
    wanted = checkpoint.read_bytes()
    checkpoint.chmod(0o600)
    assert (m / WHOLE).read_bytes() == wanted
    os.link(checkpoint, tmp_path / "second-name")
    assert (m / STORED).read_bytes()
    os.rename(checkpoint, tmp_path / "third-name")
    assert (m / MAPPED).read_bytes()
    os.unlink(tmp_path / "third-name")
    os.unlink(tmp_path / "second-name")
    assert (m / WHOLE).read_bytes() == wanted


def test_changed__side_file(mount, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", small_bert(1), {"format": "pt"})
    (folder / "config.json").write_text('{"a": 1}')
    m = mount(folder)
    assert (m / "flax/config.json").read_text() == '{"a": 1}'
    (folder / "config.json").write_text('{"a": 123456}')
    eio(m / "flax/config.json")
    assert (m / WHOLE).read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_changed__side_file_replaced_by_rename_is_served_on(mount, tmp_path, how):
    """As a tool saves a config: the new one under another name, and then renamed."""
    folder, log = tmp_path / "model", tmp_path / "log"
    (folder / "sub").mkdir(parents=True)
    write_safetensors(folder / "model.safetensors", small_bert(1), {"format": "pt"})
    names = ["config.json", "sub/config.json"]
    for name in names:
        (folder / name).write_text('{"a": 1}')
    m = mount(folder, "-o", f"log={log}")
    for name in names:
        if how == "replaced":
            (tmp_path / "new").write_text('{"a": 23456}')
            os.replace(tmp_path / "new", folder / name)
        else:
            (folder / name).unlink()
    for _ in range(3):
        for name in names:
            assert (m / "flax" / name).read_text() == (m / "source" / name).read_text() == '{"a": 1}'
    assert log.read_text().count("was replaced or") == len(names)
    if how == "replaced":
        again = mount(folder)
        assert (again / "flax/config.json").read_text() == '{"a": 23456}'


def test_changed__side_files_beyond_those_held_open(mount, tmp_path):
    """Of very many, some are opened by their names: another file of that name is EIO, never shown."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", small_bert(1), {"format": "pt"})
    names = [f"note{i:03}.txt" for i in range(200)]
    for name in names:
        (folder / name).write_text("old")
    m = mount(folder)
    for name in names:
        (tmp_path / "new").write_text("new")
        os.replace(tmp_path / "new", folder / name)
    seen = set()
    for name in names:
        try:
            seen.add((m / "source" / name).read_text())
        except OSError as e:
            assert e.errno == errno.EIO
            seen.add(errno.EIO)
    assert seen == {"old", errno.EIO}
    descriptors = [os.readlink(f) for f in pathlib.Path(f"/proc/{server_of(m.path)}/fd").iterdir()]
    assert len([d for d in descriptors if "/note" in d]) <= 64


@pytest.mark.parametrize("how", ["before", "after"])
def test_changed__side_file_leads_into_the_mount(mount, tmp_path, how):
    """A server that opens a file of its own mount waits for itself, worker after worker. It is the last of
    many, so that it is opened by its name."""
    folder, at = tmp_path / "model", tmp_path / "mnt0"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", small_bert(1), {"format": "pt"})
    (at / "source").mkdir(parents=True)
    (at / "source/note.txt").write_text("below the mount")
    for i in range(100):
        (folder / f"a{i}.txt").write_text("a")
    note = folder / "note.txt"
    if how == "before":
        note.symlink_to(at / "source/note.txt")
    else:
        note.write_text("a file")
    m = mount(folder, "-o", "nonempty")
    if how == "after":
        note.unlink()
        note.symlink_to(at / "source/note.txt")
    shown = subprocess.run(["timeout", "-k", "1", str(HANG_S), "cat", m / "source/note.txt"], capture_output=True,
                           text=True, check=False)
    assert shown.returncode == 1 and "Input/output error" in shown.stderr
    assert (m / WHOLE).read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("how", ["rewritten", "replaced"])
def test_changed__between_mounts_no_stale_block(mount, checkpoint, tmp_path, how):
    name = "encoder.layer.1.intermediate.dense.weight"
    m = mount(checkpoint, "-o", "cache=always")
    np.testing.assert_array_equal(np.load(m / MAPPED), small_bert(width=WIDTH)[name].T)
    m.umount()
    if how == "rewritten":
        rewrite(checkpoint, True, seed=3)
    else:
        st = checkpoint.stat()
        new = write_safetensors(tmp_path / "new", small_bert(width=WIDTH, seed=3), {"format": "pt"})
        os.utime(new, ns=(st.st_atime_ns, st.st_mtime_ns))
        os.replace(new, checkpoint)
    again = mount(checkpoint, "-o", "cache=always")
    np.testing.assert_array_equal(np.load(again / MAPPED), small_bert(width=WIDTH, seed=3)[name].T)


def test_changed__mapped_readers_while_it_is_truncated(mount, checkpoint):
    """Readers through mmap may be killed by SIGBUS (the kernel knows no other answer); the server
    must not, and what they saw is right."""
    script = ("import mmap, sys\n"
              "wanted = open(sys.argv[2], 'rb').read()\n"
              "f = open(sys.argv[1], 'rb')\n"
              "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\n"
              "print('mapped', flush=True)\n"
              "sys.stdin.read()\n"
              "for i in range(0, len(m), 4096):\n"
              "    assert m[i:i + 4096] == wanted[i:i + 4096], i\n")
    m = mount(checkpoint)
    pid = server_of(m.path)
    copy = checkpoint.with_suffix(".copy")
    copy.write_bytes(checkpoint.read_bytes())
    readers = [subprocess.Popen([sys.executable, "-c", script, m / WHOLE, copy], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for _ in range(3)]
    for r in readers:
        assert r.stdout.readline() == b"mapped\n"
    os.truncate(checkpoint, 6000)
    for r in readers:
        r.stdin.close()
    for r in readers:
        assert r.wait(HANG_S) in (0, -7)  # -SIGBUS
        r.stdout.close()
    assert is_alive(pid)
    eio(m / WHOLE)
