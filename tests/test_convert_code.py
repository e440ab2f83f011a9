"""A pickle that tries to run code runs nothing, whichever of its operations asks and wherever it stands; and none takes
the memory or the time that it asks for."""

import os
import pickle
import resource
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import make_model
from checkpoint_maker import MAGIC, WRITERS, Call, Global, Pickler, Raw, Tensor, module, whole
from convert_case import Case, described, weights
from deeptepp import convert

# ---- Attacks ----


def text(value):
    return Pickler().text(str(value))


def make_folder(sign):
    """(name, opcodes that make the folder `sign` when they are run, and leave one object)."""
    mkdir, one = b"cos\nmkdir\n", text(sign) + b"\x85"
    evaluate = b"cbuiltins\neval\n" + text(f"__import__('os').mkdir({str(sign)!r})") + b"\x85R"
    yield "REDUCE", mkdir + one + b"R"
    yield "eval", evaluate
    yield "STACK_GLOBAL", text("os") + text("mkdir") + b"\x93" + one + b"R"
    yield "INST", b"(" + text(sign) + b"ios\nmkdir\n"
    yield "OBJ", b"(" + mkdir + text(sign) + b"o"
    yield "NEWOBJ", b"ccodecs\nStreamWriter\n)\x81" + mkdir + one + b"R\x85b"
    yield "NEWOBJ_EX", b"cfunctools\npartial\n" + mkdir + b"\x85}\x92" + one + b"R"
    yield "BUILD", b"cbuiltins\nobject\n)\x81}" + text("__setstate__") + mkdir + b"sb" + text(sign) + b"b"
    yield "getattr", b"cbuiltins\ngetattr\ncposixpath\nos\n" + text("mkdir") + b"\x86R" + one + b"R"
    yield "map", b"cbuiltins\nlist\ncbuiltins\nmap\n" + mkdir + b"](" + text(sign) + b"e\x86R\x85R"
    yield "persistent id", mkdir + one + b"RQ"
    yield "storage", Pickler().code(("storage", Raw(mkdir + one + b"R"), "0", "cpu", 1)) + b"Q"
    yield "a key", b"}" + mkdir + one + b"R" + b"\x88s"
    yield "APPENDS", b"ccollections\ndeque\n)R(" + mkdir + one + b"Re"
    yield "SETITEMS", b"cos\nenviron\n(" + text("A") + mkdir + one + b"Ru"
    yield "a rebuilt tensor", b"ctorch._tensor\n_rebuild_from_type_v2\n(" + mkdir + b"cbuiltins\nobject\n" + one + \
        b"}tR"
    yield "a parameter", b"ctorch._utils\n_rebuild_parameter\n(" + mkdir + one + b"R" + b"\x88}tR"
    nested = b"\x80\x02" + mkdir + one + b"R."
    yield "a pickle within", b"cpickle\nloads\n" + Pickler().code(nested) + b"\x85R"
    yield "a storage's pickle", b"ctorch.storage\n_load_from_bytes\n" + Pickler().code(nested) + b"\x85R"
    yield "NumPy's pickle", b"cnumpy.core.multiarray\n_reconstruct\n(" + mkdir + text(sign) + b"tR"


ATTACKS = [name for name, _ in make_folder("x")]
# Run by Python itself, the others fail before they come to it, or need a reader of persistent ids.
HARMLESS = {"persistent id", "storage", "BUILD", "NEWOBJ", "a rebuilt tensor", "a parameter", "a storage's pickle",
            "NumPy's pickle", "SETITEMS"}


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, described())


@pytest.fixture
def sign(case):
    path = case.folder / "code_ran"
    yield path
    assert not path.exists()


def attack(name, sign):
    return Raw(dict(make_folder(sign))[name])


