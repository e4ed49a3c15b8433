"""Reads the key-value pairs of a GGUF file: a list of (key, type, value), in the file's order.

A type is GGUF's number of it, or (9, type of the elements) of an array."""
import struct

_PLAIN = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, code):
        value, = struct.unpack_from(code, self.data, self.at)
        self.at += struct.calcsize(code)
        return value

    def text(self):
        n = self.number("<Q")
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self, kind):
        return self.text() if kind == 8 else self.number(_PLAIN[kind])

    def pair(self):
        key, kind = self.text().decode(), self.number("<I")
        if kind != 9:
            return key, kind, self.value(kind)
        inner, n = self.number("<I"), self.number("<Q")
        return key, (9, inner), [self.value(inner) for _ in range(n)]


def _open(path):
    r = _Reader(open(path, "rb").read())
    assert r.data[:4] == b"GGUF"
    r.at = 4
    assert r.number("<I") == 3
    return r, r.number("<Q"), r.number("<Q")


def read(path):
    r, _, n = _open(path)
    return [r.pair() for _ in range(n)]


def tensors(path):
    """(name, shape) of each tensor, the outermost axis first."""
    r, n_tensors, n = _open(path)
    for _ in range(n):
        r.pair()
    found = []
    for _ in range(n_tensors):
        name = r.text().decode()
        shape = [r.number("<Q") for _ in range(r.number("<I"))][::-1]
        r.number("<I"), r.number("<Q")
        found.append((name, shape))
    return found


def without(pairs, *starts):
    return [p for p in pairs if not p[0].startswith(starts)]
