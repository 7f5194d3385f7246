"""Seeded changes of bytes and of JSON values, and values that programs trip over."""

import json
import math
import random
from typing import Any

#: Bytes that formats give a meaning to.
TOKENS = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0", b"\r\n", b"\n", b",", b"\"",
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"ustar",
    b"\xff\xd8\xff", b"\xff\xda", b"\x89PNG\r\n\x1a\n", b"IDAT", b"IEND", b"moov", b"mdat", b"ftyp", b"%s%n", b"-1",
    b"99999999999999999999", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"'; --", b"(" * 50, b"[" * 200,
)  # fmt: skip

TEXTS = (
    "", " ", "\0", "a\0b", "\ud800", "\u202e", "é" * 200, "x" * 5000, "-1", "1e999", "nan", "inf", "null", "..", "/",
    "../../etc/passwd", "%n%s", "{0}", "a\nb", "\x1b[31m", "=1+1", "~", "~nobody/x", "CON", "١٢", "²", "0x10", "1_000",
)  # fmt: skip

NUMBERS = (
    0, -1, 1, 2, 7, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 10**22, -(2**63), 0.5, -0.0, 1e-320, 1e308,
    -1e308, math.nan, math.inf, -math.inf, 10**400, 3.0000001, 65536, 10**6,
)  # fmt: skip


def mutate_bytes(random: random.Random, content: bytes) -> bytes:
    """Return bytes with one to eight changes: flips, cuts, repeats, insertions and moves."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4, 8))):
        _change(random, data)
    return bytes(data)


def _change(random: random.Random, data: bytearray) -> None:
    start = _choose_start(random, data)
    length = random.choice((1, 2, 4, 16, 200, 5000))
    match random.randrange(8):
        case 0 if data:
            data[min(start, len(data) - 1)] ^= 1 << random.randrange(8)
        case 1 if data:
            data[min(start, len(data) - 1)] = random.randrange(256)
        case 2:
            del data[start:]
        case 3:
            del data[start : start + length]
        case 4:
            data[start:start] = data[start : start + length]
        case 5:
            data[start:start] = random.choice(TOKENS)
        case 6:
            token = random.choice(TOKENS)
            data[start : start + len(token)] = token
        case _:
            other = _choose_start(random, data)
            data[start : start + length] = data[other : other + length]


def _choose_start(random: random.Random, data: bytearray) -> int:
    """Choose a place, often near the beginning or the end, where headers and indexes are."""
    near = random.choice((64, 1024))
    place = random.choice((random.randrange(len(data) + 1), random.randrange(near), len(data) - random.randrange(near)))
    return min(max(place, 0), len(data))


def mutate_json(random: random.Random, value: Any) -> Any:
    """Return a JSON value with one of its parts replaced, removed, repeated or renamed."""
    changed = json.loads(json.dumps(value))
    for _ in range(random.choice((1, 1, 2, 3))):
        parent, key = random.choice(_list_places(changed) or [(None, None)])
        if parent is None:
            return draw_value(random)
        _change_place(random, parent, key)
    return changed


def _list_places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    places = [(value, key) for key in keys]
    return places + [place for key in keys for place in _list_places(value[key])]


def _change_place(random: random.Random, parent: Any, key: Any) -> None:
    match random.randrange(6):
        case 0:
            del parent[key]
        case 1:
            parent[key] = [parent[key]] * random.choice((0, 1, 3, 200))
        case 2 if isinstance(parent, dict):
            parent[random.choice((*TEXTS, f"{key}s", str(key).upper()))] = parent.pop(key)
        case 3 if isinstance(parent[key], int | float):
            parent[key] = parent[key] * random.choice((-1, 0, 10, 1000, 10**9, 0.5))
        case _:
            parent[key] = draw_value(random)


def draw_value(random: random.Random) -> Any:
    """Return a hostile JSON value."""
    match random.randrange(8):
        case 0:
            return random.choice((None, True, False))
        case 1:
            return random.choice(([], {}, [[]], [None], {"": 0}))
        case 2:
            return nest(random.choice((3, 30, 300)), random.choice(([], {})))
        case 3 | 4:
            return random.choice(TEXTS)
        case _:
            return random.choice(NUMBERS)


def nest(depth: int, value: Any) -> Any:
    """Return a value inside lists or objects of some depth."""
    for _ in range(depth):
        value = {"a": value} if isinstance(value, dict) else [value]
    return value


def dump_json(random: random.Random, value: Any) -> bytes:
    """Return a value as JSON text, sometimes with further changes of its bytes, deeper nesting, or another encoding."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2)))
    content = text.encode("utf-8", "surrogatepass")
    match random.randrange(10):
        case 0 | 1:
            return mutate_bytes(random, content)
        case 2:
            depth = random.choice((100, 5000, 200_000))
            return content.replace(b":", b": " + b"[" * depth, 1)
        case 3:
            return text.encode(random.choice(("utf-16", "utf-8-sig", "utf-32")), "surrogatepass")
        case _:
            return content
