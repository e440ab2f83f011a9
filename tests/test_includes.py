"""Includes go down only (docs/conventions.md), oneDNN and libnifti each have one door."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "libdeeptepp"
ALLOWED = {
    "base": {"base"},
    "file": {"file", "base"},
    "volume": {"volume", "base"},
    "views": {"views", "volume", "base"},
    "nn": {"nn", "base"},
    "nn/forms": {"nn/forms", "nn", "base"},
    "arch": {"arch", "nn", "file", "base"},
    "top": {"top", "arch", "nn", "file", "views", "volume", "base"},
}
# The planner holds the forms' one table; nothing else of nn/ knows a form by its name.
FORMS_DOOR = "nn/forms/form.h"
SOURCES = sorted(p for p in ROOT.rglob("*.[ch]"))


def room(path):
    return path.parent.relative_to(ROOT).as_posix() if path.parent != ROOT else "top"


def includes(path, own=None):
    """Names included; own: only those in quotes (True) or only those in angle brackets (False)."""
    found = re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]', path.read_text(), re.MULTILINE)
    return [name for quote, name in found if own is None or own == (quote == '"')]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_includes_go_down(path):
    for name in includes(path, own=True):
        target = (path.parent / name).resolve()
        assert target.is_relative_to(ROOT) and target.exists(), name
        if room(path) == "nn" and target == ROOT / FORMS_DOOR:
            continue
        assert room(target) in ALLOWED[room(path)], f"{path.relative_to(ROOT)} includes {name}"


def test_every_room_is_known():
    assert {room(p) for p in SOURCES} == set(ALLOWED)


@pytest.mark.parametrize("pattern, doors", [
    (r"dnnl", {"nn/onednn_compat.h"}),
    (r"nifti\d?(_io)?\.h", {"volume/nifti.c"}),
    (r"jansson", set()),
    (r"locale\.h", {"base/text.c"}),
    (r"stdio\.h", {"base/text.c"}),
])
def test_one_door(pattern, doors):
    found = {str(p.relative_to(ROOT)) for p in SOURCES for n in includes(p, own=False) if re.search(pattern, n)}
    assert found == doors


def test_numbers_and_text_have_one_door():
    """Elsewhere the host's locale would reach a number, or a message (base/text.h)."""
    call = re.compile(r"\b(\w*printf|\w*scanf|f?puts|perror|strto\w+|ato[fil]l?|strerror\w*|setlocale|localeconv)\s*\(")
    found = {str(p.relative_to(ROOT)) for p in SOURCES if call.search(p.read_text())}
    assert found == {"base/text.c"}


def test_only_the_compat_header_knows_the_backend_version():
    found = [p.name for p in SOURCES if re.search(r"DNNL_VERSION_(MAJOR|MINOR)", p.read_text())]
    assert found == ["onednn_compat.h"]


CLI = ROOT.parent / "bindings" / "cli"
PROGRAMS = sorted((ROOT.parent / "bindings").rglob("*.[ch]")) + sorted((ROOT.parent / "examples").glob("*.c"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: str(p.relative_to(ROOT.parent)))
def test_bindings_see_only_the_public_header(path):
    """Own headers beside them; phantom/ and picture/ also those of the program, which sees neither."""
    for name in includes(path, own=True):
        target = (path.parent / name).resolve()
        allowed = {path.parent} | ({CLI} if path.is_relative_to(CLI) else set())
        assert target.exists() and target.parent in allowed, name


def test_lines_are_no_longer_than_120_columns():
    sources = [p for d in ("libdeeptepp", "include", "bindings", "examples", "tests")
               for e in ("*.[ch]", "*.py", "*.R") for p in (ROOT.parent / d).rglob(e)]
    wide = [f"{p.relative_to(ROOT.parent)}:{n}" for p in sources
            for n, line in enumerate(p.read_text().splitlines(), 1) if len(line) > 120]
    assert not wide
