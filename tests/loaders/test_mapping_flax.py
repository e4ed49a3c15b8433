"""Every Flax architecture of transformers, both ways: weightfs' view against the real conversion.

The view is copied out with `weightfs cp` (the same bytes as a mount's) and compared array for array
with transformers' own convert_pytorch_state_dict_to_flax; the way back is compared with the PyTorch
model that it came from. A class of each architecture is also loaded from a real mount.
"""
import gc
import json
import logging
import warnings

import numpy as np
import pytest

import flax_zoo
from conftest import run

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
flax_traverse = pytest.importorskip("flax.traverse_util")
from safetensors.numpy import load_file, save_file  # noqa: E402
from safetensors.torch import save_file as save_torch  # noqa: E402
from transformers.modeling_flax_pytorch_utils import (  # noqa: E402
    convert_pytorch_state_dict_to_flax)

warnings.filterwarnings("ignore")
VARIANTS = list(flax_zoo.variants())
NAMES = [v[0] for v in VARIANTS]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """name -> (PyTorch model, {Flax key: shape}, {Flax key: array}, folder), made once each."""
    made = {}

    def get(name):
        if name not in made:
            made.clear()  # tests of one name follow each other: keep one
            made[name] = make(name, tmp_path_factory.mktemp("zoo"))
        return made[name]

    return get


def make(name, folder):
    _, flax_name, maker = VARIANTS[NAMES.index(name)]
    pt, flax = flax_zoo.make(name, flax_name, maker)
    pt.save_pretrained(folder / "st")
    pt.config.save_pretrained(folder / "bin")
    torch.save(pt.state_dict(), folder / "bin" / "pytorch_model.bin")
    shapes = {".".join(k): tuple(v.shape)
              for k, v in flax_traverse.flatten_dict(flax.params_shape_tree).items()}
    state = dict(pt.state_dict())
    if name == "resnet-basic":  # transformers leaves these random: name them as Flax does
        state = {rename_basic(k): v for k, v in state.items()}
    converted = convert_pytorch_state_dict_to_flax(state, flax)
    arrays = {".".join(k): np.asarray(v)
              for k, v in flax_traverse.flatten_dict(converted).items()}
    return pt, shapes, arrays, folder


def rename_basic(key):
    for j in "01":
        for m in ("convolution", "normalization"):
            key = key.replace(f".layer.{j}.{m}.", f".layer.layer_{j}.{m}.")
    return key


def view(folder, view_name, out, *options):
    """The view's model.safetensors as arrays, and its report."""
    run("cp", *options, folder, f"{view_name}/model.safetensors", out)
    report = json.loads(run("map", folder, "--view", view_name, "--json", check=False).stdout)
    return load_file(out), report[0] if isinstance(report, list) else report


def same_bytes(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["st", "bin"])
def test_mapping_flax__is_transformers_conversion(zoo, tmp_path, name, kind):
    _, shapes, expected, folder = zoo(name)
    got, report = view(folder / kind, "flax", tmp_path / "model.safetensors")
    assert set(got) == set(shapes)
    for key, array in got.items():
        assert array.shape == shapes[key], key
        if key in expected:
            assert same_bytes(array, expected[key]), key
    assert report["clean"], report["report"]
    assert not set(shapes) - set(expected) or name in FILLED


# Classes with tied parameters, saved under each of their names with bytes of its own.
COPIES = [n for n in NAMES if n.endswith(("ForMaskedLM", "ForPreTraining", "ForCausalLM", "LMHeadModel", "MTModel",
                                          "ForConditionalGeneration", "BartModel", "T5Model", "EncoderModel"))]


