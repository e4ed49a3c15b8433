"""Writes the seeds of the fuzz corpora that libraries of others can make: small .npy, .npz and Flax
msgpack files, whole and broken. Run with the loaders' Python; its output is committed."""
import io
import json
import pathlib
import struct
import zipfile

import numpy as np
from flax import serialization
import ml_dtypes

CORPUS = pathlib.Path(__file__).resolve().parent / "fuzz" / "corpus"


def put(parser, name, data):
    (CORPUS / parser).mkdir(parents=True, exist_ok=True)
    (CORPUS / parser / name).write_bytes(data)


def npy(array, **kwargs):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, **kwargs)
    return out.getvalue()


def npz(compressed, **arrays):
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


def safetensors_seeds():
    """Files; and, behind a byte that says how much data there is, headers alone."""
    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    def file(header, n_data):
        header = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(header)) + header + bytes(n_data)

    good = {"__metadata__": {"format": "pt"}, "a.weight": entry("F32", [2, 3], 0, 24),
            "z": entry("BF16", [0, 4], 24, 24), "q": entry("F4", [4], 24, 26)}
    put("safetensors", "plain", file(good, 26))
    put("safetensors", "empty", file({}, 0))
    put("safetensors", "array-entry", file({"a": ["U8", [1], [0, 1]]}, 1))
    put("safetensors", "escapes", file({"\0\n\u00e9\U0001f600": entry("I64", [], 0, 8)}, 8))
    put("safetensors", "unordered", file({"b": entry("U8", [1], 4, 5), "a": entry("F32", [1], 0, 4)}, 5))
    put("safetensors", "unknown-fields", file({"a": {**entry("U8", [1], 0, 1), "x": [[{"y": -1.5e3}], None]}}, 1))
    put("safetensors", "header-only", bytes([26]) + json.dumps(good).encode())
    put("safetensors", "should-fail-hole", file({"a": entry("U8", [1], 1, 2)}, 2))
    put("safetensors", "should-fail-overlap", file({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, 3))
    put("safetensors", "should-fail-reversed", file({"a": entry("U8", [1], 1, 0)}, 1))
    put("safetensors", "should-fail-overflow", file({"a": entry("F64", [2**61, 8], 0, 0)}, 0))
    put("safetensors", "should-fail-trailing", file({"a": entry("U8", [1], 0, 1)}, 2))
    put("safetensors", "should-fail-twice", file(
        b'{"a":["U8",[1],[0,1]],"\\u0061":["U8",[1],[1,2]]}', 2))
    put("safetensors", "should-fail-length", struct.pack("<Q", 10**8) + b"{}")
    put("safetensors", "should-fail-surrogate", file(b'{"\\ud800":["U8",[1],[0,1]]}', 1))
    put("safetensors", "should-fail-deep", file(b'{"a":{"x":' + b"[" * 10000, 0))


def gguf_seeds():
    """Files; and, behind three bytes that say how many tensors, keys and data bytes there are, the rest."""
    def text(value):
        return struct.pack("<Q", len(value)) + value

    def tensor(name, sizes, kind, off, order="<"):
        return (struct.pack(order + "Q", len(name)) + name + struct.pack(order + "I", len(sizes))
                + struct.pack(f"{order}{len(sizes)}Q", *sizes) + struct.pack(order + "IQ", kind, off))

    def file(n_tensors, n_keys, body, n_data=0, order="<"):
        head = b"GGUF" + struct.pack(order + "IQQ", 3, n_tensors, n_keys) + body
        return head + bytes(-len(head) % 32) + bytes(n_data)

    keys = (text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
            + text(b"general.alignment") + struct.pack("<II", 4, 32)
            + text(b"x.rate") + struct.pack("<If", 6, 0.5)
            + text(b"tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"\xff"))
    tensors = tensor(b"blk.0.w", [4, 2], 0, 0) + tensor(b"blk.0.q", [32], 8, 32) + tensor(b"s", [], 30, 96)
    put("gguf", "plain", file(3, 4, keys + tensors, 128))
    put("gguf", "body", bytes([3, 4, 16]) + keys + tensors)
    put("gguf", "split", file(1, 2, text(b"split.no") + struct.pack("<IH", 2, 0) + text(b"split.count")
                              + struct.pack("<IH", 2, 1) + tensor(b"w", [1], 24, 0), 1))
    put("gguf", "big-endian", file(2, 0, tensor(b"w", [4], 0, 0, ">") + tensor(b"b", [32], 39, 32, ">"), 64, ">"))
    put("gguf", "big-endian-body", bytes([2, 0, 9]) + tensor(b"w", [4], 0, 0, ">") + tensor(b"b", [32], 39, 32, ">"))
    put("gguf", "should-fail-offset", file(1, 0, tensor(b"w", [4], 0, 16), 64))
    put("gguf", "should-fail-twice", file(2, 0, tensor(b"w", [4], 0, 0) + tensor(b"w", [4], 0, 32), 64))
    put("gguf", "should-fail-overflow", file(1, 0, tensor(b"w", [2**62, 4], 0, 0), 64))
    put("gguf", "should-fail-nested", file(0, 1, text(b"a") + struct.pack("<IIQ", 9, 9, 1), 64))
    put("gguf", "should-fail-string", file(0, 1, text(b"a") + struct.pack("<IQ", 8, 2**63), 64))


def tokenizer_seeds():
    """'m' and a SentencePiece model; or a tokenizer.json, a NUL, a tokenizer_config.json."""
    def piece(text, kind):
        inner = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", -1.5) + b"\x18" + bytes([kind])
        return b"\x0a" + bytes([len(inner)]) + inner

    pieces = b"m" + b"".join(piece(text, kind) for text, kind in [(b"<unk>", 2), (b"<s>", 3), (b"<0x41>", 6), (b"a\0b", 1)])
    settings = b"\x12\x02\x18\x01" + b"\x1a\x09\x12\x03abc\x18\x00\x20\x00"
    put("tokenizer", "model", pieces + settings)
    put("tokenizer", "should-fail-model-cut", pieces[:-2])
    put("tokenizer", "should-fail-model-number", b"m" + b"\xff" * 12)

    def both(tokenizer, config):
        tokenizer = tokenizer if isinstance(tokenizer, bytes) else json.dumps(tokenizer).encode()
        return tokenizer + b"\0" + json.dumps(config).encode()

    def special(name):
        return {"SpecialToken": {"id": name, "type_id": 0}}

    a, b = {"Sequence": {"id": "A"}}, {"Sequence": {"id": "B"}}
    template = {"type": "TemplateProcessing", "single": [special("<s>"), a, special("</s>")],
                "pair": [special("<s>"), a, special("</s>"), special("</s>"), b, special("</s>")],
                "special_tokens": {"<s>": {"ids": [4]}, "</s>": {"ids": [5]}}}
    added = [{"id": 4, "content": "<s>", "special": True}, {"id": 5, "content": "\u2581x", "special": False}]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    bpe = {"added_tokens": added, "pre_tokenizer": level, "post_processor": {"type": "Sequence", "processors": [level, template]},
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]},
           "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120a b": 3}, "merges": ["a b", ["\u0120a b", "a"]]}}
    named = {"bos_token": "<s>", "eos_token": {"content": "x"}, "add_bos_token": True, "tokenizer_class": "LlamaTokenizerFast",
             "model_max_length": 10 ** 30, "chat_template": [{"name": "a-b", "template": "t"}, {"name": "default", "template": "d"}]}
    put("tokenizer", "bpe", both(bpe, named))
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    words = {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1, "##b": 2, "n": 3}, "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    put("tokenizer", "wordpiece", both({"normalizer": bert, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": template,
                                        "added_tokens": added, "model": words}, {"cls_token": "<s>", "sep_token": "</s>",
                                                                                 "tokenizer_class": "BertTokenizer"}))
    put("tokenizer", "roberta", both({"post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 4], "sep": ["</s>", 5]},
                                      "model": {"type": "BPE"}}, {"tokenizer_class": "RobertaTokenizer"}))
    put("tokenizer", "unigram", both({"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}, {}))
    put("tokenizer", "should-fail-twice", b'{"model": {"vocab": {"a": 0, "\\u0061": 1}}}')
    put("tokenizer", "should-fail-deep", b'{"normalizer":' + b"[" * 5000)
    put("tokenizer", "should-fail-merge", both({"model": {"merges": [["a"]]}}, {}))


def main():
    safetensors_seeds()
    gguf_seeds()
    tokenizer_seeds()
    a = np.arange(6, dtype="<f4").reshape(2, 3)
    put("npy", "c-order", npy(a))
    put("npy", "fortran-order", npy(np.asfortranarray(a)))
    put("npy", "big-endian", npy(a.astype(">f8")))
    put("npy", "scalar-v2", npy(np.float32(1), version=(2, 0)))
    put("npy", "bfloat16", npy(a.astype(ml_dtypes.bfloat16)))
    put("npy", "should-fail-objects", npy(np.array([None, 1]), allow_pickle=True))
    put("npy", "should-fail-records", npy(np.zeros(2, dtype=[("x", "<f4")])))
    put("npy", "should-fail-shape-bomb", npy(a).replace(b"(2, 3)", b"(9" + b"9" * 18 + b",)")[:128])
    put("npy", "should-fail-cut", npy(a)[:40])
    put("npz", "stored", npz(False, **{"a/kernel": a, "b": a[0]}))
    put("npz", "deflated", npz(True, a=np.zeros((64, 64), "<f4")))
    put("npz", "should-fail-duplicate", duplicate_npz(npy(a)))
    put("msgpack", "nested", serialization.msgpack_serialize(
        {"params": {"dense": {"kernel": a, "bias": a[0].astype(ml_dtypes.bfloat16)}}, "step": 3}))
    put("msgpack", "plain", serialization.msgpack_serialize(
        {"x": [1, 2.5, None, True, "s", b"b", 1 + 2j, -1], "y": np.float32(2)}))
    chunks = {"__msgpack_chunked_array__": True, "shape": {"0": 2, "1": 3},
              "chunks": {"0": a.ravel()[:4], "1": a.ravel()[4:]}}
    whole = serialization.msgpack_serialize({"w": chunks})
    put("msgpack", "chunked", whole)
    put("msgpack", "should-fail-chunk-gap", whole.replace(b"\xa11", b"\xa12"))
    put("msgpack", "should-fail-cut", whole[:-3])
    put("msgpack", "should-fail-trailing", whole + b"\x00")
    put("msgpack", "should-fail-deep", b"\x91" * 1100 + b"\xc0")
    put("msgpack", "should-fail-length", b"\x81\xa1a\xc6" + struct.pack(">I", 2**32 - 1))
    put("msgpack", "should-fail-int-key", b"\x81\x01\x01")
    put("msgpack", "should-fail-key-twice", b"\x82\xa1a\x01\xa1a\x02")


def duplicate_npz(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", data)
        archive.writestr("b.npy", data)
    return out.getvalue().replace(b"b.npy", b"a.npy")


if __name__ == "__main__":
    main()
