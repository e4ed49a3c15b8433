#!/usr/bin/env python3
"""The house rules of src/, checked from its text and from the object files of a build.

The meson.build files are the order: files(...) and subdir(...), read in sequence, put all .c files in
one line, and a file uses (by #include and by symbol) only what stands before it.

usage: tests/check_includes.py [BUILD]
BUILD is a build directory, by default the newest build*/ that is not older than the sources."""
import collections
import pathlib
import re
import subprocess
import sys

# Libraries, and the stages that may include their headers.
LIBRARIES = [
    (r"fuse", ("mount",)),
    (r"sqlite3", ("cache",)),
    (r"zstd|zdict", ("cache",)),
    (r"zlib|zconf", ("bytes",)),
    (r"pcre2", ("rules", "inspect")),
    (r"jansson", ("source", "mapping", "gguf")),
    (r"yaml", ("gguf",)),
    (r"xxhash|xxh3", ("base", "tensor", "source")),
]
# (user, used): stages that must not know each other although the order would let them.
FORBIDDEN = {
    # The cache works on expressions alone.
    ("cache", "source"), ("cache", "rules"), ("cache", "mapping"), ("cache", "gguf"),
    # A rule set knows no catalog.
    ("rules", "source"),
    # The library of other programs is not how the program itself reads.
    ("mount", "api"), ("cli", "api"),
}
FOLDER_MAX, FILE_MAX, FUNCTION_MAX = 25, 500, 50
# True recursions, which a cut would only hide: the grammar (expression and name), the evaluation
# (expression and target name).
RECURSIONS, RECURSION_MAX = ("src/rules/term.c", "src/mapping/eval/eval.c"), 650
# A header whose head comment says this may be included by later stages, as STAGE/STAGE.h may.
PUBLIC_MARK = "Public to the stages above."
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)[">]')


Problem = collections.namedtuple("Problem", "where text")


class Tree:
    def __init__(self, root):
        self.root = root
        self.units, self.optional, self.stages = [], set(), []
        self._read_meson(root / "meson.build", "", False)
        self.at = {unit: i for i, unit in enumerate(self.units)}
        self.files = sorted(str(p.relative_to(root)) for p in root.glob("src/**/*.[ch]"))
        self.text = {f: (root / f).read_text() for f in self.files}
        self._position = {}

    # ---- the order ----

    def _read_meson(self, path, folder, is_optional):
        """Appends the units of one meson.build and of those it enters, in sequence."""
        if not path.exists():
            return
        text = re.sub(r"(?m)#.*$", "", path.read_text())
        loops, depth = {}, 0
        for match in re.finditer(r"(?m)^\s*(if|endif)\b|foreach\s+(\w+)\s*:\s*\[([^\]]*)\]|"
                                 r"subdir\(([^)]*)\)|files\(([^)]*)\)|output:\s*'([^']+\.c)'", text):
            keyword, name, values, entered, listed, generated = match.groups()
            if keyword:
                depth += 1 if keyword == "if" else -1
            elif name:
                loops[name] = re.findall(r"'([^']+)'", values)
            elif entered is not None:
                self._enter(entered, loops, folder, is_optional or depth > 0)
            else:
                for unit in re.findall(r"'([^']+\.c)'", listed or "") + ([generated] if generated else []):
                    self._add(folder + unit, is_optional or depth > 0)

    def _enter(self, argument, loops, folder, is_optional):
        parts = [p.strip() for p in argument.split("/")] if "' /" in argument else [argument.strip()]
        names = [""]
        for part in parts:
            values = loops[part] if part in loops else [part.strip("'")]
            names = [f"{n}/{v}".lstrip("/") for n in names for v in values]
        for name in names:
            inner = folder + name + "/"
            if inner.startswith("src/"):
                if inner.count("/") == 2:
                    self.stages.append(name.split("/")[-1])
                self._read_meson(self.root / inner / "meson.build", inner, is_optional)

    def _add(self, unit, is_optional):
        if unit.startswith("src/"):
            self.units.append(unit)
            if is_optional:
                self.optional.add(unit)

    # ---- headers ----

    def stage(self, file):
        return file.split("/")[1]

    def is_stage_header(self, header):
        return header.startswith("include/") or header == "src/{0}/{0}.h".format(self.stage(header))

    def is_public(self, header):
        return self.is_stage_header(header) or PUBLIC_MARK in " ".join(
            re.sub(r"\n\s*\*", " ", self.text[header].split("*/")[0]).split())

    def find(self, includer, name):
        """The file of the project that a quoted name means, or None."""
        folder = includer.rsplit("/", 1)[0]
        for candidate in (f"{folder}/{name}", f"src/{name}", f"include/{name}"):
            if (self.root / candidate).exists():
                return candidate
        return None

    def includes(self, file):
        for number, line in enumerate(self.text.get(file, "").splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == "<", match.group(2)

    def position(self, header, visiting=()):
        """Where in the order a header stands: at its .c file, or, where it has none, at the last
        of what it includes. Headers of a whole stage stand before the stage's files."""
        if self.is_stage_header(header) or header in visiting:
            return -1
        unit = header[:-1] + "c"
        if unit in self.at:
            return self.at[unit]
        if header not in self._position:
            inner = [self.find(header, name) for _, is_angle, name in self.includes(header) if not is_angle]
            self._position[header] = max([self.position(h, visiting + (header,)) for h in inner
                                          if h and self.stage_of(h) == self.stage(header)] + [-1])
        return self._position[header]

    def stage_of(self, file):
        return "api" if file.startswith("include/") else self.stage(file)


# ---- what is checked ----

def check_listed(tree):
    for file in tree.files:
        if file.endswith(".c") and file not in tree.at:
            yield Problem(file, "no meson.build lists this file")


def check_includes(tree):
    for file in tree.files:
        for number, is_angle, name in tree.includes(file):
            text = judge_angle(tree, file, name) if is_angle else judge_quoted(tree, file, name)
            if text:
                yield Problem(f"{file}:{number}", text)


def judge_angle(tree, file, name):
    if (tree.root / "src" / name).exists() or (tree.root / "include" / name).exists():
        return f'<{name}> is a header of the project: write "{name}"'
    for pattern, stages in LIBRARIES:
        if re.match(pattern, name) and tree.stage(file) not in stages:
            return f"<{name}> belongs to {', '.join(s + '/' for s in stages)}"
    return None


def judge_quoted(tree, file, name):
    found = tree.find(file, name)
    if not found:
        return f'there is no header "{name}" in the project'
    own, other = tree.stage(file), tree.stage_of(found)
    if other not in tree.stages or own not in tree.stages:
        return None
    if (own, other) in FORBIDDEN:
        return f"{own}/ must not know {other}/ ({name})"
    if tree.stages.index(other) > tree.stages.index(own):
        return f"{own}/ comes before {other}/ ({name})"
    if other != own:
        return None if tree.is_public(found) else f"{name} is a private header of {other}/"
    if found[:-1] == file[:-1] or tree.is_stage_header(file) or tree.is_stage_header(found):
        return None
    here = tree.at.get(file, 0) if file.endswith(".c") else tree.position(file)
    is_headers_own = file.endswith(".h") and file[:-1] + "c" not in tree.at
    if tree.position(found) >= here and not is_headers_own:
        return f"{name} stands behind this file in the order of the meson.build files"
    return None


def check_header_circles(tree):
    edges = {f: {tree.find(f, n) for _, is_angle, n in tree.includes(f) if not is_angle} - {None}
             for f in tree.files if f.endswith(".h")}
    for circle in circles(edges):
        yield Problem(circle[0], "headers include each other: " + ", ".join(circle))


def check_guards(tree):
    for file in (f for f in tree.files if f.endswith(".h")):
        guard = re.search(r"(?m)^#ifndef (\w+)\n#define \1$", tree.text[file])
        wanted = re.sub(r"\W", "_", "weightfs/" + file[len("src/"):]).upper()
        if guard and guard.group(1) != wanted:
            yield Problem(file, f"its include guard is {guard.group(1)}: after its path it is {wanted}")


def check_sizes(tree):
    folders = collections.Counter(f.rsplit("/", 1)[0] for f in tree.files)
    for folder, n in sorted(folders.items()):
        if n > FOLDER_MAX:
            yield Problem(folder, f"{n} files in one folder: more than {FOLDER_MAX}")
    for file in tree.files:
        lines = tree.text[file].splitlines()
        most = RECURSION_MAX if file in RECURSIONS else FILE_MAX
        if len(lines) > most:
            yield Problem(file, f"{len(lines)} lines: more than {most}")
        for name, number, n in functions(lines):
            if n > FUNCTION_MAX:
                yield Problem(f"{file}:{number}", f"{name} has {n} lines: more than {FUNCTION_MAX}")


def functions(lines):
    """(name, line, lines with the signature) of each body from '{' to '}' at column 0."""
    begin = None
    for i, line in enumerate(lines):
        if line == "{":
            begin = i
            while begin > 0 and lines[begin - 1].strip() and not re.search(r"(;|}|\*/)\s*$|^#", lines[begin - 1]):
                begin -= 1
        elif line.startswith("}") and begin is not None:
            name = re.search(r"(\w+)\s*\(", " ".join(lines[begin:i + 1]))
            yield name.group(1) if name else "?", begin + 1, i + 1 - begin
            begin = None


def check_symbols(tree, symbols):
    defined_by = {}
    for unit in tree.units:
        for symbol in symbols.get(unit, ((), ()))[0]:
            defined_by[symbol] = unit
    ties = collections.defaultdict(lambda: collections.defaultdict(list))
    for unit, (_, used) in symbols.items():
        for symbol in used:
            if defined_by.get(symbol, unit) != unit:
                ties[unit][defined_by[symbol]].append(symbol)
    rings = {unit: ring for ring in circles({u: set(d) for u, d in ties.items()}) for unit in ring}
    for unit in tree.units:
        for other, names in sorted(ties[unit].items()):
            for symbol in sorted(names):
                text = judge_use(tree, unit, other, symbol)
                if text:
                    yield Problem(f"{unit}{line_of(tree, unit, symbol)}", text + circle_text(rings.get(unit, ()), other, ties))


def judge_use(tree, unit, other, symbol):
    if (tree.stage(unit), tree.stage(other)) in FORBIDDEN:
        return f"{symbol} is of {tree.stage(other)}/, which {tree.stage(unit)}/ must not know"
    if tree.at[other] > tree.at[unit]:
        return f"{symbol} is of {other}, which stands behind this file in the order of the meson.build files"
    return None


def circle_text(ring, other, ties):
    if other not in ring:
        return ""
    tied = [f"{a} -> {b} ({', '.join(ties[a][b][:3])})" for a in ring for b in ring if ties[a].get(b)]
    return "; a circle: " + ", ".join(tied)


def table_rows(tree):
    """stage -> the names that tables of its headers declare: TABLE(DECLARE) stands for one declaration
    a row, where `#define TABLE(ROW) ROW(a) ROW(b)` lists them and `#define DECLARE(row) ... wfs_x_##row;`
    makes them. What is one of many alike needs no header of its own."""
    found = collections.defaultdict(set)
    for file in (f for f in tree.files if f.endswith(".h")):
        text = tree.text[file].replace("\\\n", " ")
        macros = {name: (argument, body) for name, argument, body in
                  re.findall(r"(?m)^#define (\w+)\((\w+)\) +(.*)$", text)}
        for table, declare in re.findall(r"(?m)^(\w+)\((\w+)\);?$", text):
            if table in macros and declare in macros:
                row, rows = macros[table]
                argument, body = macros[declare]
                for prefix in re.findall(rf"\b(\w+?)##{argument}\b", body):
                    found[tree.stage(file)].update(prefix + r for r in re.findall(rf"\b{row}\((\w+)\)", rows))
    return found


def check_exports(tree, symbols):
    rows = table_rows(tree)
    for unit, (defined, _) in symbols.items():
        own, stage = unit[:-1] + "h", tree.stage(unit)
        headers = [own, f"src/{stage}/{stage}.h"] + ([f"include/weightfs.h"] if stage == "api" else [])
        declared = " ".join(re.sub(r"(?s)/\*.*?\*/", "", (tree.root / h).read_text())
                            for h in headers if (tree.root / h).exists())
        for symbol in sorted(defined):
            where = f"{unit}{line_of(tree, unit, symbol)}"
            if symbol == "main":
                continue
            if not symbol.startswith("wfs_"):
                yield Problem(where, f"{symbol} is exported without the prefix wfs_")
            if symbol not in rows[stage] and not re.search(rf"\b{symbol}\b", declared):
                yield Problem(where, f"{symbol} is declared neither in {own} nor in {headers[1]}")


# ---- helpers ----

def name_of(path):
    return path.rsplit("/", 1)[-1]


def line_of(tree, unit, symbol):
    for number, line in enumerate(tree.text.get(unit, "").splitlines(), 1):
        if not line.startswith("#") and re.search(rf"\b{symbol}\b", line):
            return f":{number}"
    return ""


def circles(edges):
    """The strongly connected groups of more than one node, each sorted."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for node in edges.get(todo.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
        return seen
    reached, done = {node: reach(node) for node in edges}, set()
    for node in sorted(edges):
        if node in reached[node] and node not in done:
            ring = sorted(n for n in reached[node] if node in reached.get(n, ()))
            done.update(ring)
            yield ring


def find_objects(tree, build):
    """unit -> its object file in `build`, and the problems of that."""
    objects = {p.name: p for pattern in ("libweightfs*.p/*.o", "weightfs.p/*.o") for p in sorted(build.glob(pattern))}
    found, problems = {}, []
    for unit in tree.units:
        # Meson's own names: folders joined by '_', and generated files marked as such.
        is_source = (tree.root / unit).exists()
        name = unit.replace("/", "_") if is_source else "meson-generated_.._" + unit.replace("/", "_")
        path = objects.get(name + ".o") or objects.get(f"meson-generated_.._{name_of(unit)}.o")
        if path is None and unit not in tree.optional:
            problems.append(Problem(unit, f"{build} holds no object of it: run ninja -C {build}"))
        elif path is not None and is_source and path.stat().st_mtime < (tree.root / unit).stat().st_mtime:
            problems.append(Problem(unit, f"{path} is older: run ninja -C {build}"))
        elif path is not None:
            found[unit] = path
    return found, problems


def read_symbols(objects):
    """unit -> (symbols defined for others, symbols used)."""
    symbols = {unit: (set(), set()) for unit in objects}
    units = {str(path): unit for unit, path in objects.items()}
    output = subprocess.run(["nm", "-A", "-P", *units], check=True, capture_output=True, text=True).stdout if units else ""
    for line in output.splitlines():
        path, _, row = line.partition(": ")
        name, kind = row.split()[:2]
        if not name.startswith("__") and "." not in name and kind in "TDBRGSVWCU":
            symbols[units[path]][kind == "U"].add(name)
    return symbols


def choose_build(tree):
    builds = [p.parent for p in tree.root.glob("build*/libweightfs_core.a.p")]
    builds.sort(key=lambda p: (p / ".ninja_log").stat().st_mtime if (p / ".ninja_log").exists() else 0, reverse=True)
    for build in builds:
        if not find_objects(tree, build)[1]:
            return build
    return builds[0] if builds else None


def check(root, build=None):
    """(problems, the units in order, the build)."""
    tree = Tree(root)
    problems = [p for f in (check_listed, check_includes, check_header_circles, check_guards, check_sizes) for p in f(tree)]
    build = build or choose_build(tree)
    if build is None:
        problems.append(Problem("build", "there is no build to take symbols from: give one, or run meson setup build"))
        return problems, tree, build
    objects, missing = find_objects(tree, build)
    symbols = read_symbols(objects)
    return problems + missing + list(check_symbols(tree, symbols)) + list(check_exports(tree, symbols)), tree, build


def main(arguments):
    root = pathlib.Path(__file__).resolve().parent.parent
    problems, tree, build = check(root, pathlib.Path(arguments[0]).resolve() if arguments else None)
    for problem in problems:
        print(f"{problem.where}: {problem.text}")
    if not problems:
        print(f"{len(tree.files)} files, {len(tree.units)} units in order, symbols of {build.name}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
