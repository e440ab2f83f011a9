"""The command line program and its output files: where they may lie, what they may be called, and when they appear."""

import ctypes
import os
import resource
import shutil
import signal
import stat
import subprocess

import pytest

from cli_program import PROGRAM, SMALL, answer, interrupted, needs_program, phantom, refusal, run

pytestmark = needs_program


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return phantom(tmp_path_factory.mktemp("case"))


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


# Each command with outputs, and inputs that are not there: nothing was opened when it speaks of an output.
def with_outputs(*outputs):
    inputs = ("--image", "absent-image", "--mask", "absent-mask")
    return {"picture": ("picture", *inputs, "--out", outputs[0]),
            "preprocess": ("preprocess", "--model", "absent-model", *inputs, "--out", outputs[0]),
            "phantom": ("phantom", "--seed", 1, "--out-image", outputs[0], "--out-mask", outputs[-1])}


ENDINGS = {"picture": ".png", "preprocess": ".npy", "phantom": ".nii"}


@pytest.mark.parametrize("command", ENDINGS)
def test_a_folder_that_cannot_be_written_is_exit_code_3_before_any_work(tmp_path, command):
    file = tmp_path / "file"
    file.write_text("")
    for folder, words in ((tmp_path / "absent", "does not exist"), (file, "is a file, wanted a folder")):
        out = folder / f"p{ENDINGS[command]}"
        text = refusal(3, *with_outputs(out, tmp_path / "other.nii")[command])
        assert str(out) in text and str(folder) in text and words in text
    text = refusal(3, *with_outputs(tmp_path, tmp_path / "other.nii")[command])
    assert "is a folder, wanted a file" in text
    assert list(tmp_path.iterdir()) == [file]


def test_the_folder_of_every_phase_is_looked_at_first(tmp_path):
    (tmp_path / "0").mkdir()
    text = refusal(3, "phantom", "--seed", 1, *SMALL, "--phases", 2, "--out-image", tmp_path / "%d" / "i.nii",
                   "--out-mask", tmp_path / "m.nii")
    assert f"the folder {tmp_path / '1'} does not exist" in text


def without_privilege():
    """Takes from root what lets it write where nobody may (CAP_DAC_OVERRIDE), for the program to come."""
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.parametrize("command", ENDINGS)
def test_a_folder_without_permission_is_exit_code_3_before_any_work(tmp_path, command):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    if subprocess.run(["test", "-w", locked], preexec_fn=without_privilege).returncode == 0:
        pytest.skip("this process may write everywhere and cannot give that up")
    text = refusal(3, *with_outputs(locked / f"p{ENDINGS[command]}", tmp_path / "o.nii")[command],
                   preexec_fn=without_privilege)
    assert f"the folder {locked} cannot be written: Permission denied" in text


@pytest.mark.parametrize("command", ENDINGS)
def test_another_kind_of_name_is_a_usage_error(tmp_path, command):
    for name in ("p", "p.jpg", ENDINGS[command][1:], f"p{ENDINGS[command]}.bz2", "a-folder/"):
        text = refusal(1, *with_outputs(f"{tmp_path}/{name}", tmp_path / "o.nii")[command])
        assert f"wanted a name that ends in {ENDINGS[command]}" in text and name in text
    assert "/dev/stdout" in refusal(1, *with_outputs("-", tmp_path / "o.nii")[command])
    assert not list(tmp_path.iterdir())


def test_the_case_of_an_ending_does_not_matter(case, tmp_path):
    answer("picture", "--image", case[0], "--mask", case[1], "--out", tmp_path / "P.PNG")
    image, mask = tmp_path / "I.NII.GZ", tmp_path / "M.Nii"
    answer("phantom", "--seed", 1, *SMALL, "--out-image", image, "--out-mask", mask)
    assert image.read_bytes()[:2] == b"\x1f\x8b" and mask.stat().st_size == 352 + 48 * 40 * 20


def same_file(kind, original, folder):
    """Another name of a file."""
    if kind == "as it is":
        return original
    if kind == "another path":
        return original.parent / ".." / original.parent.name / original.name
    link = folder / f"link{original.suffix}"
    link.symlink_to(original) if kind == "symbolic link" else link.hardlink_to(original)
    return link


