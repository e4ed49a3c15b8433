"""Whole checkpoints through mounted views with the real from_pretrained, from every kind of source:
PyTorch .bin (tied weights, sharded), sharded safetensors into Flax (which transformers refuses), Flax
msgpack into PyTorch, in float32, float16 and bfloat16."""
import numpy as np
import pytest
import torch
import transformers
from flax.traverse_util import flatten_dict
from transformers.modeling_flax_pytorch_utils import load_flax_weights_in_pytorch_model

from conftest import DATA

transformers.logging.set_verbosity_error()


@pytest.fixture
def quiet(caplog):
    """What a loader says of missing, unused or mismatched weights."""
    transformers.logging.set_verbosity_warning()
    transformers.logging.enable_propagation()
    words = ("newly initialized", "were not used", "not initialized")
    yield lambda: [r.getMessage()[:300] for r in caplog.records if any(w in r.getMessage() for w in words)]
    transformers.logging.set_verbosity_error()


def gpt2(tmp_path, dtype=torch.float32):
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=100, n_positions=32)
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(config).to(dtype)


def bits(x):
    return x.contiguous().view(torch.uint8).numpy().tobytes() if isinstance(x, torch.Tensor) else np.asarray(x).tobytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("how", ["bin", "bin-sharded", "safetensors-sharded"])
def test_pytorch_to_flax(tmp_path, mount, quiet, dtype, how):
    model = gpt2(tmp_path, dtype)
    shards = {"max_shard_size": "20KB"} if "sharded" in how else {}
    model.save_pretrained(tmp_path / "src", safe_serialization=how.startswith("safetensors"), **shards)
    m = mount(tmp_path / "src")
    loaded = transformers.FlaxGPT2LMHeadModel.from_pretrained(m / "flax", dtype=getattr(np, "float32"))
    assert quiet() == []
    state = model.state_dict()
    for key, value in flatten_dict(loaded.params).items():
        name = ".".join(key).replace(".kernel", ".weight").replace(".scale", ".weight").replace(".embedding", ".weight")
        want = state[name].T if key[-1] == "kernel" else state[name]
        assert bits(want) == bits(value), key


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_flax_to_pytorch(tmp_path, mount, quiet, dtype):
    import jax.numpy as jnp
    config = transformers.BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=64, vocab_size=100, max_position_embeddings=32)
    model = transformers.FlaxBertForMaskedLM(config, seed=0)
    model.params = getattr(model, "to_bf16" if dtype == "bfloat16" else "to_fp32")(model.params)
    model.save_pretrained(tmp_path / "src")
    m = mount(tmp_path / "src")
    loaded = transformers.BertForMaskedLM.from_pretrained(m / "torch", torch_dtype=getattr(torch, dtype))
    assert quiet() == []
    reference = transformers.BertForMaskedLM(config)
    reference = load_flax_weights_in_pytorch_model(reference, model.to_fp32(model.params))
    for name, value in loaded.state_dict().items():
        want = reference.state_dict()[name]
        assert torch.equal(value.to(want.dtype), want), name
    assert (m / "torch" / "pytorch_model.bin").exists()
    state = torch.load(m / "torch" / "pytorch_model.bin", weights_only=True, mmap=True)
    for name, value in state.items():
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_a_flax_checkpoints_source_is_a_flax_directory(tmp_path, mount, quiet):
    import jax
    from safetensors.flax import load_file
    config = transformers.BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=64, vocab_size=100, max_position_embeddings=32)
    model = transformers.FlaxBertModel(config, seed=0)
    model.save_pretrained(tmp_path / "src")
    m = mount(tmp_path / "src")
    loaded = transformers.FlaxBertModel.from_pretrained(m / "source")
    assert quiet() == []
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), model.params, loaded.params))
    assert set(load_file(m / "source/model.safetensors")) == {
        ".".join(k) for k in flatten_dict(model.params)}


def test_resnet_with_batch_stats_back_to_pytorch(tmp_path, mount, quiet):
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1],
                                       layer_type="bottleneck", num_labels=3)
    model = transformers.FlaxResNetForImageClassification(config, seed=0)
    model.save_pretrained(tmp_path / "src")
    m = mount(tmp_path / "src")
    loaded = transformers.ResNetForImageClassification.from_pretrained(m / "torch").eval()
    assert quiet() == []
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype("float32")
    ours = loaded(torch.tensor(x)).logits.detach().numpy()
    assert np.abs(ours - np.asarray(model(x).logits)).max() < 1e-4


def test_a_mapped_view_is_a_source_too(mount):
    """PyTorch -> flax view -> mounted again -> torch view: the same bytes as the source."""
    m = mount(DATA / "bert")
    again = mount(m / "flax")
    first = {p.relative_to(m / "source/tensors"): p.read_bytes() for p in (m / "source/tensors").rglob("*.npy")}
    back = {p.relative_to(again / "torch/tensors"): p.read_bytes() for p in (again / "torch/tensors").rglob("*.npy")}
    assert first == back
