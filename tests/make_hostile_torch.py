"""PyTorch files that attack, lie or are cut off, made byte by byte without torch: a case a class.

CASES: name -> (bytes or {file name: bytes}, what must happen). `tests/cli/test_hostile_torch.py` runs
them; run as a program it writes the seeds of the fuzz corpora (its output is committed).
"""
import io
import pathlib
import pickle
import struct
import sys
import zipfile
import zlib

CORPUS = pathlib.Path(__file__).resolve().parent / "fuzz" / "corpus"
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"


# ---- pickles ------------------------------------------------------------------------------------

def text(s):
    s = s.encode() if isinstance(s, str) else s
    return b"X" + struct.pack("<I", len(s)) + s


def integer(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    if -2**31 <= n < 2**31:
        return b"J" + struct.pack("<i", n)
    size = (n.bit_length() + 8) // 8
    return b"\x8a" + bytes([size]) + n.to_bytes(size, "little", signed=True)


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def numbers(values):
    return tuple_of(*map(integer, values))


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def storage(key="0", numel=4, kind="FloatStorage"):
    return tuple_of(text("storage"), name("torch", kind), text(key), text("cpu"), integer(numel)) + b"Q"


def tensor(key="0", numel=4, offset=0, size=(4,), stride=(1,), kind="FloatStorage", extra=b""):
    return (name("torch._utils", "_rebuild_tensor_v2")
            + tuple_of(storage(key, numel, kind), integer(offset), numbers(size), numbers(stride), b"\x89",
                       name("collections", "OrderedDict") + b")R", extra) + b"R")


def dict_of(**items):
    return b"}(" + b"".join(text(k) + v for k, v in items.items()) + b"u"


def program(body, protocol=2):
    return b"\x80" + bytes([protocol]) + body + b"."


GOOD = program(dict_of(w=tensor()))
FLOATS = struct.pack("<4f", 1, 2, 3, 4)


# ---- archives -----------------------------------------------------------------------------------

def torch_zip(pkl=GOOD, records=None, version=b"3\n", compress=(), prefix="x"):
    records = {"data/0": FLOATS} if records is None else records
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for tail, data in [("data.pkl", pkl), *records.items(), ("version", version)]:
            if data is not None:
                method = zipfile.ZIP_DEFLATED if tail in compress else zipfile.ZIP_STORED
                z.writestr(zipfile.ZipInfo(f"{prefix}/{tail}"), data, compress_type=method)
    return out.getvalue()


class RawZip:
    """A ZIP whose every field can be wrong."""

    def __init__(self):
        self.body, self.entries = b"", []

    def add(self, path, data, local_path=None, method=0, flags=0, size=None, stored=None, off=None,
            local_method=None, crc=None, local_size=None):
        path = path.encode() if isinstance(path, str) else path
        local = (local_path or path)
        local = local.encode() if isinstance(local, str) else local
        crc = zlib.crc32(data) if crc is None else crc
        size = len(data) if size is None else size
        stored = len(data) if stored is None else stored
        at = len(self.body) if off is None else off
        self.body += struct.pack("<IHHHHHIIIHH", 0x04034b50, 20, flags, method if local_method is None else local_method,
                                 0, 0, crc, stored & 0xffffffff, (size if local_size is None else local_size) & 0xffffffff,
                                 len(local), 0) + local + data
        extra = b""
        if max(size, stored, at) >= 0xffffffff:
            extra = struct.pack("<HHQQQ", 1, 24, size, stored, at)
            size = stored = at = 0xffffffff
        self.entries.append(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 20, 20, flags, method, 0, 0, crc, stored,
                                        size, len(path), len(extra), 0, 0, 0, 0, at) + path + extra)
        return self

    def bytes(self, count=None, dir_size=None, dir_off=None, comment=b"", before_end=b"", disk=0):
        directory = b"".join(self.entries)
        count = len(self.entries) if count is None else count
        dir_size = len(directory) if dir_size is None else dir_size
        dir_off = len(self.body) if dir_off is None else dir_off
        return (self.body + directory + before_end + struct.pack("<IHHHHIIH", 0x06054b50, disk, disk, count, count,
                                                                 dir_size, dir_off, len(comment)) + comment)


