"""How a mount begins and ends: readiness, busy, signals, dead mounts, mountpoints that are refused."""
import errno
import mmap
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from conftest import BIN, run
from helpers import HANG_S, is_alive, processes_of, server_of, sh, small_bert, wait_until, write_safetensors


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    return write_safetensors(folder / "model.safetensors", small_bert(), {"format": "pt"})


FILE = "source/model.safetensors"


def kill(pid, sig):
    os.kill(pid, sig)


# ---- beginning ----------------------------------------------------------------------------------


def test_lifecycle__is_ready_when_it_returns(mount, checkpoint):
    for _ in range(5):
        m = mount(checkpoint)
        assert os.path.ismount(m.path)
        assert sorted(os.listdir(m.path)) == ["flax", "info", "source"]
        m.umount()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_lifecycle__returns_without_standard_files(mount, checkpoint, tmp_path, closed):
    """As daemons start programs; a pipe of ours must not become somebody's stderr."""
    at = tmp_path / "closed"
    done = subprocess.run(["bash", "-c", f'"$0" mount "$1" "$2" {closed}', BIN, checkpoint, at], timeout=HANG_S,
                          check=False)
    assert done.returncode == 0
    assert (at / "source/model.safetensors").stat().st_size == checkpoint.stat().st_size
    run("umount", at)


def test_lifecycle__makes_and_removes_the_mountpoint(mount, checkpoint):
    m = mount(checkpoint)
    assert m.path.is_dir()
    m.umount()
    assert not m.path.exists()


def test_lifecycle__keeps_a_mountpoint_that_was_there(mount, checkpoint, tmp_path):
    (tmp_path / "mnt0").mkdir()
    m = mount(checkpoint)
    m.umount()
    assert m.path.is_dir()


def test_lifecycle__plain_umount_ends_the_server_too(mount, checkpoint):
    m = mount(checkpoint)
    pid = server_of(m.path)
    subprocess.run(["umount", m.path], check=True)
    wait_until(lambda: not is_alive(pid), what="the server's end")
    assert not m.path.exists()


def test_lifecycle__umount_returns_when_the_server_is_gone(mount, checkpoint):
    for _ in range(5):
        m = mount(checkpoint, "-o", "cache=always")
        pid = server_of(m.path)
        (m / "flax/model.safetensors").read_bytes()
        run("umount", m.path)
        assert not is_alive(pid)


def test_lifecycle__relative_paths(mount, checkpoint, tmp_path):
    run("mount", "model/model.safetensors", "here", "-o", "log=my.log,index=my.db", cwd=tmp_path)
    try:
        assert (tmp_path / "here" / FILE).read_bytes() == checkpoint.read_bytes()
        assert (tmp_path / "my.log").exists()
    finally:
        run("umount", "here", cwd=tmp_path)


def test_lifecycle__no_verb_is_mount(checkpoint, tmp_path):
    run(checkpoint, tmp_path / "m")
    try:
        assert (tmp_path / "m" / FILE).read_bytes() == checkpoint.read_bytes()
    finally:
        run("umount", tmp_path / "m")


def test_lifecycle__leaves_terminal_and_directory(mount, checkpoint):
    m = mount(checkpoint)
    pid = server_of(m.path)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) == pid
    assert {os.readlink(f"/proc/{pid}/fd/{i}") for i in range(3)} == {"/dev/null"}


def test_lifecycle__foreground(checkpoint, tmp_path):
    at = tmp_path / "fg"
    p = subprocess.Popen([BIN, "mount", "-f", checkpoint, at], stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: os.path.ismount(at), what="the mount")
        assert (at / FILE).read_bytes() == checkpoint.read_bytes()
        assert is_alive(p.pid)
        p.send_signal(signal.SIGINT)
        assert p.wait(HANG_S) == 0
    finally:
        p.kill()
        p.communicate()
        subprocess.run(["umount", "-l", at], stderr=subprocess.DEVNULL)
    assert not at.exists()


