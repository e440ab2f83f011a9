"""Writes the seeds of every fuzz target, one folder a target: corpus.py FOLDER. What a run once found lies, committed,
in tests/fuzz/found/TARGET and is added."""

import gzip
import json
import random
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def nifti(version, order, magic=None):
    """3 x 2 x 2 int16 voxels, sform only."""
    dim, pixdim, rows = (3, 3, 2, 2, 1, 1, 1, 1), (1, 2, 3, 4, 0, 0, 0, 0), (2, 0, 0, -10, 0, 3, 0, -20, 0, 0, 4, 30)
    if version == 1:
        header = bytearray(352)
        for at, form, values in [(0, "i", [348]), (40, "8h", dim), (70, "hh", (4, 16)), (76, "8f", pixdim),
                                 (108, "f", [352]), (254, "h", [1]), (280, "12f", rows)]:
            struct.pack_into(order + form, header, at, *values)
        header[123] = 2
        header[344:348] = magic or b"n+1\0"
    else:
        header = bytearray(544)
        for at, form, values in [(0, "i", [540]), (12, "hh", (4, 16)), (16, "8q", dim), (104, "8d", pixdim),
                                 (168, "q", [544]), (348, "i", [1]), (400, "12d", rows), (500, "i", [2])]:
            struct.pack_into(order + form, header, at, *values)
        header[4:12] = magic or b"n+2\0\r\n\032\n"
    return bytes(header) + struct.pack(order + "12h", *range(12))


def nifti_seeds():
    files = [nifti(version, order) for version in (1, 2) for order in "<>"]
    strange = [b"NRRD0004\n", b"ObjectType = Image\n", b"version https://git-lfs.github.com/spec/v1\n",
               b"<!DOCTYPE html>\n", bytes(128) + b"DICM", b"PK\3\4", b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n",
               b"\0\5\x16\7", b"../.git/annex/objects/x"]
    damage = [bytes([0, at, value]) for at in (40, 42, 70, 76, 108, 123, 252, 254) for value in (0, 1, 127, 255)]
    zipped = [gzip.compress(file, mtime=0) for file in files]
    return [*files, *zipped, nifti(1, "<", b"ni1\0"), nifti(1, "<", bytes(4)), gzip.compress(zipped[0], mtime=0),
            *strange, *damage]


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def safetensors_seeds():
    described = {"__metadata__": {"deeptepp": json.dumps({"schema": 1, "name": "x", "list": [1, 2.5, True, None]})}}
    tensors, at = {}, 0
    for name, dtype, size, shape in [("a", "F32", 4, [2, 1]), ("b", "F16", 2, [3]), ("c", "BF16", 2, []),
                                     ("d", "F64", 8, [1]), ("e.num_batches_tracked", "I64", 8, [1]),
                                     ("f.running_var", "F32", 4, [1])]:
        end = at + size * (shape[0] if shape else 1)
        tensors[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    return [safetensors(described), safetensors({**described, **tensors}, bytes(at)), safetensors({}),
            safetensors(b"[]"),
            safetensors({**described, "z": {"dtype": "F32", "shape": [0, 7], "data_offsets": [0, 0]}}), bytes(8),
            safetensors({"__metadata__": {"deeptepp": "{\"schema\": 2}"}}),
            b"version https://git-lfs.github.com/spec/v1\n"]


def json_seeds():
    texts = ["null", "true", "[]", "{}", "[1, -0, 9223372036854775807, -9223372036854775808, 1e999]", "0.1e-400",
             "1E+2", '{"a": {"b": [1.5, "\\u00e9\\ud83d\\ude00\\n"]}, "c": "\u00fc\U0001f600"}', '{"a": 1, "a": 2}',
             '"\\u0000"',
             '"\\ud800"', "[" * 33 + "]" * 33, "[1, 2,]", "01", "nul", '"open', '{"a" 1}', " [ 1 , 2 ] ", "\ufeff[]"]
    return [text.encode() for text in texts] + [b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b""]


def description_seeds():
    """Lines: which sign of the text (two bytes), and what stands behind it from then on."""
    draw = random.Random(1)
    values = ["0", "-1", "1e9", "1e999", "NaN", "true", "null", '""', '"x"', "[]", "{}", "512", "8", "2.5", '"box"',
              '"zscore"', '"mosaic_cube"', '"pmg2d"', '"A"', '"elu"', '"RAS"', '"error"', "\\u0000",
              "9223372036854775808", ""]
    return [b""] + [b"\n".join(struct.pack(">H", draw.randrange(401)) + draw.choice(values).encode() for _ in range(n))
                    for n in (1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 5, 8) for _ in range(4)]


def calls_seeds():
    """A model, a session, an image, a mask and a case: scored; then the same cut short, or with one byte of another
    value."""
    session = bytes([0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0])
    volumes = bytes([2, 0, 0, 0, 2, 1, 1, 0, 3, 0])
    case = bytes([4, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 3])
    use = bytes([6, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 2, 0, 0, 7, 0, 0, 0, 1, 0, 0, 6, 0, 5, 0, 0, 0, 0, 9, 1])
    whole = session + volumes + case + use
    changed = [whole[:at] + bytes([value]) + whole[at + 1:] for at in range(len(whole)) for value in (1, 255)]
    return [whole, *(whole[:length] for length in range(20, len(whole), 9)), *changed[::5]]


def any_bytes(lengths):
    draw = random.Random(2)
    return lambda: [bytes(draw.randrange(256) for _ in range(length)) for length in lengths]


SEEDS = {"nifti": nifti_seeds, "safetensors": safetensors_seeds, "json": json_seeds, "description": description_seeds,
         "gzip": any_bytes(range(8, 200, 6)), "views": any_bytes(range(20, 120, 3)), "calls": calls_seeds}


def write(target, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(SEEDS[target]()):
        (folder / f"seed{i:03}").write_bytes(seed)
    for path in sorted((HERE / "found" / target).glob("*")):
        shutil.copy(path, folder)


if __name__ == "__main__":
    for name in SEEDS:
        write(name, Path(sys.argv[1]) / name)
