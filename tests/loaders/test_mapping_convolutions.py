"""Which convolutions are transposed: what tells, what is a doubt, what is assumed and said."""
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("flax")
import flax.linen as nn  # noqa: E402
import jax  # noqa: E402

from conftest import run  # noqa: E402
from layers import (channels_first, channels_last, nest, rand, randomise, save,  # noqa: E402
                    torch_out, view)

T = torch.nn


class Net(T.Module):
    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


def square(**kw):
    return T.ConvTranspose2d(4, 4, 3, **kw)


def report(folder, net, name="linen", *options):
    """{subject: status} of what was said, and all the text."""
    args = [a for o in options for a in ("-o", o)]
    done = run("map", "--view", name, *args, "--json", save(folder, randomise(net)), check=False)
    entries = json.loads(done.stdout)["report"]
    return {e["subject"]: e["status"] for e in entries
            if e["subject"] and e["status"] != "dropped"}, done.stdout


def flax_out(modules, flat, x):
    class FlaxNet(nn.Module):
        def setup(self):
            for name, make in modules.items():
                setattr(self, name, make())

        def __call__(self, x):
            for name in modules:
                x = getattr(self, name)(x)
            return x

    tree = nest(flat)
    tree = tree if "params" in tree else {"params": tree}
    return channels_first(FlaxNet().apply(tree, channels_last(x)))


def transposed(features=4, bias=True):
    return nn.ConvTranspose(features, (3, 3), padding=[(2, 2)] * 2, use_bias=bias)


@pytest.mark.parametrize("name", ["deconv", "ConvTranspose_0", "up_deconv1", "convtranspose"])
def test_mapping_convolutions__the_own_name_decides(tmp_path, name):
    net, x = randomise(Net(**{name: square()})), rand(2, 4, 5, 6)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    assert np.abs(flax_out({name: transposed}, flat, x) - torch_out(net, x)).max() < 1e-5
    said, text = report(tmp_path, net)
    assert not said and "1 convolutions are taken as transposed ones by their names" in text


def test_mapping_convolutions__bias_beats_name(tmp_path):
    net, x = randomise(Net(deconv=T.Conv2d(4, 6, 3))), rand(2, 4, 5, 6)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")
    out = flax_out({"deconv": lambda: nn.Conv(6, (3, 3), padding=0)}, flat, x)
    assert np.abs(out - torch_out(net, x)).max() < 1e-5
    assert not report(tmp_path, net)[0]


def generator():
    return T.Sequential(T.ConvTranspose2d(5, 4, 3, bias=False), T.BatchNorm2d(4), T.ReLU(),
                        T.ConvTranspose2d(4, 3, 3, bias=False), T.BatchNorm2d(3))


def test_mapping_convolutions__the_norm_behind_tells(tmp_path):
    net, x = randomise(Net(main=generator())), rand(2, 5, 6, 7)
    flat = view(save(tmp_path, net), "linen", tmp_path / "out")

    class Flax(nn.Module):
        def setup(self):
            norm = dict(use_running_average=True, epsilon=1e-5)
            self.main = {"0": transposed(4, False), "1": nn.BatchNorm(**norm),
                         "3": transposed(3, False), "4": nn.BatchNorm(**norm)}

        def __call__(self, x):
            x = nn.relu(self.main["1"](self.main["0"](x)))
            return self.main["4"](self.main["3"](x))

    tree = {c: {f"main_{i}": v for i, v in t["main"].items()} for c, t in nest(flat).items()}
    out = channels_first(Flax().apply(tree, channels_last(x)))
    assert np.abs(out - torch_out(net, x)).max() < 1e-5
    said, text = report(tmp_path, net)
    assert not said and "2 convolutions are transposed ones by the norms behind them" in text


DOUBTS = {
    "a word near by": (Net(up=square(bias=False)), {"up.weight"}),
    "in a block of that name": (Net(deconv1=T.ModuleDict({"conv": square()})), {"deconv1.conv.weight"}),
    "beside a certain one": (Net(main=T.Sequential(T.ConvTranspose2d(4, 6, 3), T.Conv2d(6, 6, 3))),
                             {"main.1.weight"}),
    "the last of a generator": (Net(main=T.Sequential(
        *generator(), T.ConvTranspose2d(3, 2, 3, bias=False))), {"main.5.weight"}),
    "in groups": (Net(net=T.ConvTranspose2d(4, 6, 3, groups=2)), {"net.weight"}),
}