def test_lifecycle__stopping_the_command_stops_the_mount(checkpoint, tmp_path):
    """A parent that is killed while the child is scanning leaves no mount behind."""
    at = tmp_path / "m"
    for delay in (0, 0.001, 0.003, 0.01):
        p = subprocess.Popen([BIN, "mount", checkpoint, at], start_new_session=True)
        time.sleep(delay)
        p.kill()
        p.wait()

        def ended():
            """Nobody works on it any more; one that was ready before the kill is unmounted."""
            if os.path.ismount(at):
                run("umount", at, check=False)
            return not processes_of(at)

        wait_until(ended, what="the end of the child")
        assert not at.exists(), delay


# ---- exit status --------------------------------------------------------------------------------


def test_lifecycle__unreadable_input_is_2(tmp_path):
    (tmp_path / "junk").write_bytes(b"\xff" * 100)
    for source in (tmp_path / "none", tmp_path / "junk"):
        done = run("mount", source, tmp_path / "m", check=False)
        assert done.returncode == 2
        assert source.name in done.stderr
        assert not (tmp_path / "m").exists()


def test_lifecycle__usage_is_2(checkpoint, tmp_path):
    for args in ((checkpoint,), (checkpoint, tmp_path / "m", "x"), (checkpoint, tmp_path / "m", "--bogus"),
                 (checkpoint, tmp_path / "m", "-o"), (checkpoint, tmp_path / "m", "-x")):
        done = run("mount", *args, check=False)
        assert done.returncode == 2, args
        assert "weightfs" in done.stderr


def test_lifecycle__a_file_is_no_mountpoint(checkpoint, tmp_path):
    (tmp_path / "file").write_text("")
    done = run("mount", checkpoint, tmp_path / "file", check=False)
    assert done.returncode == 2 and "not a directory" in done.stderr


def test_lifecycle__umount_of_what_is_no_mount_is_2(tmp_path):
    done = run("umount", tmp_path, check=False)
    assert done.returncode == 2 and "nothing is mounted" in done.stderr
    assert run("umount", tmp_path / "none", check=False).returncode == 2
    done = run("umount", "/proc", check=False)
    assert done.returncode == 2 and "not of weightfs" in done.stderr
    assert os.path.ismount("/proc")


# ---- mountpoints that are refused ---------------------------------------------------------------


def refused(checkpoint, at, why, *args):
    done = run("mount", checkpoint, at, *args, check=False)
    assert done.returncode == 2 and why in done.stderr, done.stderr
    assert not os.path.ismount(at)


def test_lifecycle__not_empty(mount, checkpoint, tmp_path):
    at = tmp_path / "full"
    at.mkdir()
    (at / "mine").write_text("mine")
    refused(checkpoint, at, "not empty")
    run("mount", checkpoint, at, "-o", "nonempty")
    try:
        assert not (at / "mine").exists()
    finally:
        run("umount", at)
    assert (at / "mine").read_text() == "mine"


def test_lifecycle__at_above_or_below_the_source(checkpoint, tmp_path):
    folder = checkpoint.parent
    refused(folder, folder, "source", "-o", "nonempty")
    refused(folder, tmp_path, "source", "-o", "nonempty")
    refused(checkpoint, folder, "source", "-o", "nonempty")
    refused(folder, folder / "mnt", "source")
    assert not (folder / "mnt").exists()
    (tmp_path / "link").symlink_to(folder)
    refused(folder, tmp_path / "link" / "mnt", "source")
    refused(tmp_path / "link", folder / "mnt", "source")
    refused(tmp_path / "link", tmp_path, "source", "-o", "nonempty")


def test_lifecycle__beside_a_source_file_is_fine(checkpoint):
    at = checkpoint.parent / "mnt"
    run("mount", checkpoint, at)
    try:
        assert (at / FILE).read_bytes() == checkpoint.read_bytes()
    finally:
        run("umount", at)


