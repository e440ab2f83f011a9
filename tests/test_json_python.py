"""The library's JSON beside Python's: a large seeded set of sound and damaged documents, the same judged sound, every
value the same. Where Python is known to be laxer than RFC 8259, or the library stricter by intention, the document is
judged by the rule that test_the_rules_themselves pins."""

import json
import os
import random
import struct
import subprocess
from pathlib import Path

import pytest

FLAVOURS = ["DEEPTEPP_BUILD", "DEEPTEPP_SANITIZED"]


def answers(flavour, documents, folder):
    """None for a refused document, else (text as written again, its numbers' bits)."""
    build = os.environ.get(flavour)
    assert build, f"set {flavour} to a Meson build folder (tests/run does)"
    path = folder / "documents"
    path.write_bytes(b"".join(struct.pack("<I", len(d)) + d for d in documents))
    out = subprocess.run([Path(build) / "tests" / "json_documents", path], check=True, stdout=subprocess.PIPE).stdout
    lines = out.split(b"\n")
    assert len(lines) == len(documents) + 1
    for line in lines[:-1]:
        if line.startswith(b"!"):
            yield None
        else:
            text, bits = line[2:].rsplit(b"\t", 1)
            yield text.decode("utf-8"), bits.decode().split()


class Refused(Exception):
    pass


