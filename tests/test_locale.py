"""The host's locale reaches no number: with a decimal comma, and with a decimal point of several bytes, set before or
after a model is opened, every text the library gives is the same to the last byte."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import make_model

HERE = Path(__file__).resolve().parent
SOURCES = Path("/usr/share/i18n/locales")
LOCALES = {"de_DE": b",", "ps_AF": "\u066b".encode()}

# In a process of its own: prints every text, JSON and message, one a line.
HOST = """
import ctypes, json, locale, sys
import deeptepp_c as c
name, when, model, image, mask = sys.argv[1:]

def set_locale(now):
    if when == now:
        locale.setlocale(locale.LC_ALL, name)
        point = ctypes.CDLL(None).nl_langinfo
        point.restype = ctypes.c_char_p
        tell(point(locale.RADIXCHAR))

def tell(text):
    print(json.dumps(text.decode("utf-8")))

def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except c.DeepteppError as error:
        tell(error.message.encode())
    else:
        sys.exit("not refused")

def json_of(function, pointer):
    call = getattr(c.LIBRARY, function)
    call.restype, call.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    tell(call(pointer))

set_locale("before")
session = c.Session(model, threads=1)
set_locale("after")
json_of("deeptepp_model_json", session.model.pointer)
patient = c.case(image, mask, covariates={"share": 0.27})
pointer = ctypes.c_void_p()
c.call("session_score", session.handle.pointer, patient.pointer, ctypes.byref(pointer))
json_of("deeptepp_result_json", pointer)
refused(lambda: session.score(c.case(image, mask, covariates={"share": 1.27})))
refused(c.Session, model + ".cut")
refused(c.Session, model + ".range")
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_case):
    folder = tmp_path_factory.mktemp("locale")
    model = folder / "model.safetensors"
    covariate = {"name": "share", "unit": "1", "range": [0.25, 0.75], "coefficient": 1.5e-7, "centre": 0.1}
    make_model.make_model(model, depth=10, width=4, size=(32, 32, 32), views=2,
                          overrides={"covariates": [covariate]}, self_test=False)
    whole = model.read_bytes()
    for name, old, new in ((".cut", b"0.27, 0.85", b"0.27, 0.25"), (".range", b"[0.25, 0.75]", b"[0.85, 0.75]")):
        assert old in whole
        Path(f"{model}{name}").write_bytes(whole.replace(old, new))
    return [str(model), str(tiny_case[1]), str(tiny_case[2])]


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    """A folder for LOCPATH with every locale in it."""
    if not shutil.which("localedef") or not all((SOURCES / name).exists() for name in LOCALES):
        pytest.skip(f"no localedef, or no sources of locales in {SOURCES}: Debian's package `locales` has them")
    folder = tmp_path_factory.mktemp("locpath")
    for name in LOCALES:
        subprocess.run(["localedef", "-i", name, "-f", "UTF-8", folder / f"{name}.UTF-8"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def texts(files, name="C", when="before", folder=""):
    environment = {**os.environ, "LOCPATH": str(folder), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(HERE),
                   "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", HOST, name, when, *files], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", LOCALES)
def test_texts_are_those_of_the_c_locale(name, when, files, locales):
    point, *wanted = texts(files)
    assert point == "." and len(wanted) == 5
    found = texts(files, name + ".UTF-8", when, locales)
    if when == "before":
        point, *found = found
    else:
        point = found.pop(0)
    assert point.encode() == LOCALES[name]
    assert found == wanted


def test_messages_have_a_decimal_point(files):
    _, model, result, value, cut, rising = texts(files)
    assert "0.27" in model and json.loads(model)["tiers"]["cutpoints"] == [0.27, 0.85]
    assert json.loads(result)["covariates"][0]["value"] == 0.27
    assert "is 1.27 1, the model takes 0.25 to 0.75" in value
    assert "does not rise" in cut and "[0.85, 0.75]" in rising
