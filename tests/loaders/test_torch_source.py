"""PyTorch files: what weightfs shows against what torch.load makes of the same file, bit for bit."""
import collections
import copy
import io
import pickle
import struct
import subprocess
import tarfile

import pytest
import torch

from conftest import BIN
from torch_tools import (TOOL, Catalog, Refused, assert_equal, check, flatten, rewrite_zip,
                         tensor_bytes)

torch.manual_seed(20)

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
INTS = [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool]
COMPLEX = [torch.complex64, torch.complex128]
V3 = [torch.uint16, torch.uint32, torch.uint64, torch.complex32, torch.float8_e4m3fn,
      torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
      torch.float4_e2m1fn_x2, torch.bits8, torch.bits16]


def any_bits(dtype, *shape):
    """Random bits of a type: every byte counts, NaNs included."""
    n = 1
    for s in shape:
        n *= s
    width = torch.empty(0, dtype=dtype).element_size()
    top = 2 if dtype == torch.bool else 256
    raw = torch.randint(0, top, (n * width,), dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


def save(tmp_path, obj, name="x.pt", **kwargs):
    path = tmp_path / name
    torch.save(obj, path, **kwargs)
    return path


# ---- the corpus ---------------------------------------------------------------------------------

CORPUS_FILES = """bfloat16 bool broken buffers checkpoint complex_structure empty extreme_values
float16 float32 float64 int16 int32 int64 int8 large_shape legacy_shared_storage
legacy_uncloned_views legacy_with_offsets mixed_types nested_dict parameter scalar simple_legacy
special_values state_dict tensor_2d tensor_3d tensor_4d uint8""".split()


@pytest.mark.parametrize("name", CORPUS_FILES)
def test_corpus__equals_torch_load(corpus, name):
    path = corpus / "torch" / f"{name}.pt"
    if name == "broken":
        with pytest.raises(Refused, match="no checkpoint format"):
            Catalog(path)
    else:
        check(path)


def test_corpus__every_file_is_listed(corpus):
    assert sorted(p.stem for p in (corpus / "torch").glob("*.pt")) == CORPUS_FILES


def test_mnist__torch_and_safetensors_show_the_same_tree(corpus):
    """The two files are two states of one training: their libraries disagree about the values."""
    from safetensors.torch import load_file
    a = check(corpus / "mnist" / "mnist.pt")
    b = Catalog(corpus / "mnist" / "mnist.safetensors")
    assert_equal(b, flatten(load_file(corpus / "mnist" / "mnist.safetensors")))
    assert set(a.tensors) == set(b.tensors)
    for path, t in a.tensors.items():
        for key in ("dtype", "shape", "name"):
            assert t[key] == b.tensors[path][key]


# ---- element types ------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", FLOATS + INTS + COMPLEX + V3, ids=str)
def test_dtype__is_bit_exact(tmp_path, dtype):
    t = any_bits(dtype, 3, 4)
    check(save(tmp_path, {"t": t, "one": any_bits(dtype, 1), "view": t[1:]}))


@pytest.mark.parametrize("dtype", FLOATS + INTS + COMPLEX, ids=str)
def test_dtype__legacy_is_bit_exact(tmp_path, dtype):
    t = any_bits(dtype, 3, 4)
    catalog = check(save(tmp_path, {"t": t, "view": t[1:]}, _use_new_zipfile_serialization=False))
    assert catalog.format == "torch-legacy"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(tmp_path, protocol):
    obj = {"a": torch.randn(3), "n": 7, "text": "x" * 300, "bytes": b"\x00\xff", "big": 2**63}
    catalog = check(save(tmp_path, obj, pickle_protocol=protocol))
    assert catalog.objects == {"n": 7, "text": "x" * 300, "bytes": {"$bytes": 2}, "big": 2**63}


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_protocols__of_legacy_streams(tmp_path, protocol):
    obj = {"a": torch.randn(3), "t": torch.randn(2, 3).T, "n": 7}
    catalog = check(save(tmp_path, obj, pickle_protocol=protocol, _use_new_zipfile_serialization=False))
    assert catalog.format == "torch-legacy" and catalog.objects == {"n": 7}


class Wrapper(torch.Tensor):
    """A tensor of others, as torchao's are: no bytes of its own."""

    @staticmethod
    def __new__(cls, data, scale):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=torch.float32)

    def __init__(self, data, scale):
        self.data8, self.scale, self.note = data, scale, "x"

    __torch_dispatch__ = classmethod(lambda cls, f, types, args=(), kwargs=None: f(*args, **(kwargs or {})))


def test_wrappers__show_what_they_wrap(tmp_path):
    inner = {"data8": torch.arange(4, dtype=torch.int8), "scale": torch.ones(1)}
    path = save(tmp_path, {"q": Wrapper(inner["data8"], inner["scale"]), "ok": torch.ones(2)})
    catalog = check(path, {"q": inner, "ok": torch.ones(2)})
    assert catalog.note("refused", "(Wrapper) of type float32 and shape (4,): what the file has of it is shown below")
    assert catalog.objects["q"] == {"note": "x"}


