"""info/report.html in a real browser, from the mount: it renders, sorts, filters, zooms, shows problems."""
import re
import time

import numpy as np
import pytest

from chromium import browser  # noqa: F401 (a fixture)
from conftest import run
from helpers import small_bert, write_safetensors, write_sparse_safetensors

ROWS = "return [...document.querySelectorAll('#%s .row')].map(r => [...r.children].map(c => c.textContent))"


def rows(page, table):
    return page.js(ROWS % table)


def names(page):
    return [r[0] for r in rows(page, "tensors")]


def sort_by(page, title):
    page.js("for (const s of document.querySelectorAll('#tensors .head span')) "
            f"if (s.textContent.split(' ')[0] === '{title}') s.click()")


@pytest.fixture
def checkpoint(tmp_path):
    tensors = {**small_bert(n_layers=11), "encoder.extra": np.full((4, 4), np.nan, np.float32)}
    return write_safetensors(tmp_path / "model.safetensors", tensors, {"format": "pt"}), tensors


def test_page__renders_without_network(mount, checkpoint, browser):  # noqa: F811
    path, tensors = checkpoint
    m = mount(path)
    browser.open(m / "info/report.html")
    assert browser.messages() == []
    urls = browser.requests()
    assert [u for u in urls if u.startswith("file://")] == [f"file://{m / 'info/report.html'}"]
    assert not [u for u in urls if not u.startswith(("file:", "data:", "chrome:"))], urls
    assert not re.search(r"https?://", (m / "info/report.html").read_text())
    assert browser.js("return document.getElementById('title').textContent") == str(path)
    facts = browser.js("return document.getElementById('facts').textContent")
    assert f"tensors {len(tensors)}" in facts and f"{sum(a.size for a in tensors.values()):_}" in facts
    first = rows(browser, "tensors")[0]
    assert first[:4] == ["embeddings.LayerNorm.bias", "(64,)", "64", "float32"]
    painted = "const c = document.getElementById('map'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size"
    assert browser.js(painted) > 3
    mapped = {r[0]: r for r in rows(browser, "targets")}
    assert any(r[2] == "transpose" and r[3] == "mapped" for r in mapped.values())


def test_page__sorts_and_filters(mount, checkpoint, browser):  # noqa: F811
    path, tensors = checkpoint
    m = mount(path)
    browser.open(m / "info/report.html")
    sort_by(browser, "count")
    counts = [int(r[2].replace("_", "")) for r in rows(browser, "tensors")]
    assert counts == sorted(counts, reverse=True) and counts[0] == max(a.size for a in tensors.values())
    sort_by(browser, "count")
    counts = [int(r[2].replace("_", "")) for r in rows(browser, "tensors")]
    assert counts == sorted(counts)
    sort_by(browser, "name")
    browser.type("#filter", "query WEIGHT")
    shown = names(browser)
    assert shown == [f"encoder.layer.{i}.attention.self.query.weight" for i in range(11)]
    assert browser.js("return document.getElementById('shown').textContent") == f"11 of {len(tensors)}"
    browser.type("#mapfilter", "transpose query")
    assert len(rows(browser, "targets")) == 11


def test_page__zooms(mount, checkpoint, browser):  # noqa: F811
    path, _ = checkpoint
    m = mount(path)
    browser.open(m / "info/report.html")
    where = "return document.getElementById('where').textContent"
    assert browser.js(where).startswith("whole checkpoint")
    browser.click("#map", x=-300)
    inside = browser.js(where)
    assert inside.startswith("encoder")
    browser.click("#map", x=-300)
    assert browser.js(where) != inside and browser.js(where).startswith("encoder")
    for _ in range(8):
        if not browser.js("return document.getElementById('up').disabled"):
            browser.click("#up")
    assert browser.js(where).startswith("whole checkpoint")


