"""What README.md says is run: every line of its table of loaders, and its rule file."""
import os
import re

import numpy as np
import pytest
import torch
import transformers

from conftest import DATA, ROOT, run
from helpers import write_safetensors

README = (ROOT / "README.md").read_text()


def section(name):
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.S).group(1)


CALLS = re.findall(r"^\| ([^|]+) \| `(.+)` \|$", section("loaders"), re.M)


@pytest.fixture(scope="module")
def names():
    import mlx.core as mx
    from flax.serialization import msgpack_restore
    from safetensors import safe_open
    from safetensors.flax import load_file as load_file_flax
    return {"np": np, "torch": torch, "mx": mx, "msgpack_restore": msgpack_restore, "safe_open": safe_open,
            "load_file_flax": load_file_flax, "BertModel": transformers.BertModel,
            "FlaxBertModel": transformers.FlaxBertModel, "open": open}


@pytest.mark.parametrize("library,call", CALLS, ids=[c[0] for c in CALLS])
def test_loader_of_the_readme(library, call, names, mount, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink(mount(DATA / "bert").path, "mnt")
    if "torch_mnt" in call:
        transformers.FlaxBertModel.from_pretrained("mnt/flax").save_pretrained("flax-model")
        os.symlink(mount(tmp_path / "flax-model").path, "torch_mnt")
    assert eval(call, names) is not None


def test_the_table_has_lines():
    assert len(CALLS) >= 10


def test_rule_file_of_the_readme(tmp_path, seed):
    (tmp_path / "toy.map").write_text(re.sub(r"^    ", "", section("toy.map"), flags=re.M))
    rng = np.random.default_rng(seed)
    tensors = {"embed.weight": rng.standard_normal((10, 4)).astype("float32")}
    for layer in range(2):
        for name, shape in {"attn.q": (4, 4), "attn.k": (4, 4), "attn.v": (4, 4), "up": (8, 4),
                            "down": (4, 8), "norm": (4,)}.items():
            tensors[f"blocks.{layer}.{name}.weight"] = rng.standard_normal(shape).astype("float32")
    source = write_safetensors(tmp_path / "toy.safetensors", tensors)
    options = ("--rules", tmp_path / "toy.map", "--view", "toy")
    assert "9 mapped" in run("map", source, *options).stdout
    shown = run("cat", *options, "-o", "format=raw", source,
                "toy/tensors/block_2/attention/qkv/kernel.float32.raw", text=False).stdout
    want = np.concatenate([tensors[f"blocks.1.attn.{k}.weight"].T for k in "qkv"], 1)
    assert shown == want.tobytes()
