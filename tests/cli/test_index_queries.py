"""The sqlite3 queries of README.md, run as they stand there and compared with numpy."""
import re
import sqlite3

import numpy as np
import pytest

from conftest import ROOT, run
from helpers import small_bert, write_safetensors

MARKER = "<!-- index queries -->"


def queries():
    """Title -> SQL of the README's section; each query begins with a comment `-- title: ...`."""
    text = (ROOT / "README.md").read_text()
    if text.count(MARKER) < 2:
        pytest.skip(f"README.md has no section between two {MARKER} markers")
    sql = re.search(r"```sql\n(.*?)```", text.split(MARKER)[1], re.S)[1]
    return {m[1]: m[2].strip() for m in re.finditer(r"^-- (\w+):.*\n((?:(?!--).*\n)+)", sql, re.M)}


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tensors = {**small_bert(), "tied.weight": small_bert()["embeddings.word_embeddings.weight"],
               "bad.bias": np.array([1, np.nan, np.inf], np.float32), "zero.weight": np.zeros((2, 2), np.float32),
               "steps": np.arange(5)}
    path = write_safetensors(tmp_path / "model.safetensors", tensors, {"format": "pt"})
    run("norms", path)
    run("diff", path, path)
    [file] = (tmp_path / "cache" / "weightfs").glob("*.db")
    return file, tensors


def test_queries__all_of_them(index):
    file, tensors = index
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    got = {title: db.execute(sql).fetchall() for title, sql in queries().items()}
    total = sum(a.nbytes for a in tensors.values())
    assert got["views"] == [("flax", len(tensors), total), ("source", len(tensors), total)]
    floats = [a for a in tensors.values() if a.dtype == np.float32]
    assert got["dtypes"] == [("float32", len(floats), sum(a.size for a in floats), sum(a.nbytes for a in floats)),
                             ("int64", 1, 5, 40)]
    assert len(got["largest"]) == 10
    assert [r[3] for r in got["largest"]] == sorted((a.nbytes for a in tensors.values()), reverse=True)[:10]
    name = "encoder/layer/0/attention/self/query/kernel"
    assert any(r[0].replace(".", "/") == name and r[2] for r in got["computed"])
    assert got["norms"] == [(len(tensors), None)]
    assert [r[0] for r in got["suspects"]] == ["bad.bias", "zero.weight"]
    assert got["suspects"][0][1:3] == (1, 1)
    assert got["copies"] == [("embeddings.word_embeddings.weight = tied.weight",)]


@pytest.mark.parametrize("special", [None, np.nan, np.inf])
def test_queries__the_global_norm(tmp_path, monkeypatch, special):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tensors = {"a": np.array([3, 0], np.float32), "b": np.array([4.5, -2], np.float32)}
    if special is not None:
        tensors["c"] = np.array([1, special], np.float32)
    run("norms", write_safetensors(tmp_path / "model.safetensors", tensors))
    [file] = (tmp_path / "cache" / "weightfs").glob("*.db")
    [(n, norm)] = sqlite3.connect(file).execute(queries()["norms"]).fetchall()
    assert n == len(tensors)
    want = np.linalg.norm(np.concatenate(list(tensors.values())).astype(float))
    assert norm == (pytest.approx(want, rel=1e-12) if special is None else None)


def test_statistics__are_what_norms_says(index):
    file, tensors = index
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    rows = db.execute("SELECT name, l2, mean, std, min, max, zeros, nan, inf FROM statistics"
                      " WHERE view = 'source'").fetchall()
    assert {r[0] for r in rows} == set(tensors)
    for name, l2, mean, std, low, high, zeros, nan, inf in rows:
        a = tensors[name].astype(np.float64)
        assert (zeros, nan, inf) == ((a == 0).sum(), np.isnan(a).sum(), np.isinf(a).sum())
        if np.isfinite(a).all():
            assert (low, high) == (a.min(), a.max())
            assert [l2, mean, std] == pytest.approx([np.linalg.norm(a), a.mean(), a.std()], rel=1e-9, abs=1e-15)
        else:
            assert l2 is None and mean is None and high == "Infinity"
