"""A model's properties against Python's own reading of the model's JSON: the same keys, order and values."""

import json
import random
import struct
from ctypes import c_char_p, c_int64, c_void_p

import pytest

import deeptepp_c
import make_model


def flatten(key, value):
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        members = enumerate(value)
    else:
        yield key, value
        return
    for name, member in members:
        yield from flatten(f"{key}.{name}" if key else str(name), member)


def digits(text):
    """How many significant ones."""
    return len(text.lower().split("e")[0].replace(".", "").lstrip("-0").rstrip("0")) or 1


def check_plain(text, value):
    if isinstance(value, bool) or value is None:
        assert text == json.dumps(value)
    elif isinstance(value, float):
        assert float(text) == value and digits(text) == digits(repr(value)), (text, value)
        assert "e" not in text or not 1 <= abs(value) < 1e15, (text, value)
    else:
        assert text == str(value)


def check(text, value):
    parts = text.split(", ") if isinstance(value, list) and value else [text]
    values = value if isinstance(value, list) else [value]
    assert len(parts) == (len(values) or 1)
    for part, plain in zip(parts, values):
        check_plain(part, plain)


def any_number(draw):
    """Of any bits, within what a coefficient may be."""
    while True:
        value, = struct.unpack("d", draw.randbytes(8))
        if abs(value) <= 1e9:
            return draw.choice([value, round(draw.uniform(-9, 9), draw.randint(0, 17)), float(draw.randint(-9, 9))])


def covariates():
    draw = random.Random(1)
    lines = [{"name": f"x{i}", "unit": "Größe, mm", "range": [-1e9, 1e9], "coefficient": any_number(draw),
              "centre": any_number(draw), "missing": any_number(draw)} for i in range(60)]
    levels = [{"value": any_number(draw), "name": f"level {i}", "coefficient": any_number(draw)} for i in range(64)]
    levels = list({level["value"]: level for level in levels}.values())
    return [*lines, {"name": "levels", "unit": "class", "levels": levels}]


OPTIONS = {
    "plain": {},
    "ensemble": {"members": 3, "channels": ("pre", "post")},
    "covariates": {"overrides": {"covariates": covariates()}},
    "texts": {"overrides": {"name": "ein \"Name\" \\ mit, Komma\nund Zeile \u00fc\U0001f600", "tiers": None}},
    "provenance": {"channels": ("pre", "post"),
                   "overrides": {"provenance": {f"{i}.ü": f"zu {i},\n1.5" for i in range(64)},
                                 "input.usual": {"mask_ml": [0.5, 60], "intensity": [[-1.25, 2], [100, 900]]}}},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_properties_are_the_json(name, tmp_path):
    library, path = deeptepp_c.LIBRARY, tmp_path / "model.safetensors"
    make_model.make_model(path, depth=10, width=4, size=(16, 16, 16), self_test=False, **OPTIONS[name])
    for function, result, arguments in [("json", c_char_p, [c_void_p]), ("property_count", c_int64, [c_void_p]),
                                        ("property_key", c_char_p, [c_void_p, c_int64]),
                                        ("property_value", c_char_p, [c_void_p, c_int64])]:
        signature = getattr(library, "deeptepp_model_" + function)
        signature.restype, signature.argtypes = result, arguments
    session = deeptepp_c.Session(path, threads=1)
    model = session.model.pointer
    wanted = list(flatten("", json.loads(library.deeptepp_model_json(model))))
    count = library.deeptepp_model_property_count(model)
    keys = [library.deeptepp_model_property_key(model, i).decode() for i in range(count)]
    assert keys == [key for key, _ in wanted]
    for i, (_, value) in enumerate(wanted):
        check(library.deeptepp_model_property_value(model, i).decode(), value)


def test_a_65th_text_of_provenance_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    make_model.make_model(path, depth=10, width=4, size=16, self_test=False,
                          overrides={"provenance": {str(i): "x" for i in range(65)}})
    with pytest.raises(deeptepp_c.DeepteppError) as caught:
        deeptepp_c.Session(path)
    assert caught.value.status == "MODEL_VALUE"
    assert "model description: provenance: has 65 texts, wanted at most 64" in caught.value.message
