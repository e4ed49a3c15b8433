"""tests/check_includes.py turns red for each thing that it forbids, and is green for a tree that keeps the rules."""
import importlib.util
import os
import pathlib
import subprocess

import pytest

PATH = pathlib.Path(__file__).resolve().parent.parent / "check_includes.py"
SPEC = importlib.util.spec_from_file_location("check_includes", PATH)
checker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(checker)

TOP = """foreach module : ['base', 'bytes', 'rules', 'cache']
  subdir('src' / module)
endforeach
subdir('src/mount')
"""
# base: low.c, then the room deep/ (deep.c), then high.c.
GOOD = {
    "meson.build": TOP,
    "src/base/meson.build": "s += files(\n  'low.c',\n)\nsubdir('deep')\ns += files('high.c')\n",
    "src/base/deep/meson.build": "s += files('deep.c')\n",
    "src/base/base.h": "int wfs_base(void);\n",
    "src/base/low.h": "int wfs_low(void);\n",
    "src/base/low.c": '#include "base/low.h"\n\nint wfs_low(void)\n{\n    return 1;\n}\n',
    "src/base/deep/deep.h": "int wfs_deep(void);\n",
    "src/base/deep/deep.c": '#include "base/deep/deep.h"\n#include "base/low.h"\n\n'
                            "int wfs_deep(void)\n{\n    return wfs_low();\n}\n",
    "src/base/high.c": '#include "base/base.h"\n#include "base/deep/deep.h"\n\n'
                       "int wfs_base(void)\n{\n    return wfs_deep();\n}\n",
    "src/bytes/meson.build": "s += files('read.c')\n",
    "src/bytes/bytes.h": '#include "base/base.h"\nint wfs_read(void);\n',
    "src/bytes/read.c": '#include "bytes/bytes.h"\n#include <stdlib.h>\n\n'
                        "static int twice(void)\n{\n    return 2 * wfs_base();\n}\n\n"
                        "int wfs_read(void)\n{\n    return twice();\n}\n",
    "src/rules/meson.build": "s += files('rule.c')\n",
    "src/rules/rules.h": "int wfs_rule(void);\n",
    "src/rules/rule.c": '#include "rules/rules.h"\n\nint wfs_rule(void)\n{\n    return 1;\n}\n',
    "src/cache/meson.build": "",
    "src/mount/meson.build": "",
}


def problems(tmp_path, changes=None):
    """The texts of what is found in the good tree with these files changed (None: removed)."""
    files = {**GOOD, **(changes or {})}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    build = tmp_path / "build"
    objects = build / "libweightfs_core.a.p"
    objects.mkdir(parents=True)
    for unit in checker.Tree(tmp_path).units:
        # Declarations of libraries' headers are not needed: what forbids them reads the text.
        text = "\n".join(line for line in (tmp_path / unit).read_text().splitlines() if "<" not in line)
        subprocess.run(["gcc", "-w", "-x", "c", "-", "-c", "-I", tmp_path / "src", "-I", (tmp_path / unit).parent,
                        "-o", objects / (unit.replace("/", "_") + ".o")], input=text, text=True, check=True)
    return [f"{p.where}: {p.text}" for p in checker.check(tmp_path, build)[0]]


def test_a_tree_that_keeps_the_rules_is_green(tmp_path):
    assert problems(tmp_path) == []


def test_the_meson_files_are_the_order(tmp_path):
    problems(tmp_path)
    assert checker.Tree(tmp_path).units == ["src/base/low.c", "src/base/deep/deep.c", "src/base/high.c",
                                            "src/bytes/read.c", "src/rules/rule.c"]