def raw(pkl=GOOD, data=FLOATS):
    return RawZip().add("x/data.pkl", pkl).add("x/data/0", data).add("x/version", b"3\n")


def end64(count, size, off):
    return struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, count, count, size, off)


def write_sparse_zip(path, n, side):
    """n float32 matrices of side x side that are holes, as zip64."""
    items = b"".join(text(f"layer.{i}.weight") + tensor(str(i), side * side, 0, (side, side), (side, 1))
                     for i in range(n))
    with open(path, "wb") as f:
        entries = []

        def add(name, data, size):
            off, name, small = f.tell(), name.encode(), min(size, 0xffffffff)
            f.write(struct.pack("<IHHHHHIIIHH", 0x04034b50, 45, 0, 0, 0, 0, 0, small, small, len(name), 0) + name + data)
            f.seek(off + 30 + len(name) + size)
            extra = struct.pack("<HHQQQ", 1, 24, size, size, off)
            entries.append(struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 45, 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1,
                                       len(name), len(extra), 0, 0, 0, 0, 2**32 - 1) + name + extra)

        pkl = program(b"}(" + items + b"u")
        add("x/data.pkl", pkl, len(pkl))
        for i in range(n):
            add(f"x/data/{i}", b"", side * side * 4)
        add("x/version", b"3\n", 2)
        off, directory = f.tell(), b"".join(entries)
        f.write(directory)
        end = f.tell()
        f.write(end64(len(entries), len(directory), off) + struct.pack("<IIQI", 0x07064b50, 0, end, 1))
        f.write(struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 0xffff, 0xffff, 2**32 - 1, 2**32 - 1, 0))


def legacy(obj=GOOD, keys=("0",), storages=None, magic=MAGIC, protocol=1001):
    storages = [struct.pack("<q", 4) + FLOATS] if storages is None else storages
    return (magic + program(integer(protocol)) + program(dict_of(little_endian=b"\x88")) + obj
            + program(b"](" + b"".join(map(text, keys)) + b"e") + b"".join(storages))


def tar(members):
    out = b""
    for path, data in members.items():
        header = bytearray(512)
        header[0:len(path)] = path.encode()
        header[124:136] = b"%011o\0" % len(data)
        header[156] = ord("0")
        header[257:265] = b"ustar\00000"
        out += bytes(header) + data + bytes(-len(data) % 512)
    return out + bytes(1024)


def tar_members(tensor_numbers=(1, 0, 4, 1, 0), storage=struct.pack("<q", 4) + FLOATS):
    ndim, pad, size, stride, offset = tensor_numbers
    return {
        "pickle": program(b"}" + text("w") + b"P11\ns"),
        "storages": program(integer(1)) + program(tuple_of(integer(1), text("cpu"), name("torch", "FloatStorage")))
        + storage + program(b"]"),
        "tensors": program(integer(1)) + program(tuple_of(integer(11), integer(1), name("torch", "FloatTensor")))
        + struct.pack("<iIqqq", ndim, pad, size, stride, offset),
    }


# ---- attacks: each would create MARKER ----------------------------------------------------------

MARKER = "PWNED"
SHELL = f"touch {MARKER}"
PYTHON = f"open('{MARKER}', 'w')"

INNER = name("posix", "system") + b"(" + text(SHELL) + b"tR."

