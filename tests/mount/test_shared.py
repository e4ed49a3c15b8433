"""A mount that others may use gives nobody what he could not read before: links, modes, umask=.

Root mounts, two other users look. Everything lies in a folder that all may search, since the
folders of pytest are closed to them.
"""
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import numpy as np
import pytest

from conftest import DATA, Mount, run
from helpers import small_bert, write_safetensors

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")

ROOT, ALICE, BOB = 0, 61234, 61235
SHADOW = pathlib.Path("/etc/shadow")


def as_user(uid, *command):
    return subprocess.run([str(c) for c in command], user=uid, group=uid, extra_groups=[],
                          capture_output=True, timeout=60)


def reads(uid, path):
    """Whether the user can read the file; what he reads is compared by the caller."""
    return as_user(uid, "cat", path).returncode == 0


def mode(path):
    return os.stat(path).st_mode & 0o777


@pytest.fixture
def place():
    base = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-shared-", dir="/tmp"))
    base.chmod(0o755)
    yield base
    subprocess.run(["umount", "-l", str(base / "mnt")], check=False, capture_output=True)
    shutil.rmtree(base)


@pytest.fixture
def shared(place, monkeypatch):
    """shared(source, *options) -> a mount, taken down at the end."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    mounts = []

    def make(source, options, **kwargs):
        made = Mount(source, place / "mnt", "--view", "source", "-o", options, **kwargs)
        mounts.append(made)
        return made

    yield make
    for m in mounts:
        m.umount()


def own(path, uid, bits=None):
    os.lchown(path, uid, uid)
    if bits is not None:
        path.chmod(bits)
    return path


def folder(path, uid, bits=0o755):
    path.mkdir(parents=True)
    return own(path, uid, bits)


def text(path, uid, bits=0o644, content="text"):
    path.write_text(content)
    return own(path, uid, bits)


def link(path, target, uid):
    path.symlink_to(target)
    return own(path, uid)


def checkpoint(path, uid, bits=0o644):
    """A folder with one safetensors file."""
    folder(path, uid)
    own(write_safetensors(path / "model.safetensors", small_bert(1)), uid, bits)
    return path


def report(m):
    return (m / "info/report.txt").read_text()


def refused(m, name):
    """The file is not there, and both stderr and the report say why."""
    line = f"{name}: not shown to others: a link of user"
    return not os.path.lexists(m / "source" / name) and line in m.done.stderr and line in report(m)


# ---- links ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", ["allow_other", f"uid={ALICE}", f"allow_other,uid={ALICE}",
                                     f"allow_other,uid={ALICE},umask=0"])
def test_shared__a_link_to_what_only_root_reads_is_not_shown(shared, place, options):
    source = checkpoint(place / "c", ALICE)
    link(source / "tokenizer.json", SHADOW, ALICE)
    link(source / "vocab.txt", "../../../../../../etc/shadow", ALICE)
    link(source / "notes", folder(place / "closed", ROOT, 0o700), ALICE)
    text(place / "closed/inner.txt", ROOT)
    link(source / "inner.txt", place / "closed/inner.txt", ALICE)
    m = shared(source, options)
    for name in ("tokenizer.json", "vocab.txt", "notes", "inner.txt"):
        assert refused(m, name), name
    assert not any(SHADOW.read_text() in p.read_text() for p in (m / "info").glob("*.txt"))


@pytest.mark.parametrize("options", ["allow_other", f"allow_other,uid={ALICE},gid={ALICE},umask=0",
                                     f"uid={ALICE}", "allow_other,umask=0"])
def test_shared__a_link_keeps_owner_and_mode_of_its_target(shared, place, options):
    """Root's own link: followed, and given to nobody."""
    source = checkpoint(place / "c", ROOT)
    link(source / "tokenizer.json", SHADOW, ROOT)
    store = folder(place / "store", BOB)
    text(store / "vocab.txt", BOB, 0o600)
    link(source / "vocab.txt", store / "vocab.txt", BOB)
    m = shared(source, options)
    shadow = os.stat(m / "source/tokenizer.json")
    assert (shadow.st_uid, shadow.st_gid) == (SHADOW.stat().st_uid, SHADOW.stat().st_gid)
    assert shadow.st_mode & 0o777 == mode(SHADOW) & 0o444
    assert os.stat(m / "source/vocab.txt").st_uid == BOB and mode(m / "source/vocab.txt") == 0o400
    for uid in (ALICE, BOB):
        assert not reads(uid, m / "source/tokenizer.json")
    assert not reads(ALICE, m / "source/vocab.txt")
    assert reads(BOB, m / "source/vocab.txt") == ("allow_other" in options)


