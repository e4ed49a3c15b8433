"""--help of the program and each verb; the man page says at least as much."""
import re
import subprocess

import pytest

from conftest import BIN, ROOT, run

VERBS = ["mount", "umount", "ls", "cat", "cp", "map", "index"]


@pytest.fixture(scope="module")
def page():
    text = (ROOT / "src/cli/weightfs.1").read_text()
    return text.replace("\\-", "-").replace("\\e", "\\")


def program_verbs():
    return [v for v in re.findall(r"^  (\w+) +\S", run("--help").stdout, re.M) if v != "weightfs"]


def test_help__lists_every_verb():
    listed = program_verbs()
    assert [v for v in VERBS if v in listed] == VERBS


def test_help__no_arguments_is_usage():
    done = subprocess.run([BIN], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and "usage" in done.stderr


def test_help__version():
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    assert run("--version").stdout == f"weightfs {version}\n" == run("-V").stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help__of_a_verb(verb):
    for flag in ("--help", "-h"):
        done = run(verb, flag)
        assert done.stdout.startswith(f"usage: weightfs {verb} ") and done.stderr == ""
        assert max(map(len, done.stdout.splitlines())) <= 100


def options_of(text):
    """Long options, short options and -o keys that a help text speaks of."""
    body = text.split("\n", 1)[1]
    longs = set(re.findall(r"--[a-z][a-z-]+", body))
    shorts = set(re.findall(r"(?<![\w-])-[A-Za-z](?![\w-])", body))
    keys = set()
    for line in body.split("-o options, of what is shown:")[1:]:
        keys |= set(re.findall(r"\b([a-z_]+)=", line))
    return longs | shorts | {k + "=" for k in keys}


@pytest.mark.parametrize("verb", program_verbs())
def test_help__man_page_has_all_that_help_has(verb, page):
    assert re.search(rf"^\.B {verb}$", page, re.M), f"{verb} has no paragraph"
    plain = re.sub(r"\\f.|^\.\w+|[\", ]+", " ", page, flags=re.M)
    for option in options_of(run(verb, "--help").stdout):
        assert option in plain.replace(" =", "="), f"{verb}: {option}"


def test_help__help_has_all_that_the_man_page_has(page):
    helps = " ".join(run(verb, "--help").stdout for verb in program_verbs()) + run("--help").stdout
    for option in set(re.findall(r"(?<![\w-])--?[A-Za-z][a-z-]*", page)):
        if option in ("-t", "-V", "-c"):  # of mount(8), of the program, of python
            continue
        assert option in helps, option


@pytest.mark.parametrize("verb", program_verbs())
def test_help__unknown_options_are_named(verb):
    for option in ("--bogus", "-Z"):
        done = run(verb, option, check=False)
        assert done.returncode == 2 and option in done.stderr and f"weightfs {verb} --help" in done.stderr


def test_help__man_page_is_well_formed():
    done = subprocess.run(["man", "-l", "--warnings=all", "-E", "UTF-8", ROOT / "src/cli/weightfs.1"],
                          capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100"})
    if done.returncode == 127 or "not found" in done.stderr:
        pytest.skip("no man")
    assert done.returncode == 0 and done.stderr == ""
    assert "EXIT STATUS" in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["map", "--help"]])
def test_help__that_cannot_be_written(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BIN, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "cannot write: No space left" in done.stderr