ATTACKS = {
    "os_system": (name("posix", "system") + tuple_of(text(SHELL)) + b"R", "posix.system"),
    "nt_system": (name("nt", "system") + tuple_of(text(SHELL)) + b"R", "nt.system"),
    "eval": (name("builtins", "eval") + tuple_of(text(PYTHON)) + b"R", "builtins.eval"),
    "exec": (name("builtins", "exec") + tuple_of(text(PYTHON)) + b"R", "builtins.exec"),
    "eval_python2": (name("__builtin__", "eval") + tuple_of(text(PYTHON)) + b"R", "__builtin__.eval"),
    "subprocess": (name("subprocess", "call") + tuple_of(b"](" + text("touch") + text(MARKER) + b"e") + b"R",
                   "subprocess.call"),
    "inst": (b"(" + text(SHELL) + b"iposix\nsystem\n", "posix.system"),
    "obj": (b"(" + name("subprocess", "Popen") + b"](" + text("touch") + text(MARKER) + b"eo", "subprocess.Popen"),
    "newobj": (name("subprocess", "Popen") + b"](" + text("touch") + text(MARKER) + b"e\x85\x81", "subprocess.Popen"),
    "newobj_ex": (name("subprocess", "Popen") + b"](" + text("touch") + text(MARKER) + b"e\x85}\x92",
                  "subprocess.Popen"),
    "stack_global": (text("posix") + text("system") + b"\x93" + tuple_of(text(SHELL)) + b"R", "posix.system"),
    "dotted": (text("torch.serialization") + text("os.system") + b"\x93" + tuple_of(text(SHELL)) + b"R",
               "torch.serialization.os.system"),
    "getattr": (name("builtins", "getattr") + tuple_of(name("builtins", "__import__") + text("os") + b"\x85R",
                text("system")) + b"R" + tuple_of(text(SHELL)) + b"R", "builtins.getattr"),
    "nested_pickle": (name("pickle", "loads") + tuple_of(b"C" + bytes([len(INNER)]) + INNER) + b"R", "pickle.loads"),
    "torch_load": (name("torch", "load") + tuple_of(text("/tmp/other.pt")) + b"R", "torch.load"),
    "runpy": (name("runpy", "run_path") + tuple_of(text("x.py")) + b"R", "runpy.run_path"),
    "import_only": (name("os", "system"), "os.system"),
    "build": (name("builtins", "exec") + b")\x81}" + text("__setstate__") + name("posix", "system") + b"sb"
              + text(SHELL) + b"b", "builtins.exec"),
    "map": (name("builtins", "map") + tuple_of(name("posix", "system"), b"](" + text(SHELL) + b"e") + b"\x81",
            "builtins.map"),
    "pty": (name("pty", "spawn") + tuple_of(text("sh")) + b"R", "pty.spawn"),
    "socket": (name("socket", "create_connection") + tuple_of(text("x")) + b"R", "socket.create_connection"),
    "imported_name": (name("torch._some.module", "check_output") + tuple_of(b"](" + text("touch") + text(MARKER) + b"e")
                      + b"R", "torch._some.module.check_output"),
    "fx_graph": (name("torch.fx.graph_module", "reduce_graph_module") + tuple_of(b"}", text(PYTHON)) + b"R",
                 "torch.fx.graph_module.reduce_graph_module"),
    "shutil": (name("shutil", "rmtree") + tuple_of(text("/")) + b"R", "shutil.rmtree"),
}


def attack_pickle(body):
    """The attack beside a good tensor."""
    return program(b"}(" + text("w") + tensor() + text("x") + body + b"u")


# ---- cases --------------------------------------------------------------------------------------

def shown(*names, note=None):
    return {"shown": names, "note": note}


def refused(message):
    return {"refused": message}


def lost(note):
    """`w` is refused, the tensor `ok` beside it is shown."""
    return {"shown": ("ok",), "note": note}


def beside(bad, records=None):
    """A bad tensor `w` and a good one `ok` (storage 9)."""
    records = {"data/0": FLOATS, **(records or {})}
    return torch_zip(program(dict_of(w=bad, ok=tensor("9"))), {**records, "data/9": FLOATS})


def bomb_of_lists(levels=30):
    body = b"]q\x00(K\x01K\x01e"
    for i in range(1, levels):
        body += b"]q" + bytes([i]) + b"(h" + bytes([i - 1]) + b"h" + bytes([i - 1]) + b"e"
    return b"(" + body + b"l"


