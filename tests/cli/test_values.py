"""What a view may do to values: weights whose scheme is not known keep their bytes, others show values."""
import json

import numpy as np
import pytest

from conftest import run
from helpers import write_safetensors


def plan(path, *args, view="flax"):
    report = json.loads(run("map", "--json", path, "--view", view, *args, check=False).stdout)
    return report, {t["target"]: t for t in report["targets"]}


# ---- 8-bit weights with a scale beside them, and no config.json --------------------------------

def fp8(*shape):
    return ("F8_E4M3", shape, bytes(range(56, 56 + int(np.prod(shape)))))


F32 = np.float32
SCALED = {
    "deepseek": {"layers.0.attn.wq.weight": fp8(2, 3), "layers.0.attn.wq.scale": np.ones((1, 1), F32)},
    "comfyui": {"blocks.0.mlp.fc1.weight": fp8(2, 3), "blocks.0.mlp.fc1.scale_weight": np.ones((), F32),
                "blocks.0.mlp.fc1.bias": np.ones(2, F32), "scaled_fp8": fp8(2)},
    "static input": {"h.1.fc.weight": fp8(2, 3), "h.1.fc.scale_input": np.ones((), F32)},
    "int8": {"h.1.fc.weight": np.ones((2, 3), np.int8), "h.1.fc.SCB": np.ones(2, F32)},
    "uint8": {"h.1.fc.weight": np.ones((2, 3), np.uint8), "h.1.fc.w_zero_point": np.ones(2, np.int32)},
    "modelopt": {"h.1.fc.weight": np.ones((2, 3), np.uint8),
                 "h.1.fc.weight_quantizer._scale": np.ones(2, F32)},
    "quanto": {"h.1.fc.weight._data": np.ones((2, 3), np.int8), "h.1.fc.weight._scale": np.ones((2, 1), F32)},
    "one axis": {"h.1.fc.weight": np.ones(6, np.uint8), "h.1.fc.scale": np.ones(2, F32)},
}


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("view", ["flax", "linen", "mlx", "nnx"])
def test_packed__a_scale_beside_8_bits_needs_no_config(tmp_path, name, view):
    plain = {"h.0.plain.weight": np.arange(6, dtype=F32).reshape(2, 3)}
    path = write_safetensors(tmp_path / "model.safetensors", SCALED[name] | plain)
    report, targets = plan(path, "-o", "dtype=float32", "-o", "packed", view=view)
    for tensor in SCALED[name]:
        if tensor == "scaled_fp8":
            continue
        sep = "/" if any("/" in t for t in targets) else "."
        target = targets[tensor.replace(".", sep)]
        assert target["status"] == "packed" and target["operations"] == "", tensor
    assert not report["clean"]
    assert not any(t["status"] == "packed" for t in report["targets"] if "plain" in t["target"])


KNOWN = {"comfyui": "blocks.0.mlp.fc1", "int8": "h.1.fc", "quanto": "h.1.fc"}


@pytest.mark.parametrize("name", SCALED)
def test_packed__schemes_that_are_known_show_values(tmp_path, name):
    path = write_safetensors(tmp_path / "model.safetensors", SCALED[name])
    report, targets = plan(path, view="dequantized")
    packed = [t for t in targets.values() if t["status"] == "packed"]
    if name in KNOWN:
        target = targets[KNOWN[name] + ".weight"]
        assert target["status"] == "mapped" and target["operations"].startswith("dequantize(")
        assert len(target["sources"]) == 2
        assert not packed and "scaled_fp8" not in targets
    else:
        assert len(packed) == len(SCALED[name]) and not report["clean"]


@pytest.mark.parametrize("tensors", [
    {"h.0.fc.weight": fp8(2, 3), "h.0.fc.bias": np.ones(2, F32)},           # 8 bits and nothing else: plain
    {"h.0.norm.scale": np.ones(3, F32), "h.0.norm.bias": np.ones(3, F32)},  # a norm's scale
    {"h.0.fc.weight": fp8(2, 3), "h.0.norm.scale": np.ones(3, F32)},        # another module's scale
    {"h.0.fc.weight": np.ones((2, 3), F32), "logit_scale": np.ones((), F32), "mask": np.ones(2, bool)},
])
def test_packed__what_is_plain_stays_mapped(tmp_path, tensors):
    path = write_safetensors(tmp_path / "model.safetensors", tensors)
    report, targets = plan(path)
    assert report["counts"]["packed"] == 0


def test_packed__the_bytes_are_the_file_s(tmp_path):
    path = write_safetensors(tmp_path / "model.safetensors", SCALED["deepseek"])
    options = ("--view", "flax", "-o", "dtype=float32", "-o", "format=raw", "-o", "packed")
    name = "flax/tensors/layers/0/attn/wq/weight.float8_e4m3fn.raw"
    done = run("cat", path, name, *options, text=False)
    assert done.stdout == bytes(range(56, 62))


# ---- casts to a type of smaller range ----------------------------------------------------------

BIG = np.array([[1e5, -1e5, 1], [1e-9, 65504, 65519]], F32)  # in float16: inf -inf 1 0 65504 65504
FITS = np.array([[65504, -2, 1], [1e-9, 0, 3]], F32)


def bf16(array):
    raw = (np.asarray(array, F32).view(np.uint32) >> 16).astype("<u2")
    return ("BF16", raw.shape, raw.tobytes())


def model(tmp_path, weight, name="h.0.fc.weight"):
    return write_safetensors(tmp_path / "model.safetensors", {name: weight, "h.0.fc.bias": np.ones(2, F32)})


