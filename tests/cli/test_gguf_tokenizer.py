"""tokenizer.* keys of a GGUF: equal to those of llama.cpp's converter in the corpus, key by key and in
its order; then each thing that is refused."""
import json
import pathlib
import struct
import subprocess

import pytest

from conftest import BIN, CORPUS
from helpers import HANG_S

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "gguf_tool"
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
CASES = sorted(p.name for p in (CORPUS / "gguf").glob("*/")) if CORPUS.is_dir() else []


class Pairs:
    """The key-value pairs at a place of a GGUF file: (key, type, element type, value)."""

    def __init__(self, data, at):
        self.data, self.at = data, at

    def take(self, fmt):
        value = struct.unpack_from(fmt, self.data, self.at)[0]
        self.at += struct.calcsize(fmt)
        return value

    def text(self):
        n = self.take("<Q")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, kind):
        return self.text() if kind == 8 else self.take(SCALARS[kind])

    def pair(self):
        key, kind = self.text().decode(), self.take("<I")
        if kind != 9:
            return key, kind, None, self.value(kind)
        elem, n = self.take("<I"), self.take("<Q")
        return key, kind, elem, [self.value(elem) for _ in range(n)]


def pairs_of_file(path):
    data = path.read_bytes()
    n = struct.unpack_from("<Q", data, 16)[0]
    pairs = Pairs(data, 24)
    return [pairs.pair() for _ in range(n)]


def run_tool(source, tmp_path, arch, class_name, *settings):
    out = tmp_path / "keys.bin"
    done = subprocess.run([TOOL, out, source, arch, class_name, *settings], capture_output=True, text=True,
                          timeout=HANG_S)
    if done.returncode:
        return None, done.stderr
    data, found = out.read_bytes(), []
    pairs = Pairs(data, 0)
    while pairs.at < len(data):
        found.append(pairs.pair())
    return found, done.stderr


def keys(source, tmp_path, arch="llama", class_name="LlamaForCausalLM", *settings):
    found, message = run_tool(source, tmp_path, arch, class_name, *settings)
    assert found is not None, message
    return found


def refusal(source, tmp_path, arch="llama", class_name="LlamaForCausalLM", *settings):
    found, message = run_tool(source, tmp_path, arch, class_name, *settings)
    assert found is None, "not refused"
    return message


# ---- the converter's own ----

@pytest.mark.parametrize("name", CASES)
def test_keys__equal_those_of_the_converter(name, tmp_path, corpus):
    folder = corpus / "gguf" / name
    reference = next((corpus / "gguf").glob(f"{name}-f16.gguf"), None) or next((corpus / "gguf").glob(f"{name}-*.gguf"))
    want = pairs_of_file(reference)
    config = json.loads((folder / "config.json").read_text())
    classes = config.get("architectures") or config["text_config"]["architectures"]
    arch = dict((k, v) for k, _, _, v in want)["general.architecture"].decode()
    pre = json.loads((corpus / "gguf" / "pre.json").read_text())[name]["pre"]
    got = keys(folder, tmp_path, arch, classes[0], f"tokenizer.pre={pre}")
    # Before that place stand the keys of the architecture, which may be of the tokenizer, too.
    begin = [p[0] for p in want].index("general.quantization_version") + 1
    assert got == want[begin:]


# ---- checkpoints made here ----

BYTES = [chr(c if c in [*range(33, 127), *range(161, 173), *range(174, 256)] else 0) for c in range(256)]


def letters():
    """GPT-2's 256 letters, by byte."""
    found, n = [], 0
    for letter in BYTES:
        found.append(letter if letter != "\0" else chr(256 + n))
        n += letter == "\0"
    return found


def bpe(**changes):
    vocab = {letter: i for i, letter in enumerate(letters())}
    vocab["ab"], vocab["abc"] = 256, 257
    return {"added_tokens": [{"id": 258, "content": "<|end|>", "special": True}], "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": ["a b", "ab c"], "byte_fallback": False}} | changes


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def piece(text, score=0.0, kind=1):
    return field(1, field(1, text) + b"\x15" + struct.pack("<f", score) + b"\x18" + varint(kind))


