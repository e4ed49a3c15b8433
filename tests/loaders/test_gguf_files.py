"""GGUF files of a mount in llama.cpp (xllamacpp's library, by ctypes) and in gguf-py: tokens and logits of the converter's
own files, large and wide ones, and bounded memory."""
import ctypes
import hashlib
import json
import multiprocessing

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader

from conftest import BIN, run
from helpers import SANITIZER_BYTES, run_bounded, write_sparse_safetensors

TEXT = "Hello world, this is a test of 123 tokens."


class Params(ctypes.Structure):
    """llama_model_params and llama_context_params, which are passed by value: longer than either."""
    _fields_ = [("bytes", ctypes.c_uint8 * 256)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("arrays", ctypes.c_void_p * 6)]


LOAD_MODE = 28  # of llama_model_params: 0 reads, 1 maps


class Llama:
    def __init__(self):
        import xllamacpp
        self.lib = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
        log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.quiet = log(lambda *_: None)
        self.call("llama_log_set", None, self.quiet, ctypes.c_void_p(None))
        self.call("llama_backend_init", None)

    def call(self, name, result, *args):
        function = getattr(self.lib, name)
        function.restype, function.argtypes = result, None
        return function(*args)

    def run(self, path, mapped):
        """(token ids, sha256 of the last token's logits) of TEXT."""
        params = self.call("llama_model_default_params", Params)
        assert params.bytes[LOAD_MODE] == 1
        params.bytes[LOAD_MODE] = mapped
        model = self.call("llama_model_load_from_file", ctypes.c_void_p, str(path).encode(), params)
        assert model, f"llama.cpp does not load {path}"
        model = ctypes.c_void_p(model)
        vocab = ctypes.c_void_p(self.call("llama_model_get_vocab", ctypes.c_void_p, model))
        ids, text = (ctypes.c_int32 * 512)(), TEXT.encode()
        n = self.call("llama_tokenize", ctypes.c_int32, vocab, text, len(text), ids, 512, ctypes.c_bool(True),
                      ctypes.c_bool(True))
        assert n > 0
        context = ctypes.c_void_p(self.call("llama_init_from_model", ctypes.c_void_p, model,
                                            self.call("llama_context_default_params", Params)))
        assert self.call("llama_decode", ctypes.c_int32, context,
                         self.call("llama_batch_get_one", Batch, ids, n)) == 0
        logits = self.call("llama_get_logits", ctypes.POINTER(ctypes.c_float), context)
        size = 4 * self.call("llama_vocab_n_tokens", ctypes.c_int32, vocab)
        digest = hashlib.sha256(ctypes.string_at(logits, size)).hexdigest()
        self.call("llama_free", None, context)
        self.call("llama_model_free", None, model)
        return list(ids[:n]), digest


def run_llama(path, mapped):
    return Llama().run(path, mapped)


@pytest.fixture(name="llama", scope="module")
def fixture_llama():
    return Llama()


def pre_of(corpus, name):
    pre = json.loads((corpus / "gguf" / "pre.json").read_text()).get(name)
    return ["-o", "set=tokenizer.pre=" + pre["pre"]] if pre and pre["model"] != "llama" else []


@pytest.mark.parametrize("name,file,outtype", [("llama", "model-F16.gguf", "f16"), ("llama", "model-Q8_0.gguf", "q8_0"),
                                               ("qwen3", "model-BF16.gguf", "bf16"), ("mixtral", "model-F16.gguf", "f16")])
def test_llama_cpp__loads_a_mounted_file(corpus, mount, llama, name, file, outtype):
    m = mount(corpus / "gguf" / name, "--view", "gguf", *pre_of(corpus, name))
    plain = corpus / "gguf" / f"{name}-{outtype}.gguf"
    for mapped in (True, False):
        assert llama.run(m.path / "gguf" / file, mapped) == llama.run(plain, mapped)


