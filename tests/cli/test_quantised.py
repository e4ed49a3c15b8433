"""torch's own quantised tensors: scale and zero point are read, shown and compared."""
import json
import os
import pathlib
import struct
import sys

import pytest

from conftest import run

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from make_hostile_torch import (FLOATS, dict_of, integer, name, numbers, program, storage, tensor,  # noqa: E402
                                text, torch_zip, tuple_of)


def real(x):
    return b"G" + struct.pack(">d", x)


def quantised(quantizer, kind="QInt8Storage", size=(4,), stride=(1,), numel=4):
    return (name("torch._utils", "_rebuild_qtensor")
            + tuple_of(storage("q", numel, kind), integer(0), numbers(size), numbers(stride), quantizer, b"\x89",
                       name("collections", "OrderedDict") + b")R") + b"R")


def per_tensor(scale, zero_point, **kwargs):
    return quantised(tuple_of(name("torch", "per_tensor_affine"), real(scale), integer(zero_point)), **kwargs)


def per_channel(axis=0, **kwargs):
    return quantised(tuple_of(name("torch", "per_channel_affine"), tensor("s", 2, size=(2,), kind="DoubleStorage"),
                              tensor("z", 2, size=(2,), kind="LongStorage"), integer(axis)),
                     size=(2, 2), stride=(2, 1), **kwargs)


Q = bytes([256 - 50, 0, 50, 100])  # as int8: -50, 0, 50, 100


def save(path, body, data=Q, scales=(1., 2.), zeros=(0, 1)):
    records = {"data/q": data, "data/s": struct.pack("<2d", *scales), "data/z": struct.pack("<2q", *zeros),
               "data/0": FLOATS}
    path.write_bytes(torch_zip(program(dict_of(w=body, b=tensor("0"))), records))
    return path


def diff(a, b, *args):
    done = run("diff", "--json", *args, a, b, check=False)
    return done.returncode, {(e["a"] or e["b"])["name"]: e for e in json.loads(done.stdout)}


CHANGED = {
    "scale": (per_tensor(.02, 0), per_tensor(.06, 0), 3, 100 * .04),
    "zero point": (per_tensor(.5, 0), per_tensor(.5, 3), 4, 1.5),
    "both": (per_tensor(1, 0), per_tensor(2, 50), 3, 150),
    "unsigned": (per_tensor(.02, 0, kind="QUInt8Storage"), per_tensor(.06, 0, kind="QUInt8Storage"), 3, 206 * .04),
    "32 bits": (per_tensor(.5, 0, kind="QInt32Storage", size=(1,), numel=1),
                per_tensor(.25, 0, kind="QInt32Storage", size=(1,), numel=1), 1,
                .25 * struct.unpack("<i", Q)[0]),
}


@pytest.mark.parametrize("case", CHANGED)
def test_diff__same_integers_of_other_scales_are_changed(tmp_path, case):
    one, other, n, max_abs = CHANGED[case]
    a, b = save(tmp_path / "a.pt", one), save(tmp_path / "b.pt", other)
    status, entries = diff(a, b)
    assert status == 1 and entries["w"]["status"] == "changed" and entries["b"]["status"] == "same"
    assert entries["w"]["n_different"] == n and entries["w"]["max_abs"] == pytest.approx(max_abs)
    assert "against per_tensor_affine(scale=" in run("diff", a, b, check=False).stdout
    assert diff(a, a)[0] == 0
    done = run("check", a, "--against", b, check=False)
    assert done.returncode == 1 and "dtype-mismatch" in done.stdout and "per_tensor_affine" in done.stdout
    assert run("check", a, "--against", a, check=False).returncode == 0


@pytest.mark.parametrize("scales, zeros, n, max_abs", [((1, 3), (0, 1), 2, 99), ((1, 2), (0, 5), 2, 8),
                                                     ((3, 2), (0, 1), 1, 100)])
def test_diff__per_channel(tmp_path, scales, zeros, n, max_abs):
    a = save(tmp_path / "a.pt", per_channel())
    b = save(tmp_path / "b.pt", per_channel(), scales=scales, zeros=zeros)
    status, entries = diff(a, b)
    assert status == 1 and entries["w"]["status"] == "changed"
    assert entries["w"]["n_different"] == n and entries["w"]["max_abs"] == max_abs
    status, entries = diff(a, b, "--name", "w")  # the scales are compared though no row shows them
    assert status == 1 and list(entries) == ["w"] and entries["w"]["status"] == "changed"


def test_diff__the_axis_counts(tmp_path):
    a, b = save(tmp_path / "a.pt", per_channel(0)), save(tmp_path / "b.pt", per_channel(1))
    status, entries = diff(a, b)
    assert status == 1 and entries["w"]["status"] == "changed"
    # rows [-50, 0], [2 (50-1), 2 (100-1)] against columns [-50, 2 (0-1)], [50, 2 (100-1)]
    assert entries["w"]["n_different"] == 2 and entries["w"]["max_abs"] == 48


def test_diff__other_integers_of_the_same_values(tmp_path):
    a = save(tmp_path / "a.pt", per_tensor(1, 0), data=bytes([2, 4, 6, 8]))
    b = save(tmp_path / "b.pt", per_tensor(2, 0), data=bytes([1, 2, 3, 4]))
    status, entries = diff(a, b)
    assert status == 1 and entries["w"]["n_different"] == 0
    assert "the values are equal" in run("diff", a, b, check=False).stdout


def test_diff__a_renamed_one_keeps_its_scale(tmp_path):
    def one(key, scale):
        path = tmp_path / f"{key}{scale}.pt"
        path.write_bytes(torch_zip(program(b"}(" + text(key) + per_tensor(scale, 0) + b"u"), {"data/q": Q}))
        return path

    assert diff(one("x", 1), one("y", 1))[1]["x"]["status"] == "renamed"
    assert diff(one("x", 1), one("y", 3))[1]["x"]["status"] == "only-in-a"


def test_shown__in_tables_attribute_and_objects(tmp_path, mount):
    a = save(tmp_path / "a.pt", per_tensor(.5, -3))
    want = "per_tensor_affine(scale=0.5, zero_point=-3)"
    assert [t.get("quantised") for t in json.loads(run("table", "--json", a).stdout)] == [None, want]
    assert want in run("table", a).stdout
    m = mount(a)
    rows = [line.split("\t") for line in (m / "info" / "tensors.tsv").read_text().splitlines()]
    assert rows[0][-1] == "quantised" and {r[0]: r[-1] for r in rows[1:]} == {"w": want, "b": ""}
    attributes = {name: os.getxattr(m / "source" / "tensors" / name, "user.weightfs.quantised").decode()
                  for name in os.listdir(m / "source" / "tensors") if name.startswith("w")}
    assert set(attributes.values()) == {want} and attributes
    path = tmp_path / "o.pt"
    path.write_bytes(torch_zip(program(dict_of(w=per_tensor(.5, -3), epoch=integer(3))), {"data/q": Q}))
    assert json.loads(run("cat", path, "info/objects.json").stdout)["w"] == {"$tensor": "w", "quantised": want}
