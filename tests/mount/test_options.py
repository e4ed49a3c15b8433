"""-o options over a real mount: attributes, xattrs, logs, what FUSE takes and what fstab lines hold."""
import errno
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess

import numpy as np
import pytest

from conftest import run
from helpers import files_below, server_of, small_bert, wait_until, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    path = write_safetensors(tmp_path / "model.safetensors", small_bert(), {"format": "pt"})
    path.chmod(0o640)
    return path


TENSOR = "source/tensors/encoder/layer/0/attention/self/query/weight.npy"


def mount_line(path):
    for line in open("/proc/self/mountinfo"):
        if line.split()[4] == str(path):
            return line
    raise AssertionError(f"{path} is not mounted")


def test_options__attributes_are_the_sources(mount, checkpoint):
    os.chown(checkpoint, 12345, 54321)
    m = mount(checkpoint)
    for name in files_below(m.path):
        st = (m / name).stat()
        assert (st.st_uid, st.st_gid) == (12345, 54321)
        assert stat.S_IMODE(st.st_mode) == 0o440, name
        assert st.st_nlink == 1
    st = (m / "source").stat()
    assert stat.S_IMODE(st.st_mode) == 0o550
    assert st.st_nlink == 2 + sum(p.is_dir() for p in (m / "source").iterdir())
    assert (m / TENSOR).stat().st_mtime_ns >= checkpoint.stat().st_mtime_ns


def test_options__uid_gid_umask(mount, checkpoint):
    m = mount(checkpoint, "-o", "uid=1000,gid=1001,umask=0377")
    st = (m / TENSOR).stat()
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (1000, 1001, 0o400)


def test_options__default_permissions_and_read_only(mount, checkpoint):
    line = mount_line(mount(checkpoint).path)
    assert "default_permissions" in line and " - fuse.weightfs " in line
    assert re.search(r" ro[, ]", line)


def test_options__others_see_no_more_than_the_source(mount, checkpoint):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    checkpoint.chmod(0o600)
    m = mount(checkpoint, "-o", "allow_other")
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        try:
            os.open(m / "source", os.O_RDONLY)
        except PermissionError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_options__fuse_options(mount, checkpoint):
    m = mount(checkpoint, "-o", r"allow_other,fsname=my\,name,subtype=mine,noexec,noatime,nosuid,nodev")
    line = mount_line(m.path)
    assert " - fuse.mine my,name " in line
    for option in ("allow_other", "noexec", "noatime", "nosuid", "nodev"):
        assert re.search(rf"[ ,]{option}[,\s]", line), option


def test_options__source_with_a_comma_and_spaces(mount, tmp_path):
    folder = tmp_path / "a, b\\c"
    folder.mkdir()
    path = write_safetensors(folder / "m,.safetensors", small_bert(1))
    m = mount(path)
    assert (m / "source/model.safetensors").read_bytes() == path.read_bytes()


def test_options__fstab_words(mount, checkpoint):
    m = mount(checkpoint, "-o", "rw,defaults,auto,noauto,user,nofail,_netdev,x-systemd.automount,x-a=b,ro")
    assert (m / TENSOR).exists()


FSTAB_WORDS = ("exec", "relatime", "async", "sync", "users", "group", "owner", "nouser", "atime", "nodiratime",
               "strictatime", "lazytime", "silent", "comment=of mine", "auto_unmount",
               "default_permissions", "user=me")


@pytest.mark.parametrize("word", [*FSTAB_WORDS, ",".join(FSTAB_WORDS)])
def test_options__more_fstab_words(mount, checkpoint, word):
    m = mount(checkpoint, "-o", word)
    assert m.done.stderr == "" and (m / TENSOR).exists()
    m.umount()
    again = mount(checkpoint)  # what auto_unmount leaves running does not take a later mount down
    assert (again / TENSOR).exists()


