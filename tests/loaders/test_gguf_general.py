"""general.* of a GGUF file against gguf-py's own metadata.py: names, model cards, sampling values."""
import json
import pathlib
import random
import subprocess

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

import gguf_kv
from conftest import BIN

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "gguf_keys_tool"
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 96, "hidden_size": 32,
          "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}

NAMES = """Meta-Llama-3.1-8B-Instruct 8030261248
Mistral-7B-Instruct-v0.3 7248023552
Qwen3-30B-A3B 30532122624
Qwen2.5-0.5B-Instruct 494032768
gemma-3-4b-it 3880099328
Phi-3-mini-4k-instruct 3821079552
DeepSeek-V3 671026419200
Mixtral-8x7B-Instruct-v0.1 46702792704
bge-small-en-v1.5 33360000
gpt2 124439808
all-MiniLM-L6-v2 22713216
SmolLM3-3B 3075098624
granite-3.3-2b-instruct 2533531648
bloom-7b1 7069016064
OLMo-2-1124-7B-Instruct 7298617344
gpt-oss-20b 20914757184
checkpoint-500 8030261248
Qwen3-8B-FP16 8190735360
Llama-3.2-1B 1235814432
falcon-h1-0.5b 521000000
LFM2-1.2B 1170340608
c4ai-command-r-v01 34980831232
my model dir 10
snapshots 10
4f5c3a 10
T5-large 770000000
Yi-34B-200K 34388917248
--dashes--all-over--7B- 7000000000
Model-7_5b-iter12-chat 7500000000
llama_bpe-8x22b-lora-large 140000000000
q4_0-iq2_x_s-bfp16 999
v1.2.3-xl-small 1000000
x-7b1-7b1-13B-13B 9999999
A-A3B-1.5t-128k-vision 1499999999999""".splitlines()

WORDS = ["Llama", "3.1", "v2", "7B", "8x7b", "A3B", "Instruct", "chat", "q8_0", "fp16", "mini", "xl", "128k", "7b1",
         "iter3", "it", "base", "0_5b", "R1", "2.5.1", "BF16", "large", "hf", "c4ai", "lora", "i1", "1124"]

CARDS = {
    "plain": "license: apache-2.0\nlanguage:\n- en\n- no\n- \"yes\"\ntags: [a, 'b c']\npipeline_tag: text-generation\n"
             "base_model: meta-llama/Llama-3.1-8B\ndatasets:\n- org/data-v2\n- https://huggingface.co/o/other-7B\n",
    "names": "name: A Name\nmodel_creator: Someone\nversion: v9\norganization: An Org\nfinetune: ft\nmodel_type: bn\n"
             "size_label: 9B\nurl: https://x\ndoi: 10/1\nuuid: u\nrepo_url: https://y\ndescription: |\n  two\n  lines\n",
    "lists": "license: [mit, apache-2.0]\nlicense_name: L\nlicense_link: https://l\nlanguages: fr\nlanguage: [de]\n"
             "base_models:\n- name: M\n  author: A\n  repo_url: https://m\n- https://huggingface.co/o/n-1.5-7B\n"
             "- ssh://else/where\n- just-a-name\n- https://huggingface.co/o/n/x\n",
    "nulls": "name: ~\nlicense:\nbase_model:\ndatasets: {a: b}\ntags: 7\nauthor: null\n",
    "tabs": "tags:\n-\ta\n-\tb\nbase_model: &x org/m-2B\ndataset: *x\n",
    "twice": "author: one\nauthor: two\n",
    "windows": "license: mit\r\ntags:\r\n- no\r\n",
    "a list": "- a\n- b\n",
    "empty": "",
    "texts that look like others": "author: 1_a\nversion: v1.0\norganization: 1.2.3\nfinetune: 0x\nbasename: 08a\n"
                                   "description: 2024-1\nuuid: 12e03\nname: .5.\nsize_label: 1:99\n",
}