def no_duplicates(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise Refused("duplicate key")
    return pairs_as_object(pairs)


def pairs_as_object(pairs):
    return ("object", pairs)


def integer(text):
    value = int(text)
    if not -2**63 <= value < 2**63:
        raise Refused("beyond 64 bits")
    return value


def real(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Refused("beyond double")
    return value


def constant(text):
    raise Refused(f"{text} is no JSON")


def walk(value, depth=0):
    """Every text and number; refuses what the library refuses by intention."""
    if isinstance(value, (list, tuple)):
        if depth >= 32:
            raise Refused("deeper than 32")
        children = [c for pair in value[1] for c in pair] if isinstance(value, tuple) else value
        for child in children:
            yield from walk(child, depth + 1)
    else:
        if isinstance(value, str) and ("\0" in value or any(0xD800 <= ord(c) <= 0xDFFF for c in value)):
            raise Refused("NUL or half a surrogate pair")
        yield value


def python_reads(document):
    """(value, numbers as bits), or None where the document is to be refused."""
    try:
        value = json.loads(document.decode("utf-8"), object_pairs_hook=no_duplicates, parse_int=integer,
                           parse_float=real, parse_constant=constant)
        leaves = list(walk(value))
    except (ValueError, Refused, RecursionError):
        return None
    numbers = [x for x in leaves if isinstance(x, (int, float)) and not isinstance(x, bool)]
    return value, [struct.pack(">d", x).hex() for x in numbers]


def compare(flavour, documents, folder):
    sound = 0
    for document, found in zip(documents, answers(flavour, documents, folder)):
        wanted = python_reads(document)
        assert (found is None) == (wanted is None), (document, found, wanted)
        if found:
            sound += 1
            assert json.loads(found[0], object_pairs_hook=pairs_as_object) == wanted[0], document
            assert repr(json.loads(found[0], object_pairs_hook=pairs_as_object)) == repr(wanted[0]), document
            assert found[1] == wanted[1], document
    return sound


# ---- the generator ----

SPACES = ["", "", "", " ", "\n", "\t", "\r\n  "]
CHARACTERS = ["a", "Z", " ", "/", "\x7f", "é", "ß", "中",
              "\u2028", "\ufeff", "\uffff", "😀", "\U0010ffff", "\u0080",
              "\u07ff"]
ESCAPES = ['\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u00e9", "\\u4e2d", "\\uFFFF",
           "\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\u0001"]
BAD_ESCAPES = ["\\u0000", "\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\u0041", "\\x", "\\u12", "\\u12g4",
               "\\'", "\\ud83d\\ud83d", "\\"]
NUMBERS = ["0", "-0", "-0.0", "1", "-1", "0.27", "0.1", "1e5", "1E+5", "1e-5", "1.5e300", "-2.5E-300",
           "9007199254740993", "9223372036854775807", "-9223372036854775808", "4.9e-324", "2.4703282292062327e-324",
           "2.4703282292062328e-324", "1e-400", "1.7976931348623157e308", "1.7976931348623158e308",
           "8.98846567431158e307",
           "0." + "3" * 400, "1" + "0" * 30 + ".0", "123456789012345678901234567890.5",
           "2.2250738585072011e-308", "2.2250738585072012e-308", "9007199254740992.5", "9007199254740993.0",
           "0.500000000000000166533453693773481063544750213623046875"]
BAD_NUMBERS = ["01", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "0x10", "1e999", "-1e309", "9223372036854775808",
               "-9223372036854775809", "NaN", "Infinity",
               "-Infinity", "1_000", "1,5", "1٠", "--1", "1.7976931348623159e308"]
SHAPES = ["null", "true", "false", "[]", "{}", "", " ", "[", "}", "[1,]", "[,1]", "{,}", '{"a":1,}', '{"a"}', "{1:2}",
          '{"a":1 "b":2}', '{"a",1}', "[1:2]", '["a"', "[1}", '{"a":1]']
TELLING = b'"\\{}[],:-+.eE0189 \n\x00\x1f\x7f\x80\xc0\xe2\xed\xf4\xff'
BAD_BYTES = [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xff", b"\xf0\x80\x80\x80"]
BAD_WORDS = ["nul", "True", "FALSE", "none", "undefined", "nullx", "'a'", "/*c*/ 1", "1 2", "a"]


def number(rng):
    roll = rng.random()
    if roll < 0.4:
        return rng.choice(NUMBERS)
    if roll < 0.6:
        return repr(struct.unpack(">d", struct.pack(">Q", rng.getrandbits(64) & ~(1 << 62)))[0])
    if roll < 0.8:
        return str(rng.randint(-2**63, 2**63 - 1))
    whole = rng.randint(0, 10**rng.randint(1, 25))
    return f"{rng.choice(['', '-'])}{whole}.{rng.randint(0, 10**20)}e{rng.randint(-330, 280)}"


def text(rng):
    length = rng.randint(0, 12)
    return '"' + "".join(rng.choice(ESCAPES if rng.random() < 0.3 else CHARACTERS) for _ in range(length)) + '"'


def space(rng):
    return rng.choice(SPACES)


def value(rng, depth=0):
    roll = rng.random()
    if depth > 4 or roll < 0.35:
        return rng.choice([number, number, text, lambda r: r.choice(["null", "true", "false"])])(rng)
    items = range(rng.randint(0, 5))
    if roll < 0.65:
        inner = [value(rng, depth + 1) for _ in items]
        left, right = "[]"
    else:
        inner = [f"{text(rng)[:-1]}{i if rng.random() < 0.98 else 0}\"{space(rng)}:{space(rng)}{value(rng, depth + 1)}"
                 for i in items]
        left, right = "{}"
    return left + space(rng) + ",".join(space(rng) + x + space(rng) for x in inner) + right


def damaged(rng, document):
    """A document with a byte lost, doubled, changed or added, cut short, or with a bad piece inside."""
    data = bytearray(document)
    at = rng.randrange(len(data))
    kind = rng.randrange(6)
    if kind == 0:
        del data[at]
    elif kind == 1:
        data.insert(at, data[at])
    elif kind == 2:
        data[at] = rng.choice(TELLING) if rng.random() < 0.7 else rng.randrange(256)
    elif kind == 3:
        del data[at:]
    elif kind == 4:
        data[at:at] = rng.choice(BAD_BYTES)
    else:
        data[at:at] = rng.choice(BAD_NUMBERS + BAD_WORDS + BAD_ESCAPES + [",", ":", "]", "}"]).encode()
    return bytes(data)


def pieces():
    """Each piece alone and in each place."""
    for piece in NUMBERS + BAD_NUMBERS + BAD_WORDS + SHAPES:
        for form in ("%s", " %s\n", "[%s]", "[1,%s]", '{"a":%s}', '{"a":[%s,2]}'):
            yield (form % piece).encode()
    for piece in ESCAPES + BAD_ESCAPES + CHARACTERS + ["\x00", "\x1f", "\n"]:
        for form in ('"%s"', '["x%sy"]', '{"%s":1}'):
            yield (form % piece).encode()


def nested():
    for depth in (1, 31, 32, 33, 34, 100):
        for left, right in (("[", "]"), ('{"a":', "}")):
            yield (left * depth + ("" if left == "[" else "1") + right * depth).encode()
            yield (left * depth).encode()


def generated(count):
    rng = random.Random(8)
    for _ in range(count):
        document = (space(rng) + value(rng) + space(rng)).encode()
        yield document
        yield damaged(rng, document)
        yield damaged(rng, damaged(rng, document) or b"1")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_documents_of_every_kind(flavour, tmp_path):
    documents = [*pieces(), *nested(), *generated(3000)]
    sound = compare(flavour, documents, tmp_path)
    assert len(documents) > 9000 and len(documents) * 0.3 < sound < len(documents) * 0.7


@pytest.mark.parametrize("document, is_sound", [
    (b'{"a":1,"a":1}', False), (b'{"a":1,"\\u0061":1}', False), (b'{"b":{"a":1,"c":2,"a":1}}', False),
    (b'{"a":{"a":1}}', True), (b'["\\ud800"]', False), (b'["\\u0000"]', False), (b"[NaN]", False), (b"[1e999]", False),
    (b"[1e-999]", True), (b"9223372036854775808", False), (b"\xef\xbb\xbf1", False), (b"", False), (b"1", True),
    (b"[" * 32 + b"]" * 32, True), (b"[" * 33 + b"]" * 33, False),
])
def test_the_rules_themselves(document, is_sound, tmp_path):
    assert (next(answers("DEEPTEPP_BUILD", [document], tmp_path)) is not None) == is_sound
    assert (python_reads(document) is not None) == is_sound