def test_lifecycle__at_above_or_below_the_index(checkpoint, tmp_path, monkeypatch):
    refused(checkpoint, tmp_path / "idx", "index", "-o", f"index={tmp_path}/idx/a.db")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache/weightfs").mkdir(parents=True, mode=0o700)
    refused(checkpoint, tmp_path / "cache", "index", "-o", "nonempty")
    refused(checkpoint, tmp_path / "cache/weightfs", "index", "-o", "nonempty")
    refused(checkpoint, tmp_path / "cache/weightfs/mnt", "index")


def test_lifecycle__dead_mount_is_reused(mount, checkpoint):
    m = mount(checkpoint)
    pid = server_of(m.path)
    kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what="the server's death")
    with pytest.raises(OSError) as e:
        os.listdir(m.path)
    assert e.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    again = run("mount", checkpoint, m.path)
    assert again.stderr == ""
    assert (m / FILE).read_bytes() == checkpoint.read_bytes()


def test_lifecycle__dead_mount_can_be_unmounted(mount, checkpoint):
    m = mount(checkpoint)
    pid = server_of(m.path)
    kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what="the server's death")
    run("umount", m.path)
    assert not os.path.ismount(m.path)


def has_attributes(folder):
    """Whether the file system keeps the mark of a directory that a mount made."""
    try:
        os.setxattr(folder, "user.weightfs.test", b"")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("how", ["mounted again", "unmounted"])
@pytest.mark.parametrize("made", [True, False])
def test_lifecycle__the_directory_that_a_killed_server_left(mount, checkpoint, tmp_path, made, how):
    """One that the mount made goes away with the next one or with umount; one that was there stays."""
    if not has_attributes(tmp_path):
        pytest.skip("no extended attributes here")
    if not made:
        (tmp_path / "mnt0").mkdir()
    m = mount(checkpoint)
    kill(server_of(m.path), signal.SIGKILL)
    wait_until(lambda: not processes_of(m.path), what="the server's death")
    if how == "mounted again":
        assert run("mount", checkpoint, m.path).stderr == ""
        assert (m / FILE).read_bytes() == checkpoint.read_bytes()
    run("umount", m.path)
    assert m.path.exists() != made


def test_lifecycle__a_directory_left_with_files_in_it_stays(mount, checkpoint, tmp_path):
    m = mount(checkpoint)
    kill(server_of(m.path), signal.SIGKILL)
    wait_until(lambda: not processes_of(m.path), what="the server's death")
    subprocess.run(["umount", m.path], check=True)
    (m.path / "mine").write_text("mine")
    run("mount", checkpoint, m.path, "-o", "nonempty")
    run("umount", m.path)
    assert (m.path / "mine").read_text() == "mine"


# ---- busy ---------------------------------------------------------------------------------------


def test_lifecycle__busy_umount_says_who(mount, checkpoint):
    m = mount(checkpoint)
    reader = subprocess.Popen(["sleep", "100"], stdin=open(m / FILE, "rb"))
    try:
        done = run("umount", m.path, check=False)
        assert done.returncode == 1
        assert f"{reader.pid} (sleep" in done.stderr and FILE in done.stderr, done.stderr
        assert (m / FILE).read_bytes() == checkpoint.read_bytes()
    finally:
        reader.kill()
        reader.wait()


def test_lifecycle__busy_by_directory_and_by_mapping(mount, checkpoint):
    m = mount(checkpoint)
    reader = subprocess.Popen(["sleep", "100"], cwd=m / "source")
    try:
        done = run("umount", m.path, check=False)
        assert done.returncode == 1 and f"{reader.pid} (sleep: its working directory)" in done.stderr
    finally:
        reader.kill()
        reader.wait()
    with open(m / FILE, "rb") as f:
        mapped = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    done = run("umount", m.path, check=False)
    assert done.returncode == 1 and f"{os.getpid()} (" in done.stderr, done.stderr
    mapped.close()
    run("umount", m.path)