def test_options__exec_undoes_noexec(mount, checkpoint):
    assert "noexec" not in mount_line(mount(checkpoint, "-o", "user,noexec,exec").path)
    assert "noexec" in mount_line(mount(checkpoint, "-o", "exec,noexec").path)


def test_options__a_context_without_selinux_is_said_to_have_no_effect(mount, checkpoint):
    if os.path.exists("/sys/fs/selinux/enforce"):
        pytest.skip("SELinux is active here")
    m = mount(checkpoint, "-o", "context=system_u:object_r:usr_t:s0")
    assert "context=system_u:object_r:usr_t:s0: of no effect" in m.done.stderr
    assert (m / TENSOR).exists()


def test_options__remount_is_refused(mount, checkpoint):
    m = mount(checkpoint)
    done = run("mount", checkpoint, m.path, "-o", "remount,ro", check=False)
    assert done.returncode == 2 and "umount and mount" in done.stderr
    assert (m / TENSOR).exists()


def test_options__allow_root_lets_nobody_else_in(mount, checkpoint):
    """The first user is who mounts, here root himself: all others stay out."""
    m = mount(checkpoint, "-o", "allow_root")
    done = subprocess.run(["cat", m / TENSOR], user=65534, group=65534, extra_groups=[], capture_output=True)
    assert done.returncode != 0 and os.path.getsize(m / TENSOR) > 0


@pytest.mark.parametrize("options", ["allow_root,allow_other", "allow_other,allow_root"])
def test_options__root_and_others_exclude_each_other(checkpoint, tmp_path, options):
    done = run("mount", checkpoint, tmp_path / "m", "-o", options, check=False)
    assert done.returncode == 2 and "allow_root" in done.stderr and "allow_other" in done.stderr


def test_options__auto_unmount_follows_a_killed_server(mount, checkpoint):
    if shutil.which("fusermount3") is None:
        pytest.skip("fusermount3 is not installed")
    if os.environ.get("WEIGHTFS_SANITIZED"):
        # fusermount3 looks once whether the server is gone, and a sanitizer's memory takes long to give back
        pytest.skip("fusermount3 may look before a sanitized server is gone")
    m = mount(checkpoint, "-o", "auto_unmount")
    os.kill(server_of(m.path), signal.SIGKILL)
    wait_until(lambda: not os.path.ismount(m.path) and " " + str(m.path) + " " not in
               pathlib.Path("/proc/self/mountinfo").read_text(), what="unmounting")


@pytest.mark.parametrize("option, named", [
    ("bogus", "bogus"), ("bogus=1", "bogus"), ("context", "context"), ("max_read=4096", "max_read"),
    ("cache=sometimes", "sometimes"), ("format=png", "png"), ("memory=lots", "lots"), ("memory=0", "memory"),
    ("memory=-1", "memory"), ("cache_size=1X", "1X"), ("uid=me", "me"), ("umask=888", "888"),
    ("umask=1777", "1777"), ("view", "view"), ("view=", "view"), ("noxattr=1", "noxattr"), ("set=x", "set"),
    ("view=source:dtype=float16", "source"), ("view=a/b", "a/b"), ("view=flax,view=flax", "twice"),
    ("match=x.json", "match"), ("files=bogus", "bogus"),
    ("log=/nonexistent/dir/log", "/nonexistent/dir/log"),
])
def test_options__mistakes_are_named(checkpoint, tmp_path, option, named):
    done = run("mount", checkpoint, tmp_path / "m", "-o", option, check=False)
    assert done.returncode == 2 and named in done.stderr, done.stderr
    assert not (tmp_path / "m").exists()