@pytest.mark.parametrize("view_name", ["linen", "nnx", "mlx"])
@pytest.mark.parametrize("what", DOUBTS)
def test_mapping_convolutions__doubts(tmp_path, what, view_name):
    net, names = DOUBTS[what]
    said, _ = report(tmp_path, net, view_name)
    assert {k for k, v in said.items() if v == "ambiguous"} == names
    settled, _ = report(tmp_path, net, view_name, "set=transposed=false")
    assert what == "in groups" or "ambiguous" not in settled.values()


@pytest.mark.parametrize("setting", ["transposed=nothing", "transposed=true", "transpose=main"])
def test_mapping_convolutions__a_misspelt_setting_settles_nothing(tmp_path, setting):
    net, names = DOUBTS["the last of a generator"]
    said, text = report(tmp_path, net, "linen", f"set={setting}")
    assert {k for k, v in said.items() if v == "ambiguous"} == names
    assert "no convolution has that in its name" in text or "set=transpose: nothing asked for it here" in text


def test_mapping_convolutions__a_plain_resnet_is_no_doubt(tmp_path):
    blocks = [T.Sequential(T.Conv2d(4, 4, 3, bias=False), T.BatchNorm2d(4), T.ReLU(),
                           T.Conv2d(4, 4, 3, bias=False), T.BatchNorm2d(4)) for _ in range(3)]
    for view_name in ("linen", "nnx", "mlx"):
        said, text = report(tmp_path, Net(layer1=T.Sequential(*blocks)), view_name)
        assert "ambiguous" not in said.values()
        assert "6 convolutions (layer1.0.0.weight, ...) are taken as ordinary ones" in text


def test_mapping_convolutions__other_parts_of_the_model_are_no_doubt(tmp_path):
    net = Net(backbone=T.Sequential(T.Conv2d(4, 4, 3, bias=False)),
              head=T.Sequential(T.ConvTranspose2d(4, 6, 3), T.Conv2d(6, 6, 1, bias=False)))
    said, text = report(tmp_path, net)
    assert not said and "2 convolutions (backbone.0.weight, ...)" in text  # a point is none


def test_mapping_convolutions__a_template_s_name_tells(tmp_path):
    class Compact(nn.Module):
        @nn.compact
        def __call__(self, x):
            return transposed()(x)

    net, x = randomise(Net(net=square())), rand(2, 4, 5, 6)
    shapes = jax.tree_util.tree_flatten_with_path(Compact().init(jax.random.key(0), channels_last(x)))
    (tmp_path / "t.json").write_text(json.dumps(
        {".".join(k.key for k in path): list(v.shape) for path, v in shapes[0]}))
    flat = view(save(tmp_path, net), "linen", tmp_path / "out", f"template={tmp_path / 't.json'}")
    out = channels_first(Compact().apply(nest(flat), channels_last(x)))
    assert np.abs(out - torch_out(net, x)).max() < 1e-5


@pytest.mark.parametrize("transpose_kernel", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_mapping_convolutions__flax_back_to_torch(tmp_path, n, transpose_kernel):
    from safetensors.numpy import save_file
    x = rand(2, 4, *(7, 5, 4)[:n])
    flax = nn.ConvTranspose(6, (3,) * n, strides=(2,) * n, padding=[(1, 1)] * n,
                            transpose_kernel=transpose_kernel)
    params = flax.init(jax.random.key(0), channels_last(x))["params"]
    save_file({f"ConvTranspose_0.{k}": np.asarray(v) for k, v in params.items()},
              tmp_path / "flax.safetensors", metadata={"format": "flax"})
    done = run("map", "--view", "torch", tmp_path / "flax.safetensors", check=False)
    assert "ambiguous: ConvTranspose_0.kernel" in done.stdout
    flat = view(tmp_path / "flax.safetensors", "torch", tmp_path / "out",
                f"set=transpose_kernel={str(transpose_kernel).lower()}")
    net = {1: T.ConvTranspose1d, 2: T.ConvTranspose2d, 3: T.ConvTranspose3d}[n](4, 6, 3, stride=2, padding=1)
    net.load_state_dict({k.split(".")[-1]: torch.from_numpy(v) for k, v in flat.items()})
    want = channels_first(flax.apply({"params": params}, channels_last(x)))
    assert np.abs(torch_out(net, x) - want).max() < 1e-5


@pytest.mark.parametrize("view_name", ["linen", "nnx", "keras", "mlx"])
@pytest.mark.parametrize("norm", [T.utils.weight_norm, T.utils.parametrizations.weight_norm])
def test_mapping_convolutions__a_weight_in_parts_is_a_doubt(tmp_path, norm, view_name):
    said, _ = report(tmp_path, Net(conv=norm(T.Conv1d(4, 6, 3))), view_name)
    assert sorted(said.values()) == ["ambiguous"] * 2
