"""Damage a file's bytes, repeatably by a seed.

Knows no format, only what tends to break readers: lengths, numbers, brackets, ends.
"""

from __future__ import annotations

import random

WORDS = (
    b"nan",
    b"NaN",
    b"inf",
    b"-1",
    b"0",
    b"1e309",
    b"9" * 25,
    b"9" * 5000,
    b"1e-320",
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b'"',
    b",",
    b"[" * 3000,
    b"../../etc/passwd",
    b"\xe2\x80\xa8",
    b"true",
    b"18446744073709551616",
    b"=1+1",
    b"-0",
    b"2147483648",
)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to six pieces of damage."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        data = rng.choice(DAMAGE)(data, rng)
    return data


def _span(data: bytes, rng: random.Random, longest: int = 64) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.randrange(1, longest + 1))


def _bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 9) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _bytes(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def _edge(data: bytes, rng: random.Random) -> bytes:
    """Write a binary number at one of its limits."""
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1))
    start = rng.randrange(len(data) + 1)
    return (
        data[:start] + value.to_bytes(width, rng.choice(("little", "big"))) + data[start + width :]
    )


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _drop(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng, 1024)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng, 1024)
    return data[:end] + data[start:end] * rng.choice((1, 2, 30)) + data[end:]


def _zero(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng, 4096)
    return data[:start] + bytes(end - start) + data[end:]


def _word(data: bytes, rng: random.Random) -> bytes:
    """Put a word of a text format in place of another, or between two."""
    places = [index for index, byte in enumerate(data[:20_000]) if byte in b' ,:;[]{}"\n\t=']
    if not places:
        return data + rng.choice(WORDS)
    start = rng.choice(places) + 1
    end = next((place for place in places if place >= start), len(data))
    return data[:start] + rng.choice(WORDS) + data[rng.choice((start, end)) :]


def _swap(data: bytes, rng: random.Random) -> bytes:
    (a, b), (c, d) = sorted((_span(data, rng, 256), _span(data, rng, 256)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


DAMAGE = (_bits, _bytes, _edge, _cut, _drop, _repeat, _zero, _word, _word, _swap)