def read_safetensors(path):
    raw = path.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:8 + n])
    kinds = {"F16": np.float16, "F32": np.float32}
    return {k: np.frombuffer(raw[8 + n:][slice(*v["data_offsets"])], kinds[v["dtype"]]).reshape(v["shape"])
            for k, v in head.items() if k != "__metadata__"}


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("weight", [FITS, BIG, bf16(FITS), FITS.astype(np.float64)], ids=["fits", "big", "bf16", "f64"])
@pytest.mark.parametrize("view", ["flax", "mlx", "linen"])
def test_narrow__is_a_problem_until_it_is_accepted(tmp_path, index, weight, view):
    path = model(tmp_path, weight)
    report, _ = plan(path, "-o", "dtype=float16", view=view)
    assert report["counts"]["narrowed"] == 2 and not report["clean"]
    assert "-o narrow" in next(e["text"] for e in report["report"] if e["status"] == "narrowed")
    done = run("ls", path, view, "--view", view, "-o", "dtype=float16")
    assert f"view {view}: 2 narrowed" in done.stderr
    assert run("ls", path, view, "--view", view, "--strict", "-o", "dtype=float16", check=False).returncode == 1
    report, _ = plan(path, "-o", "dtype=float16,narrow", view=view)
    assert report["counts"]["narrowed"] == 0 and report["counts"]["inexact"] == 2 and report["clean"]
    assert run("ls", path, view, "--view", view, "--strict", "-o", "dtype=float16,narrow").returncode == 0


@pytest.mark.parametrize("weight, dtype, status", [
    (FITS, "bfloat16", "inexact"), (BIG, "bfloat16", "inexact"),        # the same range, fewer digits
    (bf16(BIG), "float32", "dtype-changed"), (FITS.astype(np.float16), "float32", "dtype-changed"),
    (FITS.astype(np.float16), "bfloat16", "inexact"), (FITS.astype(np.float64), "float32", "narrowed"),
    (FITS.astype(np.float64), "bfloat16", "narrowed")])
def test_narrow__other_casts_are_as_before(tmp_path, index, weight, dtype, status):
    report, _ = plan(model(tmp_path, weight), "-o", f"dtype={dtype}")
    assert [e["status"] for e in report["report"] if e["subject"] == "h.0.fc.kernel"] == [status]


def test_narrow__the_index_s_statistics_prove_it(tmp_path, index):
    path = model(tmp_path, FITS)
    run("norms", path)
    report, _ = plan(path, "-o", "dtype=float16")
    assert report["counts"]["narrowed"] == 0 and report["counts"]["inexact"] == 2 and report["clean"]
    assert "statistics" in next(e["text"] for e in report["report"] if e["status"] == "inexact")
    out = tmp_path / "out.safetensors"
    assert run("export", path, out, "--view", "flax", "--strict", "-o", "dtype=float16").returncode == 0
    assert np.array_equal(read_safetensors(out)["h.0.fc.kernel"], FITS.T.astype(np.float16))
    assert run("map", path, "--view", "flax", "--strict", "-o", "dtype=float16").returncode == 0
    assert run("map", path, "--view", "flax", "-o", "dtype=float16,index=none", check=False).returncode == 1


@pytest.mark.parametrize("weight", [BIG, np.array([[1, np.inf], [2, 3]], F32), np.array([[1, -70000.]], F32)],
                         ids=["big", "inf", "minus"])
def test_narrow__statistics_that_prove_nothing(tmp_path, index, weight):
    path = model(tmp_path, weight)
    run("norms", path)
    report, _ = plan(path, "-o", "dtype=float16")
    assert [e["subject"] for e in report["report"] if e["status"] == "narrowed"] == ["h.0.fc.kernel"]


@pytest.mark.parametrize("weight, n", [(BIG, 2), (bf16(BIG), 2), (BIG.astype(np.float64) * 1e300, 6),
                                       (np.array([[65519.9, 65520, np.inf, np.nan]]), 1)],
                         ids=["f32", "bf16", "f64", "edge"])
def test_narrow__export_counts_what_overflows(tmp_path, index, weight, n):
    path, out = model(tmp_path, weight), tmp_path / "out.safetensors"
    for options in (["-o", "dtype=float16"], ["-o", "dtype=float16,narrow"],
                    ["-o", f"dtype=float16,cache=always,index={tmp_path}/i.db"]):
        done = run("export", path, out, "--view", "flax", *options, check=False)
        assert done.returncode == 1 and f"{n} finite elements became infinite" in done.stderr, done.stderr
        assert sum(np.isinf(a).sum() for a in read_safetensors(out).values()) >= n


def test_narrow__export_without_overflow_is_0(tmp_path, index):
    path, out = model(tmp_path, FITS), tmp_path / "out.safetensors"
    done = run("export", path, out, "--view", "flax", "-o", "dtype=float16")
    assert np.array_equal(read_safetensors(out)["h.0.fc.kernel"], FITS.T.astype(np.float16))
    assert "became infinite" not in done.stderr


def test_narrow__the_mount_counts_what_overflows(tmp_path, mount):
    m = mount(model(tmp_path, BIG), "--view", "flax", "-o", "dtype=float16")
    assert m.stats()["elements"] == {"overflowed": 0}
    kernel = np.load(next((m / "flax" / "tensors").rglob("kernel*.npy")))
    assert np.isinf(kernel).sum() == 2 and kernel[0, 1] == 0
    assert m.stats()["elements"]["overflowed"] >= 2


def test_narrow__strict_does_not_mount(tmp_path, mount):
    m = mount(model(tmp_path, BIG), "--view", "flax", "--strict", "-o", "dtype=float16", strict_exit=False)
    assert m.done.returncode == 1 and "2 narrowed" in m.done.stderr