def test_shared__what_everybody_reads_is_shown_through_any_link(shared, place):
    source = checkpoint(place / "c", ALICE)
    store = folder(place / "store", ROOT)
    text(store / "vocab.txt", ROOT)
    folder(store / "docs", ROOT)
    text(store / "docs/a.txt", ROOT)
    text(store / "docs/b.txt", ROOT, 0o600)
    link(source / "vocab.txt", store / "vocab.txt", ALICE)
    link(source / "docs", store / "docs", ALICE)
    m = shared(source, f"allow_other,uid={ALICE}")
    assert reads(BOB, m / "source/vocab.txt") and reads(BOB, m / "source/docs/a.txt")
    assert refused(m, "docs/b.txt")


def test_shared__one_owner_of_link_and_target(shared, place):
    """Every link on the way counts, not the first alone."""
    source = checkpoint(place / "c", ALICE)
    store = folder(place / "store", ALICE, 0o700)
    text(store / "vocab.txt", ALICE)
    link(source / "vocab.txt", store / "vocab.txt", ALICE)
    link(place / "middle", store / "vocab.txt", BOB)
    link(source / "merges.txt", place / "middle", ALICE)
    link(source / "roots.txt", text(store / "roots.txt", ROOT, 0o600), ALICE)
    m = shared(source, f"allow_other,uid={BOB}")
    assert os.stat(m / "source/vocab.txt").st_uid == ALICE
    assert reads(ALICE, m / "source/vocab.txt")
    assert refused(m, "merges.txt") and refused(m, "roots.txt")


def test_shared__links_inside_the_checkpoint_are_its_own(shared, place):
    source = checkpoint(place / "c", ALICE, 0o600)
    text(source / "a.txt", ALICE, 0o600)
    link(source / "b.txt", "a.txt", BOB)
    folder(source / "sub", ALICE)
    link(source / "sub/c.txt", place / "c/a.txt", ALICE)
    m = shared(source, f"uid={BOB},allow_other")
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        assert reads(BOB, m / "source" / name) and not reads(ALICE, m / "source" / name), name


def test_shared__links_in_the_name_of_the_source_are_the_users(shared, place):
    source = checkpoint(folder(place / "private", ALICE, 0o700) / "c", ALICE, 0o600)
    text(source / "a.txt", ALICE, 0o600)
    link(place / "by-name", place / "private/c", BOB)
    for named in (place / "by-name", f"{place}/by-name/", f"{place}/by-name//model.safetensors"):
        m = shared(named, f"allow_other,uid={BOB}")
        assert reads(BOB, m / "source/model.safetensors")
        assert reads(BOB, m / "source/a.txt") or "model" in str(named)
        m.umount()


def hub(place, uid_of_links):
    repository = place / "hub/models--org--bert"
    folder(repository / "snapshots/0123", uid_of_links)
    folder(repository / "blobs", ALICE)
    own(write_safetensors(repository / "blobs/aa", small_bert(1)), ALICE, 0o600)
    text(repository / "blobs/bb", ALICE, 0o600, "{}")
    for name, blob in (("model.safetensors", "aa"), ("config.json", "bb")):
        link(repository / "snapshots/0123" / name, f"../../blobs/{blob}", uid_of_links)
    return repository


def test_shared__snapshots_and_blobs_of_one_repository(shared, place):
    repository = hub(place, BOB)
    link(repository / "blobs/cc", SHADOW, ALICE)
    other = folder(place / "hub/models--org--other/blobs", ALICE)
    text(other / "dd", ALICE, 0o600)
    link(repository / "snapshots/0123/merges.txt", "../../blobs/cc", BOB)
    link(repository / "snapshots/0123/vocab.txt", "../../../models--org--other/blobs/dd", BOB)
    m = shared(repository / "snapshots/0123", f"allow_other,uid={BOB}")
    assert reads(BOB, m / "source/config.json") and reads(BOB, m / "source/model.safetensors")
    assert refused(m, "merges.txt") and refused(m, "vocab.txt")