def test_page__statistics_that_are_known(mount, checkpoint, browser, tmp_path):  # noqa: F811
    path, tensors = checkpoint
    run("norms", path)
    m = mount(path)
    browser.open(m / "info/report.html")
    titles = browser.js("return [...document.querySelectorAll('#tensors .head span')].map(s => s.textContent)")
    assert titles[4:] == ["l2", "mean", "std", "min", "max", "nan"]
    l2 = titles.index("l2")
    for row in rows(browser, "tensors"):
        if row[0] in tensors and np.isfinite(tensors[row[0]]).all():
            assert float(row[l2]) == pytest.approx(np.linalg.norm(tensors[row[0]].astype(float)), rel=1e-3)
    sort_by(browser, "l2")
    browser.type("#filter", "encoder.extra")
    assert rows(browser, "tensors")[0][l2] == "NaN"
    assert browser.js("return document.querySelector('#tensors .row').classList.contains('problem')")
    before = browser.js("return document.getElementById('map').toDataURL()")
    browser.js("const c = document.getElementById('color'); c.value = 'norm'; c.onchange()")
    assert browser.js("return document.getElementById('map').toDataURL()") != before
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20000


def test_page__problems_and_hostile_names(mount, browser, tmp_path):  # noqa: F811
    evil = "</script><script>document.title='owned'</script>.weight"
    tensors = {evil: np.ones((2, 2), np.float32), "a\x1b[31m\u202e.weight": np.ones((2, 2), np.float32),
               "lin.weight": np.ones((3, 2), np.float32)}
    path = write_safetensors(tmp_path / "bad.safetensors", tensors, {"format": "pt"})
    template = tmp_path / "keys.json"
    template.write_text('{"lin.kernel": [5, 5], "missing.kernel": [1]}')
    m = mount(path, "--view", "flax", "--template", template)
    browser.open(m / "info/report.html")
    assert browser.js("return document.title") == "weightfs report"
    assert browser.js("return getComputedStyle(document.getElementById('problems')).display") != "none"
    text = browser.js("return document.getElementById('problems').textContent")
    assert "missing" in text and "missing.kernel" in text.replace("/", ".")
    shown = " ".join(names(browser))
    assert evil in shown and "\\u001b[31m\\u202e" in shown and "\x1b" not in shown
    assert browser.messages() == []


def test_page__no_problems_no_section(mount, browser, tmp_path):  # noqa: F811
    path = write_safetensors(tmp_path / "good.safetensors", small_bert(), {"format": "pt"})
    browser.open(mount(path) / "info/report.html")
    assert browser.js("return getComputedStyle(document.getElementById('problems')).display") == "none"


def test_page__a_hundred_thousand_parameters(mount, browser, tmp_path):  # noqa: F811
    tensors = {f"model.layers.{i // 100}.experts.{i % 100 // 4}.w{i % 4}.weight": ("F32", (64, 32 + i % 7))
               for i in range(100000)}
    path = write_sparse_safetensors(tmp_path / "many.safetensors", tensors, {"format": "pt"})
    page = tmp_path / "report.html"
    page.write_bytes((mount(path) / "info/report.html").read_bytes())
    started = time.monotonic()
    browser.open(page)
    opened = time.monotonic() - started
    interactive = browser.js("return performance.getEntriesByType('navigation')[0].domInteractive") / 1000
    print(f"opened in {opened:.2f} s, interactive after {interactive:.2f} s, {page.stat().st_size} bytes")
    assert browser.js("return document.querySelectorAll('*').length") < 2000
    started = time.monotonic()
    browser.type("#filter", "layers.777. experts.13.w2")
    assert names(browser) == ["model.layers.777.experts.13.w2.weight"]
    browser.type("#filter", "layers.99")
    sort_by(browser, "count")
    browser.js("document.getElementById('tensors').scrollTop = 1e9")
    assert rows(browser, "tensors")
    acting = time.monotonic() - started
    browser.click("#map")
    print(f"filtering and sorting took {acting:.2f} s")
