"""Includes go one way, from the top of this list to its bottom: a file may include headers of its
own folder and of folders before it, never of one after."""
import pathlib
import re
import sys

ORDER = ["base", "bytes", "tensor", "source", "rules", "mapping", "cache", "file", "inspect", "tree", "api", "mount", "cli"]
# The cache works on expressions alone: it knows neither sources nor mappings.
FORBIDDEN = {("cache", "source"), ("cache", "mapping"), ("cache", "rules"),
             # A rule set knows no catalog.
             ("rules", "source")}
ROOT = pathlib.Path(__file__).resolve().parent.parent


def module_of(header):
    match = re.match(r"(\w+)/", header)
    return match.group(1) if match and match.group(1) in ORDER else None


problems = []
files = list(ROOT.glob("src/*/**/*.[ch]"))
for path in files:
    relative = path.relative_to(ROOT)
    own = relative.parts[1]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        other = module_of(match.group(1)) if match else None
        if other and (ORDER.index(other) > ORDER.index(own) or (own, other) in FORBIDDEN):
            problems.append(f"{relative}:{number}: {own}/ must not include {match.group(1)}")
        if match and path.parts[-2] not in ("mount", "cli") and "fuse" in match.group(1):
            problems.append(f"{relative}:{number}: libfuse belongs to mount/")
print("\n".join(problems) or f"{len(files)} files")
sys.exit(bool(problems))