def test_shared__one_file_of_a_snapshot(shared, place):
    repository = hub(place, BOB)
    m = shared(repository / "snapshots/0123/model.safetensors", f"allow_other,uid={BOB}")
    assert reads(BOB, m / "source/config.json") and reads(BOB, m / "source/model.safetensors")


def test_shared__weights_behind_a_link_of_another_owner(place):
    secret = folder(place / "secret", ROOT, 0o700)
    weights = write_safetensors(secret / "model.safetensors", small_bert(1))
    folder(place / "c", ALICE)
    link(place / "c/model.safetensors", weights, ALICE)
    for source in (place / "c", place / "c/model.safetensors"):
        m = Mount(source, place / "mnt", "-o", f"allow_other,uid={ALICE}", strict_exit=False)
        assert m.done.returncode == 2 and not os.path.ismount(m.path)
        assert f"a link of user {ALICE} to {weights} of user 0" in m.done.stderr


def test_shared__a_shard_behind_a_link_of_another_owner(place):
    source = place / "c"
    shutil.copytree(DATA / "bert-sharded", source)
    for path in (source, *source.rglob("*")):
        os.chown(path, ALICE, ALICE)
    shard = source / "model-00002-of-00003.safetensors"
    secret = folder(place / "secret", ROOT, 0o700) / "shard"
    shard.rename(secret)
    os.chown(secret, ROOT, ROOT)
    link(shard, secret, ALICE)
    m = Mount(source, place / "mnt", "-o", f"uid={ALICE}", strict_exit=False)
    assert m.done.returncode == 2 and not os.path.ismount(m.path)
    assert f"{shard.name}: a link of user {ALICE} to {secret} of user 0" in m.done.stderr


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "config.json"])
def test_shared__no_text_of_a_linked_file_is_quoted(place, name):
    source = folder(place / "c", ALICE)
    if name == "config.json":
        checkpoint(place / "d", ALICE)
        source = place / "d"
    link(source / name, SHADOW, ALICE)
    m = Mount(source, place / "mnt", "-o", "allow_other", strict_exit=False)
    try:
        said = m.done.stderr + (report(m) if m.done.returncode == 0 else "")
    finally:
        m.umount()
    assert "which not everybody may read" in said and "root:" not in said


def test_shared__weights_that_everybody_reads_are_served_through_any_link(shared, place):
    store = checkpoint(place / "store", ROOT)
    folder(place / "c", ALICE)
    link(place / "c/model.safetensors", store / "model.safetensors", ALICE)
    m = shared(place / "c", f"allow_other,uid={ALICE}")
    assert reads(BOB, m / "source/model.safetensors")


def test_shared__who_mounts_for_himself_follows_his_links(shared, place):
    source = checkpoint(place / "c", ALICE)
    secret = folder(place / "secret", ROOT, 0o700)
    text(secret / "vocab.txt", ROOT, 0o600, "mine")
    link(source / "vocab.txt", secret / "vocab.txt", ALICE)
    m = shared(source, "noatime")
    assert (m / "source/vocab.txt").read_text() == "mine"
    assert m.done.stderr == ""


def test_shared__a_linked_file_that_changes_its_mode_is_closed(shared, place):
    source = checkpoint(place / "c", ALICE)
    store = folder(place / "store", ROOT)
    target = text(store / "vocab.txt", ROOT)
    link(source / "vocab.txt", target, ALICE)
    m = shared(source, "allow_other")
    assert reads(BOB, m / "source/vocab.txt")
    target.chmod(0o600)
    assert not reads(BOB, m / "source/vocab.txt")


def test_shared__the_tree_without_a_mount_is_the_same(place):
    source = checkpoint(place / "c", ALICE)
    link(source / "tokenizer.json", SHADOW, ALICE)
    done = run("ls", source, "source", "--view", "source", "-o", f"allow_other,uid={ALICE}")
    assert "tokenizer.json" not in done.stdout and "not shown to others" in done.stderr
    assert "tokenizer.json" in run("ls", source, "source", "--view", "source").stdout