def ours(folder, out, n_params, *options):
    done = subprocess.run([TOOL, folder, out, f"x={n_params}", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pairs = gguf_kv.read(out)
    start = [k for k, *_ in pairs].index("general.type")
    return [p for p in pairs[start + 1:] if p[0].startswith("general.")
            and p[0] not in ("general.file_type", "general.quantization_version")]


def theirs(folder, out, n_params):
    """As convert_hf_to_gguf.py does it."""
    metadata = gguf.Metadata.load(None, folder, None, n_params)
    if metadata.size_label is None and n_params > 0:
        metadata.size_label = gguf.size_label(n_params, n_params, 0, 0)
    writer = gguf.GGUFWriter(out, "llama")
    metadata.set_gguf_meta_model(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return gguf_kv.read(out)[1:]


@pytest.fixture
def checkpoint(tmp_path):
    def make(name="Some-Model-7B", card=None, generation=None, **config):
        folder = tmp_path / name
        folder.mkdir()
        save_file({"x": np.zeros(2, np.float32)}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
        if card is not None:
            (folder / "README.md").write_bytes(card.encode())
        if generation is not None:
            (folder / "generation_config.json").write_text(generation)
        return folder
    return make


def same(folder, tmp_path, n_params):
    assert repr(ours(folder, tmp_path / "ours", n_params)) == repr(theirs(folder, tmp_path / "theirs", n_params))


@pytest.mark.parametrize("line", NAMES)
def test_names(line, checkpoint, tmp_path):
    name, n_params = line.rsplit(" ", 1)
    same(checkpoint(name), tmp_path, int(n_params))


def test_names_made_up(checkpoint, tmp_path):
    rng = random.Random(7)
    for i in range(150):
        name = "-".join(rng.choices(WORDS, k=rng.randint(1, 7)))
        path = checkpoint(f"{i}-{name}" if rng.random() < .1 else name + "-" * (i % 2) + f"x{i}",
                          **({"_name_or_path": f"org-{i}/{name}"} if i % 3 == 0 else {}))
        same(path, tmp_path, rng.choice([999, 1000001, 7 * 10**9, 8 * 10**8, 128000, 3 * 10**12]))


def test_paths_in_config_are_no_names(checkpoint, tmp_path):
    for i, text in enumerate(["/data/models/x-7B", "./x-7B", "x-1B", "a b/c", "o/"]):
        same(checkpoint(f"m{i}-7B", _name_or_path=text), tmp_path, 10**9)


@pytest.mark.parametrize("which", CARDS)
@pytest.mark.parametrize("end", ["---\n# Title\n---\n", "---", ""])
def test_cards(which, end, checkpoint, tmp_path):
    same(checkpoint(card="---\n" + CARDS[which] + end), tmp_path, 7 * 10**9)


@pytest.mark.parametrize("card", ["", "\n---\nlicense: mit\n---\n", "--- \nlicense: mit\n---\n", "# T\n"])
def test_no_front_matter(card, checkpoint, tmp_path):
    same(checkpoint(card=card), tmp_path, 7 * 10**9)


@pytest.mark.parametrize("text", ['{"top_k": 50, "temperature": 0.6, "top_p": 0.95, "min_p": null, "mirostat": 2}',
                                  "{no json", '{"sequence": "a;b", "penalty_repeat": 1.5, "xtc_threshold": 1}'])
def test_sampling(text, checkpoint, tmp_path):
    same(checkpoint(generation=text), tmp_path, 7 * 10**9)


@pytest.mark.parametrize("n", [1, 10, 949, 999, 10000, 99999, 999499, 1000000, 1000001, 9950000, 95500000, 10**9,
                               10**9 + 1, 10**12, 10**12 + 1, 999999999999, 123456789])
def test_sizes(n, checkpoint, tmp_path):
    same(checkpoint("model"), tmp_path, n)


def test_repetition_penalty(checkpoint, tmp_path):
    """The converter's metadata.py takes Hugging Face's name too; that of PyPI's gguf does not yet."""
    got = dict((k, v) for k, _, v in ours(checkpoint(generation='{"repetition_penalty": 1.25}'), tmp_path / "o", 5))
    assert got["general.sampling.penalty_repeat"] == 1.25
