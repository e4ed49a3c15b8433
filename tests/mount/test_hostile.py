"""Names that come from a file are data: they mount, made safe visibly, and are reported."""
import errno
import os

import numpy as np
import pytest

from conftest import run
from helpers import files_below, write_safetensors

NAMES = [
    "a\0b", "..", ".", "", "../../etc/passwd", "/etc/passwd", "a/b", "a//b", "line\nbreak", "\x1b[31mred",
    "tab\t", "del\x7f", "x" * 255, "y" * 300, "z" * 5000, "percent%41", "percent%2F", "%", "trailing.",
    ".leading", "dots..dots", "...", "é", "e\u0301", "日本語", "🦊", "a b", "-rf", "~", "*", "'", '"', "\\", "$(x)",
    "CON", "a:b", "a,b", "model.weight", "model", "model.weight.weight", "info", "source", "tensors",
    "\u202egnp", "a\u0000", "w.npy", "w",
]


@pytest.fixture
def checkpoint(tmp_path):
    tensors = {name: np.full((2, 3), i, np.float32) for i, name in enumerate(NAMES)}
    return write_safetensors(tmp_path / "hostile.safetensors", tensors)


def test_hostile__every_tensor_is_there(mount, checkpoint):
    m = mount(checkpoint, "-o", "view=flax")
    seen = {}
    for name in files_below(m / "source/tensors"):
        path = m / "source/tensors" / name
        assert os.path.realpath(path).startswith(str(m.path))
        seen[int(np.load(path)[0, 0])] = name
    assert sorted(seen) == list(range(len(NAMES)))


def test_hostile__names_are_safe_and_reported(mount, checkpoint):
    m = mount(checkpoint, "-o", "view=flax")
    n = 0
    for folder, dirs, files in os.walk(m / "source"):
        for name in dirs + files:
            n += 1
            assert len(os.fsencode(name)) <= 255
            assert not any(ord(c) < 32 or ord(c) == 127 for c in name)
            assert os.path.lexists(os.path.join(folder, name))
    assert n > len(NAMES)
    report = (m / "info/report.txt").read_text()
    assert "%2F" in report or "a%2Fb" in report
    tables = (m / "info/tensors.tsv").read_text()
    assert tables.count("\n") >= len(NAMES)
    assert "\x1b" not in report + tables


def test_hostile__a_name_that_cannot_be_there(mount, checkpoint):
    m = mount(checkpoint, "-o", "view=flax")
    for name, wanted in ("n" * 255, errno.ENOENT), ("n" * 256, errno.ENAMETOOLONG), ("n" * 1024, errno.ENAMETOOLONG):
        with pytest.raises(OSError) as e:
            os.stat(m / "source/tensors" / name)
        assert e.value.errno == wanted


def test_hostile__full_name_is_in_the_xattr(mount, checkpoint):
    m = mount(checkpoint, "-o", "view=flax")
    seen = set()
    for name in files_below(m / "source/tensors"):
        path = m / "source/tensors" / name
        full = os.getxattr(path, "user.weightfs.name")
        i = int(np.load(path)[0, 0])
        if "\0" not in NAMES[i]:
            assert full.decode() == NAMES[i]
        seen.add(full)
    assert len(seen) == len(NAMES)


def test_hostile__ls_and_cat_take_the_same_names(checkpoint, mount):
    m = mount(checkpoint, "-o", "view=flax")
    for name in files_below(m / "source/tensors"):
        path = f"source/tensors/{name}"
        out = run("cat", "-o", "view=flax", checkpoint, path, text=False)
        assert out.stdout == (m / path).read_bytes()
    listing = run("ls", "-lR", "-o", "view=flax", checkpoint)
    assert "\x1b" not in listing.stdout


def test_hostile__terminal_is_not_driven_by_messages(tmp_path):
    path = tmp_path / "bad.safetensors"
    tensors = {"\x1b[2Jx": ("F32", (3,), b"1234")}
    write_safetensors(path, tensors)
    done = run("ls", path, check=False)
    assert done.returncode == 2 and "\x1b" not in done.stderr


def test_hostile__invalid_utf8_is_refused(tmp_path):
    path = write_safetensors(tmp_path / "a.safetensors", {"ab": np.zeros(1, np.float32)})
    path.write_bytes(path.read_bytes().replace(b'"ab"', b'"\xff\xfe"'))
    done = run("mount", path, tmp_path / "m", check=False)
    assert done.returncode == 2 and "UTF-8" in done.stderr
    assert not (tmp_path / "m").exists()


def test_hostile__deep_names(mount, tmp_path):
    """A module path 2,000 deep: longer than any path may be, but every step is a name."""
    name = ".".join(f"m{i}" for i in range(2000))
    path = write_safetensors(tmp_path / "deep.safetensors", {name: np.arange(3, dtype=np.float32)})
    m = mount(path, "-o", "view=flax,files=none")
    fd = os.open(m / "source/tensors", os.O_RDONLY)
    for i in range(1999):
        deeper = os.open(f"m{i}", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    assert os.listdir(fd) == ["m1999.npy"]
    os.close(fd)
    assert run("ls", "-R", "-o", "view=flax", path).stdout.count("m1999.npy") >= 1