# ---- modes ----------------------------------------------------------------------------------------

def acl(path, *entries):
    """Sets an access control list: (tag, permissions, id)."""
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", value)
    except OSError as error:
        pytest.skip(f"{path}: no access control lists: {error}")


NOBODY_IN_PARTICULAR = 0xFFFFFFFF


def closed_to(uid):
    """rw-r--r--, but nothing for one user."""
    return [(0x01, 6, NOBODY_IN_PARTICULAR), (0x02, 0, uid), (0x04, 4, NOBODY_IN_PARTICULAR),
            (0x10, 4, NOBODY_IN_PARTICULAR), (0x20, 4, NOBODY_IN_PARTICULAR)]


def warned(m, path, text):
    line = f"{path}: {text}"
    return m.done.stderr.count(line) == 1 and line in report(m)


def test_shared__a_closed_directory_above_closes_it_to_others(shared, place):
    source = checkpoint(place / "home/c", ALICE)
    text(source / "config.json", ALICE)
    folder(source / "inner", ALICE, 0o700)
    text(source / "inner/notes.txt", ALICE)
    (place / "home").chmod(0o700)
    own(place / "home", ALICE)
    m = shared(source, "allow_other")
    assert warned(m, place / "home", "others may not search it")
    assert warned(m, place / "home", "a file's group may not search it")
    for name in ("model.safetensors", "config.json", "inner/notes.txt"):
        assert not reads(BOB, m / "source" / name) and reads(ALICE, m / "source" / name), name
        assert mode(m / "source" / name) & 0o007 == 0


def test_shared__a_closed_directory_inside_closes_what_is_in_it(shared, place):
    source = checkpoint(place / "c", ALICE)
    folder(source / "inner", ALICE, 0o700)
    text(source / "inner/notes.txt", ALICE)
    m = shared(source, "allow_other")
    assert reads(BOB, m / "source/model.safetensors")
    assert not reads(BOB, m / "source/inner/notes.txt") and reads(ALICE, m / "source/inner/notes.txt")
    assert warned(m, source / "inner", "others may not search it")


@pytest.mark.parametrize("bits, group, shown", [
    (0o750, ALICE, 0o440),   # the file's group searches it, others do not
    (0o750, BOB, 0o400),     # a group that is not the file's
    (0o701, ALICE, 0o404),   # everybody but the file's group
    (0o711, BOB, 0o444),
    (0o755, ROOT, 0o444),
])
def test_shared__a_directory_denies_the_group(shared, place, bits, group, shown):
    source = checkpoint(place / "home/c", ALICE)
    os.chown(place / "home", ALICE, group)
    (place / "home").chmod(bits)
    m = shared(source, "allow_other")
    assert mode(m / "source/model.safetensors") == shown
    assert bool(m.done.stderr) == (shown != 0o444)
    assert warned(m, place / "home", "a file's group may not search it") == (not shown & 0o040)


def test_shared__two_owners_under_one_closed_directory(shared, place):
    """One mode for all weights: who owns the first file does not own the second."""
    source = folder(place / "home/c", ROOT)
    for i, uid in ((1, ALICE), (2, BOB)):
        name = f"model-0000{i}-of-00002.safetensors"
        own(write_safetensors(source / name, {f"t{i}": np.ones(3, np.float32)}), uid, 0o644)
    (place / "home").chmod(0o700)
    m = shared(source, "allow_other")
    assert mode(m / "source/model.safetensors") == 0
    assert not reads(ALICE, m / "source/model.safetensors")


@pytest.mark.parametrize("where", ["c/model.safetensors", "c", "home"])
def test_shared__an_access_control_list_leaves_the_owner(shared, place, where):
    source = checkpoint(place / "home/c", ALICE)
    denied = place / "home" if where == "home" else place / "home" / where
    denied.chmod(0o755 if denied.is_dir() else 0o644)
    entries = closed_to(BOB)
    acl(denied, *[(tag, p | (denied.is_dir() and p and 1), i) for tag, p, i in entries])
    assert not reads(BOB, source / "model.safetensors")
    m = shared(source, "allow_other")
    assert warned(m, denied, "it has an access control list")
    assert mode(m / "source/model.safetensors") == 0o400
    assert not reads(BOB, m / "source/model.safetensors") and reads(ALICE, m / "source/model.safetensors")


