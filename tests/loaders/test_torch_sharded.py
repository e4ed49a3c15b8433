"""Checkpoints in pieces: torch DCP, its safetensors flavour, Meta's and Megatron's files."""
import argparse
import json
import os
import pickle
import shutil
import struct

import pytest
import torch
import torch.distributed.checkpoint

from conftest import run
from torch_tools import Catalog, Refused, assert_equal, flatten, rewrite_zip, tensor_bytes

torch.manual_seed(21)


# ---- DCP ----------------------------------------------------------------------------------------

class MCoreMetadata(torch.distributed.checkpoint.metadata.Metadata):
    """As Megatron-core's, which adds a field."""


def test_dcp__of_megatron_core(tmp_path):
    """common.pt lies beside the shards and is none; the metadata may be of a class of its own."""
    state = {"decoder.layers.0.w": torch.arange(6.).reshape(2, 3)}
    folder = tmp_path / "iter_0000010"
    torch.distributed.checkpoint.save(state, checkpoint_id=folder, no_dist=True)
    torch.save({"rng": torch.arange(4)}, folder / "common.pt")
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("10")
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    for cls in (None, MCoreMetadata):
        if cls:
            metadata.__class__ = cls
            (folder / ".metadata").write_bytes(pickle.dumps(metadata))
        for path in (tmp_path, folder):
            catalog = Catalog(path)
            assert_equal(catalog, flatten(state))
            assert catalog.note("info", "common.pt")


def test_dcp__attributes_in_a_dict_of_thousands(tmp_path):
    """One dict that all objects share, to be searched for each: no DCP writes that."""
    text = lambda s: b"X" + struct.pack("<I", len(s)) + s.encode()  # noqa: E731
    info = b"}q\0(" + text("relative_path") + text("__0_0.distcp") + text("offset") + b"K\0" + text("length") + b"K\1"
    info += b"".join(text(f"junk{i}") + b"K\0" for i in range(100)) + b"u0"
    body = b"\x80\2" + info + b"ctorch.distributed.checkpoint.metadata\nMetadata\n)\x81}(" + text("state_dict_metadata")
    body += b"}" + text("storage_data") + b"}(ctorch.distributed.checkpoint.metadata\nMetadataIndex\n)\x81}" + text("fqn")
    body += text("w") + b"sbctorch.distributed.checkpoint.filesystem\n_StorageInfo\n)\x81h\0buub."
    (tmp_path / ".metadata").write_bytes(body)
    (tmp_path / "__0_0.distcp").write_bytes(b"x")
    with pytest.raises(Refused, match="its storage_data is not what DCP writes"):
        Catalog(tmp_path)


def full_state():
    """What all ranks together hold; the same on every rank."""
    gen = torch.Generator().manual_seed(5)

    def r(*shape, dtype=torch.float32):
        return torch.randn(*shape, generator=gen).to(dtype)

    return {
        "model": {"even.weight": r(8, 6), "uneven.weight": r(7, 5), "few.weight": r(2, 3),
                  "columns.weight": r(4, 9), "grid.weight": r(9, 10), "half": r(10, dtype=torch.bfloat16),
                  "scalar": r(1)[0], "empty": r(0, 3), "whole": r(3, 2), "ints": torch.arange(11)},
        "optimizer": {"state": {"even.weight": {"exp_avg": r(8, 6), "step": torch.tensor(7.)}},
                      "param_groups": [{"lr": .5, "betas": (.9, .99), "params": ["even.weight"]}]},
        "epoch": 3, "note": "text",
    }


PLACEMENTS = {"even.weight": "0", "uneven.weight": "0", "few.weight": "0", "columns.weight": "1",
              "half": "0", "ints": "0", "empty": "0", "exp_avg": "0"}


