"""tokenizer.json and tokenizer_config.json of a GGUF file's keys: AutoTokenizer gives the ids of llama.cpp (xllamacpp)
for each of the converter's files in the corpus."""
import json
import pathlib
import random
import subprocess
import sys
import urllib.request

import pytest
from transformers import AutoTokenizer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import gguf_kv  # noqa: E402
from conftest import BIN, CORPUS  # noqa: E402

xllamacpp = pytest.importorskip("xllamacpp")

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "gguf_tool"
# One of each kind with many strings, the others with few; and those that llama.cpp does not load.
KINDS = ("bert", "deepseek2", "falcon", "gemma2", "gpt2", "llama", "llama3rope", "mistral_bpe", "qwen3", "t5enc", "xlmrcls")
EMBEDS = ("bert", "bertcls", "nomicbert_hub", "t5enc", "xlmrcls")
CASES = sorted(p.name for p in (CORPUS / "gguf").glob("*/")) if CORPUS.is_dir() else []
WORDS = ["Hello", "world", "the", "it's", "they'LL", "我想在apple", "é", "e\u0301", "naïve", "12345", "3.14", "\n", "\n\n", "\t", " ",
         "   ", "🚀", "<s>", "</s>", "<|im_end|>", "<unk>", "...", "!?", "нещо", "A", "fooBar", "x_y", "a", "ab", "abc", "ing", "tion",
         "[MASK]", "[CLS]", "Straße", "İ", "ﬁ", "½", "x³"]


def strings(n):
    rng = random.Random(7)
    for _ in range(n):
        yield rng.choice(["", "", " "]).join(rng.choice(WORDS) for _ in range(rng.randrange(1, 9)))


class Llama:
    """llama.cpp's own server on one file."""

    def __init__(self, path, embeds):
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.port, params.warmup, params.embedding = 32, 1, 0, False, embeds
        params.cpuparams.n_threads = 1
        self.server = xllamacpp.Server(params)

    def ids(self, text):
        body = json.dumps({"content": text, "add_special": True, "parse_special": True}).encode()
        request = urllib.request.Request(self.server.listening_address + "/tokenize", body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=600))["tokens"]


def back(name, corpus, folder):
    """The converter's keys, which are those of its files (tests/cli/test_gguf_tokenizer.py), turned back."""
    folder.mkdir()
    source = corpus / "gguf" / name
    config = json.loads((source / "config.json").read_text())
    classes = config.get("architectures") or config["text_config"]["architectures"]
    pre = json.loads((corpus / "gguf" / "pre.json").read_text())[name]["pre"]
    arch = dict(pair[::2] for pair in gguf_kv.read(reference(name, corpus)))["general.architecture"].decode()
    subprocess.run([TOOL, folder, source, arch, classes[0], f"tokenizer.pre={pre}"], check=True)
    return folder


def reference(name, corpus):
    return next((corpus / "gguf").glob(f"{name}-f16.gguf"), None) or next((corpus / "gguf").glob(f"{name}-*.gguf"))


@pytest.mark.parametrize("name", CASES)
def test_ids__equal_llama_cpp(name, tmp_path, corpus):
    tokenizer = AutoTokenizer.from_pretrained(back(name, corpus, tmp_path / "m"))
    try:
        llama = Llama(reference(name, corpus), name in EMBEDS)
    except RuntimeError:
        assert name not in KINDS
        pytest.skip("llama.cpp does not load this file of the converter's")
    seen = set()
    for text in strings(1000 if name in KINDS else 50):
        want = llama.ids(text)
        assert tokenizer.encode(text) == want, ascii(text)
        seen.update(want)
    assert len(seen) > 20


def test_config__has_the_special_tokens_and_the_template(tmp_path, corpus):
    folder = back("qwen3", corpus, tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    original = AutoTokenizer.from_pretrained(corpus / "gguf" / "qwen3")
    for name in ("bos_token", "eos_token", "pad_token"):
        assert getattr(tokenizer, name) == getattr(original, name) or getattr(original, name) is None
    assert tokenizer.chat_template == original.chat_template
    assert len(tokenizer) == json.loads((corpus / "gguf" / "qwen3" / "config.json").read_text())["vocab_size"]