def test_options__xattrs(mount, checkpoint):
    m = mount(checkpoint)
    names = os.listxattr(m / TENSOR)
    assert {"user.weightfs.name", "user.weightfs.dtype", "user.weightfs.shape"} <= set(names)
    assert os.getxattr(m / TENSOR, "user.weightfs.name") == b"encoder.layer.0.attention.self.query.weight"
    assert os.getxattr(m / TENSOR, "user.weightfs.dtype") == b"float32"
    assert os.getxattr(m / TENSOR, "user.weightfs.shape") == b"(64, 64)"
    for name in names:
        os.getxattr(m / TENSOR, name)
    for name in ("security.selinux", "system.posix_acl_access", "user.other", "user.weightfs.none"):
        with pytest.raises(OSError) as e:
            os.getxattr(m / TENSOR, name)
        assert e.value.errno in (errno.ENODATA, errno.EOPNOTSUPP), name


def test_options__noxattr(mount, checkpoint):
    m = mount(checkpoint, "-o", "noxattr")
    with pytest.raises(OSError) as e:
        os.getxattr(m / TENSOR, "user.weightfs.name")
    assert e.value.errno == errno.EOPNOTSUPP


def test_options__raw_format(mount, checkpoint):
    m = mount(checkpoint, "-o", "format=raw")
    [path] = (m / TENSOR).parent.glob("weight*")
    wanted = small_bert()["encoder.layer.0.attention.self.query.weight"]
    assert path.read_bytes() == wanted.tobytes()


def test_options__files(mount, checkpoint):
    none = mount(checkpoint, "-o", "files=none")
    assert not (none / "source/model.safetensors").exists()
    both = mount(checkpoint, "-o", "files=safetensors:npz")
    assert (both / "source/model.safetensors").exists() and (both / "source/tensors.npz").exists()
    with np.load(both / "source/tensors.npz") as z:
        assert len(z.files) == len(small_bert())


def test_options__statfs(mount, checkpoint):
    m = mount(checkpoint)
    st = os.statvfs(m.path)
    shown = sum((m / n).stat().st_size for n in files_below(m.path)) + (m / "info/stats.json").stat().st_size
    assert abs(st.f_blocks * st.f_frsize - shown) < (1 << 20)
    assert (st.f_bfree, st.f_bavail, st.f_namemax) == (0, 0, 255)


def test_options__writing_is_erofs(mount, checkpoint):
    m = mount(checkpoint)
    file, folder = m / TENSOR, m / "source"
    attempts = [lambda: open(file, "r+b"), lambda: open(folder / "new", "wb"), lambda: os.truncate(file, 0),
                lambda: os.unlink(file), lambda: os.mkdir(folder / "d"), lambda: os.rmdir(folder / "tensors"),
                lambda: os.rename(file, folder / "x"), lambda: os.link(file, folder / "x"),
                lambda: os.symlink("a", folder / "x"), lambda: os.chmod(file, 0o777), lambda: os.chown(file, 1, 1),
                lambda: os.utime(file), lambda: os.setxattr(file, "user.a", b"b"), lambda: os.mkfifo(folder / "f"),
                lambda: os.removexattr(file, "user.weightfs.name")]
    for attempt in attempts:
        with pytest.raises(OSError) as e:
            attempt()
        assert e.value.errno == errno.EROFS


def test_options__remounted_read_write_is_still_erofs(mount, checkpoint):
    m = mount(checkpoint)
    if os.system(f"mount -i -o remount,rw {m.path} 2>/dev/null"):
        pytest.skip("this kernel does not remount it")
    file, folder = m / TENSOR, m / "source"
    os.chmod(checkpoint, 0o640)
    for attempt in (lambda: open(file, "r+b"), lambda: open(folder / "new", "wb"), lambda: os.unlink(file),
                    lambda: os.mkdir(folder / "d"), lambda: os.rename(file, folder / "x"),
                    lambda: os.chmod(file, 0o777), lambda: os.setxattr(file, "user.a", b"b")):
        with pytest.raises(OSError) as e:
            attempt()
        assert e.value.errno == errno.EROFS


def test_options__inodes_are_stable(mount, checkpoint):
    a, b = mount(checkpoint), mount(checkpoint)
    for name in files_below(a.path):
        assert (a / name).stat().st_ino == (b / name).stat().st_ino
    inodes = [(a / n).stat().st_ino for n in files_below(a.path)]
    assert len(set(inodes)) == len(inodes)