def shard(state, n):
    """The state of this rank: DTensors as FSDP and tensor parallelism make them."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor
    mesh = init_device_mesh("cpu", (n,))
    grid = init_device_mesh("cpu", (2, n // 2))

    def walk(value, key=""):
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, torch.Tensor) and key == "grid.weight":
            return distribute_tensor(value, grid, [Shard(0), Shard(1)])
        if isinstance(value, torch.Tensor) and key in PLACEMENTS:
            return distribute_tensor(value, mesh, [Shard(int(PLACEMENTS[key]))])
        return value

    return walk(state)


def dcp_rank(rank, n, path, port, flavour):
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(n))
    dist.init_process_group("gloo", rank=rank, world_size=n)
    state = shard(full_state(), n)
    if flavour == "hf":
        model = state["model"]
        writer = dcp.HuggingFaceStorageWriter(path=path, save_distributed=True,
                                              fqn_to_index_mapping={k: 1 for k in model})
        dcp.save(model, storage_writer=writer)
    elif flavour == "safetensors":
        from torch.distributed.checkpoint.filesystem import SerializationFormat
        writer = dcp.FileSystemWriter(path, serialization_format=SerializationFormat.SAFETENSORS)
        dcp.save(state["model"], storage_writer=writer)
    else:
        dcp.save(state, checkpoint_id=path)
    dist.barrier()
    os._exit(0)  # gloo's threads may abort while an interpreter is taken down


def spawn(tmp_path, n, flavour="zip"):
    import socket
    import torch.multiprocessing as mp
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    path = str(tmp_path / f"dcp{n}{flavour}")
    mp.spawn(dcp_rank, (n, path, port, flavour), nprocs=n)
    return path


@pytest.mark.parametrize("n", [2, 4])
def test_dcp__ranks_and_uneven_shards(tmp_path, n):
    path = spawn(tmp_path, n)
    catalog = Catalog(path)
    assert_equal(catalog, flatten(full_state()))
    assert catalog.format == "torch-dcp" and catalog.chosen == ["model"]
    assert catalog.objects["epoch"] == 3 and catalog.objects["note"] == "text"
    assert catalog.objects["optimizer"]["param_groups"]["0"]["lr"] == .5
    by_name = {t["name"]: t for t in catalog.list}
    for name, axis, count in (("even.weight", 0, n), ("uneven.weight", 0, n), ("few.weight", 0, 2),
                              ("columns.weight", 1, 3 if n == 4 else 2), ("whole", -1, 1)):
        t = by_name["model." + name]
        assert (t["shard_axis"], t["n_shards"]) == (axis, count), name
    assert by_name["model.grid.weight"]["n_shards"] == n
    rows = {row["name"]: row["sharding"] for row in json.loads(run("table", "--json", path).stdout)}
    said = {k: v for k, v in rows.items() if k.endswith("grid.weight")}
    assert list(said.values()) == ["several axes, 4 parts" if n == 4 else "axis 0, 2 parts"], rows
    # torch's own reader agrees
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
    dcp_to_torch_save(path, tmp_path / "whole.pt")
    whole = flatten(torch.load(tmp_path / "whole.pt", weights_only=False))
    for key, tensor in whole.items():
        assert catalog.tensors[key]["data"] == tensor_bytes(tensor)


@pytest.mark.parametrize("flavour", ["hf", "safetensors"])
def test_dcp__safetensors_flavours(tmp_path, flavour):
    want = full_state()["model"]
    try:
        path = spawn(tmp_path, 2, flavour)
    except Exception as e:  # the flavour is newer than some torch
        if "ImportError" in str(e):
            pytest.skip(f"this torch has no {flavour} flavour")
        raise
    catalog = Catalog(path)
    assert bool(catalog.note("info", "the 2 here are taken for all")) == (flavour == "hf")
    want = {k: v for k, v in flatten(want).items() if v.numel() or k in catalog.tensors}
    assert_equal(catalog, want)


def test_dcp__single_process(tmp_path):
    import torch.distributed.checkpoint as dcp
    state = {"a.b": torch.randn(3, 2).t(), "n": 4, "f8": torch.randn(4).to(torch.float8_e4m3fn),
             "nested": {"list": [torch.ones(2), 5]}}
    dcp.save(state, checkpoint_id=str(tmp_path / "x"), no_dist=True)
    assert_equal(Catalog(tmp_path / "x"), flatten(state))


def edit_metadata(path, change):
    with open(path / ".metadata", "rb") as f:
        metadata = pickle.load(f)
    change(metadata)
    with open(path / ".metadata", "wb") as f:
        pickle.dump(metadata, f)


def test_dcp__hostile(tmp_path):
    import dataclasses

    import torch.distributed.checkpoint as dcp
    good = tmp_path / "good"
    dcp.save({"w": torch.randn(4, 3), "v": torch.randn(2)}, checkpoint_id=str(good), no_dist=True)

    def variant(name, change):
        shutil.copytree(good, tmp_path / name)
        edit_metadata(tmp_path / name, change)
        return tmp_path / name

    def at_w(**fields):
        def change(m):
            for index, info in list(m.storage_data.items()):
                if index.fqn == "w":
                    m.storage_data[index] = dataclasses.replace(info, **fields)
        return change

    for bad in ("/etc/passwd", "../good/__0_0.distcp", "a/../../x", ""):
        with pytest.raises(Refused, match="not in the folder"):
            Catalog(variant(f"path{len(list(tmp_path.iterdir()))}", at_w(relative_path=bad)))
    with pytest.raises(Refused, match="No such file"):
        Catalog(variant("missing", at_w(relative_path="other.distcp")))
    for name, fields in {"offset": {"offset": 2**62}, "length": {"length": 2**63 - 1},
                         "short": {"length": 100}, "zero": {"length": 0}}.items():
        catalog = Catalog(variant(name, at_w(**fields)))
        assert set(catalog.tensors) == {("v",)}, name
        assert catalog.note("refused", "w")

    def resize(*size):
        def change(m):
            m.state_dict_metadata["w"].size = torch.Size(size)
        return change

    for i, size in enumerate([(5, 3), (3, 3), (4, 3, 1), (2**40, 2**40)]):
        catalog = Catalog(variant(f"size{i}", resize(*size)))
        assert set(catalog.tensors) == {("v",)}

    def overlap(m):
        chunks = m.state_dict_metadata["w"].chunks
        chunks.append(chunks[0])

    assert set(Catalog(variant("overlap", overlap)).tensors) == {("v",)}
    for i, paths in enumerate(({"w": ("a",), "v": ("a", "b")}, {"w": ("a", "b"), "v": ("a",)},
                               {"w": ("a", 0), "v": ("a", "0")})):
        with pytest.raises(Refused, match="on the path of another|two values of one path"):
            Catalog(variant(f"planner{i}", lambda m, paths=paths: setattr(m, "planner_data", paths)))
    (tmp_path / "size0" / ".metadata").write_bytes(b"\x80\x04cos\nsystem\nX\x02\0\0\0id\x85R.")
    with pytest.raises(Refused, match="no metadata"):
        Catalog(tmp_path / "size0")


@pytest.mark.parametrize("name", ["w", "n"])
def test_dcp__dangers_in_items(tmp_path, name):
    """A pickle of an item, be it a tensor or an object, is told and refused like any other."""
    import dataclasses

    import torch.distributed.checkpoint as dcp
    path = tmp_path / "x"
    dcp.save({"w": torch.ones(4), "v": torch.ones(2), "n": 3}, checkpoint_id=str(path), no_dist=True)
    torch.save(1, tmp_path / "good.pt")
    rewrite_zip(tmp_path / "good.pt", path / "evil.distcp",
                **{"data.pkl": b"\x80\x02cposix\nsystem\nX\x04\0\0\0trueRX.".replace(b"RX.", b"\x85R.")})
    length = (path / "evil.distcp").stat().st_size

    def change(m):
        for index, info in list(m.storage_data.items()):
            if index.fqn == name:
                m.storage_data[index] = dataclasses.replace(info, relative_path="evil.distcp", offset=0,
                                                            length=length)

    edit_metadata(path, change)
    assert Catalog(path).note("danger", "posix.system")
    with pytest.raises(Refused, match="posix.system"):
        Catalog(path, "-s")


# ---- Meta ---------------------------------------------------------------------------------------

def llama(dim=8, hidden=12, vocab=16, layers=2):
    r = torch.randn
    out = {"tok_embeddings.weight": r(vocab, dim), "norm.weight": r(dim), "output.weight": r(vocab, dim)}
    for i in range(layers):
        p = f"layers.{i}."
        for n in ("wq", "wk", "wv"):
            out[p + f"attention.{n}.weight"] = r(dim, dim)
        out[p + "attention.wo.weight"] = r(dim, dim)
        out[p + "feed_forward.w1.weight"] = r(hidden, dim)
        out[p + "feed_forward.w3.weight"] = r(hidden, dim)
        out[p + "feed_forward.w2.weight"] = r(dim, hidden)
        out[p + "attention_norm.weight"] = r(dim)
        out[p + "ffn_norm.weight"] = r(dim)
    out["rope.freqs"] = r(4)
    return out


def cut_llama(state, rank, n, embedding_axis):
    axes = {"wq": 0, "wk": 0, "wv": 0, "w1": 0, "w3": 0, "output": 0, "wo": 1, "w2": 1,
            "tok_embeddings": embedding_axis}
    out = {}
    for name, t in state.items():
        axis = axes.get(name.split(".")[-2] if name.endswith(".weight") else None)
        out[name] = t if axis is None else t.chunk(n, axis)[rank].clone()
    return out


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("embedding_axis", [0, 1])
def test_meta__consolidated(tmp_path, n, embedding_axis):
    state = llama()
    for rank in range(n):
        torch.save(cut_llama(state, rank, n, embedding_axis), tmp_path / f"consolidated.{rank:02}.pth")
    (tmp_path / "params.json").write_text('{"dim": 8}')
    catalog = Catalog(tmp_path)
    assert_equal(catalog, flatten(state))
    by_name = {t["name"]: t for t in catalog.list}
    assert by_name["tok_embeddings.weight"]["shard_axis"] == embedding_axis
    assert by_name["layers.0.attention.wo.weight"]["shard_axis"] == 1
    assert by_name["norm.weight"]["n_shards"] == 1
    if n == 4:
        os.remove(tmp_path / "consolidated.03.pth")
        first = "tok_embeddings.weight" if embedding_axis else "layers.0.attention.wo.weight"
        with pytest.raises(Refused, match=f"3 files with parts of {first} that are 2 wide, for a model 8 wide"):
            Catalog(tmp_path)
        declared = Catalog(tmp_path, "-d", f"tp.tok_embeddings.weight={embedding_axis}", "-d", "tp.*.wo.weight=1")
        assert declared.tensors[("layers", "0", "attention", "wo", "weight")]["shape"] == [8, 6]
    os.remove(tmp_path / "consolidated.00.pth")
    if n == 4:
        with pytest.raises(Refused, match="not whole"):
            Catalog(tmp_path)


def test_meta__unknown_names_are_declared(tmp_path):
    for rank in range(2):
        torch.save({"norm.weight": torch.ones(4), "new.weight": torch.full((2, 4), float(rank))},
                   tmp_path / f"consolidated.{rank:02}.pth")
    catalog = Catalog(tmp_path)
    assert set(catalog.tensors) == {("norm", "weight")} and catalog.note("refused", "set=tp.new.weight=AXIS")
    catalog = Catalog(tmp_path, "-d", "tp.new.*=1")
    assert catalog.tensors[("new", "weight")]["shape"] == [2, 8]
    assert Catalog(tmp_path, "-d", "tp.new.*=same").tensors[("new", "weight")]["shape"] == [2, 4]
    with pytest.raises(Refused, match="neither an axis"):
        Catalog(tmp_path, "-d", "tp.new.*=x")


def test_meta__what_is_no_copy_is_not_guessed(tmp_path):
    for rank in range(2):
        torch.save({"norm.weight": torch.ones(4), "wo.bias": torch.full((4,), float(rank)),
                    f"own{rank}.weight": torch.ones(2), "nan.weight": torch.full((2,), float("nan"))},
                   tmp_path / f"consolidated.{rank:02}.pth")
    catalog = Catalog(tmp_path)
    assert set(catalog.tensors) == {("norm", "weight"), ("nan", "weight")}
    assert catalog.note("refused", "wo.bias" "rank 1 has other values of what should be a copy")
    assert catalog.note("refused", "own0.weight" "rank 1 has no such tensor")
    assert catalog.note("refused", "own1.weight" "rank 1 has it, rank 0 has not")
    assert Catalog(tmp_path, "-d", "tp.wo.bias=0").tensors[("wo", "bias")]["shape"] == [8]
    assert Catalog(tmp_path, "-d", "tp.wo.bias=same").tensors[("wo", "bias")]["shape"] == [4]


# ---- Megatron -----------------------------------------------------------------------------------

def megatron_layer(i, h=8, f=12):
    p = f"layers.{i}."
    r = torch.randn
    return {p + "input_layernorm.weight": r(h), p + "self_attention.query_key_value.weight": r(3 * h, h),
            p + "self_attention.query_key_value.bias": r(3 * h), p + "self_attention.dense.weight": r(h, h),
            p + "self_attention.dense.bias": r(h), p + "mlp.dense_h_to_4h.weight": r(2 * f, h),
            p + "mlp.dense_h_to_4h.bias": r(2 * f), p + "mlp.dense_4h_to_h.weight": r(h, f),
            p + "mlp.dense_4h_to_h.bias": r(h)}


def cut_megatron(name, t, rank, n, swiglu, version):
    def rows(groups):
        return torch.cat([g.chunk(n, 0)[rank] for g in t.chunk(groups, 0)])
    if "query_key_value" in name:
        return rows(3 if version < 1 else 1)
    if "h_to_4h" in name:
        return rows(2 if swiglu else 1)
    if "word_embeddings" in name:
        return rows(1)
    if name.endswith(("self_attention.dense.weight", "dense_4h_to_h.weight")):
        return t.chunk(n, 1)[rank].clone()
    return t


def write_megatron(root, tp, pp, swiglu, version, args=True):
    stages = [megatron_layer(0) | megatron_layer(1) for _ in range(pp)]
    embedding = torch.randn(16, 8)
    want = {}
    for p in range(pp):
        for t in range(tp):
            name = f"mp_rank_{t:02}" if pp == 1 else f"mp_rank_{t:02}_{p:03}"
            folder = root / "iter_0000012" / name
            folder.mkdir(parents=True)
            encoder = {k: cut_megatron(k, v, t, tp, swiglu, version) for k, v in stages[p].items()}
            model = {"language_model": {"encoder": encoder}}
            if p == 0:
                model["language_model"]["embedding"] = {
                    "word_embeddings": {"weight": cut_megatron("word_embeddings", embedding, t, tp, swiglu, version)},
                    "position_embeddings": {"weight": torch.ones(4, 8)}}
            obj = {"model": model, "iteration": 12, "seed": 2**64 - 1, "optimizer": {"x": torch.randn(3)}}
            if args:
                obj |= {"checkpoint_version": version, "args": argparse.Namespace(swiglu=swiglu)}
            torch.save(obj, folder / "model_optim_rng.pt")
        for k, v in stages[p].items():
            parts = k.split(".")
            parts[1] = str(int(parts[1]) + 2 * p)
            want[("model", "language_model", "encoder", *parts)] = v
    want[("model", "language_model", "embedding", "word_embeddings", "weight")] = embedding
    want[("model", "language_model", "embedding", "position_embeddings", "weight")] = torch.ones(4, 8)
    (root / "latest_checkpointed_iteration.txt").write_text("12")
    return want


def write_stages(root, stages, tp=1, **args):
    """stages: the model of each pipeline stage, the same for all of its tensor ranks."""
    for p, model in enumerate(stages):
        for t in range(tp):
            folder = root / f"mp_rank_{t:02}_{p:03}"
            folder.mkdir(parents=True)
            torch.save({"model": model, "checkpoint_version": 3.0, "args": argparse.Namespace(**args)},
                       folder / "model_optim_rng.pt")
    return root


def norms(prefix, n, first=0):
    return {f"{prefix}.{i}.norm.weight": torch.full((4,), float(first + i)) for i in range(n)}


def test_megatron__every_list_of_layers_counts_for_itself(tmp_path):
    t5 = write_stages(tmp_path / "t5", [norms("encoder.layers", 3), norms("decoder.layers", 2)])
    assert_equal(Catalog(t5), flatten({"model": norms("encoder.layers", 3) | norms("decoder.layers", 2)}))
    vision, text = "vision_model.decoder.layers", "language_model.decoder.layers"
    vlm = write_stages(tmp_path / "vlm", [norms(vision, 3) | norms(text, 1), norms(text, 2, 1)])
    assert_equal(Catalog(vlm), flatten({"model": norms(vision, 3) | norms(text, 3)}))


def test_megatron__gates_of_one_model_of_several(tmp_path):
    fc1 = {f"{m}.decoder.layers.0.mlp.linear_fc1.weight": torch.arange(8.).view(8, 1) for m in ("vision", "text")}
    source = write_stages(tmp_path, [fc1], tp=2, swiglu=True)
    catalog = Catalog(source)
    assert not catalog.tensors and catalog.note("refused", "declare it with -o set=swiglu=0 or =1")
    assert len(Catalog(source, "-d", "swiglu=1").tensors) == 2


def test_megatron__stages_that_differ_under_one_name(tmp_path):
    same = {"rotary.inv_freq": torch.ones(4)}
    source = write_stages(tmp_path, [norms("encoder.blocks", 1) | same, norms("encoder.blocks", 1, 1) | same])
    catalog = Catalog(source)
    assert catalog.note("warning", "encoder.blocks.0.norm.weight" "a later pipeline stage has another one")
    assert catalog.note("info", "rotary.inv_freq" "a later pipeline stage has it, too")


def test_megatron__interleaved_stages_are_refused(tmp_path):
    source = write_stages(tmp_path, [norms("x.layers", 1)])
    for folder in source.iterdir():
        torch.save({"model0": norms("x.layers", 1) | {"only": torch.ones(1)}, "model1": norms("x.layers", 1)},
                   folder / "model_optim_rng.pt")
    with pytest.raises(Refused, match="interleaved pipeline stages"):
        Catalog(source)


@pytest.mark.parametrize("tp,pp,swiglu,version", [(1, 1, False, 3.0), (2, 1, True, 3.0), (2, 2, False, 0),
                                                  (4, 2, True, 2.0)])
def test_megatron(tmp_path, tp, pp, swiglu, version):
    want = write_megatron(tmp_path, tp, pp, swiglu, version)
    catalog = Catalog(tmp_path)
    assert_equal(catalog, want)
    assert catalog.chosen == ["model"] and catalog.note("info", "not put together")
    assert_equal(Catalog(tmp_path / "iter_0000012"), want)


def test_megatron__declared(tmp_path):
    want = write_megatron(tmp_path, 2, 1, True, 0, args=False)
    assert Catalog(tmp_path).note("refused", "declare it with -o set=swiglu=0 or =1")
    assert_equal(Catalog(tmp_path, "-d", "swiglu=1", "-d", "checkpoint_version=0"), want)
    shutil.rmtree(tmp_path / "iter_0000012" / "mp_rank_00")
    with pytest.raises(Refused, match="not whole"):
        Catalog(tmp_path)
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("../../etc")
    with pytest.raises(Refused, match="neither a number"):
        Catalog(tmp_path)


def megatron_folder(root, **ranks):
    for name, obj in ranks.items():
        (root / name).mkdir(parents=True)
        torch.save(obj, root / name / "model_optim_rng.pt")
    return root


def test_megatron__what_is_not_supported_says_so(tmp_path):
    def state(x):
        return {"layers.0.linear_qkv.weight": torch.full((2, 3), float(x))}

    with pytest.raises(Refused, match="expert parallelism is not supported"):
        Catalog(megatron_folder(tmp_path / "ep", mp_rank_00_000_000={"model": state(0)},
                                mp_rank_00_000_001={"model": state(1)}))
    with pytest.raises(Refused, match="interleaved pipeline stages"):
        Catalog(megatron_folder(tmp_path / "vpp", mp_rank_00_000={"model0": state(0), "model1": state(2)},
                                mp_rank_00_001={"model0": state(1), "model1": state(3)}))
    args = argparse.Namespace(tensor_model_parallel_size=2, pipeline_model_parallel_size=1, swiglu=False)
    half = {"mp_rank_00": {"model": state(0), "args": args}}
    with pytest.raises(Refused, match="tensor_model_parallel_size is 2, there are 1: the checkpoint is not whole"):
        Catalog(megatron_folder(tmp_path / "half", **half))
    Catalog(megatron_folder(tmp_path / "half", mp_rank_01=half["mp_rank_00"]))
    alone = Catalog(megatron_folder(tmp_path / "one", mp_rank_00={"model": {"new.weight": torch.ones(2, 2)}}))
    assert set(alone.tensors) == {("model", "new", "weight")}
    cut = {f"mp_rank_0{i}": {"model": {"mixer.A_log": torch.full((4,), float(i))}} for i in range(2)}
    catalog = Catalog(megatron_folder(tmp_path / "cut", **cut))
    assert not catalog.tensors and catalog.note("refused", "-o set=tp.model.mixer.A_log=AXIS")
    catalog = Catalog(tmp_path / "cut", "-d", "tp.*A_log=0")
    assert catalog.tensors[("model", "mixer", "A_log")]["shape"] == [8]


# ---- several ordinary files ---------------------------------------------------------------------

def test_index__of_torch_shards(tmp_path):
    state = {f"layer.{i}.weight": torch.randn(3, i + 1) for i in range(5)}
    names = list(state)
    weight_map = {}
    for i, part in enumerate((names[:2], names[2:])):
        file = f"pytorch_model-0000{i + 1}-of-00002.bin"
        torch.save({k: state[k] for k in part}, tmp_path / file)
        weight_map |= {k: file for k in part}
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    for source in (tmp_path, index):
        catalog = Catalog(source)
        assert_equal(catalog, flatten(state))
        assert catalog.chosen == [""]


def test_index__of_nested_shards_maps_the_whole(tmp_path):
    """No shard's own trees may decide what is mapped: the others' would be left out."""
    weight_map = {}
    for i, obj in enumerate(({"model": {"a": torch.ones(2)}, "ema": {"a": torch.ones(2)}},
                             {"model": {"b": torch.zeros(3)}})):
        torch.save(obj, tmp_path / f"{i}.bin")
        weight_map |= {".".join(k): f"{i}.bin" for k in flatten(obj)}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    catalog = Catalog(tmp_path / "pytorch_model.bin.index.json")
    assert set(catalog.tensors) == {("model", "a"), ("ema", "a"), ("model", "b")}
    assert catalog.chosen == [""] and not catalog.note("info", "mapped")
