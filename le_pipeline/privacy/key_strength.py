"""Whether a master key looks as if chance had made it. One that a person has made up can be guessed.

Each test would turn away fewer than one in a million random keys; all of them together look for what people do: repeat,
count up, type words.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

FEWEST_BYTES = 16  # different ones; of 32 random bytes about 30 are
FEWEST_DIGITS = 11  # different hexadecimal ones; of 64 random digits all 16 stand in nearly every key
MOST_OF_ONE = 6  # times that one byte may stand there
MOST_STEPS = 7  # times that one difference between neighbours may
MOST_PRINTABLE = 29  # bytes that are ASCII text; of 32 random bytes about 12 are


def weakness(master: bytes) -> str | None:
    """What gives a 32-byte key away, in words that do not show it; None where nothing does."""
    steps = Counter((second - first) % 256 for first, second in pairwise(master))
    found = {
        "repeats itself": _repeats(master),
        "counts up or down": max(steps.values()) > MOST_STEPS,
        "is text": sum(32 <= byte < 127 for byte in master) > MOST_PRINTABLE,  # noqa: PLR2004
        "holds few different digits": len(set(master.hex())) < FEWEST_DIGITS
        or len(set(master)) < FEWEST_BYTES
        or max(Counter(master).values()) > MOST_OF_ONE,
    }
    return next((what for what, is_so in found.items() if is_so), None)


def _repeats(master: bytes) -> bool:
    digits = master.hex()
    return any(digits[period:] == digits[:-period] for period in range(1, len(digits) // 2 + 1))
