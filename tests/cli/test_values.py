"""What a view may do to values: 8-bit weights with a scale beside them keep their bytes."""
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
    report, targets = plan(path, "-o", "dtype=float32", view=view)
    for tensor in SCALED[name]:
        if tensor == "scaled_fp8":
            continue
        sep = "/" if any("/" in t for t in targets) else "."
        target = targets[tensor.replace(".", sep)]
        assert target["status"] == "packed" and target["operations"] == "", tensor
    assert not report["clean"]
    assert not any(t["status"] == "packed" for t in report["targets"] if "plain" in t["target"])


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
    options = ("--view", "flax", "-o", "dtype=float32", "-o", "format=raw")
    name = "flax/tensors/layers/0/attn/wq/weight.float8_e4m3fn.raw"
    done = run("cat", path, name, *options, text=False)
    assert done.stdout == bytes(range(56, 62))
