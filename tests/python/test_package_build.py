"""What is built and installed: typed, for every Python from 3.11 on, and of the header's version."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import deeptepp
from deeptepp import _native

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bindings" / "python"
HEADER = ROOT / "include" / "deeptepp" / "deeptepp.h"


def mypy(*arguments):
    pytest.importorskip("mypy", reason="mypy is not installed")
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null",
                           *map(str, arguments)], capture_output=True, text=True, cwd=PACKAGE)


def test_mypy_is_content():
    done = mypy(*sorted((PACKAGE / "src" / "deeptepp").rglob("*.py")))
    assert done.returncode == 0, done.stdout + done.stderr


RIGHT = """
import deeptepp
from pathlib import Path

model: deeptepp.Model = deeptepp.open_model(Path("m.safetensors"), threads=2)
found = model.score({"pre": "a.nii", "post": deeptepp.Volume.open("b.nii")}, "m.nii", covariates={"age": 5})
tier: int | None = found.tier
names: list[str] = [warning.name for warning in found.warnings]
try:
    model.preprocess("a.nii", "m.nii", mask_grid="nearest").mean()
except deeptepp.errors.MaskEmptyError as error:
    status: int = error.status
"""
WRONG = {
    'model.score("a.nii", "m.nii", lable=1)': "call-arg",
    'model.score("a.nii", "m.nii", mask_grid="linear")': "arg-type",
    'model.score("a.nii", "m.nii", covariates={"age": "50"})': "dict-item",
    'model.score(5, "m.nii")': "arg-type",
    'text: str = model.score("a.nii", "m.nii").score': "assignment",
}


def test_a_user_s_program_is_checked(tmp_path):
    program = tmp_path / "user.py"
    program.write_text(RIGHT)
    done = mypy(program)
    assert done.returncode == 0, done.stdout
    program.write_text("import deeptepp\nmodel = deeptepp.open_model('m')\n" + "\n".join(WRONG))
    found = re.findall(r"user\.py:(\d+): error: .*\[([\w-]+)\]$", mypy(program).stdout, re.MULTILINE)
    assert [(int(line) - 3, code) for line, code in found] == list(enumerate(WRONG.values()))


def test_the_extension_keeps_to_the_stable_abi():
    """One file for 3.11 and later: it has abi3 in its name, and no symbol of CPython's beyond the limited interface."""
    extension = Path(_native.__file__)
    assert extension.name == "_native.abi3.so"
    table = subprocess.run(["nm", "-D", "--undefined-only", extension], capture_output=True, text=True, check=True)
    symbols = re.findall(r"\bU (_?Py\w+)", table.stdout)
    assert symbols and not {s for s in symbols if s.startswith("_Py")} - {"_Py_Dealloc", "_Py_NoneStruct"}
    exported = subprocess.run(["nm", "-D", "--defined-only", extension], capture_output=True, text=True, check=True)
    assert {line.split()[-1] for line in exported.stdout.splitlines() if " T " in line} == {"PyInit__native"}
    assert "-abi3-" in importlib.metadata.distribution("deeptepp").read_text("WHEEL")


def test_its_version_is_the_header_s():
    text = (HEADER.parent / "version.h").read_text()
    version = ".".join(re.findall(r"^#define DEEPTEPP_VERSION_\w+ (\d+)$", text, re.MULTILINE))
    assert version == deeptepp.__version__ == importlib.metadata.version("deeptepp")


def test_every_function_and_constant_of_the_header_is_there():
    text = HEADER.read_text()
    names = set(re.findall(r"\b(deeptepp_\w+)\(", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)))
    names |= set(re.findall(r"\b(DEEPTEPP_\w+) = -?\w+", text))
    assert len(names) > 100 and not [name for name in names if not hasattr(_native.lib, name)]


def test_every_source_is_installed():
    installed = {path.name for path in Path(deeptepp.__file__).parent.iterdir() if path.suffix != ".so"}
    wanted = {path.name for path in (PACKAGE / "src" / "deeptepp").iterdir()} - {"_native_build.py"}
    assert installed - {"__pycache__"} == wanted - {"__pycache__"}


def test_public_names_say_deeptepp():
    for name in deeptepp.__all__:
        thing = getattr(deeptepp, name)
        if isinstance(thing, type) and not issubclass(thing, deeptepp.DeepteppError):
            assert thing.__module__ == "deeptepp", name


def test_declarations_leave_nothing_out():
    """Comments and the preprocessor's lines go; everything that has a semicolon stays."""
    spec = importlib.util.spec_from_file_location("native_build", PACKAGE / "src" / "deeptepp" / "_native_build.py")
    build = importlib.util.module_from_spec(spec)
    pytest.importorskip("cffi", reason="cffi is not installed")
    spec.loader.exec_module(build)
    text = build.declarations(HEADER.read_text())
    assert "/*" not in text and "#" not in text and "extern" not in text and "DEEPTEPP_API" not in text
    assert text.count("(") == text.count(")") and text.count("{") == text.count("}")