@pytest.mark.parametrize("name", COPIES)
def test_mapping_flax__tied_copies_stored_apart(zoo, tmp_path, name):
    pt, shapes, expected, _ = zoo(name)
    pt.config.save_pretrained(tmp_path / "copies")
    save_torch({k: v.clone().contiguous() for k, v in pt.state_dict().items()},
               tmp_path / "copies" / "model.safetensors", metadata={"format": "pt"})
    got, report = view(tmp_path / "copies", "flax", tmp_path / "out")
    assert set(got) == set(shapes) and report["clean"], report["report"]
    assert all(same_bytes(got[k], expected[k]) for k in got if k in expected)


@pytest.mark.parametrize("name, head, flax_head", [
    ("gpt2-untied", "lm_head.weight", "lm_head.kernel"), ("t5-untied", "lm_head.weight", "lm_head.kernel"),
    ("bert-relative", "cls.predictions.decoder.weight", "cls.predictions.decoder.kernel"),
    ("whisper-untied", "proj_out.weight", "lm_head.kernel")])
def test_mapping_flax__what_is_untied_is_no_copy(zoo, tmp_path, name, head, flax_head):
    """... even where one storage has both: the Flax class has a head of its own."""
    pt, shapes, _, _ = zoo(name)
    pt.config.save_pretrained(tmp_path / "bin")
    state = pt.state_dict()
    state[head] = pt.get_input_embeddings().weight.detach()
    torch.save(state, tmp_path / "bin" / "pytorch_model.bin")
    got, _ = view(tmp_path / "bin", "flax", tmp_path / "out")
    assert set(got) == set(shapes)
    assert same_bytes(got[flax_head], state[head].numpy().T)


@pytest.mark.parametrize("name, kept", [
    ("t5-FlaxT5Model", "encoder.embed_tokens.weight"), ("bart-FlaxBartModel", "encoder.embed_tokens.weight"),
    ("bart-FlaxBartForConditionalGeneration", "model.decoder.embed_tokens.weight")])
def test_mapping_flax__shared_table_under_another_of_its_names(zoo, tmp_path, name, kept):
    pt, shapes, expected, _ = zoo(name)
    state = pt.state_dict()
    table = {k for k, v in state.items() if v.data_ptr() == state[kept].data_ptr()}
    pt.config.save_pretrained(tmp_path / "one")
    save_torch({k: v.contiguous() for k, v in state.items() if k == kept or k not in table},
               tmp_path / "one" / "model.safetensors", metadata={"format": "pt"})
    got, report = view(tmp_path / "one", "flax", tmp_path / "out")
    assert set(got) == set(shapes) and report["clean"], report["report"]
    assert all(same_bytes(got[k], expected[k]) for k in got)


def test_mapping_flax__an_encoder_that_is_the_decoder_is_refused(tmp_path):
    config = flax_zoo.make_config("t5", tie_encoder_decoder=True)
    transformers.T5Model(config).save_pretrained(tmp_path)
    done = run("map", tmp_path, "--view", "flax", check=False)
    assert done.returncode == 2 and "the encoder is tied to the decoder" in done.stderr


def test_mapping_torch__marians_one_table_is_both(tmp_path):
    config = flax_zoo.make_config("marian", share_encoder_decoder_embeddings=False)
    transformers.FlaxMarianMTModel(config).save_pretrained(tmp_path / "flax")
    got, report = view(tmp_path / "flax", "torch", tmp_path / "out")
    assert same_bytes(got["model.encoder.embed_tokens.weight"], got["model.decoder.embed_tokens.weight"])
    assert "model.shared.weight" not in got and "lm_head.weight" in got
    assert report["counts"]["ambiguous"] == 1


# Buffers and leftovers that PyTorch's classes take in silence.
LEFTOVERS = [
    ("gpt2-cross", "transformer.h.0.crossattention.bias", torch.ones(1, 1, 40, 40, dtype=torch.bool)),
    ("gpt2-cross", "transformer.h.0.crossattention.masked_bias", torch.tensor(-1e4)),
    ("beit-shared", "encoder.layer.0.attention.attention.relative_position_bias.relative_position_index",
     torch.zeros(17, 17, dtype=torch.int64)),
    ("t5-relu", "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", torch.ones(32, 4)),
    ("bart-FlaxBartModel", "encoder.version", torch.tensor([3.0])),
]


