"""Views through a real mount, opened by the frameworks' own loaders: both directions, every element
type that models come in, single and sharded, many readers at once, and what opening costs.
"""
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from flax.traverse_util import flatten_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers.modeling_flax_pytorch_utils import (convert_pytorch_state_dict_to_flax,
                                                      load_flax_weights_in_pytorch_model)

from conftest import DATA
from helpers import HANG_S

transformers.logging.set_verbosity_error()

TYPES = ["float32", "float16", "bfloat16"]


def raw(array):
    if isinstance(array, torch.Tensor):
        return array.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return np.asarray(array).tobytes()


@pytest.fixture(name="bert", params=TYPES)
def fixture_bert(request, tmp_path):
    """A PyTorch BERT in each type: its folder, and the model."""
    dtype = getattr(torch, request.param)
    model = transformers.BertModel.from_pretrained(DATA / "bert", torch_dtype=dtype)
    model.save_pretrained(tmp_path / "bert", max_shard_size="20KB" if "shard" in request.node.name else "5GB")
    return tmp_path / "bert", model


def assert_flax_is(params, model):
    fx = transformers.FlaxBertModel(model.config)
    want = flatten_dict(convert_pytorch_state_dict_to_flax(model.state_dict(), fx))
    got = flatten_dict(params)
    assert set(got) == set(flatten_dict(fx.params))
    for key, value in got.items():
        assert raw(value) == raw(want[key]), key


@pytest.mark.parametrize("files", ["msgpack", "safetensors"])
def test_torch_to_flax(bert, mount, files):
    source, model = bert
    m = mount(source, "-o", f"files={files}")
    loaded = transformers.FlaxBertModel.from_pretrained(m / "flax")
    assert_flax_is(loaded.params, model)


def test_sharded_torch_to_flax(bert, mount):
    """Sharded safetensors, which transformers itself does not load into Flax."""
    source, model = bert
    assert (source / "model.safetensors.index.json").exists()
    loaded = transformers.FlaxBertModel.from_pretrained(mount(source) / "flax")
    assert_flax_is(loaded.params, model)


@pytest.fixture(name="flax_bert", params=TYPES)
def fixture_flax_bert(request, tmp_path):
    """A Flax checkpoint, and the PyTorch state that transformers makes of it."""
    fx = transformers.FlaxBertModel.from_pretrained(DATA / "bert", from_pt=True)
    params = fx.to_fp16(fx.params) if request.param == "float16" else (
        fx.to_bf16(fx.params) if request.param == "bfloat16" else fx.params)
    fx.save_pretrained(tmp_path / "flax", params=params)
    model = load_flax_weights_in_pytorch_model(transformers.BertModel(fx.config), fx.to_fp32(params))
    return tmp_path / "flax", model.to(getattr(torch, request.param))


def assert_torch_is(loaded, model):
    want = dict(model.named_parameters())
    for name, value in loaded.named_parameters():
        assert value.dtype == want[name].dtype and raw(value.detach()) == raw(want[name].detach()), name


