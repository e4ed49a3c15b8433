"""ls, cat and cp: the tree without a mount."""
import os
import signal
import subprocess

import numpy as np
import pytest

from conftest import BIN, run
from helpers import HANG_S, files_below, small_bert, wait_until, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    tensors = {f"encoder.layer.{i}.weight": np.full((3, 4), i, np.float32) for i in range(12)}
    write_safetensors(folder / "model.safetensors", tensors, {"format": "pt"})
    (folder / "config.json").write_text('{"model_type": "bert"}\n')
    return folder


def test_ls__root_and_natural_order(checkpoint):
    assert run("ls", checkpoint).stdout.split() == ["flax", "gguf", "info", "source"]
    layers = run("ls", checkpoint, "source/tensors/encoder/layer").stdout.split()
    assert layers == [str(i) for i in range(12)]


def test_cat__names_of_more_components_than_directories(tmp_path):
    """The 4096 first components are directories; the rest of the name is the file's."""
    path = tmp_path / "deep.safetensors"
    values = np.arange(6, dtype=np.float32)
    write_safetensors(path, {".".join(["a"] * 4096 + end): values for end in (["x"], ["y", "z"])})
    for name in ("x.npy", "y.z.npy"):
        done = run("cat", path, "source/tensors/" + "a/" * 4096 + name, text=False)
        assert np.array_equal(np.frombuffer(done.stdout[-24:], np.float32), values)


def test_ls__long(checkpoint):
    [line] = run("ls", "-l", checkpoint, "source/tensors/encoder/layer/3").stdout.splitlines()
    mode, size, *_ = line.split()
    assert mode.startswith("-r--r--r--") and int(size) == 128 + 48
    assert line.endswith("weight.npy  float32  (3, 4)")
    assert run("ls", "-l", checkpoint).stdout.splitlines()[0].startswith("dr-xr-xr-x")


def test_ls__file_and_several_paths(checkpoint):
    done = run("ls", checkpoint, "source/config.json", "/source/tensors//encoder/layer/11/")
    assert done.stdout.splitlines() == ["source/config.json", "weight.npy"]


def test_ls__recursive(checkpoint):
    text = run("ls", "-R", checkpoint, "source/tensors").stdout
    folders = [line[:-1] for line in text.splitlines() if line.endswith(":")]
    assert folders[:3] == ["source/tensors", "source/tensors/encoder", "source/tensors/encoder/layer"]
    assert folders[3:] == [f"source/tensors/encoder/layer/{i}" for i in range(12)]


@pytest.mark.parametrize("verb", ["ls", "cat"])
def test_files__no_such_path_is_2(checkpoint, verb):
    done = run(verb, checkpoint, "source/none/x", check=False)
    assert done.returncode == 2 and "none" in done.stderr
    assert run(verb, checkpoint, "source/config.json/x", check=False).returncode == 2


def test_cat__bytes(checkpoint):
    done = run("cat", checkpoint, "source/tensors/encoder/layer/7/weight.npy", text=False)
    assert done.stdout[:6] == b"\x93NUMPY" and done.stdout[128:] == np.full((3, 4), 7, np.float32).tobytes()
    both = run("cat", checkpoint, "source/config.json", "source/model.safetensors", text=False).stdout
    assert both == (checkpoint / "config.json").read_bytes() + (checkpoint / "model.safetensors").read_bytes()


def test_cat__options_change_the_bytes(checkpoint):
    raw = run("cat", "-o", "format=raw", checkpoint, "source/tensors/encoder/layer/7/weight", check=False, text=False)
    names = run("ls", "-o", "format=raw", checkpoint, "source/tensors/encoder/layer/7").stdout.split()
    raw = run("cat", "-o", "format=raw", checkpoint, f"source/tensors/encoder/layer/7/{names[0]}", text=False).stdout
    assert raw == np.full((3, 4), 7, np.float32).tobytes()