PLACES = {
    "beside the network": lambda evil: {"state_dict": weights(), "hyper_parameters": {"net": evil}},
    "before it": lambda evil: OrderedDict([("callbacks", [evil]), ("state_dict", weights())]),
    "in a whole network": lambda evil: module(
        "networks.Net", [], [], [("model", whole(weights()))], criterion=evil, _forward_hooks={1: evil}),
    "as a whole network's class": lambda evil: Call(evil, (), {
        "_parameters": {}, "_buffers": {}, "_modules": {"net": whole(weights())}}, opcode=b"\x81"),
    "as its own state": lambda evil: Call(Global("a", "B"), (evil,), {"net": whole(weights()), "trainer": evil}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", WRITERS)
def test_no_code_beside_a_network_runs_and_the_network_is_read(case, sign, place, kind):
    WRITERS[kind](case.at(), PLACES[place]([attack(name, sign) for name in ATTACKS if name != "SETITEMS"]))
    tensors, _ = case.convert()
    assert np.array_equal(tensors["fc.weight"], weights()["fc.weight"])


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - HARMLESS))
def test_the_same_code_runs_in_pickle(tmp_path, name):
    """Or the others would prove nothing."""
    sign = tmp_path / "code_ran"
    code = b"\x80\x02" + attack(name, sign).code + b"."
    subprocess.run([sys.executable, "-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"], input=code,
                   stderr=subprocess.DEVNULL)
    assert sign.exists()


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", WRITERS)
def test_no_code_in_a_networks_place_runs(case, sign, capsys, name, kind):
    WRITERS[kind](case.at(), None, code=b"\x80\x02" + attack(name, sign).code + b".")
    assert "checkpoint0.pt: " in case.refused(capsys)


@pytest.mark.parametrize("place", ["fc.weight", "layer1.0.bn1.bias"])
@pytest.mark.parametrize("name", ATTACKS)
def test_no_code_in_a_tensors_place_runs(case, sign, capsys, name, place):
    case.add({**weights(), place: attack(name, sign)})
    line = case.refused(capsys)
    assert name == "SETITEMS" or f"no tensors: {place}" in line


@pytest.mark.parametrize("kind", WRITERS)
def test_no_code_of_a_head_runs(case, sign, kind):
    state = weights()
    head = {name: state.pop(name) for name in ("fc.weight", "fc.bias")}
    evil = [attack(name, sign) for name in ATTACKS if name != "SETITEMS"]
    WRITERS[kind](case.folder / "head.pt", {"evil": evil, "state_dict": head})
    case.add(state).convert("--head", case.folder / "head.pt")


@pytest.mark.parametrize("at", range(3))
def test_no_code_of_the_pickles_that_stand_first_runs(case, sign, capsys, at):
    before = [Pickler().dumps(part) for part in (MAGIC, 1001, {"little_endian": True})]
    before[at] = b"\x80\x02" + attack("REDUCE", sign).code + b"."
    case.add(weights(), legacy=True, before=before)
    assert "it does not begin as torch.save begins one" in case.refused(capsys)


def test_no_module_is_imported(case):
    (case.folder / "evil_module.py").write_text("import os\nos.mkdir('code_ran')\n")
    case.add({"state_dict": weights(), "x": Call(Global("evil_module", "Net"), ()), "y": Global("antigravity", "fly")})
    done = case.run(*case.arguments(), PYTHONPATH=str(case.folder))
    assert done.returncode == 0 and not (case.folder / "code_ran").exists()


def test_copyregs_extensions_are_not_asked(case, sign):
    """They may be there already, as the real objects."""
    import copyreg

    copyreg.add_extension("os", "mkdir", 0x7ABC)
    try:
        code = b"\x83" + struct.pack("<H", 0x7ABC) + text(sign) + b"\x85R"
        case.add({"state_dict": weights(), "x": Raw(code)}).convert()
    finally:
        copyreg.remove_extension("os", "mkdir", 0x7ABC)


# ---- Archives ----


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_that_begins_like_a_pickle_is_one(case, capsys, kind):
    with tarfile.open(case.at("file.pt"), "w", format=kind, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("\x80storages"))
    assert case.paths[0].read_bytes()[:1] == b"\x80"
    assert "file.pt: is a tar archive, wanted what torch.save writes" in case.refused(capsys)


@pytest.mark.parametrize("member, said", [
    ("archive/constants.pkl", "is TorchScript"), ("archive/code/__torch__.py", "is TorchScript"),
    ("archive/archive_format", "torch.export"), ("other/data.pkl", "2 members data.pkl")])
def test_other_archives_are_called_what_they_are(case, capsys, member, said):
    line = case.add(weights(), members=[(member, b"x")]).refused(capsys)
    assert said in line and "weights_only" not in line