@pytest.mark.parametrize("files", ["safetensors", "torch"])
def test_flax_to_torch(flax_bert, mount, files):
    source, model = flax_bert
    m = mount(source, "-o", f"files={files}")
    loaded, info = transformers.BertModel.from_pretrained(
        m / "torch", torch_dtype=model.dtype, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert_torch_is(loaded, model)


def test_flax_to_torch_in_shards(flax_bert, mount):
    source, model = flax_bert
    m = mount(source, "-o", "shards=20K")
    names = sorted(p.name for p in (m / "torch").iterdir())
    assert "model.safetensors.index.json" in names and "model.safetensors" not in names
    assert sum(n.endswith(".safetensors") for n in names) > 2
    loaded = transformers.BertModel.from_pretrained(m / "torch", torch_dtype=model.dtype)
    assert_torch_is(loaded, model)


def test_the_same_arrays_from_every_file(mount):
    """Each loader of each file of a view gives what the .npy tree shows."""
    m = mount(DATA / "bert", "-o", "files=all")
    for view in ("source", "flax"):
        folder = m / view
        want = {".".join(p.relative_to(folder / "tensors").with_suffix("").parts): np.load(p)
                for p in (folder / "tensors").rglob("*.npy")}
        loads = [load_file(folder / "model.safetensors"), dict(np.load(folder / "tensors.npz"))]
        loads += [torch.load(folder / "pytorch_model.bin", **how)
                  for how in ({"weights_only": True}, {"weights_only": False}, {"mmap": True})]
        with safe_open(folder / "model.safetensors", "np") as f:
            loads.append({k: f.get_slice(k)[...] if want[k].ndim else f.get_tensor(k) for k in f.keys()})
        mx = pytest.importorskip("mlx.core")
        loads.append({k: np.array(v) for k, v in mx.load(str(folder / "model.safetensors")).items()})
        for got in loads:
            assert set(got) == set(want)
            for name, value in want.items():
                assert tuple(got[name].shape) == value.shape and raw(got[name]) == raw(value)


# ---- what opening costs ---------------------------------------------------------------------------

MIB = 1 << 20


@pytest.fixture(name="large", scope="module")
def fixture_large(tmp_path_factory):
    """12 times 12 MiB, 1.2 MiB, 600 KiB and 8 KiB, small after large; PyTorch names."""
    folder = tmp_path_factory.mktemp("large")
    generator = torch.Generator().manual_seed(5)
    state = {}
    for i in range(12):
        state[f"encoder.layer.{i}.dense.weight"] = torch.rand(2048, 1536, generator=generator)
        state[f"encoder.layer.{i}.dense.bias"] = torch.rand(2048, generator=generator)
        state[f"encoder.layer.{i}.mid.weight"] = torch.rand(560, 561, generator=generator)
        state[f"encoder.layer.{i}.small.weight"] = torch.rand(400, 384, generator=generator)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder, state


def read_ahead(path, kb):
    dev = os.stat(path).st_dev
    at = f"/sys/class/bdi/{os.major(dev)}:{os.minor(dev)}/read_ahead_kb"
    try:
        with open(at, "w") as f:
            f.write(str(kb))
    except OSError:
        pytest.skip(f"{at} cannot be written")


@pytest.fixture(name="archives", params=["source", "flax"])
def fixture_archives(request, large, mount):
    """A fresh mount with a readahead of 4 MiB, one of its views, and what it has read by now."""
    m = mount(large[0], "--view", "flax", "-o", "files=all,index=none")
    read_ahead(m.path, 4096)
    return m / request.param, lambda: m.stats()["bytes"]


def test_opening_a_torch_archive_computes_no_crc(archives):
    view, count = archives
    got = torch.load(view / "pytorch_model.bin", mmap=True)
    assert count()["served"] < 4 * MIB
    for value in got.values():
        value.reshape(-1)[0].item()
    assert count()["crc"] < MIB  # not one of the larger tensors
    for value in got.values():
        if value.nbytes > 8 * MIB:
            value.reshape(-1)[value.numel() // 2].item()
    assert count()["crc"] < MIB
    # At most half a window on each side of what was touched.
    assert count()["served"] < len(got) * 5 * MIB


def test_listing_an_npz_computes_no_crc(archives):
    """All that numpy does before it reads a member, and the first bytes of each."""
    view, count = archives
    with np.load(view / "tensors.npz") as got:
        names = got.files
        assert count()["served"] < 4 * MIB
        for name in names:
            with got.zip.open(name + ".npy") as f:
                shape, _, dtype = np.lib.format.read_array_header_1_0(f) if np.lib.format.read_magic(f) else None
                assert len(f.read(dtype.itemsize)) == dtype.itemsize and shape
    assert count()["crc"] < MIB


def test_faults_at_the_start_of_a_member_compute_no_large_crc(archives):
    """Each reads half a window on both sides: what lies before a member, and a short one whole."""
    import mmap
    import zipfile
    view, count = archives
    with zipfile.ZipFile(view / "tensors.npz") as z:
        members = [(i.header_offset, i.file_size) for i in z.infolist()]
    with open(view / "tensors.npz", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as data:
        for off, _ in members:
            assert data[off:off + 4] == b"PK\3\4"
    assert count()["crc"] < sum(size for _, size in members if size < 2 * MIB)


@pytest.mark.parametrize("how", ["numpy", "torch", "torch mmap", "zipfile"])
def test_reading_an_archive_whole_reads_the_source_once(archives, large, how):
    """The CRCs come from what was served; only requests in flight are read again for them."""
    import zipfile
    view, count = archives
    size = sum(value.nbytes for value in large[1].values())
    if how == "numpy":
        with np.load(view / "tensors.npz") as got:
            assert sum(got[name].nbytes for name in got.files) == size
    elif how == "zipfile":
        assert zipfile.ZipFile(view / "tensors.npz").testzip() is None
    else:
        got = torch.load(view / "pytorch_model.bin", mmap=how.endswith("mmap"))
        for value in got.values():
            value.sum()
    assert size <= count()["source"] < 1.5 * size


def test_npz_and_zip_of_large_members(large, mount):
    import zipfile
    folder, state = large
    m = mount(folder, "--view", "flax", "-o", "files=all")
    assert zipfile.ZipFile(m / "source" / "tensors.npz").testzip() is None
    got = np.load(m / "source" / "tensors.npz")
    for name, value in state.items():
        assert got[name].tobytes() == raw(value)
    subprocess.run(["unzip", "-tq", m / "flax" / "pytorch_model.bin"], check=True, timeout=HANG_S)


def test_a_6_gib_archive_is_mapped(mount, tmp_path):
    """Two storages over 2 GiB and what lies beyond 4 GiB, from a source that is a hole."""
    from helpers import header
    n = 3 << 30
    head = header([("a.weight", "BF16", (n // 4096, 2048), 0, n),
                   ("b.weight", "BF16", (n // 4096, 2048), n, 2 * n),
                   ("c.bias", "F32", (3,), 2 * n, 2 * n + 12)], {"format": "pt"})
    with open(tmp_path / "model.safetensors", "wb") as f:
        f.write(head)
        for off, value in ((0, b"\x80\x3f"), (n - 2, b"\x00\x40"), (n + 10, b"\x40\x40"),
                           (2 * n, np.array([1, 2, 3], "f4").tobytes())):
            f.seek(len(head) + off)
            f.write(value)
    m = mount(tmp_path / "model.safetensors", "-o", "files=all,index=none")
    got = torch.load(m / "source" / "pytorch_model.bin", mmap=True)
    assert (m / "source" / "pytorch_model.bin").stat().st_size > 6 << 30
    assert got["a.weight"][0, 0] == 1 and got["a.weight"][-1, -1] == 2
    assert got["b.weight"][0, 5] == 3 and got["b.weight"][-1, -1] == 0
    assert got["c.bias"].tolist() == [1, 2, 3]
    with safe_open(m / "source" / "model.safetensors", "pt") as f:
        assert f.get_slice("b.weight")[0:1, 5].item() == 3


# ---- many readers ---------------------------------------------------------------------------------

def load_and_hash(how, path, queue):
    import hashlib
    if how == "safetensors":
        state = load_file(path)
    elif how == "mmap":
        state = torch.load(path, mmap=True)
    elif how == "read":
        state = torch.load(path)
    else:
        state = {k: torch.from_numpy(v) for k, v in np.load(path).items()}
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + raw(state[name]))
    queue.put((how, digest.hexdigest()))


def test_8_processes_load_a_cold_view(large, mount):
    folder, _ = large
    m = mount(folder, "--view", "flax", "-o", "files=all")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    jobs = [("safetensors", "model.safetensors"), ("mmap", "pytorch_model.bin"),
            ("read", "pytorch_model.bin"), ("npz", "tensors.npz")] * 2
    processes = [context.Process(target=load_and_hash, args=(how, m / "flax" / name, queue))
                 for how, name in jobs]
    for process in processes:
        process.start()
    digests = [queue.get(timeout=HANG_S) for _ in processes]
    for process in processes:
        process.join(timeout=HANG_S)
        assert process.exitcode == 0
    assert len({digest for _, digest in digests}) == 1, digests


def test_a_loader_killed_in_the_middle(large, mount):
    folder, state = large
    m = mount(folder, "--view", "flax", "-o", "files=all")
    program = "import sys, torch\nprint('go', flush=True)\ntorch.load(sys.argv[1])"
    for delay in (0.0, 0.02, 0.1):
        child = subprocess.Popen([sys.executable, "-c", program, m / "flax" / "pytorch_model.bin"],
                                 stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"go\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=HANG_S) in (-signal.SIGKILL, 0)
        child.stdout.close()
    got = torch.load(m / "flax" / "pytorch_model.bin")
    for name, value in state.items():
        if name.endswith("weight"):
            assert raw(got[name.replace("weight", "kernel")].T) == raw(value)


def test_reads_while_it_is_unmounted(large, mount):
    """A reader that is under way gets its bytes or an error, and the umount ends."""
    folder, _ = large
    m = mount(folder, "--view", "flax", "-o", "files=all")
    program = ("import sys\nprint('go', flush=True)\n"
               "for i in range(100):\n"
               "    with open(sys.argv[1], 'rb') as f:\n"
               "        while f.read(1 << 20): pass\n")
    child = subprocess.Popen([sys.executable, "-c", program, m / "flax" / "model.safetensors"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout.readline() == b"go\n"
    time.sleep(0.1)
    subprocess.run(["umount", "-l", str(m.path)], check=True, timeout=HANG_S)
    assert child.wait(timeout=HANG_S) in (0, 1)
    child.stdout.close()
