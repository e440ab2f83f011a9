"""What converting refuses of files, descriptions and command lines: one line, exit code 2, no file written."""

import os
import sys
import tarfile

import pytest

import make_model

torch = pytest.importorskip("torch", reason="PyTorch is not here")
safetensors = pytest.importorskip("safetensors.torch", reason="the safetensors package is not here")
from convert_case import PMG, Case, convert, described, weights  # noqa: E402 - these need PyTorch


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, described())


@pytest.fixture
def pmg_case(tmp_path):
    return Case(tmp_path, described(**PMG))


# ---- Files that are not what they should be ----


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [False, True])
def test_no_code_of_a_checkpoint_runs(case, capsys, legacy):
    sign = case.folder / "code_ran"
    case.add({"state_dict": weights(), "evil": Evil(sign)}, _use_new_zipfile_serialization=not legacy)
    line = case.refused(capsys)
    assert "it wants to run posix.mkdir, which was not run" in line
    assert not sign.exists()
    torch.load(case.paths[0], weights_only=False)
    assert sign.exists()


def with_pytorch(monkeypatch, version):
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion(version))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("version", ["2.9.1", "2.5.1+cpu", "2.10.0a0+git1"])
def test_an_old_pytorch_reads_no_pickle(case, capsys, monkeypatch, version, legacy):
    case.add(weights(), _use_new_zipfile_serialization=not legacy)
    with_pytorch(monkeypatch, version)
    monkeypatch.setattr(torch, "load", None)
    line = case.refused(capsys)
    assert f"PyTorch is {version}, wanted 2.10 or newer" in line
    assert "upgrade PyTorch, or bring the checkpoint as safetensors" in line


def test_an_old_pytorch_reads_safetensors(case, monkeypatch):
    case.paths = [case.folder / "checkpoint.safetensors"]
    safetensors.save_file(weights(), case.paths[0])
    with_pytorch(monkeypatch, "2.9.1")
    assert "fc.weight" in case.convert()[0]


@pytest.mark.parametrize("version", ["2.10.0", "2.10.0+cu130", "3.0.0"])
def test_a_newer_pytorch_reads_pickles(case, monkeypatch, version):
    case.add(weights())
    with_pytorch(monkeypatch, version)
    assert "fc.weight" in case.convert()[0]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_that_begins_like_a_pickle_does_not_reach_pytorch(case, capsys, monkeypatch, kind):
    case.paths = [case.folder / "file.pt"]
    with tarfile.open(case.paths[0], "w", format=kind, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("\x80storages"))
    assert case.paths[0].read_bytes()[:1] == b"\x80"
    monkeypatch.setattr(torch, "load", None)
    assert "file.pt: is a tar archive, wanted what torch.save writes" in case.refused(capsys)


def test_a_whole_module_is_refused(case, capsys):
    assert "torch.nn.modules.linear.Linear" in case.add(torch.nn.Linear(2, 2)).refused(capsys)