class Rank:
    """A DTensor's pickle for any placement and local part, without the processes."""

    def __init__(self, local, shape, *placements):
        import torch.distributed.tensor as dt
        from torch.distributed.tensor._dtensor_spec import DTensorSpec
        spec = DTensorSpec.__new__(DTensorSpec)
        spec.__dict__.update(placements=placements)
        self.args = (torch._utils._rebuild_wrapper_subclass, dt.DTensor,
                     (dt.DTensor, local.dtype, shape, (1,) * len(shape), 0, torch.strided, torch.device("cpu"), False),
                     (None, {"_local_tensor": local, "_spec": spec}))

    def __reduce_ex__(self, protocol):
        return torch._tensor._rebuild_from_type_v2, self.args


def test_dtensor__whole_is_the_tensor_a_part_is_shown_below_it(tmp_path):
    from torch.distributed.tensor import Partial, Replicate, Shard
    w, part = torch.randn(2, 3), torch.randn(2, 3)
    path = save(tmp_path, {"one": Rank(w, (2, 3), Shard(0)), "copy": Rank(w.T, (3, 2), Replicate(), Replicate()),
                           "shard": Rank(part, (4, 3), Shard(0)), "sum": Rank(part + 1, (2, 3), Partial())})
    catalog = check(path, {"one": w, "copy": w.T, "shard": {"_local_tensor": part}, "sum": {"_local_tensor": part + 1}})
    assert {n["subject"] for n in catalog.notes if n["kind"] == "refused"} == {"shard", "sum"}
    assert catalog.note("refused", "(DTensor) of type float32 and shape (4, 3), placed Shard(0): what the file has")
    assert catalog.note("refused", "placed Partial")


def test_dtensor__of_torchs_own(tmp_path):
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        mesh, w = init_device_mesh("cpu", (1,)), torch.randn(2, 3)
        path = save(tmp_path, {"w": distribute_tensor(w, mesh, [Shard(0)]),
                               "p": torch.nn.Parameter(distribute_tensor(w + 1, mesh, [Replicate()]))})
    finally:
        dist.destroy_process_group()
    assert not check(path, {"w": w, "p": w + 1}).notes


# ---- views --------------------------------------------------------------------------------------

def views(base):
    return {
        "base": base, "t": base.t(), "rows": base[2:5], "columns": base[:, 1:3],
        "step": base[::2, ::3], "row": base[3], "scalar": base[2, 2], "flat": base.reshape(-1)[7:19],
        "expand": base[:1].expand(5, base.shape[1]), "expand0": base[0, 0].expand(3, 2),
        "overlap": base.as_strided((4, 4), (1, 2), 3), "unsqueezed": base[None, :, None],
        "permuted": base.reshape(2, 4, 6).permute(2, 0, 1), "empty": base[:0],
        "empty_strided": base[:, :0].t(), "diagonal": base.diagonal(),
    }


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int8, torch.complex128], ids=str)
def test_views(tmp_path, dtype, new):
    base = any_bits(dtype, 8, 6)
    check(save(tmp_path, views(base), _use_new_zipfile_serialization=new))


def test_views__of_v3_types(tmp_path):
    check(save(tmp_path, views(any_bits(torch.uint16, 8, 6))))
    check(save(tmp_path, views(any_bits(torch.float8_e4m3fn, 8, 6))))