@pytest.mark.parametrize("kind", ("as it is", "another path", "symbolic link", "hard link"))
def test_an_output_that_is_an_input_is_refused(case, tmp_path, kind):
    image, mask, model = (tmp_path / name for name in ("i.png", "m.png", "model.png"))
    for path, original in ((image, case[0]), (mask, case[1]), (model, case[0])):
        shutil.copy(original, path)
    for number, (option, path) in enumerate((("image", image), ("mask", mask), ("model", model))):
        (tmp_path / f"{number}").mkdir()
        out = same_file(kind, path, tmp_path / f"{number}")
        files = ("--image", f"{image}#1", "--mask", mask, "--out", out)
        for command in ("picture", *files), ("preprocess", "--model", model, *files):
            if option != "model" or command[0] == "preprocess":
                assert f"--out: is the --{option}; wanted another file" in refusal(1, *command)
    named = ("preprocess", "--model", model, "--image", f"pre={image}", "--mask", mask, "--out", image)
    assert "--out: is the --image; wanted another file" in refusal(1, *named)
    assert [path.read_bytes() for path in (image, mask, model)] == [case[n].read_bytes() for n in (0, 1, 0)]


def test_two_outputs_are_two_files(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    pairs = (("a.nii", "a.nii"), ("a.nii", "./a.nii"), ("folder/a.nii", "link/a.nii"), ("a%d.nii", "a2.nii"))
    for image, mask in pairs:
        text = refusal(1, "phantom", "--seed", 1, *SMALL, "--phases", 3 if "%" in image else 1, "--out-image", image,
                       "--out-mask", mask, cwd=tmp_path)
        assert "--out-mask: is the --out-image; wanted another file" in text
    assert not list(tmp_path.rglob("*.nii"))
    answer("phantom", "--seed", 1, *SMALL, "--out-image", "/dev/null", "--out-mask", "/dev/null")


def test_standard_output_gets_the_file_wherever_the_shell_leads_it(case, tmp_path):
    command = ("picture", "--image", case[0], "--mask", case[1], "--out")
    file, log = tmp_path / "p.png", tmp_path / "log"
    answer(*command, file)
    assert run(*command, "/dev/stdout").stdout == file.read_bytes()
    log.write_bytes(b"before")
    with open(log, "ab") as stream:
        assert run(*command, "/dev/stdout", stdout=stream).returncode == 0
    assert log.read_bytes() == b"before" + file.read_bytes()
    assert sorted(tmp_path.iterdir()) == [log, file]


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


# ---- Links, permissions, owners ----


def picture(case, out):
    return "picture", "--image", case[0], "--mask", case[1], "--out", out


def link_to(folder, name, target):
    link = folder / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    return link


def test_a_link_that_leads_nowhere_leads_to_the_new_file(case, tmp_path):
    links = (link_to(tmp_path, "absolute.png", tmp_path / "a.png"), link_to(tmp_path, "relative.png", "b.png"),
             link_to(tmp_path, "sub/up.png", "../c.png"), link_to(tmp_path, "chain.png", "sub/next.png"))
    link_to(tmp_path, "sub/next.png", "../sub/d.png")
    for link, target in zip(links, ("a.png", "b.png", "c.png", "sub/d.png")):
        answer(*picture(case, link))
        assert link.is_symlink() and not (tmp_path / target).is_symlink()
        assert (tmp_path / target).read_bytes().startswith(b"\x89PNG")


def test_a_link_into_a_folder_that_is_missing_or_to_itself_is_refused_before_any_work(tmp_path):
    absent = link_to(tmp_path, "absent.png", "nowhere/p.png")
    text = refusal(3, *with_outputs(absent)["picture"])
    assert str(absent) in text and f"the folder {tmp_path / 'nowhere'} does not exist" in text
    loop = link_to(tmp_path, "loop.png", "loop.png")
    assert f"{loop}: cannot be written: Too many levels" in refusal(3, *with_outputs(loop)["picture"])
    assert sorted(tmp_path.iterdir()) == [absent, loop] and absent.is_symlink() and loop.is_symlink()


def test_two_links_to_one_file_to_be_made_are_one_output(tmp_path):
    one, two = (link_to(tmp_path, name, "same.nii") for name in ("one.nii", "two.nii"))
    for other in two, tmp_path / "same.nii":
        text = refusal(1, "phantom", "--seed", 1, *SMALL, "--out-image", one, "--out-mask", other)
        assert "--out-mask: is the --out-image; wanted another file" in text


def test_a_link_to_the_standard_output_is_the_standard_output(case, tmp_path):
    answer(*picture(case, tmp_path / "p.png"))
    link, log = link_to(tmp_path, "link.png", "/dev/stdout"), tmp_path / "log"
    log.write_bytes(b"before")
    with open(log, "ab") as stream:
        assert run(*picture(case, link), stdout=stream).returncode == 0
    assert log.read_bytes() == b"before" + (tmp_path / "p.png").read_bytes() and link.is_symlink()


@pytest.mark.parametrize("mode", (0o600, 0o640, 0o666, 0o755, 0o604))
@pytest.mark.parametrize("umask", (0o022, 0o077))
def test_a_file_that_is_replaced_keeps_its_mode(case, tmp_path, mode, umask):
    out = tmp_path / "p.png"
    out.write_text("old")
    out.chmod(mode)
    for path in out, link_to(tmp_path, "link.png", out):
        answer(*picture(case, path), preexec_fn=lambda: os.umask(umask))
        assert out.read_bytes().startswith(b"\x89PNG") and stat.S_IMODE(out.stat().st_mode) == mode


@pytest.mark.parametrize("umask", (0o022, 0o077, 0o000, 0o027))
def test_a_new_file_follows_the_umask(case, tmp_path, umask):
    for path in tmp_path / "p.png", link_to(tmp_path, "link.png", "q.png"):
        answer(*picture(case, path), preexec_fn=lambda: os.umask(umask))
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_an_output_keeps_no_mode_that_runs_as_another(case, tmp_path):
    out = tmp_path / "p.png"
    out.write_text("old")
    out.chmod(0o6755)
    answer(*picture(case, out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o755


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")


def test_the_owner_of_a_file_that_root_replaces_stays(case, tmp_path):
    needs_root()
    out = tmp_path / "p.png"
    out.write_text("old")
    out.chmod(0o640)
    os.chown(out, 12345, 54321)
    answer(*picture(case, out))
    assert (out.stat().st_uid, out.stat().st_gid, stat.S_IMODE(out.stat().st_mode)) == (12345, 54321, 0o640)


def test_a_group_that_cannot_be_kept_gets_no_more_than_all_others(case, tmp_path):
    """Someone else's file that all may write, in a folder that all may write."""
    needs_root()
    folder, out = tmp_path / "open", tmp_path / "open" / "p.nii"
    folder.mkdir()
    out.write_text("old")
    os.chown(out, 12345, 54321)
    folder.chmod(0o777)
    out.chmod(0o672)
    for parent in (*tmp_path.parents[:2], tmp_path):
        parent.chmod(parent.stat().st_mode | 0o011)

    def nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    probe = subprocess.run(["test", "-x", PROGRAM, "-a", "-w", folder], preexec_fn=nobody)
    if probe.returncode:
        pytest.skip("the program or this folder is out of reach of nobody")
    answer("phantom", "--seed", 1, *SMALL, "--out-image", "/dev/null", "--out-mask", out, preexec_fn=nobody)
    assert (out.stat().st_uid, out.stat().st_gid, stat.S_IMODE(out.stat().st_mode)) == (65534, 65534, 0o622)


@pytest.mark.parametrize("command", ENDINGS)
def test_a_file_that_may_not_be_written_is_refused_before_any_work(tmp_path, command):
    out = tmp_path / f"p{ENDINGS[command]}"
    out.write_text("old")
    out.chmod(0o444)
    if subprocess.run(["test", "-w", out], preexec_fn=without_privilege).returncode == 0:
        pytest.skip("this process may write everywhere and cannot give that up")
    for path in out, link_to(tmp_path, f"link{ENDINGS[command]}", out):
        text = refusal(3, *with_outputs(path, tmp_path / "o.nii")[command], preexec_fn=without_privilege)
        assert f"{path}: cannot be written: Permission denied" in text
    assert out.read_text() == "old" and stat.S_IMODE(out.stat().st_mode) == 0o444


def test_a_pipe_with_a_name_gets_the_file(case, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    answer(*picture(case, tmp_path / "p.png"))
    with open(tmp_path / "read", "wb") as read:
        reader = subprocess.Popen(["cat", pipe], stdout=read)
    answer(*picture(case, pipe))
    assert reader.wait(timeout=60) == 0
    assert (tmp_path / "read").read_bytes() == (tmp_path / "p.png").read_bytes()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_waiting_for_a_pipes_reader_can_be_interrupted(case, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert interrupted(signal.SIGINT, 1.5, *picture(case, pipe)) == (130, b"", b"deeptepp: interrupted\n")


def test_the_standard_input_is_no_output(tmp_path):
    source = tmp_path / "in.nii"
    source.write_text("old")
    with open(source) as stream:
        text = refusal(3, "phantom", "--seed", 1, *SMALL, "--out-image", "/dev/stdin", "--out-mask", tmp_path / "m.nii",
                       stdin=stream)
    assert "/dev/stdin: cannot be written" in text
    assert source.read_text() == "old" and list(tmp_path.iterdir()) == [source]
