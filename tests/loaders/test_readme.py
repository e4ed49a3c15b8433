"""What README.md says is run: every line of its table of loaders, the lines that stand for
load_state_dict, and its rule file."""
import os
import re

import numpy as np
import pytest
import torch
import transformers

from conftest import DATA, ROOT, run
from helpers import write_safetensors
from layers import channels_last, rand, randomise, save, torch_out

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


# ---- the lines that stand for load_state_dict ---------------------------------------------------

BLOCKS = dict(re.findall(r"^# (\w+)/.*\n((?:[^`\n].*\n)+)", section("load_state_dict"), re.M))


class TorchNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 5)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


def linen_net():
    from flax import linen as nn

    class Net(nn.Module):
        def setup(self):
            self.conv, self.head = nn.Conv(8, (3, 3), padding="VALID"), nn.Dense(5)
            self.norm = nn.BatchNorm(use_running_average=True, epsilon=1e-5)

        def __call__(self, x):
            return self.head(nn.relu(self.norm(self.conv(x))).mean((1, 2)))

    return Net()


def nnx_net():
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 8, (3, 3), padding="VALID", rngs=rngs)
            self.norm = nnx.BatchNorm(8, use_running_average=True, epsilon=1e-5, rngs=rngs)
            self.head = nnx.Linear(8, 5, rngs=rngs)

        def __call__(self, x):
            return self.head(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))

    return Net(nnx.Rngs(0))


def mlx_net():
    import mlx.nn as nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.BatchNorm(8), nn.Linear(8, 5)

        def __call__(self, x):
            return self.head(nn.relu(self.norm(self.conv(x))).mean((1, 2)))

    return Net().eval()


def keras_net():
    import keras
    layers = keras.layers
    return keras.Sequential([
        keras.Input((6, 6, 3)), layers.Conv2D(8, 3, name="conv"), layers.BatchNormalization(epsilon=1e-5, name="norm"),
        layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(5, name="head")])


def as_mlx(x):
    import mlx.core as mx
    return mx.array(x)


NETS = {"torch": (TorchNet, torch.from_numpy), "linen": (linen_net, channels_last), "nnx": (nnx_net, channels_last),
        "mlx": (mlx_net, lambda x: as_mlx(channels_last(x))), "keras": (keras_net, channels_last)}


@pytest.fixture
def scope(tmp_path, monkeypatch):
    import safetensors.numpy
    from flax import nnx
    from flax.serialization import msgpack_restore
    monkeypatch.chdir(tmp_path)
    return {"np": np, "torch": torch, "nnx": nnx, "safetensors": safetensors, "msgpack_restore": msgpack_restore}


@pytest.mark.parametrize("view", NETS)
def test_lines_that_load_a_built_model(view, scope, mount, tmp_path):
    net, x = randomise(TorchNet()), rand(2, 3, 6, 6)
    os.symlink(mount(save(tmp_path / "net", net), "--view", view).path, "mnt")
    make, convert = NETS[view]
    model = make().eval() if view == "torch" else make()
    scope.update(model=model, inputs=convert(x))
    exec(BLOCKS[view], scope)
    outputs = scope["outputs"] if "outputs" in scope else model(scope["inputs"])
    outputs = outputs.detach().numpy() if view == "torch" else np.array(outputs)
    assert np.abs(outputs - torch_out(net, x)).max() < 1e-5


def test_lines_that_load_a_transformers_model(scope, mount):
    os.symlink(mount(DATA / "resnet").path, "mnt")
    x = rand(1, 3, 32, 32)
    with torch.no_grad():
        wanted = transformers.ResNetForImageClassification.from_pretrained(DATA / "resnet")(torch.from_numpy(x)).logits.numpy()
    config = transformers.AutoConfig.from_pretrained(DATA / "resnet")
    scope.update(model=transformers.FlaxResNetForImageClassification(config, _do_init=False), inputs=x)
    exec(BLOCKS["flax"], scope)
    assert np.abs(np.asarray(scope["outputs"].logits) - wanted).max() < 1e-4


def test_lines_that_load_a_flat_dict(scope, mount):
    os.symlink(mount(DATA / "gpt2", "--view", "caten").path, "mnt")
    exec(BLOCKS["gguf"], scope)
    assert "h.0.attn.c_attn.weight" in scope["tensors"]


def test_every_block_is_run():
    assert set(BLOCKS) == {*NETS, "flax", "gguf"}


# ---- its rule file ------------------------------------------------------------------------------

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