def test_lifecycle__umount_from_inside(mount, checkpoint):
    m = mount(checkpoint)
    reader = subprocess.Popen(["sleep", "100"], cwd=m / "source")
    try:
        done = run("umount", "..", check=False, cwd=m / "source")
        assert done.returncode == 1 and f"{reader.pid} (sleep: its working directory)" in done.stderr
        assert "(weightfs" not in done.stderr
    finally:
        reader.kill()
        reader.wait()
    run("umount", "..", cwd=m / "source")
    assert not os.path.ismount(m.path)


def test_lifecycle__sigterm_when_idle_unmounts(mount, checkpoint):
    for sig in (signal.SIGTERM, signal.SIGINT):
        m = mount(checkpoint)
        pid = server_of(m.path)
        kill(pid, sig)
        wait_until(lambda: not is_alive(pid), what="the server's end")
        assert not m.path.exists()


def test_lifecycle__sigterm_when_busy_serves_to_the_last_close(mount, checkpoint):
    m = mount(checkpoint)
    pid = server_of(m.path)
    wanted = checkpoint.read_bytes()
    with open(m / FILE, "rb", buffering=0) as f:
        kill(pid, signal.SIGTERM)
        wait_until(lambda: not m.path.exists(), what="detaching")
        time.sleep(0.2)
        assert is_alive(pid)
        got = b"".join(os.pread(f.fileno(), 4096, off) for off in range(0, len(wanted), 4096))
        assert got == wanted
        again = mount(checkpoint)  # its place is free meanwhile
        assert (again / FILE).read_bytes() == wanted
    wait_until(lambda: not is_alive(pid), what="the server's end")
    assert (again / FILE).read_bytes() == wanted


def test_lifecycle__mapped_file_survives_sigterm(mount, checkpoint):
    m = mount(checkpoint)
    pid = server_of(m.path)
    with open(m / FILE, "rb") as f:
        mapped = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    kill(pid, signal.SIGTERM)
    wait_until(lambda: not os.path.ismount(m.path), what="detaching")
    assert bytes(mapped) == checkpoint.read_bytes()
    mapped.close()
    wait_until(lambda: not is_alive(pid), what="the server's end")


def test_lifecycle__second_sigterm_aborts(mount, checkpoint):
    m = mount(checkpoint, "-o", "noxattr")
    pid = server_of(m.path)
    with open(m / "flax/model.safetensors", "rb", buffering=0) as f:
        kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.ismount(m.path), what="detaching")
        kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_alive(pid), what="the abort")
        with pytest.raises(OSError):
            os.pread(f.fileno(), 4096, 8192)
    assert not m.path.exists()


def test_lifecycle__umount_with_a_mount_inside(mount, checkpoint):
    m = mount(checkpoint)
    subprocess.run(["mount", "-t", "tmpfs", "none", m / "source"], check=True)
    try:
        done = run("umount", m.path, check=False)
        assert done.returncode == 1 and str(m / "source") in done.stderr
    finally:
        subprocess.run(["umount", m / "source"], check=True)


def test_lifecycle__umount_where_it_is_bound_elsewhere(mount, checkpoint, tmp_path):
    m = mount(checkpoint)
    pid = server_of(m.path)
    other = tmp_path / "bound"
    other.mkdir()
    subprocess.run(["mount", "--bind", m.path, other], check=True)
    try:
        done = run("umount", m.path)
        assert "still mounted" in done.stderr
        assert (other / FILE).read_bytes() == checkpoint.read_bytes()
    finally:
        subprocess.run(["umount", other], check=True)
    wait_until(lambda: not is_alive(pid), what="the server's end")


def test_lifecycle__reads_during_unmount(mount, checkpoint):
    """Readers that come and go while SIGTERM arrives see right bytes or no file, never an error."""
    script = ("import sys\n"
              "wanted = open(sys.argv[2], 'rb').read()\n"
              "while True:\n"
              "    try: f = open(sys.argv[1], 'rb', buffering=0)\n"
              "    except FileNotFoundError: break\n"
              "    got = b''\n"
              "    while True:\n"
              "        part = f.read(30000)\n"
              "        if not part: break\n"
              "        got += part\n"
              "    f.close()\n"
              "    assert got == wanted\n")
    m = mount(checkpoint)
    pid = server_of(m.path)
    readers = [subprocess.Popen([sys.executable, "-c", script, m / FILE, checkpoint]) for _ in range(4)]
    time.sleep(0.5)
    kill(pid, signal.SIGTERM)
    assert [r.wait(HANG_S) for r in readers] == [0] * 4
    wait_until(lambda: not is_alive(pid), what="the server's end")


