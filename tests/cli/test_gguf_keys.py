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
    file = CORPUS / f"{reference}.gguf"
    done = run(CORPUS / name, tmp_path / "out", f"file_type={FILE_TYPES[kind]}",
               *(f"{n}={'x'.join(map(str, shape))}" for n, shape in gguf_kv.tensors(file)))
    assert done.returncode == 0, done.stderr
    ours, theirs = (gguf_kv.without(gguf_kv.read(f), "tokenizer.") for f in (tmp_path / "out", file))
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


# ---- general.* -------------------------------------------------------------------------------------

@pytest.fixture
def named(tmp_path):
    """named(folder, files, *options): the general keys of a checkpoint in this folder."""
    def of(folder, files, *options, refuse=None):
        folder = tmp_path / folder
        folder.mkdir(parents=True)
        write_safetensors(folder / "model.safetensors", {"x": np.zeros(2, np.float32)})
        for name, text in {"config.json": json.dumps(LLAMA), **files}.items():
            (folder / name).write_bytes(text.encode())
        done = run(folder, tmp_path / "out", *options)
        if refuse:
            assert done.returncode == 1 and refuse in done.stderr, done.stderr
            return None
        assert done.returncode == 0, done.stderr
        return {k: v for k, _, v in gguf_kv.read(tmp_path / "out") if k.startswith("general.")}
    return of


def test_name_of_a_folder(named):
    got = named("Mixtral-8x7B-Instruct-v0.1", {}, "x=46702792704")
    assert [got["general." + k] for k in ("name", "basename", "finetune", "version", "size_label")] == [
        b"Mixtral 8x7B Instruct v0.1", b"Mixtral", b"Instruct", b"v0.1", b"8x7B"]


def test_size_of_experts(named):
    got = named("m", {}, "blk.0.ffn_up_exps.weight=8x1000x1000", "blk.0.ffn_up_exps.bias=8x1000", "rest=1000000")
    assert got["general.size_label"] == b"8x2.0M"


def test_a_hub_cache_has_the_repository_s_name(named, tmp_path):
    folder = "models--org--Some-Model-7B/snapshots/0123456789abcdef0123456789abcdef01234567"
    got = named(folder, {}, "x=7000000000")
    assert got["general.name"] == b"Some Model 7B" and got["general.size_label"] == b"7B"
    assert "general.version" not in got and "general.organization" not in got
    # Below a folder of another name, or in snapshots of no repository, the folder's own name counts.
    assert named("models--org--a/refs/main", {})["general.name"] == b"Main"
    assert named("x/snapshots/abc", {})["general.name"] == b"Abc"


def test_settings_win(named):
    card = "---\nname: From The Card\nauthor: 5\n---\n"
    got = named("a-7B", {"README.md": card}, "set=general.name=Mine", "set=gguf.general.author=Me")
    assert got["general.name"] == b"Mine" and got["general.author"] == b"Me"


def test_cards_that_are_refused(named):
    named("a", {"README.md": "---\na: [\n---\n"}, refuse="README.md:")
    named("b", {"README.md": "---\nname: 5\n---\n"}, refuse="README.md: name is no text")
    named("c", {"README.md": "---\ntags: [a, 2024-01-02]\n---\n"}, refuse="README.md: tags is no text")
    named("d", {"README.md": "---\nlicense: {a: b}\n---\n"}, refuse="license is no text")
    named("e", {"README.md": "---\nbase_model: [{name: 1.5}]\n---\n"}, refuse="name is no text")
    named("f", {"README.md": "---\n" + "a: b\n" * 300000 + "---\n"}, refuse="front matter")
    named("g", {"generation_config.json": '{"top_p": "high"}'}, refuse="general.sampling.top_p: expected a number")
    named("h", {"README.md": "---\nname: \x01\n---\n"}, refuse="no YAML")


def test_an_alias_is_not_expanded(named):
    """Each line names the one before it nine times: 9^20 texts, if anybody expanded them."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join(['*a%d' % (i - 1)] * 9)}]" for i in range(1, 21)]
    got = named("a", {"README.md": "---\n" + "\n".join(lines) + "\nbase_model: *a20\nname: N\n---\n"})
    assert got["general.name"] == b"N" and got["general.base_model.count"] == 9


# ---- backwards -------------------------------------------------------------------------------------

# What the way back cannot give, or what has another name on the way there again.
LOST = {"rope.scaling.yarn_log_multiplier", "rope.scaling.attn_factor", "sliding_window_pattern", "attention.sliding_window_pattern"}


def backwards(reference, what="config"):
    done = subprocess.run([TOOL, reference, what], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus")
@pytest.mark.parametrize("reference", sorted(p.stem for p in CORPUS.glob("*-f16.gguf")))
def test_there_and_back(reference, keys):
    """The keys of the config that a file's keys give are the file's keys."""
    file = CORPUS / f"{reference}.gguf"
    config = backwards(file)
    theirs = {k: v for k, _, v in gguf_kv.read(file)}
    arch = theirs["general.architecture"].decode()
    if config is None:
        assert arch not in ("llama", "qwen2", "qwen3", "gemma2", "gpt2", "mamba", "bloom", "stablelm")
        pytest.skip(f"no way back for {arch}")
    original = json.loads((CORPUS / reference[:-4] / "config.json").read_text())
    if arch != "llama" and "text_config" not in original:
        assert config["architectures"] == original["architectures"]
    ours = keys(config)
    for key, value in theirs.items():
        if key.startswith(arch + ".") and key[len(arch) + 1:] not in LOST:
            assert ours.get(key) == value, key


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus")
def test_generation_config_comes_back():
    assert backwards(CORPUS / "llama-f16.gguf", "generation_config") == {"bos_token_id": 1, "eos_token_id": 2}


def test_no_gguf_file_has_no_way_back(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", {"x": np.zeros(2, np.float32)})
    assert backwards(tmp_path) is None
