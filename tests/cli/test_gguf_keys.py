"""Keys of a GGUF file from config.json, against files of llama.cpp's converter, and what is refused."""
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

import gguf_kv
from conftest import BIN
from helpers import write_safetensors

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "gguf_keys_tool"
CORPUS = pathlib.Path(os.environ.get("WEIGHTFS_CORPUS", "/nonexistent")) / "gguf"
FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7, "bf16": 32}

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 96, "hidden_size": 32,
         "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}


def run(source, out, *options):
    return subprocess.run([TOOL, source, out, *options], capture_output=True, text=True)


@pytest.fixture
def keys(tmp_path):
    """keys(config, *options): the pairs of a checkpoint with this config.json; refuse=TEXT: its message has it."""
    def of(config, *options, refuse=None):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        write_safetensors(folder / "model.safetensors", {"x": np.zeros(2, np.float32)})
        (folder / "config.json").write_text(json.dumps(config))
        done = run(folder, tmp_path / "out", *options)
        if refuse:
            assert done.returncode == 1 and refuse in done.stderr, done.stderr
            return None
        assert done.returncode == 0, done.stderr
        return {k: v for k, _, v in gguf_kv.read(tmp_path / "out")}
    return of


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus")
@pytest.mark.parametrize("reference", sorted(p.stem for p in CORPUS.glob("*.gguf")))
def test_converter(reference, tmp_path):
    name, kind = reference.rsplit("-", 1)
    done = run(CORPUS / name, tmp_path / "out", f"file_type={FILE_TYPES[kind]}")
    assert done.returncode == 0, done.stderr
    general = [k for k, *_ in gguf_kv.read(CORPUS / f"{reference}.gguf") if k.startswith("general.")
               and k not in ("general.architecture", "general.type", "general.file_type", "general.quantization_version")]
    ours = gguf_kv.without(gguf_kv.read(tmp_path / "out"), "tokenizer.")
    theirs = gguf_kv.without(gguf_kv.read(CORPUS / f"{reference}.gguf"), "tokenizer.", *general)
    assert repr(ours) == repr(theirs)


def test_needed_values_are_named(keys):
    config = {k: v for k, v in LLAMA.items() if k != "vocab_size"}
    keys(config, refuse="config.json: the key llama.vocab_size: llama.keys:")
    keys({**LLAMA, "num_hidden_layers": "two"}, refuse="llama.block_count: expected a number")
    keys({**LLAMA, "vocab_size": -1}, refuse="llama.vocab_size: a number that is negative")
    keys({**LLAMA, "vocab_size": 1 << 32}, refuse="beyond 32 bits")


def test_a_setting_gives_what_the_config_lacks(keys):
    config = {k: v for k, v in LLAMA.items() if k != "vocab_size"}
    assert keys(config, "set=vocab_size=5")["llama.vocab_size"] == 5
    assert keys(LLAMA, "set=rms_norm_eps=0.5")["llama.attention.layer_norm_rms_epsilon"] == 0.5


def test_unknown_rope_and_class(keys):
    keys({**LLAMA, "rope_scaling": {"rope_type": "spiral", "factor": 2}}, refuse="a rope_type that the table does not know")
    keys({**LLAMA, "rope_scaling": {"rope_type": "linear"}}, refuse="need a factor")
    keys({**LLAMA, "rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
         refuse="llama.rope.scaling.original_context_length")
    keys({**LLAMA, "architectures": ["NobodyForCausalLM"]}, refuse="NobodyForCausalLM")
    keys({k: v for k, v in LLAMA.items() if k != "architectures"}, refuse="no architectures")
    keys([], refuse="no JSON object")


def test_spelling_of_transformers_5(keys):
    """rope_parameters holds what rope_theta and rope_scaling say."""
    old = keys({**LLAMA, "rope_scaling": {"type": "linear", "factor": 4.0}})
    new = {k: v for k, v in LLAMA.items() if k != "rope_theta"}
    new["rope_parameters"] = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
    assert keys(new) == old and old["llama.rope.scaling.factor"] == 4.0


def test_text_part_of_a_multimodal_model(keys):
    """The text model's values stand over the root's; a vision model's are never taken for it."""
    text = {k: v for k, v in LLAMA.items() if k not in ("architectures", "head_dim")}
    config = {"architectures": ["Mistral3ForConditionalGeneration"], "hidden_size": 7, "text_config": text,
              "vision_config": {"model_type": "pixtral", "head_dim": 3, "rope_theta": 1.0, "norm_eps": 1.0}}
    got = keys(config)
    assert got["mistral3.embedding_length"] == 32 and "mistral3.attention.key_length" not in got
    assert got["mistral3.rope.dimension_count"] == 8


def test_a_null_is_found_and_not_written(keys):
    got = keys({**LLAMA, "architectures": ["Qwen2ForCausalLM"], "head_dim": None, "n_group": None})
    assert "qwen2.attention.key_length" not in got and "qwen2.expert_group_count" not in got