@pytest.mark.parametrize("content, said", [
    (b"", "neither a PyTorch checkpoint nor safetensors"), (b"hello", "neither"),
    (b"PK\x03\x04 not a zip", "not a checkpoint of tensors alone"), (b"PK\x05\x06" + bytes(18), "neither"),
    (b"\x80\x02 not a pickle", "not a checkpoint of tensors alone"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (b"\x40" + bytes(7) + b"{" + b" " * 63, "not sound safetensors")])
def test_files_that_are_no_checkpoints_are_refused(case, capsys, content, said):
    case.paths = [case.folder / "file.pt"]
    case.paths[0].write_bytes(content)
    assert said in case.refused(capsys)


@pytest.mark.parametrize("content", [{}, [1, 2], {"epoch": 1}, {"optimizer": {"lr": 0.1}}, 3.5])
def test_a_checkpoint_without_a_network_is_refused(case, capsys, content):
    assert "no network" in case.add(content).refused(capsys)


def test_what_is_no_tensor_among_tensors_is_named(case, capsys):
    assert "no tensors: epoch" in case.add({**weights(), "epoch": 4}).refused(capsys)


def test_missing_files_are_named(case, capsys):
    case.paths = [case.folder / "nothing.pt"]
    assert "nothing.pt: No such file" in case.refused(capsys)


def test_a_folder_to_write_in_that_is_not_there(case, capsys):
    case.out = case.add(weights()).folder / "nowhere" / "model"
    assert "nowhere" in case.refused(capsys)


def test_the_checkpoint_is_not_overwritten(case, capsys):
    case.add(weights())
    case.out = case.paths[0]
    before = case.paths[0].read_bytes()
    assert "one of the files read" in case.refused(capsys)
    assert case.paths[0].read_bytes() == before


def test_a_refusal_leaves_the_file_that_was_there(case, capsys):
    case.out.write_text("another")
    case.add({**weights(), "extra": torch.ones(1)}).refused(capsys)
    assert case.out.read_text() == "another"


def test_names_with_control_characters_reach_no_terminal(case, capsys):
    line = case.add({**weights(), "evil\n\x1b[31m.weight": torch.ones(1)}).refused(capsys)
    assert "\x1b" not in line and "?[31m.weight" in line


# ---- Descriptions ----


@pytest.mark.parametrize("change, said", [
    ({"licence": None, "authors": None, "colour": "red"}, "lacks licence, authors and has unknown keys colour"),
    ({"version": 1.0}, "version is 1.0, wanted text, in quotes"), ({"name": " "}, "name is"),
    ({"weights": "random"}, 'wanted "trained" or "seeded"'), ({"schema": 2}, "schema is 2, wanted 1"),
    ({"score": {"rule": "logit", "class": 2}}, "score.class is 2, wanted less than 2"),
    ({"score": {"rule": "logit"}}, "score lacks class"), ({"score": {"rule": "mean", "class": 1}}, "score.rule"),
    ({"input": {"size": [16, 16, 16]}}, "a key channels"),
    ({"input": {"channels": ["a", "b"], "size": [16, 16, 16]}}, 'input.channels is ["a", "b"], wanted 1 name'),
    ({"input": {"channels": ["a"], "size": [1, 512, 512]}}, "input.size is [1, 512, 512], wanted at least 8 each"),
    ({"self_test": {"seed": 1, "score": 2}}, "self_test has unknown keys score"),
    ({"self_test": {"seed": -1}}, "self_test.seed"), ({"network": []}, "network is []"),
    ({"network": {"architecture": "vgg"}}, 'network.architecture is "vgg"')])
def test_a_description_that_will_not_do_is_refused(case, capsys, change, said):
    case.description = {key: value for key, value in {**case.description, **change}.items() if value is not None}
    assert said in case.add(weights()).refused(capsys)


def test_the_published_network_wants_a_mosaic(pmg_case, capsys):
    pmg_case.add(weights(**PMG)).description["input"]["size"] = [64, 64, 64]
    assert "wanted [1, 512, 512], a mosaic" in pmg_case.refused(capsys)


@pytest.mark.parametrize("name, text, said", [
    ("d.json", '{"name": "a", "name": "b"}', "'name' stands twice"), ("d.json", '{"name": NaN}', "NaN is no JSON"),
    ("d.json", "name: a", "is not JSON"), ("d.json", "[1]", "wanted an object"), ("d.json", b"\xff", "is not UTF-8"),
    ("d.yaml", "name: a\nname: b\n", "'name' stands twice"), ("d.yaml", "a: [", "is not YAML"),
    ("d.yaml", "a: 2024-01-01\n", "a value JSON has not"),
    ("d.yaml", "!!python/object/apply:os.getcwd []", "is not YAML")])
def test_files_that_are_no_description_are_refused(case, capsys, name, text, said):
    if name.endswith(".yaml"):
        pytest.importorskip("yaml", reason="PyYAML is not here")
    path = case.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert convert.main(["checkpoint.pt", "--description", str(path), "--out", str(case.out)]) == 2
    printed = capsys.readouterr().err
    assert name in printed and said in printed and printed.count("\n") == 1


def test_without_pyyaml_yaml_is_refused_by_name(case, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = case.folder / "d.yml"
    path.write_text("{}")
    assert convert.main(["c.pt", "--description", str(path), "--out", str(case.out)]) == 2
    assert "needs the PyYAML package" in capsys.readouterr().err


# ---- The program ----


def test_as_a_program_it_ends_with_2_and_one_line(case):
    done = case.run(*case.add({"epoch": 1}).arguments())
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("convert.py: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a.pt"], ["a.pt", "--description", "d", "--out", "o", "--depth", "3"]])
def test_a_wrong_command_line_is_one_line_too(case, arguments):
    done = case.run(*arguments)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_as_a_program_it_writes_a_model(case):
    done = case.run(*case.add(weights()).arguments())
    assert done.returncode == 0 and done.stderr == "" and "sha256 " in done.stdout
    assert make_model.read_safetensors(case.out)[1]["name"] == case.description["name"]


def test_help_needs_no_pytorch(case):
    (case.folder / "torch.py").write_text("raise ImportError('no torch')")
    done = case.run("--help", PYTHONPATH=str(case.folder))
    assert done.returncode == 0 and "--description" in done.stdout
    done = case.run(*case.add(weights()).arguments(), PYTHONPATH=str(case.folder))
    assert done.returncode == 2 and "no torch" in done.stderr and done.stderr.count("\n") == 1
