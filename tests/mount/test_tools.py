"""The tools that people use on files, over a real mount: each gives the bytes of `weightfs cat`."""
import filecmp
import hashlib
import os
import pathlib
import subprocess
import tarfile

import numpy as np
import pytest

from conftest import require, run
from helpers import LIVE, files_below, sh, small_bert, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", small_bert(), {"format": "pt"})
    (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": 64}\n')
    (folder / "tokenizer.json").write_text("{}\n")
    return folder


@pytest.fixture
def direct(checkpoint, tmp_path):
    """Both views as `weightfs cp -r` writes them, without a mount; each file as `cat` writes it."""
    out = tmp_path / "direct"
    out.mkdir()
    run("cp", "-r", checkpoint, "source", "flax", out)
    return out


def same_tree(a, b):
    assert files_below(a) == files_below(b)
    for name in files_below(a):
        assert filecmp.cmp(pathlib.Path(a) / name, pathlib.Path(b) / name, shallow=False), name


def test_tools__read_and_cat_agree(mount, checkpoint):
    m = mount(checkpoint)
    names = files_below(m.path)
    assert any(n.startswith("flax/tensors/") for n in names)
    assert "source/model.safetensors" in names
    for name in names:
        assert (m / name).read_bytes() == run("cat", checkpoint, name, text=False).stdout, name


def test_tools__whole_file_is_the_source_file(mount, checkpoint):
    m = mount(checkpoint)
    ours = hashlib.sha256((m / "source/model.safetensors").read_bytes()).hexdigest()
    theirs = hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()
    assert ours == theirs


def test_tools__cp_r(mount, checkpoint, direct, tmp_path):
    m = mount(checkpoint)
    sh(f"cp -r {m / 'source'} {m / 'flax'} {tmp_path}")
    same_tree(tmp_path / "source", direct / "source")
    same_tree(tmp_path / "flax", direct / "flax")


def test_tools__cp_sparse(mount, checkpoint, direct, tmp_path):
    m = mount(checkpoint)
    sh(f"cp -r --sparse=always {m / 'flax'} {tmp_path / 'sparse'}")
    same_tree(tmp_path / "sparse", direct / "flax")


def test_tools__diff_of_two_mounts(mount, checkpoint):
    a, b = mount(checkpoint), mount(checkpoint)
    excludes = " ".join(f"-x {name}" for name in LIVE)
    assert sh(f"diff -r {excludes} {a.path} {b.path}") == b""


def test_tools__sha256sum(mount, checkpoint, direct):
    m = mount(checkpoint)
    command = "find source flax -type f | sort | xargs sha256sum"
    assert sh(command, cwd=m.path) == sh(command, cwd=direct)


def test_tools__find_agrees_with_ls(mount, checkpoint):
    m = mount(checkpoint)
    found = sorted(sh("find . -type f", cwd=m.path).decode().split())
    listed, folder = [], ""
    for line in run("ls", "-R", checkpoint).stdout.splitlines():
        if line.endswith(":"):
            folder = line[:-1]
        elif line and (m.path / folder / line).is_file():
            listed.append(f"./{folder}/{line}" if folder != "." else f"./{line}")
    assert found == sorted(listed)


@pytest.mark.parametrize("flags", ["-c", "-cS"])
def test_tools__tar(mount, checkpoint, direct, tmp_path, flags):
    m = mount(checkpoint)
    sh(f"tar {flags} -f {tmp_path}/t.tar -C {m.path} source flax")
    out = tmp_path / "untar"
    out.mkdir()
    sh(f"tar -xf {tmp_path}/t.tar -C {out}")
    same_tree(out, direct)
    with tarfile.open(tmp_path / "t.tar") as t:
        assert len([x for x in t if x.isfile()]) == len(files_below(direct))


@pytest.mark.parametrize("flags", ["-a", "-aS"])
def test_tools__rsync(mount, checkpoint, direct, tmp_path, flags):
    require("rsync")
    m = mount(checkpoint)
    sh(f"rsync {flags} {m.path}/source {m.path}/flax {tmp_path}/synced/")
    same_tree(tmp_path / "synced", direct)


def test_tools__du_and_blocks(mount, checkpoint):
    m = mount(checkpoint)
    for name in files_below(m.path):
        st = (m / name).stat()
        assert st.st_blocks == -(-st.st_size // 512), name
        assert st.st_size == len((m / name).read_bytes()), name
    used = int(sh(f"du -s -B 512 {m / 'flax/tensors'}").split()[0])
    assert used == sum((m / "flax/tensors" / n).stat().st_blocks for n in files_below(m / "flax/tensors"))


def test_tools__numpy_mmap(mount, checkpoint):
    m = mount(checkpoint)
    for name, array in small_bert().items():
        path = m / "source/tensors" / (name.replace(".", "/") + ".npy")
        mapped = np.load(path, mmap_mode="r")
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, array)


def test_tools__mapped_view_is_transposed(mount, checkpoint):
    m = mount(checkpoint)
    array = small_bert()["encoder.layer.1.attention.self.key.weight"]
    kernel = m / "flax/tensors/encoder/layer/1/attention/self/key/kernel.npy"
    np.testing.assert_array_equal(np.load(kernel, mmap_mode="r"), array.T)


@pytest.mark.parametrize("block", [1, 7, 511, 512, 513, 4095, 4096, 4097, 65537, 1000003])
def test_tools__dd_at_odd_offsets(mount, checkpoint, direct, block):
    m = mount(checkpoint)
    for name in ("source/model.safetensors", "flax/model.safetensors"):
        size = (m / name).stat().st_size
        skip = min(3, size // block)
        count = min(200, max(1, size // block - skip))
        with open(direct / name, "rb") as f:
            f.seek(skip * block)
            wanted = f.read(count * block)
        for flags in ("", "iflag=direct"):
            if flags and block % 512:
                continue  # the kernel wants whole sectors
            got = sh(f"dd if={m / name} bs={block} skip={skip} count={count} {flags} status=none")
            assert got == wanted, (name, block, flags)


def test_tools__o_direct(mount, checkpoint, direct):
    m = mount(checkpoint)
    name = "flax/model.safetensors"
    assert sh(f"dd if={m / name} bs=4096 iflag=direct status=none") == (direct / name).read_bytes()


def test_tools__head_closes_early(mount, checkpoint):
    m = mount(checkpoint)
    for _ in range(20):
        sh(f"head -c 100 {m / 'flax/model.safetensors'} > /dev/null")
    assert subprocess.run(["cmp", m / "source/model.safetensors", checkpoint / "model.safetensors"]
                          ).returncode == 0


def test_tools__sendfile_and_copy_file_range(mount, checkpoint, tmp_path):
    m = mount(checkpoint)
    name = m / "source/model.safetensors"
    wanted = (checkpoint / "model.safetensors").read_bytes()
    with open(name, "rb") as a, open(tmp_path / "b", "wb") as b:
        while os.sendfile(b.fileno(), a.fileno(), None, 1 << 20):
            pass
    assert (tmp_path / "b").read_bytes() == wanted