def test_llama_cpp__four_processes_at_once(corpus, mount, llama):
    m = mount(corpus / "gguf" / "llama", "--view", "gguf")
    path = m.path / "gguf" / "model-Q8_0.gguf"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(run_llama, [(path, i % 2) for i in range(4)])
    assert all(f == llama.run(corpus / "gguf" / "llama-q8_0.gguf", True) for f in found)


# ---- gguf-py, large files ---------------------------------------------------------------------------------------------

def llama_folder(path, config, n_layers, hidden, ffn, vocab):
    """A Llama whose tensors are a hole, with the corpus' tokenizer and config."""
    path.mkdir()
    kv = hidden // 4
    shapes = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,), "lm_head.weight": (vocab, hidden)}
    for i in range(n_layers):
        at = f"model.layers.{i}."
        shapes |= {at + "input_layernorm.weight": (hidden,), at + "self_attn.q_proj.weight": (hidden, hidden),
                   at + "self_attn.k_proj.weight": (kv, hidden), at + "self_attn.v_proj.weight": (kv, hidden),
                   at + "self_attn.o_proj.weight": (hidden, hidden), at + "post_attention_layernorm.weight": (hidden,),
                   at + "mlp.gate_proj.weight": (ffn, hidden), at + "mlp.up_proj.weight": (ffn, hidden),
                   at + "mlp.down_proj.weight": (hidden, ffn)}
    write_sparse_safetensors(path / "model.safetensors", {k: ("BF16", s) for k, s in shapes.items()})
    config = {**config, "num_hidden_layers": n_layers, "hidden_size": hidden, "intermediate_size": ffn,
              "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": vocab}
    config.pop("head_dim", None)
    (path / "config.json").write_text(json.dumps(config))
    return path


def make_llama(corpus, path, **sizes):
    source = corpus / "gguf" / "llama"
    llama_folder(path, json.loads((source / "config.json").read_text()), **sizes)
    for name in ("tokenizer.model", "tokenizer_config.json"):
        (path / name).write_bytes((source / name).read_bytes())
    return path


def test_reader__a_thousand_tensors(corpus, mount, tmp_path):
    vocab = json.loads((corpus / "gguf" / "llama" / "config.json").read_text())["vocab_size"]
    m = mount(make_llama(corpus, tmp_path / "Wide", n_layers=112, hidden=64, ffn=96, vocab=vocab), "--view", "gguf")
    for name in ("model.gguf", "model-Q8_0.gguf"):
        reader = GGUFReader(m.path / "gguf" / name)
        assert len(reader.tensors) == 112 * 9 + 3
        assert not any(np.asarray(t.data).any() for t in reader.tensors)


def test_reader__twenty_gigabytes_in_bounded_memory(corpus, mount, tmp_path):
    """Header, a tensor in the middle, the end: of a BF16 file and of one whose blocks are computed."""
    vocab = json.loads((corpus / "gguf" / "llama" / "config.json").read_text())["vocab_size"]
    path = make_llama(corpus, tmp_path / "Large", n_layers=24, hidden=8192, ffn=28672, vocab=vocab)
    m = mount(path, "--view", "gguf", "-o", "memory=64M")
    for name, kind in (("model.gguf", GGMLQuantizationType.BF16), ("model-Q8_0.gguf", GGMLQuantizationType.Q8_0)):
        file = m.path / "gguf" / name
        assert file.stat().st_size > (20 << 30 if name == "model.gguf" else 10 << 30)
        reader = GGUFReader(file)
        middle = next(t for t in reader.tensors if t.name == "blk.12.ffn_down.weight")
        assert middle.tensor_type == kind and not np.asarray(middle.data[:64]).any()
        last = max(reader.tensors, key=lambda t: t.data_offset)
        assert last.data_offset + last.n_bytes <= file.stat().st_size
        del reader
    command = [BIN, "cat", "--view", "gguf", path, "gguf/model-Q8_0.gguf"]
    done = run_bounded(["bash", "-c", f"{' '.join(map(str, command))} | head -c 300000000 | tail -c 1 | wc -c"], 300,
                       anon_bytes=SANITIZER_BYTES or 300 << 20)
    assert done.returncode == 0