@pytest.mark.parametrize("name, key, value", LEFTOVERS, ids=[k for _, k, _ in LEFTOVERS])
def test_mapping_flax__leftovers_of_older_files(zoo, tmp_path, name, key, value):
    pt, shapes, _, folder = zoo(name)
    pt.config.save_pretrained(tmp_path / "old")
    save_torch({**{k: v.clone() for k, v in pt.state_dict().items()}, key: value},
               tmp_path / "old" / "model.safetensors", metadata={"format": "pt"})
    got, report = view(tmp_path / "old", "flax", tmp_path / "out")
    assert set(got) == set(shapes) and report["clean"], report["report"]


# Where transformers' conversion itself leaves a parameter out.
FILLED = {"wav2vec2-nomask", "big_bird-cross", "opt-nobias", "opt-galactica", "big_bird-bias", "llama-tied", "whisper-untied"}


@pytest.mark.parametrize("name", NAMES)
def test_mapping_torch__is_the_model_it_came_from(zoo, tmp_path, name):
    pt, shapes, arrays, folder = zoo(name)
    source = tmp_path / "flax"
    pt.config.save_pretrained(source)
    ours, _ = view(folder / "st", "flax", tmp_path / "ours")
    flax = {k: np.array(arrays[k]) if k in arrays else ours[k] for k in shapes}
    save_file(flax, source / "model.safetensors", metadata={"format": "flax"})
    got, report = view(source, "torch", tmp_path / "model.safetensors")
    assert report["clean"], report["report"]
    saved = load_file(folder / "st" / "model.safetensors")
    state = {k: v.numpy() for k, v in pt.state_dict().items()}
    assert not set(saved) - set(got), "missing"
    assert not set(got) - set(state), "unexpected"
    for key, array in got.items():
        if key.startswith("bert.pooler.") and key not in saved_pooler(shapes):
            continue  # Flax has none: zeros
        assert same_bytes(array, state[key]), key


def saved_pooler(shapes):
    return {"bert.pooler.weight", "bert.pooler.bias"} if "bert.pooler.kernel" in shapes else set()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["bert-FlaxBertForMaskedLM", "gpt2-FlaxGPT2LMHeadModel",
                                  "resnet-FlaxResNetForImageClassification"])
def test_mapping_flax__keeps_narrow_types(zoo, tmp_path, name, dtype):
    pt, shapes, _, _ = zoo(name)
    half = type(pt)(pt.config).to(getattr(torch, dtype))
    half.save_pretrained(tmp_path / "half")
    run("cp", tmp_path / "half", "flax/model.safetensors", tmp_path / "out")
    from safetensors.torch import load_file as load_torch
    got = load_torch(tmp_path / "out")
    assert set(got) == set(shapes)
    for key, tensor in half.state_dict().items():
        if key.endswith("dense.weight"):
            flax_key = key[:-len("weight")] + "kernel"
            assert torch.equal(got[flax_key], tensor.T), key
    assert {t.dtype for t in got.values()} == {getattr(torch, dtype)}


def test_mapping_flax__reads_sharded_safetensors(zoo, tmp_path):
    pt, shapes, expected, _ = zoo("bert-FlaxBertForMaskedLM")
    pt.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    got, _ = view(tmp_path / "shards", "flax", tmp_path / "out")
    assert set(got) == set(shapes)
    assert all(same_bytes(got[k], expected[k]) for k in got)


@pytest.mark.parametrize("model_type, changes, n", [
    ("llama", dict(mlp_bias=True), 6), ("marian", dict(share_encoder_decoder_embeddings=False), 2)])
