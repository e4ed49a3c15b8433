"""tokenizer.* keys of a GGUF: equal to those of llama.cpp's converter in the corpus, key by key and in
its order; then each thing that is refused."""
import json
import pathlib
import struct
import subprocess

import pytest

from conftest import BIN, CORPUS
from helpers import HANG_S

TOOL = pathlib.Path(BIN).parent / "tests" / "unit" / "gguf_tool"
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
CASES = sorted(p.name for p in (CORPUS / "gguf").glob("*/")) if CORPUS.is_dir() else []


class Pairs:
    """The key-value pairs at a place of a GGUF file: (key, type, element type, value)."""

    def __init__(self, data, at):
        self.data, self.at = data, at

    def take(self, fmt):
        value = struct.unpack_from(fmt, self.data, self.at)[0]
        self.at += struct.calcsize(fmt)
        return value

    def text(self):
        n = self.take("<Q")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, kind):
        return self.text() if kind == 8 else self.take(SCALARS[kind])

    def pair(self):
        key, kind = self.text().decode(), self.take("<I")
        if kind != 9:
            return key, kind, None, self.value(kind)
        elem, n = self.take("<I"), self.take("<Q")
        return key, kind, elem, [self.value(elem) for _ in range(n)]


def pairs_of_file(path):
    data = path.read_bytes()
    n = struct.unpack_from("<Q", data, 16)[0]
    pairs = Pairs(data, 24)
    return [pairs.pair() for _ in range(n)]


def run_tool(source, tmp_path, arch, class_name, *settings):
    out = tmp_path / "keys.bin"
    done = subprocess.run([TOOL, out, source, arch, class_name, *settings], capture_output=True, text=True,
                          timeout=HANG_S)
    if done.returncode:
        return None, done.stderr
    data, found = out.read_bytes(), []
    pairs = Pairs(data, 0)
    while pairs.at < len(data):
        found.append(pairs.pair())
    return found, done.stderr


def keys(source, tmp_path, arch="llama", class_name="LlamaForCausalLM", *settings):
    found, message = run_tool(source, tmp_path, arch, class_name, *settings)
    assert found is not None, message
    return found


def refusal(source, tmp_path, arch="llama", class_name="LlamaForCausalLM", *settings):
    found, message = run_tool(source, tmp_path, arch, class_name, *settings)
    assert found is None, "not refused"
    return message


# ---- the converter's own ----

@pytest.mark.parametrize("name", CASES)
def test_keys__equal_those_of_the_converter(name, tmp_path, corpus):
    folder = corpus / "gguf" / name
    reference = next((corpus / "gguf").glob(f"{name}-f16.gguf"), None) or next((corpus / "gguf").glob(f"{name}-*.gguf"))
    want = pairs_of_file(reference)
    config = json.loads((folder / "config.json").read_text())
    classes = config.get("architectures") or config["text_config"]["architectures"]
    arch = dict((k, v) for k, _, _, v in want)["general.architecture"].decode()
    pre = json.loads((corpus / "gguf" / "pre.json").read_text())[name]["pre"]
    got = keys(folder, tmp_path, arch, classes[0], f"tokenizer.pre={pre}")
    # Before that place stand the keys of the architecture, which may be of the tokenizer, too.
    begin = [p[0] for p in want].index("general.quantization_version") + 1
    assert got == want[begin:]