def test_options__listing_has_types_and_dots(mount, checkpoint):
    m = mount(checkpoint)
    with os.scandir(m / "source") as entries:
        for entry in entries:
            assert entry.inode() == entry.stat().st_ino
            assert entry.is_dir() == (m / "source" / entry.name).is_dir()
    fd = os.open(m / "source", os.O_RDONLY)
    assert os.stat("..", dir_fd=fd).st_ino == os.stat(m.path).st_ino
    os.close(fd)


def test_options__large_directory_lists_whole_and_in_natural_order(mount, tmp_path):
    tensors = {f"layer{i}.weight": np.zeros(1, np.float32) for i in range(3000)}
    m = mount(write_safetensors(tmp_path / "m.safetensors", tensors))
    for _ in range(2):
        names = [e.name for e in os.scandir(m / "source/tensors")]
        assert names == [f"layer{i}" for i in range(3000)]


def test_options__live_file_is_fresh_at_each_open(mount, checkpoint):
    m = mount(checkpoint)
    size = (m / "info/stats.json").stat().st_size
    before = m.stats()["bytes"]["served"]
    (m / "flax/model.safetensors").read_bytes()
    assert m.stats()["bytes"]["served"] > before
    assert len((m / "info/stats.json").read_bytes()) == size


def test_options__log_file(mount, checkpoint, tmp_path):
    log = tmp_path / "my.log"
    m = mount(checkpoint, "-o", f"log={log}")
    with open(checkpoint, "r+b") as f:
        f.seek(-1, 2)
        f.write(b"\x00")
    with pytest.raises(OSError):
        (m / TENSOR).read_bytes()
    lines = log.read_text().splitlines()
    assert any("error" in line and "weight.npy" in line for line in lines), lines


def test_options__log_is_never_the_source_or_the_mount(mount, checkpoint, tmp_path):
    folder, other = tmp_path / "hub", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    checkpoint = checkpoint.rename(other / "model.safetensors")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").symlink_to(checkpoint)
    (tmp_path / "by-name").symlink_to(folder)
    os.link(checkpoint, tmp_path / "hard")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "m").mkdir()
    before = checkpoint.read_bytes()
    for source in (folder, checkpoint):
        logs = [checkpoint, tmp_path / "hard", tmp_path / "m/log", tmp_path / "fifo", tmp_path]
        for log in logs + [folder / "log", tmp_path / "by-name/log", folder / "config.json"] * (source is folder):
            done = run("mount", source, tmp_path / "m", "-o", f"log={log}", check=False)
            assert done.returncode == 2 and str(log) in done.stderr, (log, done.stderr)
    assert checkpoint.read_bytes() == before and (folder / "config.json").read_text() == "{}"
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"] and not os.listdir(tmp_path / "m")
    mount(checkpoint, "-o", f"log={other / 'log'}")
    mount(folder, "-o", "log=/dev/null")


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_options__index_is_never_the_checkpoint(mount, checkpoint, mode):
    checkpoint.chmod(mode)
    before = checkpoint.read_bytes()
    m = mount(checkpoint, "-o", f"index={checkpoint}")
    assert (m / "source/model.safetensors").read_bytes() == before == checkpoint.read_bytes()
    assert stat.S_IMODE(checkpoint.stat().st_mode) == mode


def test_options__read_ahead_is_raised(mount, checkpoint):
    if os.geteuid() != 0:
        pytest.skip("only root may raise it")
    m = mount(checkpoint)
    dev = os.stat(m.path).st_dev
    at = f"/sys/class/bdi/{os.major(dev)}:{os.minor(dev)}/read_ahead_kb"
    if not os.access(at, os.W_OK):
        pytest.skip(f"{at} cannot be written here")
    assert open(at).read().strip() == "4096"