def test_views__very_many_of_one_storage(tmp_path):
    rows = torch.randn(100_000, 1)
    path = save(tmp_path, {str(i): row for i, row in enumerate(rows)})
    rewrite_zip(path, tmp_path / "y.pt", compress=("data.pkl",))
    for file in (path, tmp_path / "y.pt"):
        done = subprocess.run([TOOL, file], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count('{"tensor":') == 100_000


def test_tied__weights_are_aliases(tmp_path):
    w = torch.randn(4, 3)
    catalog = check(save(tmp_path, {"a": w, "b": w, "c": w.view(4, 3), "t": w.t(), "part": w[1:],
                                    "flat": w.view(12), "other": w.clone(),
                                    "empty": w[:0], "empty2": w[:0]}))
    alias = {t["name"]: t["alias_of"] for t in catalog.list}
    assert alias["a"] == -1 and alias["b"] == 0 and alias["c"] == 0
    for name in ("t", "part", "flat", "other", "empty", "empty2"):
        assert alias[name] == -1


def test_conj_and_neg_bits(tmp_path):
    z = torch.randn(3, 4, dtype=torch.complex64)
    obj = {"z": z, "conj": z.conj(), "conj_t": z.conj().t(),
           "neg_conj": torch._neg_view(z.conj()), "neg_real": torch._neg_view(torch.randn(3)),
           "half": torch._neg_view(torch.randn(3).half()),
           "wide": torch.randn(2, 2, dtype=torch.complex128).conj()}
    assert obj["conj"].is_conj() and obj["neg_real"].is_neg() and obj["neg_conj"].is_neg()
    check(save(tmp_path, {"imag": z.conj().imag}))
    catalog = check(save(tmp_path, obj))
    assert catalog.tensors[("conj",)]["alias_of"] == -1


# ---- kinds of tensors ---------------------------------------------------------------------------

class Marked(torch.Tensor):
    """A subclass, at the module level so that pickle finds it."""


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
        self.head = torch.nn.Linear(3, 2, bias=False)
        self.register_buffer("scale", torch.randn(2))
        self.tied = self.head.weight


def test_parameters_buffers_and_subclasses(tmp_path):
    p = torch.nn.Parameter(torch.randn(2, 3))
    p.note = "an attribute"
    q = torch.randn(2)
    q.note = {"a": 1}
    sub = torch.randn(3, 3).as_subclass(Marked)
    sub.extra = 5
    obj = {"plain": torch.nn.Parameter(torch.randn(3), requires_grad=False), "attr": p, "tattr": q,
           "buffer": torch.nn.Buffer(torch.randn(2)), "sub": sub,
           "param_of_sub": torch.nn.Parameter(torch.randn(2))}
    check(save(tmp_path, obj))


@pytest.mark.parametrize("new", [True, False])
def test_whole_module__shows_its_state_dict(tmp_path, new):
    catalog = check(save(tmp_path, Net(), _use_new_zipfile_serialization=new))
    names = {t["name"]: t for t in catalog.list}
    assert "body.1.running_mean" in names
    assert names["head.weight"]["alias_of"] == names["tied"]["tensor"]


def test_recurrent_modules__have_their_parameters_once(tmp_path):
    m = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(3, 2, bidirectional=True), "gru": torch.nn.GRU(2, 2)})
    torch.save(m, tmp_path / "x.pt")
    catalog = check(tmp_path / "x.pt", m)
    own = catalog.objects["state"]["_modules"]["gru"]["state"]["_flat_weights"]
    assert own[0] == {"$tensor": "gru.weight_ih_l0"}


class Device:
    """A tensor as torch pickles those of XLA and its like."""
    def __init__(self, function, data, dtype):
        self.made_of = (function, (data, dtype, "cpu", False))

    def __reduce__(self):
        return self.made_of


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_device_tensors__have_their_own_type(tmp_path, dtype):
    x = torch.randn(3, 5)
    torch.save({"a": Device(torch._utils._rebuild_device_tensor_from_numpy, x.numpy(), dtype),
                "b": Device(torch._utils._rebuild_device_tensor_from_cpu_tensor, x, dtype)}, tmp_path / "x.pt")
    check(tmp_path / "x.pt", {"a": x.to(dtype), "b": x.to(dtype)})
    check(tmp_path / "x.pt")
    twice = Device(torch._utils._rebuild_device_tensor_from_cpu_tensor, x, torch.float16)
    torch.save({"c": Device(torch._utils._rebuild_device_tensor_from_cpu_tensor, twice, dtype), "x": x},
               tmp_path / "twice.pt")
    assert Catalog(tmp_path / "twice.pt").note("refused", "twice")


def pickled_zip(tmp_path, body, tensor):
    """A file whose pickle is `body` and whose storage 0 is the tensor's."""
    torch.save({"w": tensor}, tmp_path / "plain.pt")
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pt"
    return rewrite_zip(tmp_path / "plain.pt", path, **{"data.pkl": b"\x80\x02" + body + b"."})


TENSOR = (b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
          b"0X\x03\0\0\0cpuK\x04tQK\0K\x04\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR")
PAIRS = b"](X\x01\0\0\0w" + TENSOR + b"\x86e"
DICT = b"}X\x01\0\0\0w" + TENSOR + b"s"


@pytest.mark.parametrize("name", ["ccollections\nOrderedDict\n", "ccollections\nCounter\n", "c__builtin__\ndict\n",
                                  "c__builtin__\nlist\n", "ccollections\ndefaultdict\n"])
@pytest.mark.parametrize("args", [PAIRS + b"\x85", DICT + b"\x85", b"N" + DICT + b"\x86", DICT + b"N\x86"],
                         ids=["pairs", "dict", "none-dict", "dict-none"])
@pytest.mark.parametrize("op", [b"R", b"\x81"], ids=["call", "new"])
def test_containers__are_what_python_makes_of_the_arguments(tmp_path, name, args, op):
    """What __new__ or the class does with its arguments is followed, or nothing is shown as its content."""
    path = pickled_zip(tmp_path, b"}X\x01\0\0\0c" + name.encode() + args + op + b"sX\x01\0\0\0x"
                       + TENSOR + b"s", torch.arange(4.))
    catalog = Catalog(path)
    try:
        obj = torch.load(path, weights_only=False)
    except TypeError:
        return  # a call that fails: what it was given is shown as its arguments, never as a dict
    want = flatten(obj)
    assert {k: v for k, v in catalog.tensors.items() if "args" not in k}.keys() == want.keys()


