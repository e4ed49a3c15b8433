"""mount -t weightfs, through mount.weightfs, and a line of fstab."""
import os
import pathlib
import subprocess

import pytest

from conftest import BIN, ROOT, require, run
from helpers import small_bert, wait_until, write_safetensors

SCRIPT = ROOT / "mount-scripts" / "mount.weightfs"
INSTALLED = pathlib.Path("/sbin/mount.weightfs")


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "a model"
    folder.mkdir()
    return write_safetensors(folder / "model.safetensors", small_bert(1), {"format": "pt"})


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The script where mount(8) looks for it."""
    require("mount")
    if os.geteuid() != 0 or INSTALLED.exists():
        pytest.skip("needs root, and no mount.weightfs of the machine's own")
    wrapper = f"#!/bin/sh\nWEIGHTFS={BIN} XDG_CACHE_HOME={tmp_path}/cache exec {SCRIPT} \"$@\"\n"
    INSTALLED.write_text(wrapper)
    INSTALLED.chmod(0o755)
    yield
    INSTALLED.unlink()


def test_script__mounts(checkpoint, tmp_path):
    at = tmp_path / "m"
    env = {**os.environ, "WEIGHTFS": BIN, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([SCRIPT, checkpoint, at, "-o", "rw,view=flax", "-n", "-s"], check=True, env=env)
    try:
        assert (at / "source/model.safetensors").read_bytes() == checkpoint.read_bytes()
    finally:
        run("umount", at)


def test_script__fake_and_usage(checkpoint, tmp_path):
    env = {**os.environ, "WEIGHTFS": BIN}
    done = subprocess.run([SCRIPT, checkpoint, tmp_path / "m", "-f", "-v"], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "mount -- " in done.stdout
    assert not (tmp_path / "m").exists()
    assert subprocess.run([SCRIPT, checkpoint], capture_output=True).returncode == 2


def test_script__exit_status_and_message_come_through(tmp_path):
    env = {**os.environ, "WEIGHTFS": BIN}
    done = subprocess.run([SCRIPT, tmp_path / "none", tmp_path / "m"], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "none" in done.stderr


def test_script__mount_t(installed, checkpoint, tmp_path):
    at = tmp_path / "m"
    at.mkdir()
    subprocess.run(["mount", "-t", "weightfs", checkpoint, at, "-o", "view=flax,noexec"], check=True)
    try:
        assert (at / "source/model.safetensors").read_bytes() == checkpoint.read_bytes()
        assert (at / "flax/tensors").is_dir()
    finally:
        subprocess.run(["umount", at], check=True)
    wait_until(lambda: not os.listdir(at), what="unmounting")


def test_script__remount_is_refused(installed, checkpoint, tmp_path):
    at = tmp_path / "m"
    subprocess.run(["mount", "-t", "weightfs", checkpoint, at, "-o", "X-mount.mkdir"], check=True)
    try:
        done = subprocess.run(["mount", "-t", "weightfs", "-o", "remount,ro", checkpoint, at], capture_output=True,
                              text=True, check=False)
        assert done.returncode != 0 and "umount and mount" in done.stderr
        assert (at / "source/model.safetensors").read_bytes() == checkpoint.read_bytes()
    finally:
        subprocess.run(["umount", at], check=True)


def test_script__fstab_line(installed, checkpoint, tmp_path):
    at = tmp_path / "m"
    at.mkdir()
    table = tmp_path / "fstab"
    source = str(checkpoint).replace(" ", "\\040")
    table.write_text(f"{source} {at} weightfs defaults,view=flax,noauto,users,exec,relatime,sync,lazytime,"
                     "comment=mine,nofail,_netdev,x-gvfs-hide 0 0\n")
    subprocess.run(["mount", "-T", table, at], check=True)
    try:
        assert (at / "source/model.safetensors").read_bytes() == checkpoint.read_bytes()
    finally:
        subprocess.run(["umount", at], check=True)
