"""What every test of the program shares: the binary, scratch folders, real kernel mounts.

tests/mount and tests/cli need nothing but Python, numpy and pytest; tests/loaders needs the
frameworks of requirements.txt. WEIGHTFS_BIN names the program (tests/run sets it), WEIGHTFS_CORPUS
the corpus of real checkpoints.
"""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from helpers import HANG_S

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = os.environ.get("WEIGHTFS_BIN", str(ROOT / "build" / "weightfs"))
CORPUS = pathlib.Path(os.environ.get("WEIGHTFS_CORPUS", ROOT / ".." / "shared" / "corpus"))
DATA = ROOT / "tests" / "data"

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def run(*args, check=True, **kwargs):
    """Runs `weightfs ARGS`; returns the finished process (text unless text=False)."""
    kwargs.setdefault("text", True)
    kwargs.setdefault("timeout", HANG_S)
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"weightfs {args}: exit {done.returncode}\n{done.stderr}")
    return done


class Mount:
    """A live mount: `m.path / "source"`; m.stats() reads info/stats.json."""

    def __init__(self, source, path, *args, strict_exit=True, env=None):
        self.source, self.path = pathlib.Path(source), pathlib.Path(path)
        self.done = run("mount", source, path, *args, check=False, env=env)
        if strict_exit and self.done.returncode != 0:
            raise AssertionError(f"mount {source}: {self.done.stderr}")

    def __truediv__(self, name):
        return self.path / name

    def stats(self):
        return json.loads((self.path / "info" / "stats.json").read_text())

    def umount(self):
        if os.path.ismount(self.path):
            run("umount", self.path)


@pytest.fixture
def mount(tmp_path, monkeypatch):
    """mount(source, *args) -> Mount, unmounted at the end. The index lives in tmp_path."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse on this machine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mounts = []

    def make(source, *args, **kwargs):
        made = Mount(source, tmp_path / f"mnt{len(mounts)}", *args, **kwargs)
        mounts.append(made)
        return made

    yield make
    for m in reversed(mounts):  # one may be the source of another
        try:
            m.umount()
        except AssertionError:
            subprocess.run(["umount", "-l", str(m.path)], check=False)
            raise


@pytest.fixture
def corpus():
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS} (WEIGHTFS_CORPUS)")
    return CORPUS


@pytest.fixture
def seed(request):
    """A fresh seed, printed when the test fails; WEIGHTFS_SEED repeats one."""
    value = int(os.environ.get("WEIGHTFS_SEED", int.from_bytes(os.urandom(4), "little")))
    print(f"WEIGHTFS_SEED={value}")
    return value


def require(tool):
    """Skips loudly where a tool that the test drives is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    return tool
