"""What the command line program says and takes: texts of files that could steer a terminal, and numbers."""

import json
import os
import pathlib
import re

import pytest

from cli_program import SMALL, answer, needs_program, phantom, refusal, run
from make_model import make_model

pytestmark = needs_program

SOURCES = pathlib.Path(__file__).parent.parent / "bindings" / "cli"
TINY = {"depth": 10, "width": 8, "size": 24, "views": 3}

# Sets a window's title, forges a line, moves up; then DEL, the C1 control sequence introducer, and what turns the
# direction of writing, all of U+202A to U+202E and U+2066 to U+2069, marks, and line and paragraph separators.
STEERING = "\x1b]0;owned\x07\nverdict  pass\r\x1b[A\x7f\x9b2J" + "".join(
    map(chr, (*range(0x2028, 0x202f), *range(0x2066, 0x206a), 0x61c, 0x200e, 0x200f)))
HARMLESS = "Dänemark, Łódź, 東京, 𝕏"


def steers(text):
    return [c for c in text if c != "\n" and not c.isprintable() or c in STEERING and not c.isascii()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("words")


@pytest.fixture(scope="module")
def case(folder):
    return phantom(folder)


@pytest.fixture(scope="module")
def model(folder):
    make_model(folder / "plain.safetensors", **TINY)
    return folder / "plain.safetensors"


@pytest.fixture(scope="module")
def hostile(folder):
    """A model each of whose texts is hostile and harmless at once."""
    text = HARMLESS + STEERING
    covariates = [{"name": "age", "unit": text, "range": [18, 100], "coefficient": 0.01, "centre": 50},
                  {"name": text, "unit": "class", "missing": 0,
                   "levels": [{"value": 0, "name": text, "coefficient": 0}]}]
    calibration = {"endpoint": text, "unit": text, "source": text, "times": [3], "baseline_survival": [0.9],
                   "slope": 0.5, "centre": 0.1}
    texts = {key: text for key in ("name", "version", "authors", "licence", "training_cohort", "intended_use",
                                   "limitations", "tiers.source")}
    path = folder / "hostile.safetensors"
    make_model(path, **TINY, members=2, overrides={
        **texts, "provenance": {text: text}, "covariates": covariates, "calibration": calibration,
        "tiers.names": [text + name for name in ("low", "fair", "high")]})
    return path


def hostile_commands(hostile, case):
    score = ("score", "--model", hostile, "--image", case[0], "--mask", case[1], "--covariate", "age=60")
    return {"info": ("info", "--model", hostile), "score": score, "selftest": ("selftest", "--model", hostile),
            "verbose": (*score, "--verbose")}


@pytest.mark.parametrize("command", ("info", "score", "selftest", "verbose"))
def test_texts_of_a_model_steer_no_terminal_and_forge_no_line(hostile, case, command):
    done = run(*hostile_commands(hostile, case)[command])
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert not steers(text) and not steers(done.stderr.decode())
    assert len(re.findall(r"^verdict", text, re.M)) == (command == "selftest")
    assert HARMLESS in " ".join(text.split())


@pytest.mark.parametrize("command", ("info", "score"))
def test_json_is_strict_says_the_same_and_steers_no_terminal(hostile, case, command):
    text = answer(*hostile_commands(hostile, case)[command], "--json")
    assert not steers(text)
    found = json.loads(text)
    assert (found["name"] if command == "info" else found["model"]["name"]) == HARMLESS + STEERING


def test_what_the_library_says_of_a_hostile_file_steers_no_terminal(folder, case):
    path = folder / "broken.safetensors"
    make_model(path, **TINY, self_test=False, overrides={"score.rule": HARMLESS + STEERING})
    text = refusal(2, "info", "--model", path)
    assert not steers(text) and HARMLESS in text
    text = refusal(2, "score", "--model", path, "--image", case[0], "--mask", case[1])
    assert not steers(text) and HARMLESS in text


def test_one_file_alone_writes_to_the_standard_streams():
    """A text that goes round print.c goes uncleaned. The bar of progress.c is the program's own."""
    found = {path.name for path in SOURCES.rglob("*.c")
             if re.search(r"\b(?:f?printf|v?f?printf|f?puts|f?putc|putchar|perror|dprintf)\s*\(", path.read_text())}
    assert found == {"print.c", "progress.c"}


def test_the_program_reads_no_json_and_no_prose():
    """What it knows of models, results and errors it has by getters and fields."""
    for path in SOURCES.rglob("*.[ch]"):
        text = path.read_text()
        assert "jansson" not in text
        assert not re.search(r"str(?:r?chr|str|n?cmp|spn|cspn)\([^;]*(?:message|_json)\b", text), path
        for call in re.findall(r"\w*\(?deeptepp_\w+_json\(", text):
            assert call.startswith("cli_print_json("), path
    assert "jansson" not in (SOURCES / "meson.build").read_text()


# ---- Paths ----

NAMES = {"a newline": b"a\nb", "an escape sequence": b"a\x1b]0;owned\x07b", "a byte that is no UTF-8": b"a\xffb",
         "a C1 control": "a\x9b2Jb".encode(), "another direction": "a\u202eb".encode(), "a letter": "äb".encode()}


def path_of(folder, kind, ending):
    return os.path.join(os.fsencode(folder), NAMES[kind] + ending)


def only_once(text, folder, kind):
    """The folder's name stands once, and behind it the file's, clean."""
    assert text.count(str(folder)) == 1 and not steers(text)
    shown = re.search(re.escape(str(folder)) + r"/([^/]*?)\.", text)[1]
    assert shown == "äb" or re.fullmatch(r"a[?\]0;owned2J]*\?[?\]0;owned2J]*b", shown)


def raw_run(code, *arguments):
    """As refusal, for arguments that may be bytes."""
    done = run_bytes(*arguments)
    text = done.stderr.decode()  # which fails on what is no UTF-8
    assert done.returncode == code and not done.stdout, text
    assert text.startswith("deeptepp: ") and text.count("\n") == 1 and text.endswith("\n"), text
    return text


def run_bytes(*arguments):
    return run(*(os.fsdecode(part) if isinstance(part, bytes) else part for part in arguments))


@pytest.mark.parametrize("kind", NAMES)
def test_an_error_names_its_file_once_and_clean(case, model, tmp_path, kind):
    out = tmp_path / "p.png"
    absent, empty = path_of(tmp_path, kind, b".nii"), path_of(tmp_path, kind, b".safetensors")
    with open(empty, "wb"):
        pass
    picture = ("picture", "--image", case[0], "--mask")
    score = ("score", "--model", model, "--image", case[0], "--mask")
    for command in ((*picture, absent, "--out", out), (*score, absent), ("info", "--model", absent)):
        only_once(raw_run(3, *command), tmp_path, kind)
    for command in ((*picture, empty, "--out", out), (*score, empty), ("info", "--model", empty)):
        only_once(raw_run(2, *command), tmp_path, kind)


@pytest.mark.parametrize("kind", NAMES)
def test_a_case_that_does_not_fit_names_its_file_once_and_clean(case, model, tmp_path, kind):
    mask = path_of(tmp_path, kind, b".nii")
    _, small = phantom(tmp_path, "--dims", "20,20,20", "--spacing", "2,2,3", "--diameter", "12")
    os.rename(small, mask)
    only_once(raw_run(2, "score", "--model", model, "--image", case[0], "--mask", mask), tmp_path, kind)
    only_once(raw_run(2, "picture", "--image", case[0], "--mask", mask, "--out", tmp_path / "p.png"), tmp_path, kind)


@pytest.mark.parametrize("kind", NAMES)
def test_an_output_that_cannot_be_is_named_clean(tmp_path, kind):
    out = path_of(tmp_path, kind, b".nii")
    os.mkdir(out)
    text = raw_run(3, "phantom", "--seed", 1, *SMALL, "--out-image", out, "--out-mask", tmp_path / "m.nii")
    only_once(text, tmp_path, kind)


@pytest.mark.parametrize("kind", NAMES)
def test_an_answer_names_its_files_clean(case, model, tmp_path, kind):
    image, mask = path_of(tmp_path, kind, b".nii"), tmp_path / "m.nii"
    done = run_bytes("phantom", "--seed", 1, *SMALL, "--out-image", image, "--out-mask", mask)
    assert done.returncode == 0 and done.stdout.decode().count("\n") == 6 and not steers(done.stdout.decode())
    done = run_bytes("score", "--model", model, "--image", image, "--mask", mask)
    assert done.returncode == 0, done.stderr
    only_once(re.search(r".*/(?!m\.nii).*\.nii$", done.stdout.decode(), re.M)[0], tmp_path, kind)
    done = run_bytes("picture", "--image", image, "--mask", mask, "--out", tmp_path / "p.png", "--orientation", "RAS")
    assert done.returncode == 0 and done.stderr.decode().count("\n") == 2
    only_once(done.stderr.decode().splitlines()[0], tmp_path, kind)


def test_a_long_path_is_named_once(tmp_path):
    deep = tmp_path
    for _ in range(5):
        deep = deep / ("d" * 100)
    text = refusal(3, "info", "--model", deep / "absent.safetensors")
    assert text.count("absent.safetensors") == 1


# ---- Numbers ----

NO_NUMBERS = ("0x3F", "0X1p4", "inf", "-infinity", "nan", "NAN(1)", " 1", "1 ", "\t1", "\n1", "1_000", "1,5", "1e",
              "1e+", "e5", ".", "-", "+", "+-1", "--1", "1..2", "1.2.3", "1f", "1L", "٣", "１", "1e400", "-1e999", "")
NUMBERS = {"60": 60, "+60": 60, "60.": 60, "6e1": 60, "60.000": 60, ".6E+2": 60, "0060": 60, "600e-1": 60,
           "6" + "0" * 401 + "e-400": 60}
NO_WHOLE_NUMBERS = ("0x10", "010h", " 2", "2 ", "2.0", "2e0", "1_0", "inf", "nan", "+", "", "9223372036854775808",
                    "18446744073709551617", "99999999999999999999999")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_covariate_is_a_decimal_number(case, text):
    said = refusal(1, "score", "--model", "m", "--image", case[0], "--mask", case[1], "--covariate", f"age={text}")
    assert "wanted NAME=NUMBER, a decimal number" in said


@pytest.mark.parametrize("text", [text for text in NO_NUMBERS if text != "1,5"])
@pytest.mark.parametrize("option", ("--rim", "--diameter", "--spacing", "--dims"))
def test_every_number_of_the_command_line_is_decimal(option, text):
    for value in (text,) if option in ("--rim", "--diameter") else (f"{text},10,10", f"10,10,{text}"):
        said = refusal(1, "phantom", option, value)
        assert f"{option}: found " in said and "decimal number" in said


@pytest.mark.parametrize("option", ("--threads", "--label", "--memory-limit"))
@pytest.mark.parametrize("text", NO_WHOLE_NUMBERS)
def test_whole_numbers_are_digits_that_fit(option, text):
    said = refusal(1, "score", option, text)
    assert f"{option}: found " in said or (option, text) == ("--memory-limit", "9223372036854775808")


def test_a_label_goes_to_2_to_the_53(case, tmp_path):
    for command in ("score", "picture"):
        assert "found '9007199254740993', wanted 1 to 9007199254740992" in refusal(1, command, "--label",
                                                                                      "9007199254740993")
        assert "missing" in refusal(1, command, "--label", "9007199254740992")


@pytest.mark.parametrize("text", ("0x1", " 1", "1 ", "-1", "+1", "1.0", "18446744073709551616", "99999999999999999999"))
def test_a_seed_is_digits_that_fit(text):
    assert "--seed: found " in refusal(1, "phantom", "--seed", text)


@pytest.mark.parametrize("text, value", NUMBERS.items(), ids=[text[:12] for text in NUMBERS])
def test_a_number_may_be_written_in_every_decimal_way(case, folder, text, value):
    path = folder / "aged.safetensors"
    if not path.exists():
        age = {"name": "age", "unit": "years", "range": [18, 100], "coefficient": 0.01, "centre": 50}
        make_model(path, **TINY, self_test=False, overrides={"covariates": [age]})
    result = json.loads(answer("score", "--model", path, "--image", case[0], "--mask", case[1], "--covariate",
                               f"age={text}", "--json"))
    assert result["covariates"][0]["value"] == value