@pytest.mark.parametrize("size", [0, 50_000_000])
def test_a_compressed_archive_is_not_unpacked(case, capsys, size):
    case.add(weights(), members=[("archive/data/x", bytes(size))], compression=zipfile.ZIP_DEFLATED)
    assert "compressed zip archive" in case.refused(capsys)


def test_a_big_endian_machines_are_refused(case, capsys):
    before = [Pickler().dumps(part) for part in (MAGIC, 1001, {"little_endian": False})]
    assert "big-endian" in case.add(weights(), legacy=True, before=before).refused(capsys)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(case, capsys, kind, share):
    WRITERS[kind](case.at(), weights())
    content = case.paths[0].read_bytes()
    case.paths[0].write_bytes(content[:int(share * len(content))])
    assert "checkpoint0.pt: " in case.refused(capsys)


def mutated(content, random):
    """Bytes changed, taken out, doubled, or made operations."""
    content = bytearray(content)
    for _ in range(random.integers(1, 5)):
        at, there = random.integers(0, len(content), 2)
        kind = random.integers(4)
        if kind == 0:
            content[at] = random.integers(256)
        elif kind == 1:
            del content[at:at + random.integers(1, 20)]
        elif kind == 2:
            content[at:at] = content[there:there + random.integers(1, 40)]
        else:
            content[at:at + 1] = bytes(random.choice(list(b"2Rb\x81uetQ0h\x93oi(")) for _ in range(2))
    return bytes(content)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("net", [whole, lambda state: {"a": [1, (2.5, None)], "state_dict": OrderedDict(state)}],
                         ids=["whole", "state dict"])
def test_whatever_a_pickle_says_is_a_model_or_one_line(case, capsys, monkeypatch, kind, net):
    from deeptepp.convert import _model

    monkeypatch.setattr(_model, "logits", lambda *rest: np.zeros(2))
    monkeypatch.setattr(_model, "try_out", lambda *rest: None)
    random, value = np.random.default_rng(7), net(weights(width=1))
    code, path = Pickler(legacy=kind == "legacy").dumps(value), case.at()
    arguments = case.arguments()
    for _ in range(150):
        WRITERS[kind](path, value, code=mutated(code, random))
        wrong = convert.main(arguments)
        assert wrong in (0, 2) and capsys.readouterr().err.count("\n") == (wrong != 0)


def test_a_flipped_bit_of_a_weight_is_noticed(case, capsys):
    case.add(weights())
    content = bytearray(case.paths[0].read_bytes())
    content[content.index(weights()["fc.weight"].tobytes()) + 3] ^= 1
    case.paths[0].write_bytes(content)
    assert "fc.weight" in case.refused(capsys)


# ---- Sizes ----