LOW = GOOD["src/base/low.c"]
READ = GOOD["src/bytes/read.c"]
RULE = GOOD["src/rules/rule.c"]
FORBIDDEN = {
    "a header of a file behind": (
        {"src/base/low.c": '#include "base/deep/deep.h"\n' + LOW},
        "src/base/low.c:1: base/deep/deep.h stands behind this file"),
    "a header of a file behind, by a header": (
        {"src/base/low.h": '#include "base/deep/deep.h"\nint wfs_low(void);\n'},
        "src/base/low.h:1: base/deep/deep.h stands behind this file"),
    "a header of types alone that includes a header behind": (
        {"src/base/types.h": '#include "base/deep/deep.h"\n', "src/base/low.c": '#include "base/types.h"\n' + LOW},
        "src/base/low.c:1: base/types.h stands behind this file"),
    "a later stage": (
        {"src/base/low.c": '#include "bytes/bytes.h"\n' + LOW}, "src/base/low.c:1: base/ comes before bytes/"),
    "a private header of another stage": (
        {"src/bytes/read.c": '#include "base/low.h"\n' + READ}, "src/bytes/read.c:1: base/low.h is a private header"),
    "a stage that must not be known": (
        {"src/cache/meson.build": "s += files('pool.c')\n", "src/cache/pool.c": '#include "rules/rules.h"\n'},
        "src/cache/pool.c:1: cache/ must not know rules/"),
    "a symbol of a stage that must not be known": (
        {"src/cache/meson.build": "s += files('pool.c')\n", "src/cache/cache.h": "int wfs_pool(void);\n",
         "src/cache/pool.c": '#include "cache/cache.h"\nint wfs_rule(void);\nint wfs_pool(void)\n{\n    return wfs_rule();\n}\n'},
        "src/cache/pool.c:2: wfs_rule is of rules/, which cache/ must not know"),
    "a header that is not there": (
        {"src/base/low.c": '#include "base/none.h"\n'.replace("#", "#if 0\n#") + "#endif\n" + LOW},
        'src/base/low.c:2: there is no header "base/none.h"'),
    "headers in a circle": (
        {"src/base/one.h": '#pragma once\n#include "base/two.h"\n', "src/base/two.h": '#pragma once\n#include "base/one.h"\n'},
        "headers include each other: src/base/one.h, src/base/two.h"),
    "a header of the project in angle brackets": (
        {"src/bytes/read.c": "#include <base/base.h>\n" + READ + "int wfs_base(void);\n"},
        "src/bytes/read.c:1: <base/base.h> is a header of the project"),
    "a symbol of a file behind": (
        {"src/base/low.c": '#include "base/low.h"\nint wfs_base(void);\nint wfs_low(void)\n{\n    return wfs_base();\n}\n'},
        "src/base/low.c:2: wfs_base is of src/base/high.c, which stands behind this file"),
    "an exported name without the prefix": (
        {"src/base/low.h": "int low(void);\nint wfs_low(void);\n", "src/base/low.c": LOW + "int low(void)\n{\n    return 1;\n}\n"},
        "src/base/low.c:7: low is exported without the prefix"),
    "an exported name in another header": (
        {"src/base/low.h": "", "src/base/base.h": "int wfs_base(void);\n", "src/base/other.h": "int wfs_low(void);\n"},
        "src/base/low.c:3: wfs_low is declared neither in src/base/low.h nor in src/base/base.h"),
    "an exported name in a comment alone": (
        {"src/base/low.h": "/* int wfs_low(void); */\n"}, "wfs_low is declared neither in"),
    "a file that no list names": ({"src/base/lost.c": "\n"}, "src/base/lost.c: no meson.build lists this file"),
    "a long file": ({"src/base/low.h": GOOD["src/base/low.h"] + "\n" * 500}, "src/base/low.h: 501 lines: more than 500"),
    "a long function": (
        {"src/base/low.c": LOW.replace("    return 1;\n", "    ;\n" * 47 + "    return 1;\n")},
        "src/base/low.c:3: wfs_low has 51 lines: more than 50"),
    "an include guard that is not the path": (
        {"src/base/deep/deep.h": "#ifndef WEIGHTFS_BASE_DEEP_H\n#define WEIGHTFS_BASE_DEEP_H\nint wfs_deep(void);\n#endif\n"},
        "src/base/deep/deep.h: its include guard is WEIGHTFS_BASE_DEEP_H: after its path it is WEIGHTFS_BASE_DEEP_DEEP_H"),
    "a full folder": (
        {f"src/base/h{i}.h": "" for i in range(22)}, "src/base: 26 files in one folder: more than 25"),
}
for header, stage in [("fuse_lowlevel.h", "mount"), ("sqlite3.h", "cache"), ("zstd.h", "cache"), ("zlib.h", "bytes"),
                      ("pcre2.h", "rules"), ("jansson.h", "source"), ("xxhash.h", "base")]:
    file = "src/rules/rule.c" if stage != "rules" else "src/bytes/read.c"
    FORBIDDEN[f"<{header}> where it does not belong"] = (
        {file: f"#include <{header}>\n" + GOOD[file]}, f"{file}:1: <{header}> belongs to {stage}/")


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_is_red(tmp_path, name):
    changes, expected = FORBIDDEN[name]
    found = problems(tmp_path, changes)
    assert any(expected in text for text in found), found