def test_tensors_whose_state_is_set_anew_are_refused(tmp_path):
    body = TENSOR + b"(N" + b"K\0K\x04\x85K\x01\x85tb"
    path = pickled_zip(tmp_path, b"}(X\x01\0\0\0a" + body + b"X\x01\0\0\0b" + TENSOR + b"u", torch.arange(4.))
    catalog = Catalog(path)
    assert set(catalog.tensors) == {("b",)} and catalog.note("refused", "set by a state of its own")


def test_quantised(tmp_path):
    w = torch.randn(4, 6)
    per_tensor = torch.quantize_per_tensor(w, 0.05, 3, torch.qint8)
    scales, zeros = torch.rand(4, dtype=torch.float64) + .1, torch.arange(4)
    per_channel = torch.quantize_per_channel(w, scales, zeros, 0, torch.quint8)
    path = save(tmp_path, {"a": per_tensor, "t": per_tensor.t(), "b": per_channel,
                           "wide": torch.quantize_per_tensor(w, .1, 0, torch.qint32)})
    want = flatten(torch.load(path, weights_only=False))
    want[("b", "scales")] = per_channel.q_per_channel_scales()
    want[("b", "zero_points")] = per_channel.q_per_channel_zero_points()
    catalog = Catalog(path)
    assert_equal(catalog, want)
    assert catalog.tensors[("a",)]["quantised"].startswith("per_tensor_affine(scale=0.0500000")
    assert catalog.tensors[("a",)]["quantised"].endswith("zero_point=3)")
    assert catalog.tensors[("b",)]["quantised"] == "per_channel_affine(axis=0)"
    assert catalog.tensors[("a",)]["dtype"] == "qint8"


def test_sparse__is_a_folder_of_its_parts(tmp_path):
    d = torch.randn(4, 4) * (torch.rand(4, 4) > .5)
    obj = {"coo": d.to_sparse(), "csr": d.to_sparse_csr(), "csc": d.to_sparse_csc(),
           "bsr": d.to_sparse_bsr((2, 2)), "bsc": d.to_sparse_bsc((2, 2)), "dense": d}
    catalog = check(save(tmp_path, obj))
    assert catalog.objects["coo"]["layout"] == "torch.sparse_coo"
    assert catalog.objects["csr"]["size"] == [4, 4]


def test_meta__is_reported(tmp_path):
    path = save(tmp_path, {"m": torch.empty(2, 3, device="meta"), "w": torch.randn(2)})
    catalog = Catalog(path)
    assert set(catalog.tensors) == {("w",)}
    note, = catalog.note("refused", "meta tensor")
    assert note["subject"] == "m" and "(2, 3)" in note["text"] and "float32" in note["text"]


def test_numpy__arrays_and_scalars(tmp_path):
    np = pytest.importorskip("numpy")
    arrays = {"f4": np.arange(6, dtype="<f4").reshape(2, 3), "big": np.arange(5, dtype=">i4"),
              "fortran": np.asfortranarray(np.arange(6.).reshape(2, 3)), "u1": np.arange(3, dtype="u1"),
              "long": np.arange(400000, dtype="<i8"), "bool": np.array([True, False])}
    scalars = {"loss": np.float64(.25), "n": np.int64(-3), "flag": np.bool_(True), "h": np.float32(.5)}
    for protocol in (2, 4, 5):
        path = save(tmp_path, {**arrays, **scalars, "w": torch.ones(1)}, pickle_protocol=protocol)
        catalog = Catalog(path)
        for name, a in arrays.items():
            if name == "long" and protocol == 2:
                assert catalog.note("refused", "long")
                continue
            got = catalog.tensors[(name,)]
            assert tuple(got["shape"]) == a.shape
            assert got["data"] == a.astype(a.dtype.newbyteorder("<")).tobytes()
        assert catalog.objects["loss"] == .25 and catalog.objects["n"] == -3
        assert catalog.objects["h"] == .5 and catalog.objects["flag"] == 1


def test_bare__tensor_storage_and_list(tmp_path):
    t = torch.randn(3, 2)
    check(save(tmp_path, t))
    check(save(tmp_path, [t, (t[0], {"deep": t.t()})]))
    catalog = Catalog(save(tmp_path, {"s": t.storage(), "u": t.clone().untyped_storage()}))
    assert catalog.tensors[("s",)]["data"] == tensor_bytes(t)
    assert catalog.tensors[("u",)]["data"] == tensor_bytes(t)


# ---- objects ------------------------------------------------------------------------------------

class Foreign:
    """An object that weightfs does not know."""

    def __init__(self):
        self.value, self.weight = 3, torch.ones(2)


