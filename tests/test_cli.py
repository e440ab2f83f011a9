"""The command line program, from outside: its words, exit codes, streams and files. Nothing here needs a model."""

import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

from cli_program import PROGRAM, SMALL, answer, interrupted, needs_program, phantom, read_nifti, refusal

pytestmark = needs_program

ROOT = pathlib.Path(__file__).parent.parent
VERSION_HEADER = ROOT / "include" / "deeptepp" / "version.h"
COMMANDS = ("score", "preprocess", "info", "selftest", "picture", "phantom")
LARGE = ("--dims", "500,500,200", "--spacing", "0.5,0.5,0.7")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return phantom(tmp_path_factory.mktemp("case"))


# ---- The command line ----

WRONG = {
    "no command": (),
    "unknown command": ("scores",),
    "unknown option": ("phantom", "--colour", "red"),
    "required option missing": ("phantom", "--seed", "1", "--out-image", "a.nii"),
    "value missing": ("phantom", "--seed"),
    "option twice": ("info", "--model", "a", "--model", "b"),
    "a word too many": ("info", "--model", "a", "b"),
    "a value for a switch": ("info", "--json=1"),
    "seed below 0": ("phantom", "--seed", "-1"),
    "seed too large": ("phantom", "--seed", "18446744073709551616"),
    "seed with a tail": ("phantom", "--seed", "1x"),
    "two dims": ("phantom", "--dims", "10,10"),
    "no dims": ("phantom", "--dims", "0,10,10"),
    "spacing not a number": ("phantom", "--spacing", "1,nan,1"),
    "rim above 1": ("phantom", "--rim", "1.5"),
    "diameter not a number": ("phantom", "--diameter", "big"),
    "no time points": ("phantom", "--phases", "0"),
    "no threads": ("selftest", "--threads", "0"),
    "half a unit": ("selftest", "--memory-limit", "4GB"),
    "bytes overflow": ("selftest", "--memory-limit", "99999999999T"),
    "empty path": ("info", "--model", ""),
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_is_exit_code_1(arguments):
    refusal(1, *arguments)


PHANTOM_WRONG = {
    "fractional dims": (("--dims", "10.5,10,10"), "--dims"),
    "too many voxels": (("--dims", "2048,2048,2048"), "--dims"),
    "too small a tumour": (("--diameter", "1", "--spacing", "20,20,20"), "--diameter"),
    "no place for the number of the time point": (("--phases", "2"), "--out-image"),
}


@pytest.mark.parametrize("arguments, named", PHANTOM_WRONG.values(), ids=PHANTOM_WRONG.keys())
def test_a_phantom_that_cannot_be_leaves_no_file(tmp_path, arguments, named):
    files = ("--out-image", tmp_path / "a.nii", "--out-mask", tmp_path / "b.nii")
    assert named in refusal(1, "phantom", "--seed", 1, *files, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_covariate_without_a_number_is_a_usage_error(case):
    files = ("--image", case[0], "--mask", case[1])
    assert "NAME=NUMBER" in refusal(1, "score", "--model", "m", *files, "--covariate", "age")


@pytest.mark.parametrize("command", ("score", "preprocess", "picture"))
@pytest.mark.parametrize("letters", ("RLA", "RAX", "RASL", "RA", "ras", ""))
def test_an_orientation_is_a_letter_of_each_axis(command, letters):
    assert f"--orientation: found '{letters}', wanted three letters" in refusal(1, command, "--orientation", letters)


def test_images_without_a_name_must_be_alone(case, tmp_path):
    named, plain = ("--image", f"pre={case[0]}"), ("--image", case[0])
    for command in (("score",), ("preprocess", "--out", tmp_path / "x.npy")):
        rest = ("--model", "m", "--mask", case[1])
        two = refusal(1, *command, *plain, *plain, *rest)
        assert "two images without a channel name: write --image NAME=PATH" in two
        assert "an image without a channel name" in refusal(1, *command, *named, *plain, *rest)


def test_a_number_of_a_volume_counts_from_1(case, tmp_path):
    text = refusal(1, "picture", "--image", f"{case[0]}#0", "--mask", case[1], "--out", tmp_path / "p.png")
    assert "found #0, wanted #1" in text


def test_help_lists_commands_and_exit_codes():
    text = answer("--help")
    for word in (*COMMANDS, "0", "1", "2", "3", "4", "130"):
        assert re.search(rf"^  {word} ", text, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    text = answer(command, "--help")
    assert text.startswith(f"Usage: deeptepp {command} ")
    assert "\n  --help " in text
    assert max(map(len, text.splitlines())) <= 120


def test_help_says_what_verbose_shows():
    for command in ("score", "preprocess", "selftest"):
        assert "what the library reports: threads, backend, memory, warnings" in answer(command, "--help")


def test_version_is_the_headers():
    version = ".".join(re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", VERSION_HEADER.read_text()))
    assert answer("--version") == f"deeptepp {version} (library {version})\n"


# ---- Input that cannot be used ----


@pytest.mark.parametrize("option", ("image", "mask"))
def test_a_missing_file_is_named_and_is_exit_code_3(case, tmp_path, option):
    files = {"image": case[0], "mask": case[1], option: tmp_path / "absent.nii"}
    arguments = [part for name, path in files.items() for part in (f"--{name}", path)]
    assert str(tmp_path / "absent.nii") in refusal(3, "picture", *arguments, "--out", tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


def test_a_missing_or_unreadable_model_is_named_and_is_exit_code_3(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        assert str(path) in refusal(3, "info", "--model", path)


def test_a_file_that_is_no_model_is_exit_code_2(case):
    assert str(case[0]) in refusal(2, "info", "--model", case[0])


# ---- Interruption and progress ----


@pytest.mark.parametrize("number, code", ((signal.SIGINT, 130), (signal.SIGTERM, 143)))
def test_an_interruption_leaves_no_file(tmp_path, number, code):
    command = ("phantom", "--seed", 1, *LARGE, "--out-image", tmp_path / "i.nii", "--out-mask", tmp_path / "m.nii")
    assert interrupted(number, 0.5, *command) == (code, b"", b"deeptepp: interrupted\n")
    assert not list(tmp_path.iterdir())


def terminal_output(*arguments):
    """What a terminal at the standard error gets."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    data = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            part = b""
        if not part:
            break
        data += part
    os.close(ours)
    assert process.wait() == 0
    return data.decode()


def test_a_terminal_sees_a_bar_that_goes_away(tmp_path):
    text = terminal_output("phantom", "--seed", 1, *SMALL, "--out-image", tmp_path / "i.nii", "--out-mask",
                           tmp_path / "m.nii")
    assert re.search(r"drawing +\[#+\.+\] +\d+ %", text)
    assert re.search(r"\r +\r$", text)


def test_numbers_have_a_point_whatever_the_locale(tmp_path):
    known = subprocess.run(["locale", "-a"], stdout=subprocess.PIPE, text=True).stdout.split()
    comma = [name for name in known if name.startswith(("de_", "fr_", "da_"))]
    if not comma:
        pytest.skip("no locale with a decimal comma is installed")
    image, mask = tmp_path / "i.nii", tmp_path / "m.nii"
    text = answer("phantom", "--seed", 1, *SMALL, "--diameter", "20.5", "--out-image", image, "--out-mask", mask,
                  env={**os.environ, "LC_ALL": comma[0]})
    assert "20.5 mm across" in text
    assert read_nifti(mask).any()


# ---- Built and installed ----


def test_the_installed_program_finds_its_library_under_any_prefix(tmp_path):
    build = os.environ.get("DEEPTEPP_BUILD")
    if not build:
        pytest.skip("DEEPTEPP_BUILD is not set")
    subprocess.run(["ninja", "-C", build, "install"], check=True, stdout=subprocess.PIPE,
                   env={**os.environ, "DESTDIR": str(tmp_path)})
    installed = next(tmp_path.rglob("bin/deeptepp"))
    prefix = installed.parent.parent.rename(tmp_path / "moved")
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    libraries = subprocess.run(["ldd", prefix / "bin" / "deeptepp"], stdout=subprocess.PIPE, text=True, env=environment)
    found = re.search(r"libdeeptepp\S* => (\S+)", libraries.stdout)[1]
    assert pathlib.Path(found).resolve().is_relative_to(prefix)


def test_no_two_ways_to_build_share_a_folder():
    """Meson keeps the options, the prefix among them, that a folder was configured with first."""
    install = re.search(r"^meson setup (\S+) --prefix", (ROOT / "README.md").read_text(), re.M)[1]
    quickstart = re.search(r"meson setup (\S+)", (ROOT / "examples" / "quickstart").read_text())[1]
    by_hand = re.search(r"meson setup (\S+)", (ROOT / "docs" / "contributing.md").read_text())[1]
    assert len({install, quickstart, by_hand}) == 3