def test_an_include_guard_after_the_path_is_green(tmp_path):
    guarded = "#ifndef WEIGHTFS_BASE_DEEP_DEEP_H\n#define WEIGHTFS_BASE_DEEP_DEEP_H\nint wfs_deep(void);\n#endif\n"
    assert problems(tmp_path, {"src/base/deep/deep.h": guarded}) == []


def test_a_circle_is_shown_with_the_symbols_that_tie_it(tmp_path):
    found = problems(tmp_path, {"src/base/low.c": '#include "base/low.h"\nint wfs_deep(void);\n'
                                                  "int wfs_low(void)\n{\n    return wfs_deep();\n}\n"})
    assert found == ["src/base/low.c:2: wfs_deep is of src/base/deep/deep.c, which stands behind this file in the order "
                     "of the meson.build files; a circle: src/base/deep/deep.c -> src/base/low.c (wfs_low), "
                     "src/base/low.c -> src/base/deep/deep.c (wfs_deep)"]


def test_what_is_marked_public_may_be_included_above(tmp_path):
    assert problems(tmp_path, {"src/base/low.h": "/*\n * low.h - lowest. Public to the\n * stages above.\n */\nint wfs_low(void);\n",
                               "src/bytes/read.c": '#include "base/low.h"\n' + READ}) == []


def test_an_object_older_than_its_source_is_no_proof(tmp_path):
    problems(tmp_path)
    later = tmp_path / "src/base/low.c"
    later.touch()
    os.utime(later, (2**31, 2**31))
    found = checker.check(tmp_path, tmp_path / "build")[0]
    assert [p.where for p in found] == ["src/base/low.c"]


TABLE = """#define WFS_ROWS(ROW) \\
    ROW(low)           \\
    ROW(deep)
#define WFS_DECLARE(row) int wfs_make_##row(void);
WFS_ROWS(WFS_DECLARE)
"""
MAKE = "\nint wfs_make_{}(void)\n{{\n    return 1;\n}}\n"


def test_a_table_declares_its_rows(tmp_path):
    assert problems(tmp_path, {"src/base/table.h": TABLE, "src/base/low.c": LOW + MAKE.format("low")}) == []


def test_a_name_that_is_no_row_of_a_table_is_red(tmp_path):
    found = problems(tmp_path, {"src/base/table.h": TABLE, "src/base/low.c": LOW + MAKE.format("high")})
    assert found == ["src/base/low.c:8: wfs_make_high is declared neither in src/base/low.h nor in src/base/base.h"]


def test_a_row_of_another_stage_declares_nothing(tmp_path):
    found = problems(tmp_path, {"src/rules/table.h": TABLE, "src/base/low.c": LOW + MAKE.format("low")})
    assert len(found) == 1 and "wfs_make_low is declared neither" in found[0]


@pytest.mark.parametrize("lost, status, output", [
    (True, 1, "src/base/lost.c: no meson.build lists this file\n"),
    (False, 0, "10 files, 5 units in order, symbols of build\n")])
def test_the_exit_status_says_whether_all_is_well(tmp_path, lost, status, output):
    problems(tmp_path, {"src/base/lost.c": "\n"} if lost else {})
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/check_includes.py").write_text(PATH.read_text())
    done = subprocess.run(["python3", tmp_path / "tests/check_includes.py", tmp_path / "build"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, output)
