"""Small PyTorch layers with random values, and what the views' tests need around them."""
import numpy as np
import torch
from safetensors.torch import save_file
from safetensors.numpy import load_file

from conftest import run


def randomise(module, seed=0):
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, t in module.state_dict().items():
            if t.is_floating_point():
                t.copy_(torch.randn(t.shape, generator=g) * 0.3)
                if name.endswith("running_var"):
                    t.abs_().add_(0.5)
    return module.eval()


def rand(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def save(folder, module):
    """The module's state dict as a checkpoint; buffers too."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in module.state_dict().items()},
              folder / "model.safetensors", metadata={"format": "pt"})
    return folder / "model.safetensors"


def view(source, name, out, *options):
    """{target name: array} of a view."""
    args = [a for o in options for a in ("-o", o)]
    run("cp", "--view", name, *args, source, f"{name}/model.safetensors", out)
    return load_file(out)


def nest(flat, sep="."):
    tree = {}
    for key, value in flat.items():
        at = tree
        *head, last = key.split(sep)
        for part in head:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def torch_out(module, *inputs):
    with torch.no_grad():
        out = module(*[torch.from_numpy(x) for x in inputs])
    while isinstance(out, tuple):
        out = out[0]
    return out.numpy()


def channels_last(x):
    return np.moveaxis(x, 1, -1)


def channels_first(x):
    return np.moveaxis(np.asarray(x), -1, 1)