SIZES = {
    "a text of 4 GB": b"X\xff\xff\xff\xffabc", "bytes of 2^62": b"\x8e" + struct.pack("<Q", 2**62) + b"abc",
    "a number of 2 GB": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01", "a frame of 2^60":
        b"\x95" + struct.pack("<Q", 2**60) + b"N", "no end": b"(((((((", "no mark": b"t", "no object": b"",
    "a memo that is not there": b"h\x07", "an operation that is none": b"\xff", "out of band": b"\x97",
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("code", SIZES.values(), ids=SIZES)
def test_sizes_are_checked_before_they_are_used(case, capsys, kind, code):
    WRITERS[kind](case.at(), None, code=b"\x80\x04" + code + b".")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "checkpoint0.pt: " in case.refused(capsys)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


DEEP = 100_000
NESTED = {
    "lists": b"]" * DEEP + b"a" * (DEEP - 1), "tuples": b")" + b"\x85" * DEEP,
    "calls": b"cx\ny\n" * DEEP + b"N" + b"\x85R" * DEEP,
    "dictionaries": b"".join(b"}" + b"\x88" for _ in range(DEEP)) + b"N" + b"s" * DEEP,
    "a key of tuples": b"}" + b")" + b"\x85" * DEEP + b"Ns",
    "a key of doubled tuples": b"}" + b")" + b"2\x86" * 64 + b"Ns",
    "a set of doubled tuples": b"\x8f(" + b")" + b"2\x86" * 64 + b"\x90",
    "doubled lists": b"]" + b"".join(b"q" + bytes([i]) + b"](h" + bytes([i]) + b"h" + bytes([i]) + b"e"
                                     for i in range(64)),
    "doubled objects": b"N" + b"".join(
        b"q" + bytes([i]) + b"cx\ny\n)\x81}(X\x01\0\0\0ah" + bytes([i]) + b"X\x01\0\0\0bh" + bytes([i]) + b"ub"
        for i in range(64)),
    "itself": b"}q\x00" + b"X\x01\0\0\0ah\x00s",
}


@pytest.mark.parametrize("place", ["alone", "beside a network"])
@pytest.mark.parametrize("code", NESTED.values(), ids=NESTED)
def test_nesting_costs_neither_stack_nor_time(case, capsys, code, place):
    begun = time.process_time()
    if place == "alone":
        WRITERS["zip"](case.at(), None, code=b"\x80\x04" + code + b".")
        assert "checkpoint0.pt: " in case.refused(capsys)
    else:
        case.add({"x": Raw(code), "state_dict": weights()}).convert()
    assert time.process_time() - begun < 20


def test_modules_of_modules_of_the_same_end(case, capsys):
    """2^64 of them, in a file of some kilobytes."""
    part = b"N"
    code = part
    for i in range(64):
        inner = b"q" + bytes([i]) + b"0cx\ny\n)\x81}(" + text("_parameters") + b"}" + text("_buffers") + b"}" + \
            text("_modules") + b"}(" + text("a") + b"h" + bytes([i]) + text("b") + b"h" + bytes([i]) + b"uub"
        code += inner
    WRITERS["zip"](case.at(), None, code=b"\x80\x02" + code + b".")
    assert "has more than 1,000,000 parts of modules" in case.refused(capsys)


def test_more_steps_than_a_checkpoint_has_are_refused(case, capsys, monkeypatch):
    from deeptepp.convert import _pickles

    monkeypatch.setattr(_pickles, "MAX_STEPS", 1000)
    assert "it has more than 1,000 steps" in case.add({"x": Raw(b"N0" * 1000 + b"N")}).refused(capsys)


# ---- Against Python's own ----


def test_plain_data_is_what_pickle_reads(tmp_path):
    """In every protocol: the opcodes of each."""
    from deeptepp.convert import _pickles

    value = {"a": [1, -2**40, 2**70, 1.5, None, True, False, "text\n\u00e9", b"\x00\xff", (), (1,), (1, 2, 3, 4)],
             "b": {"c": ["again"] * 300}, 3: 1e300}
    value["b"]["self"] = value["a"]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(value, protocol))
        with open(path, "rb") as file:
            found = _pickles.load(file, os.path.getsize(path), {}, lambda identity: None)
        if protocol > 2:
            assert found == value and found["b"]["self"] is found["a"]
        else:  # bytes are a call there
            assert found["a"][:6] == value["a"][:6] and found["b"]["c"] == value["b"]["c"]


def test_a_safetensors_header_of_any_size_is_one_line(case, capsys):
    state = weights()
    make_model.write_safetensors(case.at("a.safetensors"), state)
    content = case.paths[0].read_bytes()
    for change in ({"shape": [2**62, 2**62]}, {"shape": [-1]}, {"shape": [1.5]}, {"data_offsets": [0, 2**63]},
                   {"data_offsets": [5, 1]}, {"data_offsets": [0]}, {"dtype": ["F32"]}, {"dtype": None}):
        path = case.folder / "b.safetensors"
        header = Header(content)
        header.entries["fc.weight"].update(change)
        path.write_bytes(header.bytes())
        case.paths = [path]
        assert "b.safetensors: " in case.refused(capsys)


class Header:
    def __init__(self, content):
        import json

        self.json, length = json, int.from_bytes(content[:8], "little")
        self.entries, self.rest = json.loads(content[8:8 + length]), content[8 + length:]

    def bytes(self):
        text = self.json.dumps(self.entries).encode()
        return len(text).to_bytes(8, "little") + text + self.rest


def test_an_unused_tensor_of_another_type_is_left_alone(case):
    """A counter is not read at all."""
    state = {**weights(), "bn1.num_batches_tracked": Tensor(np.zeros(3), shape=(2**50,), strides=(0,))}
    case.add(state).convert()