def test_mapping_flax__what_its_class_cannot_hold_is_a_doubt(tmp_path, model_type, changes, n):
    name = {"llama": "LlamaForCausalLM", "marian": "MarianMTModel"}[model_type]
    config = flax_zoo.make_config(model_type, **changes)
    getattr(transformers, name)(config).save_pretrained(tmp_path)
    _, report = view(tmp_path, "flax", tmp_path / "out")
    assert report["counts"]["ambiguous"] == n and not report["clean"]


# ---- real mounts ------------------------------------------------------------------------------

# One class of each architecture.
LOADED = {}
for _name, _flax_name, _maker in VARIANTS:
    LOADED.setdefault(_name.rsplit("-Flax", 1)[0].split("-basic")[0], (_name, _flax_name))
SWITCHES = {s[0] for s in flax_zoo.SWITCHES}
LOADED = {k: v for k, v in LOADED.items() if k not in SWITCHES or k == "roberta-prelayernorm"}


@pytest.mark.parametrize("arch", sorted(LOADED))
def test_mapping_flax__real_class_loads_the_mount(zoo, mount, caplog, arch):
    name, flax_name = LOADED[arch]
    pt, shapes, _, folder = zoo(name)
    mnt = mount(folder / "st", "--view", "flax")
    logging.getLogger("transformers").propagate = True
    options = flax_zoo.input_shape(pt.config)
    with caplog.at_level(logging.WARNING, "transformers"):
        model = getattr(transformers, flax_name).from_pretrained(mnt / "flax", **options)
    said = [r.message for r in caplog.records if "weights" in r.message.lower()]
    assert not [m for m in said if "were not used" in m or "newly initialized" in m], said
    assert model.params is not None


@pytest.mark.parametrize("name", ["bart-untied", "mbart-untied", "longt5-untied", "wav2vec2-nomask",
                                  "t5-untied", "pegasus-untied", "bert-relative"])
def test_mapping_torch__real_class_misses_nothing(zoo, mount, tmp_path, name):
    """What a config does not tie, PyTorch's class wants by each of its names."""
    pt, shapes, arrays, folder = zoo(name)
    pt.config.save_pretrained(tmp_path / "flax")
    ours, _ = view(folder / "st", "flax", tmp_path / "ours")
    save_file({k: np.array(arrays.get(k, ours[k])) for k in shapes}, tmp_path / "flax" / "model.safetensors",
              metadata={"format": "flax"})
    m = mount(tmp_path / "flax")
    model, info = type(pt).from_pretrained(m / "torch", output_loading_info=True)
    assert not any(info.values()), info
    state = pt.state_dict()
    wrong = [k for k, v in model.state_dict().items() if not torch.equal(v, state[k])]
    del model  # maps the view's file
    gc.collect()
    assert wrong == []


# ---- outputs ------------------------------------------------------------------------------------

TEXT = ["albert-FlaxAlbertModel", "bert-FlaxBertModel", "distilbert-FlaxDistilBertModel",
        "roberta-FlaxRobertaModel", "roformer-FlaxRoFormerModel",
        "gpt2-FlaxGPT2Model", "gptj-FlaxGPTJModel", "llama-FlaxLlamaModel", "opt-FlaxOPTModel",
        "xglm-FlaxXGLMModel", "bloom-FlaxBloomModel", "mistral-FlaxMistralModel", "opt-galactica", "opt-nobias"]


@pytest.mark.parametrize("name", TEXT)
def test_mapping_flax__outputs_agree(zoo, mount, name):
    pt, _, _, folder = zoo(name)
    mnt = mount(folder / "st", "--view", "flax")
    flax = getattr(transformers, VARIANTS[NAMES.index(name)][1]).from_pretrained(mnt / "flax")
    ids = np.arange(4, 16).reshape(2, 6)
    with torch.no_grad():
        want = pt(torch.tensor(ids))[0].numpy()
    assert np.abs(np.asarray(flax(ids)[0]) - want).max() < 1e-4
