"""GGUF files of views: model.gguf and its types, from `cat` and from `export`, against files that are put together
here, the converter's files of the corpus, and hashes of llama-quantize's files of them."""
import hashlib
import json
import struct

import numpy as np
import pytest

from conftest import CORPUS, run

U32, F32, BOOL, STR, ARRAY = 4, 6, 7, 8, 9
TYPES = {"F32": 0, "F16": 1}


def text(s):
    data = s.encode() if isinstance(s, str) else s
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value, order="<"):
    def one(kind, v):
        if kind == STR:
            data = v.encode()
            return struct.pack(order + "Q", len(data)) + data
        return struct.pack(order + {U32: "I", F32: "f", BOOL: "?"}[kind], v)
    data = struct.pack(order + "Q", len(key)) + key.encode()
    if isinstance(value, list):
        return data + struct.pack(order + "IIQ", ARRAY, kind, len(value)) + b"".join(one(kind, v) for v in value)
    return data + struct.pack(order + "I", kind) + one(kind, value)


def gguf_bytes(pairs, tensors, alignment=32, order="<"):
    """pairs: (key, kind, value); tensors: (name, array)."""
    infos, body, off = b"", b"", 0
    for name, a in tensors:
        infos += struct.pack(order + "Q", len(name)) + name.encode() + struct.pack(order + "I", a.ndim)
        infos += struct.pack(f"{order}{a.ndim}Q", *reversed(a.shape))
        infos += struct.pack(order + "IQ", {"f4": 0, "f2": 1}[a.dtype.str[1:]], off)
        data = a.astype(a.dtype.newbyteorder(order)).tobytes()
        body += data + bytes(-len(data) % alignment)
        off = len(body)
    head = b"GGUF" + struct.pack(order + "IQQ", 3, len(tensors), len(pairs))
    head += b"".join(pair(*p, order) for p in pairs) + infos
    return head + bytes(-len(head) % alignment) + body


LAYERS = 3


def llama_keys(**more):
    keys = {"general.architecture": (STR, "llama"), "general.name": (STR, "Tiny"),
            "llama.block_count": (U32, LAYERS), "llama.attention.head_count": (U32, 4),
            "llama.attention.head_count_kv": (U32, 2), "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5),
            "general.file_type": (U32, 0), "general.quantization_version": (U32, 2),
            "tokenizer.ggml.model": (STR, "gpt2"), "tokenizer.ggml.tokens": (STR, ["a", "b\0c", ""])}
    keys.update(more)
    return [(k, *v) for k, v in keys.items()]


def llama_tensors(dtype=np.float32):
    rng = np.random.default_rng(3)

    def w(*shape):
        return rng.standard_normal(shape).astype(np.float32).astype(dtype if len(shape) > 1 else np.float32)
    tensors = [("token_embd.weight", w(40, 256))]
    for i in range(LAYERS):
        at = f"blk.{i}."
        tensors += [(at + "attn_norm.weight", w(256)), (at + "attn_q.weight", w(256, 256)),
                    (at + "attn_k.weight", w(128, 256)), (at + "attn_v.weight", w(128, 256)),
                    (at + "attn_output.weight", w(256, 256)), (at + "ffn_norm.weight", w(256)),
                    (at + "ffn_gate.weight", w(96, 256)), (at + "ffn_up.weight", w(96, 256)),
                    (at + "ffn_down.weight", w(256, 96))]
    return tensors + [("output_norm.weight", w(256)), ("output.weight", w(40, 256))]


def cat(source, name="model.gguf", *args, **kwargs):
    done = run("cat", "--view", "gguf", *args, source, "gguf/" + name, text=False, **kwargs)
    return done if "check" in kwargs else done.stdout


def parse(data):
    """(keys in order, [(name, type, offset)]) of bytes that a view wrote."""
    assert data[:4] == b"GGUF"
    _, n_tensors, n_pairs = struct.unpack_from("<IQQ", data, 4)
    pos, keys, tensors = 24, [], []

    def number(fmt):
        nonlocal pos
        value, = struct.unpack_from("<" + fmt, data, pos)
        pos += struct.calcsize(fmt)
        return value

    def string():
        nonlocal pos
        n = number("Q")
        pos += n
        return data[pos - n:pos]

    def skip(kind):
        if kind == STR:
            string()
        else:
            number({U32: "I", F32: "f", BOOL: "?", 5: "i"}[kind])
    for _ in range(n_pairs):
        keys.append(string().decode())
        kind = number("I")
        if kind == ARRAY:
            kind = number("I")
            for _ in range(number("Q")):
                skip(kind)
        else:
            skip(kind)
    for _ in range(n_tensors):
        name = string().decode()
        shape = [number("Q") for _ in range(number("I"))]
        tensors.append((name, number("I"), shape, number("Q")))
    return keys, tensors


