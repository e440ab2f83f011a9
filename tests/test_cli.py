"""The command line program, from outside: its words, exit codes, streams and files. Nothing here needs a model."""

import os
import pathlib
import pty
import re
import resource
import signal
import stat
import subprocess

import pytest

from cli_program import PROGRAM, SMALL, answer, interrupted, needs_program, phantom, read_nifti, refusal, run

pytestmark = needs_program

VERSION_HEADER = pathlib.Path(__file__).parent.parent / "include" / "deeptepp" / "version.h"
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


def test_version_is_the_headers():
    version = ".".join(re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", VERSION_HEADER.read_text()))
    assert answer("--version") == f"deeptepp {version} (library {version})\n"


# ---- Input that cannot be used ----


@pytest.mark.parametrize("option", ("image", "mask"))
def test_a_missing_file_is_named_and_is_exit_code_2(case, tmp_path, option):
    files = {"image": case[0], "mask": case[1], option: tmp_path / "absent.nii"}
    arguments = [part for name, path in files.items() for part in (f"--{name}", path)]
    assert str(tmp_path / "absent.nii") in refusal(2, "picture", *arguments, "--out", tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


def test_a_missing_model_is_named_and_is_exit_code_2(tmp_path):
    assert str(tmp_path / "absent") in refusal(2, "info", "--model", tmp_path / "absent")


def test_a_file_that_is_no_model_is_exit_code_2(case):
    assert str(case[0]) in refusal(2, "info", "--model", case[0])


# ---- Output that cannot be written ----


@pytest.fixture
def full():
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    before = os.stat("/dev/full").st_ino
    yield "/dev/full"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode) and os.stat("/dev/full").st_ino == before


def test_a_full_disk_is_noticed_in_every_file(case, tmp_path, full):
    image, mask = tmp_path / "i.nii.gz", tmp_path / "m.nii.gz"
    commands = (("phantom", "--seed", 1, *SMALL, "--out-image", full, "--out-mask", mask),
                ("phantom", "--seed", 1, *SMALL, "--out-image", image, "--out-mask", full),
                ("picture", "--image", case[0], "--mask", case[1], "--out", full))
    for command in commands:
        assert "/dev/full: cannot be written: No space left" in refusal(3, *command)


@pytest.mark.parametrize("command", ("--help", "--version"))
def test_a_full_standard_output_is_exit_code_3(command, full):
    with open(full, "w") as stream:
        done = run(command, stdout=stream)
    assert done.returncode == 3
    assert done.stderr.startswith(b"deeptepp: standard output: cannot be written")


def test_a_closed_standard_output_is_exit_code_3():
    done = subprocess.run(["sh", "-c", '"$0" --version >&-', PROGRAM], stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.startswith(b"deeptepp: standard output: cannot be written")


def test_a_reader_that_goes_away_is_exit_code_3():
    read, write = os.pipe()
    os.close(read)
    done = run("--help", stdout=write)
    os.close(write)
    assert done.returncode == 3


def test_output_files_never_go_to_a_closed_standard_stream(tmp_path):
    command = '"$0" phantom --seed 1 --dims 24,24,12 --spacing 3,3,4 --out-image i.nii --out-mask m.nii <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, PROGRAM], cwd=tmp_path)
    assert (tmp_path / "m.nii").stat().st_size == 352 + 24 * 24 * 12


def test_a_folder_that_is_not_there_is_exit_code_3(case, tmp_path):
    out = tmp_path / "absent" / "p.png"
    assert str(out) in refusal(3, "picture", "--image", case[0], "--mask", case[1], "--out", out)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(case, tmp_path):
    out = tmp_path / "p.png"
    out.write_text("old")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    refusal(3, "picture", "--image", case[0], "--mask", case[1], "--out", out, preexec_fn=limit)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_link_leads_to_the_new_file(case, tmp_path):
    target, link = tmp_path / "target.png", tmp_path / "link.png"
    target.write_text("old")
    link.symlink_to(target)
    answer("picture", "--image", case[0], "--mask", case[1], "--out", link)
    assert link.is_symlink() and target.read_bytes().startswith(b"\x89PNG")


def test_files_have_the_usual_permissions(case):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(case[0].stat().st_mode) == 0o666 & ~mask


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
