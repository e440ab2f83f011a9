"""Checkpoints as torch.save writes them, byte by byte, with NumPy alone; and pickles that torch.save never would."""

import struct
import zipfile
from collections import OrderedDict

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage", "int64": "LongStorage",
         "int32": "IntStorage", "bool": "BoolStorage", "complex64": "ComplexFloatStorage"}


class Global:
    """A name that unpickling would import."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """maker(*arguments), then its state, then its items by name. opcode: REDUCE (R) or NEWOBJ (0x81)."""

    def __init__(self, maker, arguments=(), state=None, entries=None, opcode=b"R"):
        self.maker, self.arguments, self.state, self.entries, self.opcode = maker, arguments, state, entries, opcode


class Raw:
    """Opcodes that leave one object on the stack."""

    def __init__(self, code):
        self.code = code


class Tensor:
    """An array of a storage type that NumPy has not, or a view: values is what is stored."""

    def __init__(self, values, storage=None, offset=0, shape=None, strides=None):
        self.values, self.storage = values, storage or TYPES[values.dtype.name]
        self.offset, self.shape = offset, values.shape if shape is None else shape
        self.strides = [n // values.itemsize for n in values.strides] if strides is None else strides


def module(name, parameters=(), buffers=(), modules=(), **attributes):
    """A network as torch.save(net) pickles it."""
    state = {"training": False, "_parameters": OrderedDict(parameters), "_buffers": OrderedDict(buffers),
             "_non_persistent_buffers_set": Call(Global("__builtin__", "set"), ([],)),
             "_forward_hooks": OrderedDict(), "_modules": OrderedDict(modules), **attributes}
    return Call(Global(*name.rsplit(".", 1)), (), state, opcode=b"\x81")


def whole(state, name="networks.Net"):
    """A network saved whole, whose state dict that is."""
    parts = {key: value for key, value in state.items() if "." not in key}
    inner = OrderedDict()
    for key, value in state.items():
        if "." in key:
            first, rest = key.split(".", 1)
            inner.setdefault(first, OrderedDict())[rest] = value
    is_buffer = {key: key.startswith("running_") or key == "num_batches_tracked" for key in parts}
    return module(name, [(k, Call(Global("torch._utils", "_rebuild_parameter"), (v, True, OrderedDict())))
                         for k, v in parts.items() if not is_buffer[k]],
                  [(k, v) for k, v in parts.items() if is_buffer[k]],
                  [(k, whole(v, "torch.nn.modules.container.Sequential")) for k, v in inner.items()])


class Pickler:
    """Protocol 2."""

    def __init__(self, legacy=False):
        self.storages, self.more = [], (None,) * legacy

    def dumps(self, value):
        return b"\x80\x02" + self.code(value) + b"."

    def code(self, value):
        for kind, encode in self.KINDS:
            if isinstance(value, kind):
                return encode(self, value)
        raise TypeError(type(value))

    def text(self, value):
        encoded = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(encoded)) + encoded

    def integer(self, value):
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)

    def pairs(self, value):
        return b"(" + b"".join(self.code(key) + self.code(item) for key, item in value.items()) + b"u"

    def global_(self, value):
        return f"c{value.module}\n{value.name}\n".encode()

    def call(self, value):
        code = self.code(value.maker) + self.code(tuple(value.arguments)) + value.opcode
        code += self.code(value.state) + b"b" if value.state is not None else b""
        return code + (self.pairs(value.entries) if value.entries else b"")

    def tensor(self, value):
        self.storages.append(value.values)
        key, storage = str(len(self.storages) - 1), Global("torch", value.storage)
        identity = ("storage", storage, key, "cpu", value.values.size, *self.more)
        return self.code(Call(Global("torch._utils", "_rebuild_tensor_v2"), (
            Raw(self.code(identity) + b"Q"), value.offset, tuple(value.shape), tuple(value.strides), False,
            OrderedDict())))

    KINDS = (
        (Raw, lambda self, value: value.code), (Global, global_), (Call, call), (Tensor, tensor),
        (type(None), lambda self, value: b"N"), (bool, lambda self, value: b"\x88" if value else b"\x89"),
        (int, integer), (float, lambda self, value: b"G" + struct.pack(">d", value)), (str, text),
        (np.ndarray, lambda self, value: self.tensor(Tensor(np.array(value, order="C")))),
        (bytes, lambda self, value: b"B" + struct.pack("<I", len(value)) + value),
        (OrderedDict, lambda self, value: b"ccollections\nOrderedDict\n)R" + self.pairs(value)),
        (dict, lambda self, value: b"}" + self.pairs(value)),
        (list, lambda self, value: b"](" + b"".join(map(self.code, value)) + b"e"),
        (tuple, lambda self, value: b"(" + b"".join(map(self.code, value)) + b"t"))


def write_zip(path, value, code=None, members=(), compression=zipfile.ZIP_STORED):
    """code: the pickle, instead of that of `value`."""
    pickler = Pickler()
    own = pickler.dumps(value)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", own if code is None else code)
        archive.writestr("archive/byteorder", b"little")
        for key, values in enumerate(pickler.storages):
            archive.writestr(f"archive/data/{key}", values.tobytes())
        archive.writestr("archive/version", b"3\n")
        for name, content in members:
            archive.writestr(name, content)


def write_legacy(path, value, code=None, before=None):
    """As before PyTorch 1.6. before: other pickles than the three that stand first."""
    pickler = Pickler(legacy=True)
    own = pickler.dumps(value)
    system = {"protocol_version": 1001, "little_endian": True}
    first = before or [Pickler().dumps(part) for part in (MAGIC, 1001, system)]
    keys = Pickler().dumps([str(i) for i in range(len(pickler.storages))])
    with open(path, "wb") as file:
        file.write(b"".join(first) + (own if code is None else code) + keys)
        for values in pickler.storages:
            file.write(struct.pack("<q", values.size) + values.tobytes())


WRITERS = {"zip": write_zip, "legacy": write_legacy}
