"""File handles, which are what NFS servers hold: a stale one is ESTALE or the right file, never another."""
import ctypes
import errno
import os
import pathlib
import subprocess

import numpy as np
import pytest

from conftest import BIN, run
from helpers import HANG_S, small_bert, write_safetensors

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="open_by_handle_at needs root")

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
FILE = "flax/tensors/encoder/layer/0/intermediate/dense/kernel.npy"


class Handle(ctypes.Structure):
    """struct file_handle"""
    _fields_ = [("n_bytes", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]


def handle_of(path):
    handle, mount_id = Handle(n_bytes=128), ctypes.c_int()
    if LIBC.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0):
        raise OSError(ctypes.get_errno(), f"name_to_handle_at {path}")
    return handle


def opened(m, handle, flags=os.O_RDONLY):
    """The file of a handle: a descriptor; OSError."""
    root = os.open(m.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fd = LIBC.open_by_handle_at(root, ctypes.byref(handle), flags)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "open_by_handle_at")
        return fd
    finally:
        os.close(root)


def read(m, handle):
    with open(opened(m, handle), "rb") as f:
        return f.read()


def forget():
    """The kernel drops the inodes that nobody holds."""
    subprocess.run("sync; echo 2 > /proc/sys/vm/drop_caches", shell=True, check=True)


def is_stale(m, handle):
    try:
        os.close(opened(m, handle))
    except OSError as e:
        assert e.errno == errno.ESTALE
        return True
    return False


def checkpoint(folder, **kwargs):
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", small_bert(**kwargs), {"format": "pt"})
    (folder / "config.json").write_text("{}")
    return folder


def walk(m):
    """{path: handle} of everything but the root, whose handle is that of every mount's root."""
    return {p: handle_of(p) for p in m.path.rglob("*")}


def test_handles__an_evicted_inode_is_found_again(mount, tmp_path):
    m = mount(checkpoint(tmp_path / "a"))
    wanted = {p: (p.read_bytes() if p.is_file() else sorted(os.listdir(p)), handle)
              for p, handle in walk(m).items() if p.parts[-2] != "info"}
    assert m / FILE in wanted
    for _ in range(2):
        forget()
        for path, (content, handle) in wanted.items():
            fd = opened(m, handle)
            assert os.readlink(f"/proc/self/fd/{fd}") == str(path) or path.is_file()
            if path.is_file():
                assert os.pread(fd, len(content) + 1, 0) == content, path
            else:
                assert sorted(os.listdir(fd)) == content, path
            os.close(fd)


def test_handles__the_parent_of_a_forgotten_directory(mount, tmp_path):
    """A handle of a directory is only connected to the tree by asking for its "..", up to the root."""
    m = mount(checkpoint(tmp_path / "a"))
    deep = (m / FILE).parent
    handle = handle_of(deep)
    forget()
    fd = opened(m, handle, os.O_RDONLY | os.O_DIRECTORY)
    assert os.readlink(f"/proc/self/fd/{fd}") == str(deep)
    assert os.stat("..", dir_fd=fd).st_ino == os.stat(deep.parent).st_ino
    os.close(fd)


def other_values(source):
    write_safetensors(source / "model.safetensors", small_bert(seed=1), {"format": "pt"})


def other_names(source):
    write_safetensors(source / "model.safetensors", {"a.weight": np.ones((3, 2), np.float32)}, {"format": "pt"})


def other_config(source):
    (source / "config.json").write_text("{ }")


def another_file(source):
    (source / "added.txt").write_text("x")


@pytest.mark.parametrize("change", [other_values, other_names, other_config, another_file])
def test_handles__of_a_mount_of_something_else_are_stale(mount, tmp_path, change):
    source = checkpoint(tmp_path / "a")
    m = mount(source)
    handles = walk(m)
    run("umount", m.path)
    change(source)
    run("mount", source, m.path)
    for how in ("as the mount is new", "as all is known", "as all is forgotten"):
        if how == "as all is known":
            subprocess.run(["ls", "-lR", m.path], stdout=subprocess.DEVNULL, check=True)
        if how == "as all is forgotten":
            forget()
        assert [p for p, handle in handles.items() if not is_stale(m, handle)] == [], how


@pytest.mark.parametrize("options", [("--view", "source"), ("-o", "format=raw"), ("-o", "files=none"),
                                     ("-o", "dtype=float16"), ("--view", "nnx")])