def test_cat__directory(checkpoint):
    done = run("cat", checkpoint, "source", check=False)
    assert done.returncode == 2 and "directory" in done.stderr


def test_cat__closed_pipe_ends_quietly(tmp_path):
    big = write_safetensors(tmp_path / "big.safetensors", {"a": np.zeros(1 << 20, np.float32)})
    done = subprocess.run(["bash", "-c", f"{BIN} cat {big} source/model.safetensors | head -c 10"],
                          capture_output=True)
    assert len(done.stdout) == 10 and done.stderr == b""


def test_cat__full_device_is_an_error(checkpoint):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BIN, "cat", checkpoint, "source/config.json"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2 and b"No space left" in done.stderr


def test_cp__file_to_name_and_into_directory(checkpoint, tmp_path):
    run("cp", checkpoint, "source/model.safetensors", tmp_path / "a")
    (tmp_path / "dir").mkdir()
    run("cp", checkpoint, "source/config.json", "source/model.safetensors", tmp_path / "dir")
    wanted = (checkpoint / "model.safetensors").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "dir/model.safetensors").read_bytes() == wanted
    assert sorted(os.listdir(tmp_path / "dir")) == ["config.json", "model.safetensors"]


def test_cp__recursive(checkpoint, tmp_path):
    run("cp", "-r", checkpoint, "source", tmp_path / "copy")
    run("cp", "-r", checkpoint, "source/", tmp_path / "copy")  # into it, now that it is there
    assert "tensors/encoder/layer/11/weight.npy" in files_below(tmp_path / "copy")
    assert "source/model.safetensors" in files_below(tmp_path / "copy")
    for name in files_below(tmp_path / "copy/source"):
        assert (tmp_path / "copy" / name).read_bytes() == run("cat", checkpoint, f"source/{name}", text=False).stdout


def test_cp__directory_without_r(checkpoint, tmp_path):
    done = run("cp", checkpoint, "source", tmp_path / "x", check=False)
    assert done.returncode == 2 and "-r" in done.stderr and not (tmp_path / "x").exists()


def test_cp__many_need_a_directory(checkpoint, tmp_path):
    done = run("cp", checkpoint, "source/config.json", "source/config.json", tmp_path / "x", check=False)
    assert done.returncode == 2 and "not a directory" in done.stderr