def test_objects__plain_values(tmp_path):
    import argparse
    obj = {"w": torch.ones(1), "epoch": 3, "lr": 1e-3, "none": None, "yes": True, "inf": float("inf"),
           "names": ["a", "b", ("c", 1)], "set": {4}, "neg": -2**70, "dtype": torch.float16,
           "device": torch.device("cpu"), "size": torch.Size([2, 3]), "text": 'q"\n\x00é',
           "args": argparse.Namespace(lr=.5, layers=[1, 2]), "counter": collections.Counter("aab"),
           "default": collections.defaultdict(int, {"k": 1}), 5: "five", "empty": {}}
    catalog = check(save(tmp_path, obj))
    got = catalog.objects
    for key in ("epoch", "lr", "none", "yes", "text", "empty"):
        assert got[key] == obj[key]
    assert got["inf"] == "Infinity" and got["names"] == ["a", "b", ["c", 1]] and got["set"] == [4]
    assert got["neg"] == -2**70 and got["size"] == [2, 3] and got["5"] == "five"
    assert got["dtype"] == {"$global": "torch.float16"}
    assert got["device"] == {"$object": "torch.device", "args": ["cpu"]}
    assert got["args"] == {"lr": .5, "layers": [1, 2]}
    assert got["counter"] == {"a": 2, "b": 1} and got["default"] == {"k": 1}
    assert "w" not in got


def test_objects__foreign_classes_are_opaque_and_their_tensors_shown(tmp_path):
    path = save(tmp_path, {"f": Foreign(), "w": torch.zeros(1)})
    catalog = Catalog(path)
    assert catalog.objects["f"]["$object"].endswith(".Foreign")
    assert catalog.objects["f"]["state"] == {"value": 3}
    assert catalog.tensors[("f", "weight")]["data"] == tensor_bytes(torch.ones(2))


def test_objects__duplicate_and_colliding_names(tmp_path):
    obj = {"a.b": torch.ones(1), "a": {"b": torch.zeros(1)}, 1: torch.ones(2), "1": torch.ones(3)}
    catalog = Catalog(save(tmp_path, obj))
    assert [tuple(t["path"]) for t in catalog.list] == [("a", "b"), ("a.b",), ("1",)]
    assert [t["data"] for t in catalog.list] == [tensor_bytes(t) for t in
                                                 (obj["a.b"], obj["a"]["b"], obj[1])]
    assert catalog.note("refused", "another's")