def test_handles__of_a_mount_with_other_options_are_stale(mount, tmp_path, options):
    source = checkpoint(tmp_path / "a")
    m = mount(source)
    handles = walk(m)
    run("umount", m.path)
    run("mount", source, m.path, *options)
    assert all(is_stale(m, handle) for handle in handles.values())
    subprocess.run(["ls", "-lR", m.path], stdout=subprocess.DEVNULL, check=True)
    assert all(is_stale(m, handle) for handle in handles.values())


RULES = """set mine
unmatched keep
embeddings.LayerNorm.{} -> one
"""


def test_handles__of_a_rule_file_with_other_rules_are_stale(mount, tmp_path):
    source = checkpoint(tmp_path / "a")
    rules = tmp_path / "mine.map"
    rules.write_text(RULES.format("weight"))
    m = mount(source, "--rules", rules)
    handles = walk(m)
    run("umount", m.path)
    rules.write_text(RULES.format("bias"))
    run("mount", source, m.path, "--rules", rules)
    assert all(is_stale(m, handle) for handle in handles.values())


def test_handles__survive_a_restart_with_the_same(mount, tmp_path):
    source = checkpoint(tmp_path / "a")
    m = mount(source)
    wanted = (m / FILE).read_bytes()
    handle = handle_of(m / FILE)
    run("umount", m.path)
    run("mount", source, m.path)
    assert read(m, handle) == wanted
    forget()
    assert read(m, handle) == wanted


def test_handles__that_nobody_gave_out_are_stale(mount, tmp_path):
    m = mount(checkpoint(tmp_path / "a"))
    good = handle_of(m / FILE)
    for i in range(good.n_bytes):
        bad = Handle(good.n_bytes, good.type, good.bytes)
        bad.bytes[i] ^= 0x55
        try:
            os.close(opened(m, bad))
        except OSError as e:
            assert e.errno == errno.ESTALE
            continue
        assert i < 8, "the generation counts"  # an inode number that there is, with its generation


# ---- what of the kernel holds a mount -----------------------------------------------------------


@pytest.fixture
def model(mount, tmp_path):
    return mount(checkpoint(tmp_path / "a"))


def test_holders__a_loop_device(model):
    done = subprocess.run(["losetup", "-f", "--show", "-r", model / "source/model.safetensors"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr}")
    device = done.stdout.strip()
    try:
        done = run("umount", model.path, check=False)
        assert done.returncode == 1 and f"{device} (of source/model.safetensors)" in done.stderr, done.stderr
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    run("umount", model.path)


def test_holders__an_overlay(model, tmp_path):
    """It holds the server, not the mountpoint: umount succeeds and says who is still served."""
    over = tmp_path / "over"
    empty = tmp_path / "a:b"
    for folder in (over, empty):
        folder.mkdir()
    wanted = (model / "source/config.json").read_bytes()
    layers = f"{tmp_path}/a\\:b:{model.path}/source"
    done = subprocess.run(["mount", "-t", "overlay", "none", over, "-o", f"lowerdir={layers}"],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no overlay: {done.stderr}")
    try:
        done = run("umount", model.path)
        assert f"a layer of the overlay at {over}, so the server stays" in done.stderr
        assert (over / "config.json").read_bytes() == wanted
    finally:
        subprocess.run(["umount", over], check=True)


@pytest.mark.parametrize("listed, said", [
    (("/proc/fs/nfsd", "exports", "# Version 1.1\n{path}\t*(ro,sync)\n"), "exported by the NFS server ({path})"),
    (("/proc/fs/nfsd", "exports", "{path}/source\t*(ro)\n{path}x\t*(ro)\n"), "exported by the NFS server ({path}/source)"),
    (("/proc/swaps", None, "Filename\tType\n{path}/source/swap\\040file file 4 0 -2\n"),
     "swap ({path}/source/swap file)"),
])
def test_holders__as_the_kernel_lists_them(model, tmp_path, listed, said):
    """A mount namespace of its own has a list in the kernel's place; another process keeps it busy."""
    place, name, text = listed
    if not pathlib.Path(place).exists():
        pytest.skip(f"no {place} here")
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "exports").write_text(text.format(path=model.path))
    from_ = stand_in if name else stand_in / "exports"
    script = f'mount --bind "{from_}" {place} && exec <"$1/source/config.json" && "$0" umount "$1" </dev/null'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, BIN, model.path], capture_output=True, text=True,
                          timeout=HANG_S, check=False)
    assert done.returncode == 1 and done.stderr.rstrip().endswith(said.format(path=model.path)), done.stderr
    assert "(sh: source/config.json)" in done.stderr and done.stderr.count("exported") <= 1
