"""The library as it is installed: programs in C and C++ find it by pkg-config, see weightfs.h and
nothing else, and read the bytes that the program itself reads."""
import os
import pathlib
import re
import subprocess
import textwrap

import numpy as np
import pytest

from conftest import BIN, ROOT, require, run
from helpers import write_safetensors

BUILD = pathlib.Path(BIN).resolve().parent
HEADER = ROOT / "include" / "weightfs.h"
API = ROOT / "tests" / "api"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SANITIZED = {"asan": ["-fsanitize=address,undefined"], "tsan": ["-fsanitize=thread"]}.get(
    os.environ.get("WEIGHTFS_SANITIZED"), [])


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that `meson install` filled."""
    if not (BUILD / "build.ninja").exists():
        pytest.skip(f"{BUILD} is no build folder")
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder], check=True)
    return folder


def one(folder, pattern):
    found = list(folder.rglob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


def pkg_config(installed, *args):
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(installed),
           "PKG_CONFIG_LIBDIR": str(one(installed, "weightfs.pc").parent)}
    return subprocess.run(["pkg-config", *args, "weightfs"], env=env, check=True, capture_output=True,
                          text=True).stdout.split()


def build(installed, compiler, source, program, *flags):
    """A function that runs the program, built as a user of the library builds it."""
    subprocess.run([require(compiler), *flags, *WARNINGS, *SANITIZED, *pkg_config(installed, "--cflags"), source,
                    "-o", program, *pkg_config(installed, "--libs")], check=True)
    env = {**os.environ, "LD_LIBRARY_PATH": str(one(installed, "libweightfs.so.0").parent)}

    def call(*args, check=True):
        done = subprocess.run([program, *map(str, args)], env=env, capture_output=True)
        assert not check or done.returncode == 0, done.stderr
        return done
    return call


@pytest.fixture
def checkpoint(tmp_path):
    rng = np.random.default_rng(7)
    return write_safetensors(tmp_path / "m.safetensors", {
        "encoder.layer.0.output.dense.weight": rng.standard_normal((4, 6)).astype("f4"),
        "encoder.layer.0.output.dense.bias": rng.standard_normal(4).astype("f4")})


def test_api__the_example_prints_a_table(installed, checkpoint, tmp_path):
    example = build(installed, "cc", API / "example.c", tmp_path / "example", "-std=c99")
    assert example(checkpoint).stdout.decode() == (
        "encoder.layer.0.output.dense.bias\tfloat32\t(4)\t16 bytes\t\n"
        "encoder.layer.0.output.dense.weight\tfloat32\t(4, 6)\t96 bytes\t\n")
    assert "dense.kernel\tfloat32\t(6, 4)\t96 bytes\ttranspose\n" in example(checkpoint, "view=flax").stdout.decode()
    done = example(tmp_path / "none", check=False)
    assert done.returncode == 1 and b"none" in done.stderr
    done = example(checkpoint, "view=flax", "x=1", check=False)
    assert done.returncode == 1 and b"x=1: no such option" in done.stderr


def test_api__readme_shows_the_example():
    shown = re.search(r"<!-- example.c -->\n```c\n(.*?)```\n", (ROOT / "README.md").read_text(), re.S).group(1)
    assert textwrap.indent(shown, "    ") in (API / "example.c").read_text()


@pytest.mark.parametrize("standard", ["-std=c++11", "-std=c++20"])
def test_api__a_program_in_cpp_reads_what_cat_reads(installed, checkpoint, tmp_path, standard):
    cat = build(installed, "c++", API / "cat.cc", tmp_path / "cat", standard)
    for path in ("source/model.safetensors", "flax/flax_model.msgpack", "source/tensors.npz",
                 "flax/tensors/encoder/layer/0/output/dense/kernel.npy", "info/tensors.tsv"):
        want = run("cat", checkpoint, "--view", "flax", path, text=False).stdout
        assert cat(checkpoint, path, "view=flax").stdout == want and want, path
    done = cat(checkpoint, "source/none", check=False)
    assert done.returncode == 1 and b"there is no 'none'" in done.stderr


def test_api__the_library_exports_the_header_alone(installed):
    if SANITIZED:
        pytest.skip("sanitizers add symbols of their own")
    library = one(installed, "libweightfs.so.0")
    lines = subprocess.run([require("nm"), "-D", "--defined-only", library], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    declared = re.findall(r"^WFS_API [^(]*?(\w+)\(", HEADER.read_text(), re.M)
    assert len(declared) > 10
    assert sorted(line.split()[-1] for line in lines) == sorted(declared)
    dynamic = subprocess.run([require("readelf"), "-d", library], check=True, capture_output=True, text=True).stdout
    assert "soname: [libweightfs.so.0]" in dynamic
    assert "fuse" not in dynamic


@pytest.mark.parametrize("compiler,flags", [("cc", ["-x", "c", "-std=c99"]), ("cc", ["-x", "c", "-std=c17"]),
                                            ("c++", ["-x", "c++", "-std=c++98", "-Wno-long-long"]),
                                            ("c++", ["-x", "c++", "-std=c++20"])])
def test_api__the_header_stands_alone(compiler, flags):
    subprocess.run([require(compiler), *flags, *WARNINGS, "-fsyntax-only", "-"], check=True, text=True,
                   input=f'#include "{HEADER}"\n#include "{HEADER}"\n')