PIECES = [piece(b"<unk>", kind=2), piece(b"<s>", kind=3), piece(b"</s>", kind=3), piece(b"a", -1.5), piece(b"<0x41>", kind=6),
          piece(b"my", kind=4), piece(b"off", kind=5)]


def checkpoint(folder, files, vocab_size=264, **config):
    folder.mkdir(exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    (folder / "config.json").write_text(json.dumps({"vocab_size": vocab_size} | config))
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_keys__of_sentencepiece(tmp_path):
    decoder = {"7": {"content": "<s>x", "special": True}, "8": {"content": "\u2581b", "special": False},
               "9": {"content": "<|looks|>", "special": False}, "99": {"content": "far", "special": True}}
    source = checkpoint(tmp_path / "m", {"tokenizer.model": b"".join(PIECES), "added_tokens.json": {"new": 10, "far": 99},
                                         "tokenizer_config.json": {"added_tokens_decoder": decoder, "add_bos_token": True,
                                                                   "model_max_length": 10 ** 30}},
                        vocab_size=12, bos_token_id=1, eos_token_id=[2, 3])
    got = {key: value for key, _, _, value in keys(source, tmp_path)}
    assert got == {
        "tokenizer.ggml.model": b"llama", "tokenizer.ggml.pre": b"default",
        "tokenizer.ggml.tokens": [b"<unk>", b"<s>", b"</s>", b"a", b"<0x41>", b"my", b"off", b"<s>x", b" b", b"<|looks|>", b"new",
                                  b"[PAD11]"],
        "tokenizer.ggml.scores": [0, 0, 0, -1.5, 0, 0, 0, -1000, -1000, -1000, -1000, -10000],
        "tokenizer.ggml.token_type": [2, 3, 3, 1, 6, 1, 5, 3, 4, 3, 4, 5],
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.add_bos_token": True}


def test_keys__of_merges_as_pairs(tmp_path):
    tokenizer = bpe()
    tokenizer["model"]["merges"] = [["a", "b"], ["a b", "c"]]
    source = checkpoint(tmp_path / "m", {"tokenizer.json": tokenizer})
    got = {key: value for key, _, _, value in keys(source, tmp_path, "qwen3", "X", "tokenizer.pre=qwen2")}
    assert got["tokenizer.ggml.merges"] == ["a b".encode(), "a\u0120b c".encode()]
    assert got["tokenizer.ggml.token_type"][255:] == [1, 1, 1, 3, 5, 5, 5, 5, 5]


TEMPLATES = {
    "config": ({"tokenizer_config.json": {"a": 1, "chat_template": "own"}, "chat_template.jinja": "other"},
               {"tokenizer.chat_template": b"own"}),
    "jinja": ({"tokenizer_config.json": {"a": 1}, "chat_template.jinja": b"one\r\ntwo\rthree\n"},
              {"tokenizer.chat_template": b"one\ntwo\nthree\n"}),
    "json": ({"tokenizer_config.json": {"a": 1}, "chat_template.json": {"chat_template": "in json"}},
             {"tokenizer.chat_template": b"in json"}),
    "several": ({"tokenizer_config.json": {"chat_template": [{"name": "default", "template": "d"}, {"name": "a-b", "template": "t"}]}},
                {"tokenizer.chat_template.a_b": b"t", "tokenizer.chat_templates": [b"a_b"], "tokenizer.chat_template": b"d"}),
    "additional": ({"tokenizer_config.json": {"a": 1}, "chat_template.jinja": "d", "additional_chat_templates/rag.jinja": "r"},
                   {"tokenizer.chat_template.rag": b"r", "tokenizer.chat_templates": [b"rag"], "tokenizer.chat_template": b"d"}),
    "none": ({"chat_template.jinja": "nobody reads it without a tokenizer_config.json"}, {}),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_keys__of_chat_templates(name, tmp_path):
    files, want = TEMPLATES[name]
    source = checkpoint(tmp_path / "m", {"tokenizer.model": b"".join(PIECES)} | files)
    got = {key: value for key, _, _, value in keys(source, tmp_path)}
    assert {k: v for k, v in got.items() if "chat" in k} == want


def changed(path, value):
    """bpe() with one member changed; None: removed."""
    tokenizer = bpe()
    *parents, last = path.split("/")
    at = tokenizer
    for name in parents:
        at = at[name]
    at[last] = value
    return tokenizer


REFUSED_JSON = {
    "no JSON": (b"{", "tokenizer.json: byte "),
    "no model": ({"added_tokens": []}, "tokenizer.json: no 'model'"),
    "model twice": (b'{"model": {}, "model": {}}', "'model' stands there twice"),
    "vocab twice": (b'{"model": {"vocab": {"a": 1}, "vocab": {"a": 1}}}', "'vocab' stands there twice"),
    "nested": (b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b', "model": {}}', "tokenizer.json: byte "),
    "a token twice": (b'{"model": {"vocab": {"a": 1, "a": 2}}}', "model.vocab: the token 'a' stands there twice"),
    "an id twice": (changed("model/vocab", {"a": 1, "b": 1}), "model.vocab: two tokens have the id 1"),
    "an id of no sense": (changed("model/vocab", {"a": -1}), "tokenizer.json: byte "),
    "a huge id": (changed("model/vocab", {"a": 1 << 40}), "beyond 2^31"),
    "an id out of range": (changed("model/vocab", {"a": 264}), "'a' has the id 264, but config.json's vocab_size is 264"),
    "an added id out of range": (changed("added_tokens", [{"id": 264, "content": "x"}]), "'x' has the id 264"),
    "an added id twice": (changed("added_tokens", [{"id": 3, "content": "x", "special": True}, {"id": 3, "content": "y"}]), "two added tokens have the id 3"),
    "added without id": (changed("added_tokens", [{"content": "x"}]), "added_tokens[0] has no id"),
    "added no list": (changed("added_tokens", {"a": 1}), "'added_tokens' is no list"),
    "merges of one": (changed("model/merges", ["a"]), "no pair of tokens"),
    "merges of three": (changed("model/merges", [["a", "b", "c"]]), "tokenizer.json: byte "),
    "merges of blanks": (changed("model/merges", ["a b c"]), "no pair of tokens"),
    "no UTF-8": (b'{"model": {"vocab": {"\xff": 1}}}', "not valid UTF-8"),
    "a lone surrogate": (b'{"model": {"vocab": {"\\ud800": 1}}}', "surrogate"),
}


@pytest.mark.parametrize("name", REFUSED_JSON)
def test_refuses__a_tokenizer_json(name, tmp_path):
    content, words = REFUSED_JSON[name]
    source = checkpoint(tmp_path / "m", {"tokenizer.json": content})
    assert words in refusal(source, tmp_path, "qwen3", "X", "tokenizer.pre=qwen2")


REFUSED_MODEL = {
    "empty": (b"", "tokenizer.model: a SentencePiece model without pieces"),
    "cut in a length": (b"".join(PIECES) + b"\x0a", "tokenizer.model: byte "),
    "cut in a piece": (b"".join(PIECES)[:-3], "cut off"),
    "a length beyond the file": (b"\x0a\xff\xff\xff\xff\x0f", "cut off"),
    "a length beyond its message": (field(1, b"\x0a\x7fabc"), "cut off"),
    "a number without end": (b"\xff" * 11, "more than ten bytes"),
    "a group": (b"\x0b", "no SentencePiece model"),
    "no UTF-8": (piece(b"\xff"), "not valid UTF-8"),
    "an empty piece": (piece(b""), "an empty piece"),
    "a piece of no type": (piece(b"a", kind=7), "a piece of no known type"),
    "a piece twice": (piece(b"a") + piece(b"b") + piece(b"a"), "the pieces 0 and 2 are the same text"),
    "more pieces than rows": (b"".join(piece(b"%d" % i) for i in range(265)), "265 pieces, but config.json's vocab_size is 264"),
}


@pytest.mark.parametrize("name", REFUSED_MODEL)
def test_refuses__a_tokenizer_model(name, tmp_path):
    content, words = REFUSED_MODEL[name]
    source = checkpoint(tmp_path / "m", {"tokenizer.model": content})
    assert words in refusal(source, tmp_path)


def test_refuses__configs_that_do_not_fit(tmp_path):
    model = {"tokenizer.model": b"".join(PIECES)}
    for n, (files, config, words) in enumerate([
            ({}, {}, "tokenizer.json: not there"),
            (model, {"vocab_size": None}, "config.json: no 'vocab_size'"),
            (model, {"vocab_size": -1}, "'vocab_size' is no whole number"),
            (model, {"vocab_size": 1 << 30}, "vocab_size"),
            (model, {"bos_token_id": -1}, "bos_token_id: -1"),
            (model | {"tokenizer_config.json": b"["}, {}, "tokenizer_config.json: line 1: no JSON"),
            (model | {"tokenizer_config.json": "[]"}, {}, "tokenizer_config.json: no JSON object"),
            (model | {"tokenizer_config.json": b'{"a": 1, "a": 2}'}, {}, "tokenizer_config.json: line 1: no JSON: duplicate"),
            (model | {"tokenizer_config.json": {"added_tokens_decoder": {"x": {"content": "a"}}}}, {}, "added_tokens_decoder: 'x' is no id"),
            (model | {"tokenizer_config.json": {"added_tokens_decoder": {"1": {}}}}, {}, "added_tokens_decoder: 1 has no content"),
            (model | {"added_tokens.json": {"a": "b"}}, {}, "added_tokens.json: 'a' has no id"),
            (model | {"tokenizer_config.json": {"chat_template": 1}}, {}, "'chat_template' is neither text nor a list"),
            (model | {"tokenizer_config.json": {"a": 1}, "chat_template.jinja": b"\xff"}, {}, "chat_template.jinja: not valid UTF-8")]):
        source = checkpoint(tmp_path / f"m{n}", files, **({"vocab_size": 264} | config))
        assert words in refusal(source, tmp_path)


# ---- the pre-tokenizer's name ----

PLAIN = {"tokenizer_class": "PreTrainedTokenizerFast"}
UNTOLD = {
    "no pre_tokenizer": (changed("pre_tokenizer", None), PLAIN, "none whose cuts are known"),
    "another regex": (changed("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": False}), PLAIN, "none whose cuts are known"),
    "a normalizer": (changed("normalizer", {"type": "Lowercase"}), PLAIN, "its normalizer changes"),
    "byte fallback": (changed("model/byte_fallback", True), PLAIN, "tokenizer.model is needed"),
    "a suffix": (changed("model/end_of_word_suffix", "</w>"), PLAIN, "marks the parts of words"),
    "an added token in the text": (changed("added_tokens", [{"id": 258, "content": "\n\n"}]), PLAIN, "an added token stands in"),
    "no class": (bpe(), {"a": 1}, "names no tokenizer_class"),
    "a first token that nobody adds": (bpe(), PLAIN | {"add_bos_token": True}, "contradicts"),
    "a first token without a name": (bpe(), {"tokenizer_class": "LlamaTokenizerFast"}, "adds a token that it does not name"),
    "a blank before": (bpe(), PLAIN | {"add_prefix_space": True}, "add_prefix_space"),
    "no bytes": (changed("model/vocab", {"a": 0, "b": 1, "c": 2}), PLAIN, "lacks bytes"),
    "Unigram": (changed("model/type", "Unigram"), PLAIN, "neither BPE nor WordPiece"),
    "nobody's": (bpe(), PLAIN, "converter does not know (its check gives "),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_pre__is_refused_where_nothing_tells_it(name, tmp_path):
    tokenizer, config, words = UNTOLD[name]
    source = checkpoint(tmp_path / "m", {"tokenizer.json": tokenizer, "tokenizer_config.json": config})
    message = refusal(source, tmp_path, "qwen3", "X")
    assert words in message and "-o set=tokenizer.pre=NAME" in message and message.startswith("tokenizer.json: ")
    assert ("tokenizer.ggml.pre", 8, None, b"mine") in keys(source, tmp_path, "qwen3", "X", "tokenizer.pre=mine")


def test_pre__a_name_is_not_empty(tmp_path):
    source = checkpoint(tmp_path / "m", {"tokenizer.json": bpe(), "tokenizer_config.json": PLAIN})
    assert "a name expected" in refusal(source, tmp_path, "qwen3", "X", "tokenizer.pre=")