def test_objects__keys_that_are_no_names(tmp_path):
    w, p = torch.ones(2), torch.nn.Parameter(torch.ones(3))
    moments = {"exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3), "step": 1}
    catalog = check(save(tmp_path, {"n": {"x" * 70000: w, "ok": w, frozenset([1]): [w, {"a": w}]}, "a": {p: moments},
                                    "plain": {frozenset([2]): 1}, "ok": w,
                                    frozenset([3]): 2}), {"n": {"ok": w}, "ok": w})
    assert len(catalog.notes) == 4
    assert catalog.note("warning", "x.pta dict with 1 keys that are no name (the first: a set): 0 tensors")
    assert catalog.note("refused", "na dict with 2 keys that are no name (the first: a text of 70000 bytes): 3 tensors")
    assert catalog.note("refused", "(the first: an object of torch._utils._rebuild_parameter): 2 tensors")
    assert catalog.note("warning", "plaina dict with 1 keys that are no name (the first: a set): 0 tensors")


def test_objects__keys_of_surrogates(tmp_path):
    w = torch.ones(2)
    catalog = check(save(tmp_path, {"\ud800x": w, "n": {"\udfff": w}}), {"\\xed\\xa0\\x80x": w, "n": {"\\xed\\xbf\\xbf": w}})
    assert not catalog.notes


def test_objects__self_containing(tmp_path):
    obj = {"w": torch.ones(2)}
    obj["self"] = obj
    obj["list"] = [1]
    obj["list"].append(obj["list"])
    catalog = Catalog(save(tmp_path, obj))
    assert set(catalog.tensors) == {("w",)}
    assert catalog.objects["list"] == [1, {"$itself": True}]


# ---- roots --------------------------------------------------------------------------------------

def state(scale=1.):
    return {"fc.weight": torch.randn(3, 2) * scale, "fc.bias": torch.randn(3)}


def test_roots__usual_names_in_their_order(tmp_path):
    for first, second in (("state_dict", "model"), ("model_state_dict", "net"), ("model", "params"),
                          ("module", "params"), ("params", "net")):
        catalog = check(save(tmp_path, {second: state(), first: state(), "epoch": 1}))
        assert catalog.chosen == [first]
        assert catalog.note("info", "same names and shapes")


def test_roots__the_whole(tmp_path):
    assert check(save(tmp_path, state())).chosen == [""]
    assert check(save(tmp_path, {"model": state()})).chosen == ["model"]
    assert check(save(tmp_path, {"deep": {"er": {"model": state()}}})).chosen == ["deep.er.model"]


def test_roots__lightning_and_optimizer(tmp_path):
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters())
    for p in net.parameters():
        p.grad = torch.randn_like(p)
    optimizer.step()
    catalog = check(save(tmp_path, {
        "epoch": 3, "global_step": 10, "pytorch-lightning_version": "2.0",
        "state_dict": net.state_dict(), "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [], "hyper_parameters": {"lr": 1e-3}}, "last.ckpt"))
    assert catalog.chosen == ["state_dict"]
    assert catalog.objects["hyper_parameters"] == {"lr": 1e-3}
    assert catalog.note("info", "optimizer_states")
    only = check(save(tmp_path, {"weights": net.state_dict(), "optim": optimizer.state_dict()}))
    assert only.chosen == ["weights"]


def test_roots__ema_is_noted_and_equals_are_not_chosen(tmp_path):
    path = save(tmp_path, {"model": state(), "ema": state()})
    catalog = check(path)
    assert catalog.chosen == ["model"]
    note, = catalog.note("info", "same names and shapes")
    assert note["subject"] == "ema"
    path = save(tmp_path, {"g1": state(), "g2": state()})
    catalog = check(path)
    assert catalog.chosen == []
    assert "root=g1" in catalog.note("warning", "same names and shapes")[0]["text"]
    with pytest.raises(Refused, match="choose with -o root="):
        Catalog(path, "-s")
    assert Catalog(path, "-r", "g2").chosen == ["g2"]
    assert Catalog(path, "-r", "g2", "-r", "g1").chosen == ["g2", "g1"]
    assert Catalog(path, "-r", ".").chosen == [""]
    with pytest.raises(Refused, match="root=g3"):
        Catalog(path, "-r", "g3")


class Wide(torch.nn.Module):
    """Children that have the names of wrappers, and tensors beside them."""
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.add_module(name, torch.nn.Linear(3, 4))
        self.lm_head = torch.nn.Linear(4, 7, bias=False)

    def forward(self, x):
        return self.lm_head(x)


class Twins(torch.nn.Module):
    """Two layers of the same names and shapes."""
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

    def forward(self, x):
        return self.fc2(self.fc1(x))


def whole_modules(tmp_path, module):
    """The module as it is pickled, in a dict, and scripted; and what each is expected to choose."""
    path = tmp_path / "script.pt"
    torch.jit.script(module).save(str(path))
    return ((save(tmp_path, module), ""), (save(tmp_path, {"model": module, "epoch": 1}, "in.pt"), "model"),
            (path, ""))


@pytest.mark.parametrize("name", ["model", "net", "module"])
def test_roots__a_whole_module_is_not_looked_into(tmp_path, name):
    module = Wide(name)
    for path, chosen in whole_modules(tmp_path, module):
        catalog = Catalog(path)
        assert catalog.chosen == [chosen], path
        below = chosen + "." if chosen else ""
        assert {t["name"] for t in catalog.list} == {below + n for n in module.state_dict()}
    module.stride = torch.tensor([8., 16.])
    assert Catalog(save(tmp_path, {"model": module, "optimizer": None})).chosen == ["model"]


def test_roots__equal_layers_of_a_module_are_one_model(tmp_path):
    for module in (Twins(), torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3))):
        for path, chosen in whole_modules(tmp_path, module):
            assert Catalog(path, "-s").chosen == [chosen], path
    assert Catalog(save(tmp_path, {"g1": Twins(), "g2": Twins()})).chosen == []


def test_roots__a_state_dict_with_children_of_usual_names(tmp_path):
    nested = {"model": state(), "lm_head": {"weight": torch.randn(2, 3)}}
    for obj in ({"model": nested}, {"net": {"net": state(), "scale": torch.ones(3)}}):
        outer, = obj
        assert check(save(tmp_path, obj)).chosen == [outer]
    wrapped = {"state_dict": state(), "ema": state(), "optim": {"m": torch.ones(2)}}
    assert check(save(tmp_path, {"model": wrapped})).chosen == ["model.state_dict"]


def test_roots__tensors_in_no_tree_are_named(tmp_path):
    path = save(tmp_path, {"model": {"w": torch.ones(3)}, "fc.weight": torch.ones(3, 4), "fc.bias": torch.ones(3)})
    catalog = Catalog(path)
    assert catalog.chosen == ["model"]
    note, = catalog.note("left out", "beside model")
    assert note["text"].startswith("2 tensors") and "fc.weight, fc.bias" in note["text"]
    for args, status in (((), 0), (("--strict",), 1), (("--strict", "-o", "root=model"), 0)):
        done = subprocess.run([BIN, "map", "--view", "flax", *args, path], capture_output=True, text=True)
        assert done.returncode == status and ("fc.weight" in done.stderr) == ("root=model" not in args)
    many = Catalog(save(tmp_path, {"net": {"w": torch.ones(3)}, **{f"w{i}": torch.ones(2) for i in range(9)}}))
    assert "w4 and 4 more" in many.note("left out", "beside net")[0]["text"]


def test_roots__what_training_keeps_is_no_warning(tmp_path):
    path = save(tmp_path, {
        "model": state(), "ema": state(), "optimizer": {"m": torch.ones(3)}, "epoch": 3, "best": torch.tensor(1.),
        "torch_rng_state": torch.get_rng_state(), "train_loss": torch.ones(9), "step": torch.tensor([5])})
    catalog = Catalog(path, "-s")
    assert catalog.chosen == ["model"] and not catalog.note("warning", "") and not catalog.note("left out", "")
    note, = catalog.note("info", "are left out")
    assert "best, torch_rng_state, train_loss, step" in note["text"]


def test_roots__a_name_of_two_trees_or_of_a_tensor_is_refused(tmp_path):
    for obj in ({"a.b": state(), "a": {"b": state()}}, {"a.b": {"v": torch.ones(2)}, "a": {"b": state()}}):
        path = save(tmp_path, obj)
        with pytest.raises(Refused, match="root=a.b names 2 trees"):
            Catalog(path, "-r", "a.b")
        assert Catalog(path, "-r", ".").chosen == [""]
    path = save(tmp_path, {"a": {"weight": torch.ones(2), "b": state()}, "c.d": state()})
    with pytest.raises(Refused, match="root=a.weight is a tensor"):
        Catalog(path, "-r", "a.weight")
    for root in ("a", "a.b", "a.b.fc", "c.d", "c"):
        assert Catalog(path, "-r", root).chosen == [root]


# ---- variants of the ZIP ------------------------------------------------------------------------

def test_zip__records_deflated_reordered_and_left_out(tmp_path):
    obj = {"a": torch.randn(50, 40), "b": torch.arange(9)}
    path = save(tmp_path, obj)
    every = ("data.pkl", "data/0", "data/1", "version", "byteorder")
    for name, kwargs in {
        "deflated": dict(compress=every),
        "pickle_deflated": dict(compress=("data.pkl",)),
        "reversed": dict(order=lambda names: names[::-1]),
        "bare": dict(**{k: None for k in ("byteorder", ".format_version", ".storage_alignment",
                                          ".data/serialization_id")}),
    }.items():
        check(rewrite_zip(path, tmp_path / f"{name}.pt", **kwargs), obj)


def test_zip__big_endian(tmp_path):
    obj = {"f": torch.randn(3, 2), "z": torch.randn(2, dtype=torch.complex64), "b": torch.tensor([1, 2], dtype=torch.int8),
           "u": any_bits(torch.uint16, 3), "v": torch.randn(4, 4).t()}
    path = save(tmp_path, obj)
    big = rewrite_zip(path, tmp_path / "big.pt", byteorder=b"big")
    check(big)
    with pytest.raises(Refused, match="neither little nor big"):
        Catalog(rewrite_zip(path, tmp_path / "no.pt", byteorder=b"middle"))


def test_zip__long_record_is_noted_short_one_refused(tmp_path):
    path = save(tmp_path, {"a": torch.randn(4), "b": torch.randn(4)})
    longer = rewrite_zip(path, tmp_path / "long.pt", change=lambda n, d: d + b"x" * 4 if n == "data/0" else d)
    catalog = Catalog(longer)
    assert len(catalog.list) == 2 and catalog.note("warning", "20 bytes, 16 are declared")
    shorter = rewrite_zip(path, tmp_path / "short.pt", change=lambda n, d: d[:-1] if n == "data/0" else d)
    catalog = Catalog(shorter)
    assert set(catalog.tensors) == {("b",)}
    assert catalog.note("refused", "15 bytes, 16 are declared")
    missing = rewrite_zip(path, tmp_path / "missing.pt", **{"data/1": None})
    assert set(Catalog(missing).tensors) == {("a",)}


def test_torchscript__parameters(tmp_path):
    net = Net()
    script = torch.jit.script(net)
    path = tmp_path / "script.pt"
    script.save(str(path))
    catalog = Catalog(path)
    got = {t["name"]: t for t in catalog.list}
    for name, tensor in net.state_dict().items():
        assert got[name]["data"] == tensor_bytes(tensor), name
    assert catalog.note("info", "TorchScript")


def test_torchscript__recurrent_modules_have_their_parameters_once(tmp_path):
    for m in torch.nn.LSTM(3, 2, bidirectional=True), torch.nn.Sequential(torch.nn.GRU(4, 2)):
        torch.jit.script(m).save(str(tmp_path / "x.pt"))
        check(tmp_path / "x.pt", m.state_dict())


# ---- tar ----------------------------------------------------------------------------------------

def write_tar(path, obj, tensors, storages, parts=()):
    """PyTorch's first format, as torch 0.1 wrote it."""
    def add(tar, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    class Pickler(pickle.Pickler):
        def persistent_id(self, x):
            return str(x.number) if isinstance(x, Number) else None

    out = io.BytesIO()
    Pickler(out, protocol=2).dump(obj)
    s = io.BytesIO()
    pickle.dump(len(storages), s, protocol=2)
    for key, storage in storages.items():
        pickle.dump((key, "cpu", torch.FloatStorage), s, protocol=2)
        s.write(struct.pack("<q", len(storage)) + tensor_bytes(storage))
    pickle.dump(list(parts), s, protocol=2)
    t = io.BytesIO()
    pickle.dump(len(tensors), t, protocol=2)
    for key, (storage, size, stride, offset) in tensors.items():
        pickle.dump((key, storage, torch.FloatTensor), t, protocol=2)
        t.write(struct.pack(f"<iI{len(size)}q{len(stride)}qq", len(size), 0, *size, *stride, offset))
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        add(tar, "sys_info", pickle.dumps({"protocol_version": 1000}, protocol=2))
        add(tar, "pickle", out.getvalue())
        add(tar, "tensors", t.getvalue())
        add(tar, "storages", s.getvalue())


class Number:
    def __init__(self, number):
        self.number = number


def test_torchscript__constants_are_reported(tmp_path):
    m = torch.jit.script(torch.nn.Linear(3, 4).eval())
    torch.jit.save(torch.jit.freeze(m), tmp_path / "frozen.pt")
    assert Catalog(tmp_path / "frozen.pt").note("warning", "constants of its code are not shown")
    torch.jit.save(m, tmp_path / "m.pt")
    assert not Catalog(tmp_path / "m.pt").note("warning", "")


def test_archives_of_programs__say_so(tmp_path):
    torch.export.save(torch.export.export(torch.nn.Linear(3, 4), (torch.ones(2, 3),)), tmp_path / "e.pt2")
    with pytest.raises(Refused, match="an archive of torch.export, not of torch.save"):
        Catalog(tmp_path / "e.pt2")
    with torch.package.PackageExporter(tmp_path / "p.pt") as package:
        package.save_pickle("m", "w.pkl", {"w": torch.ones(3)})
    with pytest.raises(Refused, match="an archive of torch.package, not of torch.save"):
        Catalog(tmp_path / "p.pt")


def test_tar(tmp_path):
    data = torch.arange(12, dtype=torch.float32)
    path = tmp_path / "old.pt"
    write_tar(path, {"w": Number(11), "t": Number(12), "part": Number(13), "lr": .5},
              {11: (1, (3, 4), (4, 1), 0), 12: (1, (4, 3), (1, 4), 0), 13: (2, (4,), (1,), 1)},
              {1: data}, [(2, 1, 3, 6)])
    want = {("w",): data.view(3, 4), ("t",): data.view(3, 4).t(), ("part",): data[4:8]}
    loaded = torch.load(path, weights_only=False)
    catalog = check(path, loaded)
    assert_equal(catalog, want)
    assert catalog.objects == {"lr": .5} and catalog.format == "torch-tar"


# ---- whatever comes -----------------------------------------------------------------------------

def test_random__objects_of_views(tmp_path, seed):
    gen = torch.Generator().manual_seed(seed)

    def pick(n):
        return int(torch.randint(n, (1,), generator=gen))

    dtypes = FLOATS + INTS + COMPLEX + V3[:3]
    bases = [any_bits(dtypes[pick(len(dtypes))], 6, 4, 5) for _ in range(4)]

    def tensor():
        t = bases[pick(len(bases))]
        for _ in range(pick(4)):
            kind = pick(5)
            if t.dim() and kind == 0:
                t = t.transpose(pick(t.dim()), pick(t.dim()))
            elif t.dim() and kind == 1:
                t = t.select(pick(t.dim()), 0) if min(t.shape, default=0) else t
            elif t.dim() and kind == 2:
                axis = pick(t.dim())
                t = t.narrow(axis, pick(t.shape[axis] + 1), 0) if pick(8) == 0 else t
            elif t.dim() and kind == 3:
                axis = pick(t.dim())
                start = pick(t.shape[axis]) if t.shape[axis] else 0
                t = t.narrow(axis, start, t.shape[axis] - start)
            else:
                t = t.unsqueeze(pick(t.dim() + 1))
        return t

    def value(depth):
        kind = pick(6) if depth < 4 else 5
        if kind == 0:
            return {f"k{i}" if pick(2) else f"a.{i}": value(depth + 1) for i in range(pick(5))}
        if kind == 1:
            return [value(depth + 1) for _ in range(pick(4))]
        return tensor() if kind < 4 else pick(100)

    for i in range(10):
        obj = {str(i): value(0) for i in range(8)}
        obj["last"] = tensor()
        check(save(tmp_path, obj, f"{i}.pt", _use_new_zipfile_serialization=bool(i % 2) or True))