def test_shared__a_list_that_says_what_the_mode_says(shared, place):
    source = checkpoint(place / "c", ALICE)
    acl(source / "model.safetensors", (0x01, 6, NOBODY_IN_PARTICULAR), (0x04, 4, NOBODY_IN_PARTICULAR),
        (0x20, 4, NOBODY_IN_PARTICULAR))
    m = shared(source, "allow_other")
    assert m.done.stderr == "" and reads(BOB, m / "source/model.safetensors")


def test_shared__modes_alone_count_for_oneself(shared, place):
    source = checkpoint(place / "home/c", ALICE)
    (place / "home").chmod(0o700)
    m = shared(source, "noatime")
    assert m.done.stderr == "" and mode(m / "source/model.safetensors") == 0o444


# ---- umask= and mode= -----------------------------------------------------------------------------

def private(place):
    """As save_pretrained leaves it, in a folder of one's own; one file of it lies elsewhere."""
    source = checkpoint(place / "home/c", ALICE, 0o600)
    text(source / "config.json", ALICE, 0o600, "{}")
    folder(source / "sub", ALICE, 0o700)
    text(source / "sub/notes.txt", ALICE, 0o600)
    text(folder(place / "store", ALICE) / "vocab.txt", ALICE, 0o600)
    link(source / "vocab.txt", place / "store/vocab.txt", ALICE)
    own(place / "home", ALICE, 0o700)
    return source


@pytest.mark.parametrize("options, shown, directories", [
    ("umask=022", 0o444, 0o555),
    ("umask=0", 0o444, 0o555),
    ("umask=027", 0o440, 0o550),
    ("umask=077", 0o400, 0o500),
    ("mode=0444", 0o444, 0o555),
    ("mode=640", 0o440, 0o550),
    ("mode=0404", 0o404, 0o505),
    ("mode=0444,umask=07", 0o440, 0o550),
])
def test_shared__umask_and_mode_are_the_users_word(shared, place, options, shown, directories):
    m = shared(private(place), f"allow_other,{options}")
    assert m.done.stderr == ""
    for name in ("model.safetensors", "config.json", "sub/notes.txt"):
        assert mode(m / "source" / name) == shown, name
        assert reads(BOB, m / "source" / name) == bool(shown & 0o004), name
        assert reads(ALICE, m / "source" / name), name
    assert mode(m / "source/sub") == mode(m.path) == directories
    assert mode(m / "source/vocab.txt") == 0o400 & shown  # outside of the checkpoint
    assert not reads(BOB, m / "source/vocab.txt")


def test_shared__umask_speaks_for_a_file_with_a_list(shared, place):
    source = checkpoint(place / "c", ALICE)
    acl(source / "model.safetensors", *closed_to(BOB))
    m = shared(source, "allow_other,umask=022")
    assert m.done.stderr == "" and reads(BOB, m / "source/model.safetensors")


def test_shared__letting_others_in_to_see_nothing_is_said(shared, place):
    source = checkpoint(place / "c", ALICE, 0o600)
    text(source / "config.json", ALICE)  # others may read it in the source
    m = shared(source, "allow_other")
    assert warned(m, "model.safetensors", "others may not read it (its mode is 0600)")
    assert not reads(BOB, m / "source/config.json") and not reads(BOB, m / "source/model.safetensors")
    assert reads(ALICE, m / "source/config.json")


def test_shared__what_others_read_is_said_to_nobody(shared, place):
    source = checkpoint(place / "c", ALICE)
    text(source / "private.txt", ALICE, 0o600)
    m = shared(source, "allow_other")
    assert m.done.stderr == ""
    assert reads(BOB, m / "source/model.safetensors") and not reads(BOB, m / "source/private.txt")


@pytest.mark.parametrize("option", ["mode=888", "mode=", "mode=1444", "mode=-1", "mode=rw"])
def test_shared__what_is_no_mode_is_refused(place, option):
    source = checkpoint(place / "c", ALICE)
    done = run("ls", source, "-o", option, check=False)
    assert done.returncode == 2 and "mode" in done.stderr