# ---- a GGUF file as the source ----------------------------------------------------------------------------------------

def test_model_gguf__of_a_gguf_file_is_the_file(tmp_path):
    path = tmp_path / "a.gguf"
    for alignment, more in ((32, {}), (64, {"general.alignment": (U32, 64)})):
        path.write_bytes(gguf_bytes(llama_keys(**more), llama_tensors(), alignment))
        assert cat(path) == path.read_bytes()


def test_model_gguf__of_a_big_endian_file_is_its_little_endian_twin(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors(), order=">"))
    assert cat(path) == gguf_bytes(llama_keys(), llama_tensors())


def test_model_gguf__of_a_split_model_is_one_file(tmp_path):
    def split(i):
        keys = {"split.no": (2, i), "split.count": (2, 2), "split.tensors.count": (5, len(llama_tensors()))}
        return [(k, *v) for k, v in keys.items()]
    pack = {2: "<H", 5: "<i"}
    tensors = llama_tensors()

    def bytes_of(pairs, extra, part):
        whole = gguf_bytes(pairs, part)
        added = b"".join(text(k) + struct.pack("<I", kind) + struct.pack(pack[kind], v) for k, kind, v in extra)
        head_end = 24 + sum(len(pair(*p)) for p in pairs)
        infos_end = head_end + len(gguf_infos(part))
        head = whole[:16] + struct.pack("<Q", len(pairs) + len(extra)) + whole[24:head_end] + added
        head += whole[head_end:infos_end]
        data_at = infos_end + -infos_end % 32
        return head + bytes(-len(head) % 32) + whole[data_at:]

    def gguf_infos(part):
        infos = b""
        for name, a in part:
            infos += text(name) + struct.pack("<I", a.ndim) + bytes(8 * a.ndim + 12)
        return infos
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(bytes_of(llama_keys(), split(0), tensors[:9]))
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(bytes_of([], split(1), tensors[9:]))
    assert cat(tmp_path) == gguf_bytes(llama_keys(), tensors)


