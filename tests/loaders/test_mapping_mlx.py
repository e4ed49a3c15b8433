"""mlx.nn layers fed from the mlx view: the PyTorch layer's outputs, within 1e-5."""
import numpy as np
import pytest

torch = pytest.importorskip("torch")
mx = pytest.importorskip("mlx.core")
import mlx.nn as nn  # noqa: E402

from conftest import run  # noqa: E402
from layers import (channels_first, channels_last, rand, randomise, save, torch_out,  # noqa: E402
                    view)

T = torch.nn


class Net(T.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, *x):
        return self.net(*x)


class MlxNet(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def __call__(self, *x):
        return self.net(*x)


def image(n, channels=4):
    return rand(2, channels, *(7, 5, 4)[:n])


LAYERS = {
    "linear": (lambda: T.Linear(4, 6), lambda: nn.Linear(4, 6), lambda: rand(3, 4), False),
    "conv1d": (lambda: T.Conv1d(4, 6, 3), lambda: nn.Conv1d(4, 6, 3), lambda: image(1), True),
    "conv2d": (lambda: T.Conv2d(4, 6, 3), lambda: nn.Conv2d(4, 6, 3), lambda: image(2), True),
    "conv3d": (lambda: T.Conv3d(4, 6, 3), lambda: nn.Conv3d(4, 6, 3), lambda: image(3), True),
    "convt1d": (lambda: T.ConvTranspose1d(4, 6, 3), lambda: nn.ConvTranspose1d(4, 6, 3),
                lambda: image(1), True),
    "convt2d": (lambda: T.ConvTranspose2d(4, 6, 3), lambda: nn.ConvTranspose2d(4, 6, 3),
                lambda: image(2), True),
    "layernorm": (lambda: T.LayerNorm(4), lambda: nn.LayerNorm(4), lambda: rand(3, 4), False),
    "rmsnorm": (lambda: T.RMSNorm(4, eps=1e-5), lambda: nn.RMSNorm(4), lambda: rand(3, 4), False),
    "groupnorm": (lambda: T.GroupNorm(2, 4),
                  lambda: nn.GroupNorm(2, 4, pytorch_compatible=True), lambda: image(2), True),
    "batchnorm": (lambda: T.BatchNorm2d(4), lambda: nn.BatchNorm(4), lambda: image(2), True),
    "lstm": (lambda: T.LSTM(4, 6, batch_first=True), lambda: nn.LSTM(4, 6), lambda: rand(2, 5, 4),
             False),
    "gru": (lambda: T.GRU(4, 6, batch_first=True), lambda: nn.GRU(4, 6), lambda: rand(2, 5, 4),
            False),
    "rnn": (lambda: T.RNN(4, 6, batch_first=True), lambda: nn.RNN(4, 6), lambda: rand(2, 5, 4),
            False),
}


def run_mlx(net, flat, *x):
    net = MlxNet(net)
    net.load_weights([(k, mx.array(v)) for k, v in flat.items()])  # strict
    net.eval()
    out = net(*[mx.array(a) for a in x])
    return np.array(out[0] if isinstance(out, tuple) else out)


@pytest.mark.parametrize("name", LAYERS)
def test_mapping_mlx__layer(tmp_path, name):
    make_torch, make_mlx, make_input, last = LAYERS[name]
    net, x = randomise(Net(make_torch())), make_input()
    flat = view(save(tmp_path, net), "mlx", tmp_path / "out")
    out = run_mlx(make_mlx(), flat, channels_last(x) if last else x)
    want = torch_out(net, x)
    assert np.abs((channels_first(out) if last else out) - want).max() < 1e-5


def test_mapping_mlx__attention(tmp_path):
    net, x = randomise(Net(T.MultiheadAttention(8, 2, batch_first=True))), rand(2, 3, 8)
    flat = view(save(tmp_path, net), "mlx", tmp_path / "out")
    out = run_mlx(nn.MultiHeadAttention(8, 2, bias=True), flat, x, x, x)
    assert np.abs(out - torch_out(net, x, x, x)).max() < 1e-5


def test_mapping_mlx__gates_of_no_cell_are_a_doubt(tmp_path):
    from safetensors.numpy import save_file
    cell = {"c.weight_ih": (8, 3), "c.weight_hh": (8, 4), "c.bias_ih": (8,), "c.bias_hh": (8,)}
    save_file({k: np.zeros(v, np.float32) for k, v in cell.items()}, tmp_path / "model.safetensors")
    assert "4 ambiguous" in run("map", "--view", "mlx", tmp_path / "model.safetensors", check=False).stdout


def test_mapping_mlx__bilinear(tmp_path):
    net, x, y = randomise(Net(T.Bilinear(3, 5, 4))), rand(2, 3), rand(2, 5)
    flat = view(save(tmp_path, net), "mlx", tmp_path / "out")
    out = run_mlx(nn.Bilinear(3, 5, 4), flat, x, y)
    assert np.abs(out - torch_out(net, x, y)).max() < 1e-5


def test_mapping_mlx__sequential_by_template(tmp_path):
    net, x = randomise(T.Sequential(T.Linear(4, 6), T.ReLU(), T.Linear(6, 2))), rand(3, 4)
    mlx = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    import json
    from mlx.utils import tree_flatten
    (tmp_path / "t.json").write_text(json.dumps({f"net.{k}": list(v.shape) for k, v
                                                 in tree_flatten(mlx.parameters())}))
    flat = view(save(tmp_path, Net(net)), "mlx", tmp_path / "out", f"template={tmp_path / 't.json'}")
    assert np.abs(run_mlx(mlx, flat, x) - torch_out(net, x)).max() < 1e-5


def test_mapping_mlx__from_flax_through_torch(tmp_path):
    net = randomise(Net(T.Conv2d(4, 6, 3)))
    flax = view(save(tmp_path / "a", net), "flax", tmp_path / "flax.safetensors")
    from safetensors.numpy import save_file
    save_file(flax, tmp_path / "model.safetensors", metadata={"format": "flax"})
    direct = view(tmp_path / "a" / "model.safetensors", "mlx", tmp_path / "direct")
    chained = view(tmp_path / "model.safetensors", "mlx", tmp_path / "chained")
    assert all(np.array_equal(direct[k], chained[k]) for k in direct) and set(direct) == set(chained)


@pytest.mark.parametrize("metadata", [None, {"format": "mlx"}])
def test_mapping_mlx__its_own_files_are_no_torch_layouts(tmp_path, metadata):
    """mlx writes no metadata: the place of a square kernel's axes is what shows."""
    from safetensors.numpy import load_file, save_file
    MlxNet(nn.Conv2d(3, 8, 5)).save_weights(str(tmp_path / "model.safetensors"))
    if metadata:
        save_file(load_file(tmp_path / "model.safetensors"), tmp_path / "model.safetensors", metadata)
    for name in () if metadata else ("flax", "linen", "keras"):
        done = run("map", "--view", name, tmp_path / "model.safetensors", check=False)
        assert done.returncode == 1 and "1 ambiguous" in done.stdout
        settled = f"mine={name}"
        assert "ambiguous" not in run("map", "--view", settled, tmp_path / "model.safetensors").stdout
    if metadata:  # which says so: every view goes through ~mlx
        kernel = load_file(tmp_path / "model.safetensors")["net.weight"]
        for name in ("flax", "linen"):
            run("cp", "--view", name, tmp_path / "model.safetensors", f"{name}/model.safetensors", tmp_path / name)
            got, = (v for k, v in load_file(tmp_path / name).items() if k.endswith("net.kernel"))
            assert np.array_equal(got, kernel.transpose(1, 2, 3, 0))
        done = run("map", "--view", "mlx", tmp_path / "model.safetensors")
        assert "in the mlx convention already" in done.stdout


def test_mapping_mlx__torch_layouts_without_metadata_are_no_doubt(tmp_path):
    from safetensors.torch import save_file
    for i, net in enumerate([T.Conv2d(3, 8, 5), T.Conv2d(3, 8, 3), T.Conv2d(1, 8, (1, 64)),
                             T.Sequential(T.Conv2d(3, 8, (3, 1)), T.Conv2d(8, 4, 5))]):
        save_file(net.state_dict(), tmp_path / f"{i}.safetensors")
        assert "ambiguous" not in run("map", "--view", "mlx", tmp_path / f"{i}.safetensors").stdout
