"""What the tests of PyTorch sources share: running catalog_tool, and torch's own view of a file."""
import json
import os
import pathlib
import subprocess
import tempfile
import zipfile

import torch

from conftest import BIN
from helpers import HANG_S

TOOL = os.environ.get("WEIGHTFS_CATALOG_TOOL",
                      str(pathlib.Path(BIN).parent / "tests" / "unit" / "catalog_tool"))


class Refused(Exception):
    """The source was refused; the message is weightfs's."""


class Catalog:
    """A source as weightfs sees it: `tensors[name]` with bytes, `notes`, `roots`, `objects`."""

    def __init__(self, path, *args):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run([TOOL, *args, "-o", out, str(path)], capture_output=True,
                                  timeout=HANG_S)
            if done.returncode != 0:
                if done.returncode != 1:
                    raise AssertionError(f"{path}: exit {done.returncode}: {done.stderr}")
                raise Refused(done.stderr.decode().strip())
            lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
            self.head = lines[0]
            self.objects = self.head["objects"]
            self.format = self.head["format"]
            self.roots = [x for x in lines if "root" in x and "chosen" in x]
            self.notes = [x for x in lines if "note" in x]
            self.list = [x for x in lines if "tensor" in x]
            for x in self.list:
                x["data"] = pathlib.Path(out, str(x["tensor"])).read_bytes()
            self.tensors = {tuple(x["path"]): x for x in self.list}

    def note(self, kind, text):
        return [n for n in self.notes if n["kind"] == kind and text in n["subject"] + n["text"]]

    @property
    def chosen(self):
        return [r["path"] for r in self.roots if r["chosen"]]


def tensor_bytes(t):
    """The row-major bytes of any tensor."""
    if t.is_quantized:
        t = t.int_repr()
    t = t.detach().resolve_conj().resolve_neg().contiguous()
    if t.numel() == 0:
        return b""
    return t.as_strided((t.numel(),), (1,)).view(torch.uint8).numpy().tobytes()


def dtype_name(t):
    names = {"float8_e8m0fnu": "float8_e8m0fnu", "complex32": "complex32"}
    name = str(t.dtype).removeprefix("torch.")
    return names.get(name, name)


def flatten(obj, path=()):
    """{path components: tensor} as weightfs names them: keys split at dots."""
    out = {}
    if isinstance(obj, torch.Tensor):
        if obj.layout == torch.sparse_coo:
            obj = obj if obj.is_coalesced() else obj
            return flatten({"indices": obj._indices(), "values": obj._values()}, path)
        if obj.layout in (torch.sparse_csr, torch.sparse_bsr):
            return flatten({"crow_indices": obj.crow_indices(), "col_indices": obj.col_indices(),
                            "values": obj.values()}, path)
        if obj.layout in (torch.sparse_csc, torch.sparse_bsc):
            return flatten({"ccol_indices": obj.ccol_indices(), "row_indices": obj.row_indices(),
                            "values": obj.values()}, path)
        return {path or ("tensor",): obj}
    if isinstance(obj, torch.nn.Module):
        return flatten(obj.state_dict(), path)
    items = ()
    if isinstance(obj, dict):
        items = obj.items()
    elif isinstance(obj, (list, tuple)):
        items = ((str(i), x) for i, x in enumerate(obj))
    for key, value in items:
        parts = tuple(key.split(".")) if isinstance(key, str) else (str(key),)
        out.update(flatten(value, path + parts))
    return out


def assert_equal(catalog, want):
    """Every tensor of `want` is there with the same type, shape and bytes, and no other one."""
    assert set(catalog.tensors) == set(want)
    for path, tensor in want.items():
        got = catalog.tensors[path]
        assert tuple(got["shape"]) == tuple(tensor.shape), path
        if not tensor.is_quantized:
            assert got["dtype"] == dtype_name(tensor), path
        assert got["data"] == tensor_bytes(tensor), path


def check(path, obj=None, *args):
    """The catalog of a file that must equal what torch.load makes of it (or `obj`)."""
    if obj is None:
        obj = torch.load(path, weights_only=False, map_location="cpu")
    catalog = Catalog(path, *args)
    assert_equal(catalog, flatten(obj))
    return catalog


def rewrite_zip(source, target, change=None, compress=(), order=None, **replace):
    """Copies a ZIP; `replace` gives new contents (None: leave out), `compress` deflated names."""
    with zipfile.ZipFile(source) as src, zipfile.ZipFile(target, "w") as dst:
        names = src.namelist()
        for name in order(names) if order else names:
            tail = name.split("/", 1)[1]
            data = src.read(name)
            if tail in replace:
                data = replace[tail]
            if change:
                data = change(tail, data)
            if data is None:
                continue
            method = zipfile.ZIP_DEFLATED if tail in compress else zipfile.ZIP_STORED
            dst.writestr(zipfile.ZipInfo(name), data, compress_type=method)
        for tail, data in replace.items():
            full = f"{names[0].split('/', 1)[0]}/{tail}"
            if data is not None and full not in names:
                dst.writestr(zipfile.ZipInfo(full), data)
    return target