def test_lifecycle__killed_reader_leaves_the_mount_well(mount, checkpoint):
    m = mount(checkpoint)
    for _ in range(10):
        reader = subprocess.Popen(["sh", "-c", f"while :; do cat {m}/flax/model.safetensors; done"],
                                  stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.02)
        os.killpg(reader.pid, signal.SIGKILL)
        reader.wait()
    assert (m / FILE).read_bytes() == checkpoint.read_bytes()


def test_lifecycle__user_without_root(checkpoint, tmp_path):
    """An ordinary user mounts through fusermount3, reads, is told who is busy, and unmounts."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    if not os.access("/usr/bin/fusermount3", os.X_OK):
        pytest.skip("no fusermount3")
    home = pathlib.Path(sh("mktemp -d /var/tmp/weightfs-test-XXXXXX").decode().strip())
    try:
        sh(f"cp {checkpoint} {home}/m.safetensors && cp {BIN} {home}/weightfs && chmod -R a+rX {home} && "
           f"chown -R nobody {home} && chmod u+w {home}")
        user = dict(user="nobody", env={"HOME": str(home), "PATH": os.environ["PATH"]})
        if os.stat("/dev/fuse").st_mode & 0o006 != 0o006:
            pytest.skip("/dev/fuse is for root alone here")
        sh(f"cd {home} && ./weightfs mount m.safetensors m -o log=log", **user)
        try:
            assert sh(f"cat {home}/m/{FILE}", **user) == checkpoint.read_bytes()
            log = (home / "log").read_text()
            assert "read-ahead stays at" in log
        finally:
            sh(f"cd {home} && ./weightfs umount m", **user)
        assert not (home / "m").exists()
    finally:
        sh(f"rm -rf {home}")


def test_lifecycle__strict_is_1_and_leaves_nothing(checkpoint, tmp_path):
    """A view with problems mounts with a warning; --strict refuses instead."""
    template = tmp_path / "t.json"
    template.write_text('{"encoder.none.kernel": [3, 2]}')
    args = ("--view", "flax", "--template", template, checkpoint, tmp_path / "m")
    done = run("mount", "--strict", *args, check=False)
    assert done.returncode == 1 and "missing" in done.stderr and "strict" in done.stderr
    assert not (tmp_path / "m").exists()
    done = run("mount", *args)
    try:
        assert "missing" in done.stderr
        assert "encoder.none.kernel" in (tmp_path / "m/info/report.txt").read_text()
    finally:
        run("umount", tmp_path / "m")


def test_lifecycle__a_server_that_dies_early_is_3(mount, checkpoint, tmp_path):
    """The child is killed before it is ready: an internal error, with the signal's number."""
    asked = mount(checkpoint)
    server = server_of(asked.path)
    os.kill(server, signal.SIGSTOP)  # opening a file of its mount waits
    # A thread that has not stopped yet may take the request, and who waits for its answer cannot be killed.
    wait_until(lambda: all(task.read_text().rsplit(")", 1)[1].split()[0] == "T"
                           for task in pathlib.Path(f"/proc/{server}/task").glob("*/stat")), what="the stop")
    try:
        p = subprocess.Popen([BIN, "mount", asked / FILE, tmp_path / "m"], stderr=subprocess.PIPE, text=True)
        children = pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children")
        wait_until(lambda: children.read_text().strip(), what="the fork")
        os.kill(int(children.read_text()), signal.SIGKILL)
        assert p.wait(HANG_S) == 3
        assert "signal 9" in p.stderr.read()
        p.stderr.close()
    finally:
        os.kill(server, signal.SIGCONT)
    assert not (tmp_path / "m").exists()