def make_cases():
    cases = {}
    for key, (body, danger) in ATTACKS.items():
        cases[f"attack_{key}"] = (torch_zip(attack_pickle(body)), shown("w", note=("danger", danger)))
        cases[f"attack_legacy_{key}"] = (legacy(attack_pickle(body)), shown("w", note=("danger", danger)))
    cases["attack_in_legacy_facts"] = (
        MAGIC + program(integer(1001)) + program(name("posix", "system") + tuple_of(text(SHELL)) + b"R0}") + GOOD
        + program(b"](" + text("0") + b"e") + struct.pack("<q", 4) + FLOATS, shown("w", note=("danger", "posix.system")))
    cases["foreign_class"] = (torch_zip(attack_pickle(name("foo.bar", "Baz") + b")\x81}" + text("a") + b"K\x01sb")),
                              shown("w"))
    cases["call_of_a_call"] = (torch_zip(attack_pickle(name("functools", "partial") + name("foo", "f") + b"\x85R)R")),
                               shown("w"))
    cases["wrong_magic"] = (legacy(magic=MAGIC[:-2] + b"\x1a."), refused("no checkpoint format"))
    number = MAGIC[2:]
    frame = b"\x95" + struct.pack("<Q", len(number))
    for key, magic in {"frame_too_long": b"\x80\4\x95" + struct.pack("<Q", len(number) + 1) + number,
                       "frame_before_its_time": b"\x80\3" + frame + number, "no_frame": b"\x80\4" + number,
                       "protocol": b"\x80\6" + frame + number,
                       "digits": b"L119547037146038801333357L\n."}.items():
        cases[f"wrong_magic_{key}"] = (legacy(magic=magic), refused("no checkpoint format"))
    cases["magic_of_protocol_5"] = (legacy(magic=b"\x80\5" + frame + number), shown("w"))
    cases["magic_in_digits"] = (legacy(magic=b"L119547037146038801333356L\n."), shown("w"))
    cases["not_a_checkpoint"] = (b"hello" * 100, refused("no checkpoint format"))
    cases["a_plain_zip"] = (RawZip().add("notes/readme.txt", b"hi").bytes(), refused("no checkpoint format"))

    # cut off
    whole = torch_zip()
    cases["zip_cut"] = (whole[:len(whole) // 2], refused("end record"))
    cases["pickle_cut"] = (torch_zip(GOOD[:-5]), refused("cut off"))
    cases["pickle_empty"] = (torch_zip(b""), refused("cut off"))
    cases["pickle_stop_only"] = (torch_zip(b"."), refused("without an object"))
    cases["legacy_cut_in_pickle"] = (legacy()[:80], refused("cut off"))
    cases["legacy_cut_in_data"] = (legacy()[:-1], refused("bytes"))
    cases["legacy_cut_shows_the_rest"] = (
        legacy(program(dict_of(ok=tensor("a"), w=tensor("b"))), ("a", "b"),
               [struct.pack("<q", 4) + FLOATS, struct.pack("<q", 4) + FLOATS[:7]]), lost(("refused", "16 are declared")))
    cases["legacy_unnamed_storage"] = (legacy(keys=("0", "7")), refused("no tensor names it"))
    cases["legacy_storage_twice"] = (legacy(keys=("0", "0"), storages=[struct.pack("<q", 4) + FLOATS] * 2),
                                     refused("listed twice"))
    cases["legacy_size_overflow"] = (legacy(storages=[struct.pack("<q", 2**62) + FLOATS]), refused("overflows|declared"))
    cases["legacy_negative_size"] = (legacy(storages=[struct.pack("<q", -1) + FLOATS]), refused("overflows"))
    cases["legacy_protocol"] = (legacy(protocol=1002), refused("1001"))

    # storages, offsets, strides, shapes
    cases["record_short"] = (beside(tensor(), {"data/0": FLOATS[:-1]}), lost(("refused", "15 bytes, 16")))
    cases["record_missing"] = (beside(tensor("5")), lost(("refused", "missing")))
    cases["record_long"] = (torch_zip(records={"data/0": FLOATS + b"x"}), shown("w", note=("warning", "17 bytes, 16")))
    cases["offset_beyond"] = (beside(tensor(offset=1)), lost(("refused", "beyond its storage")))
    cases["offset_negative"] = (beside(tensor(offset=-1)), lost(("refused", "offset")))
    cases["offset_huge"] = (beside(tensor(offset=2**64)), lost(("refused", "offset")))
    cases["stride_beyond"] = (beside(tensor(size=(2, 2), stride=(3, 1))), lost(("refused", "beyond its storage")))
    cases["stride_negative"] = (beside(tensor(stride=(-1,))), lost(("refused", "negative")))
    cases["stride_overflow"] = (beside(tensor(size=(2**32, 2**31), stride=(2**62, 2**62))), lost(("refused", "")))
    cases["stride_missing"] = (beside(tensor(stride=())), lost(("refused", "strides")))
    cases["size_negative"] = (beside(tensor(size=(-4,))), lost(("refused", "size")))
    cases["size_text"] = (beside(tensor(size=()).replace(b"(t(", b"(" + text("a") + b"t(", 1)), lost(("refused", "")))
    cases["shape_overflow"] = (beside(tensor(size=(2**32, 2**32, 4), stride=(0, 0, 0))), lost(("refused", "")))
    cases["shape_65_axes"] = (beside(tensor(size=(1,) * 65, stride=(1,) * 65)), lost(("refused", "64")))
    cases["stride_0_bomb"] = (beside(tensor(size=(2**45,), stride=(0,))), lost(("refused", "4 TiB")))
    cases["stride_0_small"] = (torch_zip(program(dict_of(w=tensor(size=(5, 4), stride=(0, 1))))), shown("w"))
    cases["empty_beyond"] = (torch_zip(program(dict_of(w=tensor(size=(0,), offset=99)))), shown("w"))
    cases["numel_overflow"] = (beside(tensor(numel=2**62)), lost(("refused", "overflows")))
    cases["numel_negative"] = (beside(tensor(numel=-1)), lost(("refused", "")))
    cases["storage_class_unknown"] = (beside(tensor(kind="EvilStorage")), lost(("refused", "not supported")))
    cases["storage_no_persid"] = (beside(tensor().replace(b"Q", b"", 1)), lost(("refused", "persistent id")))
    cases["storage_key_traversal"] = (beside(tensor("../../etc/passwd")), lost(("refused", "missing")))
    cases["storage_key_nul"] = (beside(tensor("0\0")), lost(("refused", "text")))
    cases["storage_two_types"] = (
        torch_zip(program(dict_of(a=tensor(), b=tensor(numel=8, kind="HalfStorage", size=(8,))))),
        {"shown": ("a",), "note": ("warning", "two types")})
    cases["args_missing"] = (beside(name("torch._utils", "_rebuild_tensor_v2") + b")R"), lost(("refused", "")))
    cases["all_refused"] = (torch_zip(program(dict_of(w=tensor(offset=1)))), refused("none of its tensors"))

    # bombs
    cases["memo_bomb"] = (torch_zip(program(b"N" + b"r\xff\xff\xff\x7f0" + dict_of(w=tensor()))), refused("proportion"))
    cases["long_bomb"] = (torch_zip(program(b"\x8b\xff\xff\xff\x7f" + b"\xff" * 64)), refused("1024 bytes"))
    cases["string_bomb"] = (torch_zip(program(b"X\xff\xff\xff\xff")), refused("cut off"))
    cases["marks_bomb"] = (torch_zip(program(b"(" * 100000)), refused("marks"))
    cases["dup_bomb"] = (torch_zip(program(b"N" + b"2" * (1 << 22) + b"0" * (1 << 22))), refused("too deep"))
    cases["deep_lists"] = (torch_zip(program(dict_of(w=tensor(), d=b"]" * 5000 + b"a" * 4999))), refused("200 deep"))
    cases["deep_tuples"] = (torch_zip(program(dict_of(w=tensor(), d=b")" + b"\x85" * 5000))), refused("200 deep"))
    cases["billion_laughs"] = (torch_zip(program(dict_of(w=tensor(), d=bomb_of_lists()))), refused("too often"))
    cases["copy_bomb"] = (
        torch_zip(program(b"](" + b"K\x01" * 1000 + b"eq\x00" + name("builtins", "list") + b"q\x01"
                          + b"(" + b"h\x01h\x00\x85R" * 2000 + b"l")), refused("multiply"))
    long_text = "a" * 60000
    cases["dict_bomb"] = (
        torch_zip(program(b"](" + text("k") + b"q\x01K\x01q\x02" + b"}q\x03(" + b"h\x01h\x02" * 60000 + b"u"
                          + b"h\x03" * 3000 + b"e")), refused("too often"))
    cases["nameless_bomb"] = (
        torch_zip(program(b"](" + b"))\x86q\x01K\x01q\x02" + b"}q\x03(" + b"h\x01h\x02" * 60000 + b"u"
                          + b"h\x03" * 60000 + b"e")), refused("too often"))
    cases["key_of_tuple_bomb"] = (
        torch_zip(program(b"}(" + text(long_text) + b"q\x000" + text("w") + tensor() + b"(" + b"h\x00" * 20000
                          + b"tK\x01u")),
        shown("w", note=("warning", "no name")))
    cases["keys_bomb"] = (
        torch_zip(program(b"}(" + text(long_text) + b"q\x00K\x01"
                          + b"".join(b"h\x00" + integer(i) + b"\x86K\x01" for i in range(20000)) + b"u")),
        refused("keys of more bytes"))
    cases["text_bomb"] = (
        torch_zip(program(b"}(" + text("w") + tensor() + text("x") + b"](" + text("a" * 1000000) + b"q\x00"
                          + b"h\x00" * 40000 + b"eu")), shown("w"))
    cases["path_long"] = (
        torch_zip(program(dict_of(**{long_text: b"}(" + integer(0) + tensor() + b"q\x01" + b"".join(
            integer(i) + b"h\x01" for i in range(1, 1500)) + b"u"}))), shown(*(f"{long_text}.{i}" for i in range(1500))))
    cases["path_bomb"] = (
        torch_zip(program(dict_of(**{long_text: b"}(" + integer(0) + tensor() + b"q\x01" + b"".join(
            integer(i) + b"h\x01" for i in range(1, 6000)) + b"u"}))), refused("names of more bytes"))
    cases["path_too_long"] = (
        torch_zip(program(dict_of(**{long_text: dict_of(**{long_text: tensor()})}))), refused("names of more bytes"))
    cases["contains_itself"] = (torch_zip(program(b"}q\x00(" + text("w") + tensor() + text("me") + b"h\x00u")), shown("w"))
    cases["state_sets_data"] = (
        beside(tensor() + tuple_of(storage("9"), integer(0), numbers((4,)), numbers((1,))) + b"b"),
        lost(("refused", "state of its own")))
    cases["new_ignores_arguments"] = (
        beside(name("collections", "OrderedDict") + dict_of(a=tensor()) + b"\x85\x81"), shown("ok"))
    cases["built_twice"] = (
        beside(name("foreign", "Class") + b")\x81" + dict_of(a=tensor()) + b"b" + dict_of(b=tensor()) + b"b"),
        shown("w.a", "w.b", "ok"))
    cases["counter_of_pairs"] = (
        beside(name("collections", "Counter") + b"](" + text("a") + tensor() + b"\x86e\x85R"),
        shown("w.args.0.0.1", "ok"))
    cases["wrapped_deep"] = (
        beside((name("torch._utils", "_rebuild_parameter") + b"(") * 20 + tensor() + b"\x89}tR" * 20), lost(("refused", "16 times")))
    cases["zip_bomb"] = (RawZip().add("x/data.pkl", zlib.compress(GOOD)[2:-4], method=8, size=2**40).bytes(),
                         refused("claims"))
    cases["deflate_lies"] = (
        RawZip().add("x/data.pkl", zlib.compress(GOOD)[2:-4], method=8, size=len(GOOD) + 1).add("x/version", b"3").bytes(),
        refused(""))
    cases["pickle_after_stop"] = (torch_zip(GOOD + attack_pickle(ATTACKS["os_system"][0])),
                                  shown("w", note=("warning", "after the end")))

    deep = 100_000
    cases["states_in_states"] = (torch_zip(program(dict_of(w=tensor(), x=(name("foo", "Bar") + b")\x81") * deep
                                                           + b"b" * (deep - 1)))), refused("200 deep"))
    wrapped = (name("torch._tensor", "_rebuild_from_type_v2") + b"(" + name("torch._utils", "_rebuild_wrapper_subclass")
               + name("foo", "W") + tuple_of(name("foo", "W"), name("torch", "float32"), numbers([2])))
    cases["wrappers_in_wrappers"] = (
        torch_zip(program(dict_of(w=tensor(), x=wrapped * 999 + b"N" + b"tR" * 999))), refused("200 deep"))
    cases["wrapper_of_nothing"] = (torch_zip(program(dict_of(w=tensor(), x=wrapped + b"NtR"))),
                                   shown("w", note=("refused", "has no bytes of it")))
    cases["wrapper_of_itself"] = (torch_zip(program(dict_of(w=tensor(), x=wrapped + b"}q\x01" + text("y") + b"h\x01stR"))),
                                  shown("w", note=("refused", "has no bytes of it")))

    named = b"q\x01" + b"".join(b"J" + struct.pack("<i", i) + b"h\x01" for i in range(250_000))
    cases["one_tensor_many_names"] = (
        torch_zip(program(b"}(" + text("w") + tensor() + named + b"u"), compress=("data.pkl",)),
        refused("more tensors than its size allows"))
    cases["one_refusal_many_names"] = (
        torch_zip(program(b"}(" + text("v") + tensor() + text("w") + tensor(numel=9, size=(9,)) + named + b"u"),
                  compress=("data.pkl",)), refused("more tensors than its size allows"))
    cases["inflated_pickle"] = (torch_zip(program(dict_of(w=tensor(), x=b"](" + b"]" * 10_000_000 + b"e")),
                                          compress=("data.pkl",)), refused("deflated to less than a 64th"))
    cases["inflated_zeros"] = (torch_zip(program(dict_of(w=tensor(), x=b"](" + b"K\0" * 1_000_000 + b"e")),
                                         compress=("data.pkl",)), shown("w"))

    # ZIP
    cases["zip_duplicate"] = (raw().add("x/data/0", FLOATS[::-1]).bytes(), refused("two members"))
    cases["zip_duplicate_pickle"] = (raw().add("x/data.pkl", attack_pickle(ATTACKS["eval"][0])).bytes(),
                                     refused("two members"))
    cases["zip_case_twin"] = (raw().add("X/data.pkl", GOOD).bytes(), refused("ambiguous"))
    cases["zip_case_twin_record"] = (raw().add("x/DATA/0", FLOATS).bytes(), refused("ambiguous"))
    cases["zip_overlap"] = (RawZip().add("x/data.pkl", GOOD).add("x/version", b"3\n").add("x/data/0", FLOATS, off=4).bytes(),
                            refused("overlaps|no local header"))
    cases["zip_beyond"] = (raw().add("x/y", b"", size=10**6, stored=10**6).bytes(), refused("not inside"))
    cases["zip_beyond_64"] = (raw().add("x/y", b"", size=2**63, stored=2**63).bytes(), refused("not inside"))
    cases["zip_encrypted"] = (raw().add("x/y", b"12345678901234", flags=1).bytes(), refused("encrypted"))
    cases["zip_method"] = (raw().add("x/y", b"123", method=12).bytes(), refused("method 12"))
    cases["zip_stored_two_sizes"] = (raw().add("x/y", b"123", size=5).bytes(), refused("two sizes"))
    cases["zip_local_name"] = (RawZip().add("x/data.pkl", GOOD).add("x/data/0", FLOATS, local_path="x/evil").add(
        "x/version", b"3").bytes(), shown("w", note=("warning", "contradicts")))
    cases["zip_local_sizes"] = (RawZip().add("x/data.pkl", GOOD).add("x/data/0", FLOATS, local_size=3).add(
        "x/version", b"3").bytes(), shown("w", note=("warning", "contradicts")))
    cases["zip_nul_name"] = (raw().add("x/a\0b", b"").bytes(), refused("not text"))
    cases["zip_bad_utf8"] = (raw().add(b"x/\xff", b"").bytes(), refused("not text"))
    cases["zip_count_wrong"] = (raw().bytes(count=2), refused("after its last entry"))
    cases["zip_count_bomb"] = (raw().bytes(count=60000), refused("too large|too small"))
    cases["zip_directory_moved"] = (raw().bytes(dir_off=0), refused("does not end"))
    cases["zip_directory_hidden_bytes"] = (raw().bytes(before_end=b"hidden"), refused("does not end"))
    cases["zip_disks"] = (raw().bytes(disk=1), shown("w") if False else refused("disks"))
    cases["zip_comment_cut"] = (raw().bytes(comment=b"x" * 40)[:-5], refused("comment"))
    cases["zip_two_ends"] = (raw().bytes(comment=raw().bytes()), refused("does not end"))
    cases["zip_end64_contradicts"] = (
        raw().bytes(before_end=end64(1, 1, 1) + struct.pack("<IIQI", 0x07064b50, 0, len(raw().body) + sum(map(len, raw().entries)), 1)),
        refused("contradict|does not end"))
    cases["zip_locator_outside"] = (raw().bytes(before_end=bytes(56) + struct.pack("<IIQI", 0x07064b50, 0, 2**63, 1)),
                                    refused("outside"))
    cases["zip_no_version"] = (torch_zip(version=None), refused("version"))
    cases["zip_version_99"] = (torch_zip(version=b"99"), refused("99"))
    cases["zip_no_pickle"] = (torch_zip(None), refused("data.pkl"))
    cases["zip_two_prefixes"] = (RawZip().add("x/data.pkl", GOOD).add("y/data/0", FLOATS).add("x/version", b"3").bytes(),
                                 refused("missing"))

    # tar
    cases["tar_good"] = (tar(tar_members()), shown("w"))
    cases["tar_attack"] = (tar({**tar_members(), "pickle": program(b"}(" + text("w") + b"P11\n" + text("x") + ATTACKS["os_system"][0] + b"u")}),
                           shown("w", note=("danger", "posix.system")))
    cases["tar_twice"] = (tar(tar_members())[:-1024] + tar({"pickle": GOOD}), refused("ambiguous"))
    cases["tar_missing"] = (tar({"pickle": GOOD}), refused("without 'storages'"))
    cases["tar_beyond"] = (tar(tar_members((1, 0, 5, 1, 0))), refused("beyond its storage"))
    cases["tar_ndim"] = (tar(tar_members((2**31 - 1, 0, 4, 1, 0))), refused("64 axes"))
    cases["tar_storage_cut"] = (tar(tar_members(storage=struct.pack("<q", 4000) + FLOATS)), refused("cut off"))
    cases["tar_symlink"] = (tar(tar_members()).replace(b"\x00" * 20 + b"0" + b"\x00" * 100, b"\x00" * 20 + b"2" + b"\x00" * 100, 1),
                            refused("ambiguous"))
    return cases


CASES = make_cases()


def put(parser, file, data):
    (CORPUS / parser).mkdir(parents=True, exist_ok=True)
    (CORPUS / parser / file).write_bytes(data)


def seeds():
    """Small files of every kind; the larger bombs are left to the tests."""
    for key, (data, expect) in CASES.items():
        if len(data) < 8192 and not key.startswith("attack_legacy"):
            put("torch", ("should-fail-" if "refused" in expect else "") + key.replace("_", "-"), data)
        if key.startswith("zip_") and len(data) < 4096:
            put("zip", ("should-fail-" if "refused" in expect else "") + key.replace("_", "-"), data)
    put("torch", "good", torch_zip())
    put("torch", "deflated", torch_zip(compress=("data.pkl", "data/0")))
    put("torch", "legacy", legacy())
    put("zip", "good", torch_zip())
    put("zip", "comment", raw().bytes(comment=b"a comment"))
    for protocol in range(6):
        value = {"a": [1, -2, 2**40, -2**70, 1.5, None, True], "b": ("é\n", b"\xff\0"), "c": {1, 2}, "d": {3: {}},
                 "e": bytearray(b"x"), "f": frozenset([1]), "g": 1j, "h": range(3)}
        put("pickle", f"values-{protocol}", pickle.dumps(value, protocol=protocol))
    for key, (body, _) in ATTACKS.items():
        put("pickle", key.replace("_", "-"), program(body))
    put("pickle", "tensor", GOOD)
    put("pickle", "laughs", program(bomb_of_lists()))
    put("pickle", "should-fail-memo", program(b"Nr\xff\xff\xff\x7f"))
    put("pickle", "should-fail-long", program(b"\x8b\xff\xff\xff\x7f"))


if __name__ == "__main__":
    seeds()
    print(f"{len(CASES)} cases", file=sys.stderr)