def test_cp__overwrites_whole_files_only(checkpoint, tmp_path):
    (tmp_path / "there").write_bytes(b"x" * 10_000_000)
    run("cp", checkpoint, "source/config.json", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == (checkpoint / "config.json").read_bytes()


def test_cp__to_a_device(checkpoint):
    run("cp", checkpoint, "source/model.safetensors", "/dev/null")
    done = run("cp", checkpoint, "source/model.safetensors", "/dev/full", check=False)
    assert done.returncode == 2 and "No space left" in done.stderr


def test_cp__full_disk_leaves_nothing(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root for a small file system")
    big = write_safetensors(tmp_path / "big.safetensors", {"a.weight": np.ones((1024, 1024), np.float32)})
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    try:
        (disk / "out").write_text("before")
        done = run("cp", big, "source/model.safetensors", disk / "out", check=False)
        assert done.returncode == 2 and "No space left" in done.stderr
        assert os.listdir(disk) == ["out"] and (disk / "out").read_text() == "before"
        done = run("cp", "-r", big, "source", disk / "all", check=False)
        assert done.returncode == 2 and "No space left" in done.stderr
    finally:
        subprocess.run(["umount", disk], check=True)


def test_cp__failing_source_leaves_nothing(tmp_path):
    """The file ends before what its header says at the time of reading: no zeros are written."""
    path = write_safetensors(tmp_path / "m.safetensors", small_bert(1))
    script = (f"{BIN} cp {path} source/model.safetensors {tmp_path}/out")
    os.truncate(path, path.stat().st_size - 100)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.returncode == 2 and "m.safetensors" in done.stderr
    assert not (tmp_path / "out").exists()


def test_cp__the_checkpoint_is_never_the_target(checkpoint):
    mine = checkpoint / "model.safetensors"
    os.link(mine, checkpoint / "link.bin")
    os.symlink("model.safetensors", checkpoint / "symlink.bin")
    before = mine.read_bytes()
    for source, name in (("model.safetensors", mine), ("config.json", mine),
                         ("model.safetensors", checkpoint / "config.json"),
                         ("model.safetensors", checkpoint), ("model.safetensors", checkpoint / "link.bin"),
                         ("model.safetensors", checkpoint / "symlink.bin")):
        done = run("cp", checkpoint, "--view", "linen", f"linen/{source}", name, check=False)
        assert done.returncode == 2 and "checkpoint itself" in done.stderr, done.stderr
    assert mine.read_bytes() == before and (checkpoint / "symlink.bin").is_symlink()
    assert sorted(os.listdir(checkpoint)) == ["config.json", "link.bin", "model.safetensors", "symlink.bin"]


def test_cp__shows_nobody_more(checkpoint, tmp_path):
    (checkpoint / "model.safetensors").chmod(0o600)
    run("cp", checkpoint, "source/model.safetensors", tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    run("cp", "-r", checkpoint, "source/tensors", tmp_path / "tensors")
    for path in [tmp_path / "tensors", *(tmp_path / "tensors").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_cp__interrupted_leaves_nothing(tmp_path, signo):
    """8 GiB, of which none has to be on the disk."""
    folder, source = tmp_path / "out", tmp_path / "big.safetensors"
    folder.mkdir()
    header = b'{"a.weight": {"dtype": "U8", "shape": [%d], "data_offsets": [0, %d]}}' % (8 << 30, 8 << 30)
    with open(source, "wb") as f:
        f.write(len(header).to_bytes(8, "little") + header)
        f.truncate(8 + len(header) + (8 << 30))
    process = subprocess.Popen([BIN, "cp", source, "source/model.safetensors", folder / "out"], stderr=subprocess.PIPE)
    wait_until(lambda: os.listdir(folder), what="the beginning")
    process.send_signal(signo)
    _, stderr = process.communicate(timeout=HANG_S)
    assert process.returncode == -signo, stderr
    assert os.listdir(folder) == []


def test_files__strict_is_1_where_there_are_problems(tmp_path):
    """A template that wants more than there is."""
    path = write_safetensors(tmp_path / "m.safetensors", {"a.weight": np.ones((2, 3), np.float32)})
    template = tmp_path / "t.json"
    template.write_text('{"a.kernel": [3, 2], "b.kernel": [3, 2]}')
    args = ("--view", "flax", "--template", template, path)
    loose = run("ls", *args)
    assert "missing" in loose.stderr
    strict = run("ls", "--strict", *args, check=False)
    assert strict.returncode == 1 and "strict" in strict.stderr


def test_npz__a_member_without_numbers_is_named_with_its_file(tmp_path):
    np.savez(tmp_path / "some.npz", a=np.ones(3, np.float32), s=np.array(["x"]))
    done = run("ls", tmp_path / "some.npz")
    assert done.stderr == "weightfs: some.npz: s.npy: numpy type '<U1' holds no numbers\n"


@pytest.mark.parametrize("files, shown", [("none", False), ("torch", False), ("torch:safetensors", True),
                                          ("all", True), (None, True)])
def test_ls__shards_only_where_files_chooses_safetensors(checkpoint, files, shown):
    options = ["-o", "shards=100" + (f",files={files}" if files else "")]
    names = run("ls", checkpoint, "source", *options).stdout.split()
    assert any(name.startswith("model-00001-of-") for name in names) == shown
    assert ("model.safetensors.index.json" in names) == shown
    report = run("cat", checkpoint, "info/report.txt", *options).stdout
    assert ("-o shards= has no effect" in report) == (not shown)