def test_set__edits_and_adds_keys(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    sets = ["set=gguf.llama.block_count=7", "set=general.name=Other", "set=gguf.x.flag=true", "set=gguf.x.n=12",
            "set=gguf.x.f=0.5", "set=gguf.x.s=a=b"]
    got = cat(path, "model.gguf", *[a for s in sets for a in ("-o", s)])
    keys = llama_keys(**{"llama.block_count": (U32, 7), "general.name": (STR, "Other"), "x.flag": (BOOL, True),
                         "x.n": (U32, 12), "x.f": (F32, 0.5), "x.s": (STR, "a=b")})
    assert got == gguf_bytes(keys, llama_tensors())


@pytest.mark.parametrize("setting,words", [
    ("gguf.llama.block_count=many", "no value of the key's type"),
    ("gguf.llama.block_count=-1", "no value of the key's type"),
    ("gguf.llama.block_count=4294967296", "no value of the key's type"),
    ("gguf.tokenizer.ggml.tokens=a", "no value of the key's type"),
    ("gguf.general.alignment=48", "power of two"),
])
def test_set__refuses_what_is_no_value_of_the_key(tmp_path, setting, words):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    done = run("cat", "--view", "gguf", "-o", "set=" + setting, path, "gguf/model.gguf", check=False)
    assert done.returncode and words in done.stderr


# ---- types ------------------------------------------------------------------------------------------------------------

def test_types__listed_and_of_all(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    names = [n for n in run("ls", "--view", "gguf", path, "gguf").stdout.split() if n.endswith(".gguf")]
    assert names == ["model-BF16.gguf", "model-F16.gguf", "model-F32.gguf", "model-Q4_0.gguf", "model-Q8_0.gguf",
                     "model.gguf"]
    every = [n for n in run("ls", "--view", "gguf", "-o", "files=all", path, "gguf").stdout.split()
             if n.startswith("model-") and n.endswith(".gguf")]
    assert len(every) == 20
    for name in every:
        assert cat(path, "model.gguf", "-o", "outtype=" + name[6:-5].lower()) == cat(path, name, "-o", "files=all")


def test_types__keys_and_order_are_llama_quantizes(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    keys, tensors = parse(cat(path, "model.gguf", "-o", "outtype=Q4_K_M"))
    assert keys[-2:] == ["general.quantization_version", "general.file_type"]
    assert [n for n, *_ in tensors[:3]] == ["output.weight", "output_norm.weight", "token_embd.weight"]
    types = {n: t for n, t, *_ in tensors}
    q5_0, q8_0, q4_k, q6_k = 6, 8, 12, 14
    assert types["output.weight"] == q6_k and types["token_embd.weight"] == q4_k and types["output_norm.weight"] == 0
    # One third of the layers gets more bits: of three the last. Its row of 96 is no whole block of 256: Q8_0 and Q5_0.
    assert [types[f"blk.{i}.attn_v.weight"] for i in range(3)] == [q4_k, q4_k, q6_k]
    assert [types[f"blk.{i}.ffn_down.weight"] for i in range(3)] == [q5_0, q5_0, q8_0]


def test_types__blocks_are_not_quantised_again(tmp_path):
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    first.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    second.write_bytes(cat(first, "model-Q8_0.gguf"))
    assert cat(second) == second.read_bytes()
    names = run("ls", "--view", "gguf", second, "gguf").stdout.split()
    assert "model.gguf" in names and "model-F16.gguf" not in names
    done = run("cat", "--view", "gguf", second, "gguf/model-F16.gguf", check=False)
    assert done.returncode and "blocks are kept" in done.stderr


def test_types__an_unknown_outtype_is_refused(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    for outtype in ("IQ2_XXS", "Q9"):
        done = run("cat", "--view", "gguf", "-o", "outtype=" + outtype, path, "gguf/model.gguf", check=False)
        assert done.returncode and "importance matrix" in done.stderr
    done = run("ls", "--view", "torch", "-o", "outtype=Q8_0", path, "torch", check=False)
    assert done.returncode and "no GGUF file" in done.stderr


def test_auto__narrowing_is_a_problem_until_it_is_wanted(tmp_path):
    """float32 as F16 may overflow; BF16 and blocks may not."""
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    for outtype, narrows in (("f16", True), ("bf16", False), ("q8_0", False), ("auto", False)):
        report = run("cat", "--view", "gguf", "-o", "outtype=" + outtype, path, "info/report.txt").stdout
        assert ("in model.gguf: values beyond 65504" in report) == narrows, outtype
    strict = ["ls", "--strict", "--view", "gguf", path, "gguf", "-o"]
    assert run(*strict, "outtype=f16", check=False).returncode
    assert run(*strict, "outtype=f16,narrow").returncode == 0


def test_export__counts_what_overflows(tmp_path):
    path, tensors = tmp_path / "a.gguf", llama_tensors()
    tensors[-1][1][3, 5] = 1e30
    path.write_bytes(gguf_bytes(llama_keys(), tensors))
    done = run("export", path, tmp_path / "x-F16.gguf", check=False)
    assert done.returncode == 1 and "1 finite elements became infinite" in done.stderr
    done = run("export", path, tmp_path / "x-Q8_0.gguf", check=False)
    assert done.returncode == 2 and "too large for q8_0" in done.stderr and not (tmp_path / "x-Q8_0.gguf").exists()


def test_export__takes_view_and_type_from_the_name(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    for name, of in (("x-Q8_0.gguf", "model-Q8_0.gguf"), ("x.q4_k_m.gguf", "model-Q4_K_M.gguf"), ("x.gguf", "model.gguf"),
                     ("Model-3B.gguf", "model.gguf")):
        run("export", path, tmp_path / name)
        assert (tmp_path / name).read_bytes() == cat(path, of, "-o", "files=all"), name
    for i in (1, 2):
        run("export", "--part", f"{i}/2", path, tmp_path / "y-Q5_K.gguf")
    run("export", "--finish", path, tmp_path / "y-Q5_K.gguf")
    assert (tmp_path / "y-Q5_K.gguf").read_bytes() == cat(path, "model-Q5_K_M.gguf", "-o", "files=all")


def test_export__refuses_a_type_that_it_cannot_make(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    done = run("export", path, tmp_path / "x-IQ2_XXS.gguf", check=False)
    assert done.returncode and "importance matrix" in done.stderr and not (tmp_path / "x-IQ2_XXS.gguf").exists()


def test_export__parts_of_other_keys_are_not_put_together(tmp_path):
    path, out = tmp_path / "a.gguf", tmp_path / "x.gguf"
    path.write_bytes(gguf_bytes(llama_keys(), llama_tensors()))
    run("export", "--part", "1/2", "-o", "set=general.name=One", path, out)
    done = run("export", "--part", "2/2", "-o", "set=general.name=Two", path, out, check=False)
    assert done.returncode and not out.exists()


# ---- the converter's and llama-quantize's files -------------------------------------------------------------------------

REFERENCES = sorted((CORPUS / "gguf").glob("*.gguf"))


def pre_of(name):
    """The pre-tokenizer's name that the converter was given for a corpus: -o set=tokenizer.pre=NAME."""
    pre = json.loads((CORPUS / "gguf" / "pre.json").read_text()).get(name)
    return ["-o", "set=tokenizer.pre=" + pre["pre"]] if pre and pre["model"] != "llama" else []


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda p: p.stem)
def test_corpus__the_converters_files(reference):
    name, outtype = reference.stem.rsplit("-", 1)
    options = [*pre_of(name), "-o", "outtype=" + outtype]
    assert cat(CORPUS / "gguf" / name, "model.gguf", *options) == reference.read_bytes()


def shards(source, folder, cut):
    """The checkpoint as folder/NAME with its tensors in files by `cut`: lists of names."""
    data = (source / "model.safetensors").read_bytes()
    n, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    folder = folder / source.name
    folder.mkdir()
    for path in source.iterdir():
        if path.name != "model.safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    index = {}
    for i, names in enumerate(cut(sorted(k for k in header if k != "__metadata__"))):
        file, off, infos, body = f"model-{i + 1:05}-of-00003.safetensors", 0, {}, b""
        for key in reversed(names):
            begin, end = header[key]["data_offsets"]
            infos[key] = {**header[key], "data_offsets": [off, off + end - begin]}
            body += data[8 + n + begin:8 + n + end]
            off += end - begin
            index[key] = file
        text_ = json.dumps(infos).encode()
        (folder / file).write_bytes(struct.pack("<Q", len(text_)) + text_ + body)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


@pytest.mark.parametrize("name", ["llama", "mixtral", "gptoss", "granitehybrid"])
def test_corpus__the_same_of_shards(corpus, tmp_path, name):
    source = corpus / "gguf" / name
    if not source.is_dir():
        pytest.skip(f"no {source}")
    folder = shards(source, tmp_path, lambda k: [k[:len(k) // 3], k[len(k) // 3:len(k) // 2], k[len(k) // 2:]])
    options = [*pre_of(name), "-o", "outtype=f16"]
    assert cat(folder, "model.gguf", *options) == (corpus / "gguf" / f"{name}-f16.gguf").read_bytes()


def test_corpus__shards_are_read_one_by_one(corpus, tmp_path):
    """The converter goes from file to file, so that the order of tensors is not that of all names."""
    folder = shards(corpus / "gguf" / "llama", tmp_path, lambda k: [k[20:], k[:10], k[10:20]])
    names = [n for n, *_ in parse(cat(folder, "model.gguf"))[1]]
    whole = [n for n, *_ in parse(cat(corpus / "gguf" / "llama", "model.gguf"))[1]]
    assert names == whole[20:] + whole[:20]


@pytest.mark.parametrize("name,outtype", [("llama", "q8_0"), ("qwen3", "bf16"), ("mixtral", "f16"), ("gptoss", "f16")])
def test_corpus__exports_are_the_same(corpus, tmp_path, name, outtype):
    out, reference = tmp_path / f"x-{outtype}.gguf", corpus / "gguf" / f"{name}-{outtype}.gguf"
    source, options = corpus / "gguf" / name, pre_of(name)
    run("export", *options, source, out)
    assert out.read_bytes() == reference.read_bytes()
    for i in (1, 2, 3):
        run("export", "--part", f"{i}/3", *options, source, out)
    run("export", "--finish", *options, source, out)
    assert out.read_bytes() == reference.read_bytes()


# sha256 of what llama_model_quantize makes of the corpus' llama-f32.gguf.
QUANTIZED = {
    "F32": "ce81610c297edf1f9de4486993dad0c2eba4c73d3f87c17fd25517c03e816c44",
    "F16": "d9f3a7949fa10f83be324bd1c8da03c7557507e93970f6edbcff502f748ca7e2",
    "Q4_0": "ce4df7fe0535246bacfcef0e19bfe0f03d8e253acef4d3e04cfe648e88f5d5f5",
    "Q4_1": "5c64736b240dbadde3efde71883bf82609f68f2386bed3cb089d5ccb109f612a",
    "Q8_0": "d7624bf509e86888fb858a515b4f4e93bbbcab89c5e7a6938c7fafaa895c4fdf",
    "Q5_0": "fef0bf7811d1e94ca951a77393d81815d63e33cfea91abd6df17305df03e4c88",
    "Q5_1": "a324eb0a158b33f1615767ac8b4e3afdb934cdb82b44cb85a8f1c4ce1818e65f",
    "Q2_K": "ec39156b9b1abae73832fb18c114f6f6ab05cff8a33effd6365ccdb785090b91",
    "Q3_K_S": "3da66429ee56ffff1b1a0623ecc24e111aab991e6cef52225d9e05c526a16ace",
    "Q3_K_M": "41ac256c71e52910b1961eeab449b9795cfee91d3687ac72b1dfb173a9ec9156",
    "Q3_K_L": "4f835d7caf358e62820cb6941a75cf2f0a51c18090ce2b259ffe4960dd5adc20",
    "Q4_K_S": "93fdee0885877ffe41784c7cf3d7018b995285f6747883575583d17fadfdf306",
    "Q4_K_M": "2e4e5e5ffdffbbb9b97523665277dd73555b0c1b2af6f596d6d700bf81dff09c",
    "Q5_K_S": "3aa6b3f000572584d70cc8768f3331a7d8428ae5d3fd91d0d4933cdbf5a7a052",
    "Q5_K_M": "716960848ae8d08c6a08e18c32e46a60b8f3080e8aa6822ec2242164d0705422",
    "Q6_K": "4c5313c1716a51dbbf9e2a9e5f29fe51a09e0e6176966bbc4ad6a05b297f664f",
    "IQ4_NL": "65230e253b361b21a59c2b80c157a28a11bac9497e9e712c1192527def7a098d",
    "IQ4_XS": "98a478d3a9a66bb117a22f944af4d8a40696cc5724e197f02e5c37bba2f49908",
    "BF16": "bf6470eb2a6d6e7128415c8abc0f40c1f5726d6a69300966010ddb732e329a01",
    "MXFP4_MOE": "4ebed8726ee1376dd53c892aacae2582ef9ca2162aa51e18e0acb41a26006261",
}


@pytest.mark.parametrize("outtype", QUANTIZED)
def test_corpus__llama_quantizes_files(corpus, outtype):
    data = cat(corpus / "gguf" / "llama-f32.gguf", "model.gguf", "-o", "outtype=" + outtype)
    assert hashlib.sha256(data).hexdigest() == QUANTIZED[outtype]


def values(shape, seed):
    """Numbers in (-1, 1) with 24 bits each, the same with every numpy."""
    n = int(np.prod(shape))
    x = (np.arange(n, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(29)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    return ((x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - 1).reshape(shape)


def model_of(architecture="llama", layers=8, heads=8, kv=2, width=256, ffn=256, experts=0, vocab=16):
    """A model as llama-quantize takes it: rows of whole blocks of 256."""
    keys = {"general.architecture": (STR, architecture)}
    keys |= {f"{architecture}.{k}": (U32, v) for k, v in {
        "block_count": layers, "context_length": 64, "embedding_length": width, "feed_forward_length": ffn,
        "attention.head_count": heads, "attention.head_count_kv": kv, "rope.dimension_count": width // heads}.items()}
    keys[architecture + ".attention.layer_norm_rms_epsilon"] = (F32, 1e-5)
    if experts:
        keys |= {"llama.expert_count": (U32, experts), "llama.expert_used_count": (U32, 2)}
    keys |= {"general.file_type": (U32, 0), "general.quantization_version": (U32, 2), "tokenizer.ggml.model": (STR, "gpt2"),
             "tokenizer.ggml.pre": (STR, "gpt-2"), "tokenizer.ggml.tokens": (STR, [f"t{i}" for i in range(vocab)])}
    stack = (experts,) if experts else ()
    shapes = {"token_embd": (vocab, width), "output_norm": (width,), "output": (vocab, width)}
    for i in range(layers):
        exps = "_exps" if experts else ""
        shapes |= {f"blk.{i}.{n}": s for n, s in {
            "attn_norm": (width,), "ffn_norm": (width,), "attn_q": (width, width), "attn_k": (width // heads * kv, width),
            "attn_v": (width // heads * kv, width), "attn_output": (width, width), "ffn_gate" + exps: (*stack, ffn, width),
            "ffn_up" + exps: (*stack, ffn, width), "ffn_down" + exps: (*stack, width, ffn)}.items()}
        if experts:
            shapes[f"blk.{i}.ffn_gate_inp"] = (experts, width)
    tensors = [(n + ".weight", values(s, i)) for i, (n, s) in enumerate(shapes.items())]
    return gguf_bytes([(k, *v) for k, v in keys.items()], tensors)


MODELS = {
    "grouped": {},  # 4 heads to one of k and v
    "plain": {"layers": 3, "heads": 4, "kv": 4},
    "eight experts": {"layers": 1, "experts": 8},
    "four experts": {"layers": 3, "heads": 4, "experts": 4},
    "odd rows": {"layers": 17, "width": 96, "ffn": 288, "heads": 4},
    "80 layers": {"layers": 80, "width": 32, "ffn": 64, "heads": 4},
}
# The first 16 digits of the sha256 of llama_model_quantize's files of them.
QUANTIZED_MODELS = {
    "grouped": {
        "Q2_K": "de8244a6cab39da6", "Q3_K_S": "64f53dc9a76f99df", "Q3_K_M": "67b417a9aab31aef",
        "Q3_K_L": "d8c85101e2e0d0e7", "Q4_K_S": "014778ff80432f74", "Q4_K_M": "02f17508e07de4e0",
        "Q5_K_M": "1358b0327b7ad99f", "Q6_K": "8851954fe5344dce", "IQ4_NL": "999a3e5f5a23333d",
        "IQ4_XS": "776a2dc36cd6bcab"},
    "plain": {
        "Q2_K": "0cc833011bcc0796", "Q5_K_S": "7f2e56a5904c6b10", "Q4_K_M": "59a6cbaaf00cefc5",
        "IQ4_XS": "b2c29ddd023942e3"},
    "eight experts": {
        "Q4_K_M": "91b1e0d89d80b9aa", "Q2_K": "e2696c9784de1eab", "MXFP4_MOE": "f47b5cac312b9549"},
    "four experts": {
        "Q4_K_M": "833533ce2e0c54c4", "Q3_K_M": "531588270bbb9480", "MXFP4_MOE": "e5cc5ee214972921"},
    "odd rows": {
        "Q2_K": "21f2645aba66e976", "Q3_K_M": "b247b9463e473d24", "Q4_K_M": "70127b769dc88ce7",
        "Q5_K_M": "444b94299b3302be", "Q6_K": "9162ceb806e80298", "IQ4_XS": "32d0622c456255c7"},
    "80 layers": {
        "Q3_K_M": "5f6bb7164fa7b6b6", "Q4_K_M": "85f6a7cb726dd1d8", "Q4_K_S": "72b5a8a4d9d8c10d"},
}


@pytest.mark.parametrize("model", QUANTIZED_MODELS)
def test_types__llama_quantizes_files(tmp_path, model):
    path = tmp_path / "m.gguf"
    path.write_bytes(model_of(**MODELS[model]))
    found = {t: hashlib.sha256(cat(path, "model.gguf", "-o", "outtype=" + t)).hexdigest()[:16]
             for t in QUANTIZED_MODELS[model]}
    assert found == QUANTIZED_MODELS[model]
