"""Coded percentages: what is told of a part of a group where the part itself may not be shown."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

from schemas.profile import Band, Profile, Unit


@dataclass(frozen=True)
class Coded:
    """What stands for a percentage, or None where nothing may, and the counts that it leaves possible."""

    label: str | None
    least: int
    most: int


def coded(part: int, whole: int, profile: Profile, unit: Unit) -> Coded:
    """How the share of a part in a group is told.

    The profile's bands say which counts are told alike. Bands that would tell that there are fewer than the smallest
    number that may be shown, of the part or of the others, are told as one: what is told depends on nothing else.
    """
    return next(code for code in _codes(whole, profile, unit) if code.least <= part <= code.most)


@lru_cache(maxsize=4096)
def _codes(whole: int, profile: Profile, unit: Unit) -> tuple[Coded, ...]:
    band, smallest = profile.band(whole), profile.smallest(unit)
    if band is None:
        return (Coded(None, 0, whole),)
    steps: list[tuple[str, int, int]] = []
    least = 0
    while least <= whole:  # labels follow one another as counts grow, so that the end of each can be searched for
        label = _label(least, whole, band)
        past = bisect_left(range(least, whole + 1), True, key=lambda count: _label(count, whole, band) != label)
        steps.append((label, least, least + past - 1))
        least += past
    low = next(
        (i for i, (_, least, most) in enumerate(steps) if most >= smallest and _next(steps, i) >= smallest), None
    )
    top = [(label, whole - most, whole - least) for label, least, most in reversed(steps)]
    high = next((i for i, (_, least, most) in enumerate(top) if most >= smallest and _next(top, i) >= smallest), None)
    if low is None or high is None or low + high + 2 > len(steps):
        return (Coded(None, 0, whole),)
    first, last = steps[low], steps[-1 - high]
    below = first[0] if low == 0 else f"<{_start(steps[low + 1][0])}" if low + 1 < len(steps) else None
    above = last[0] if high == 0 else f">{_end(steps[-2 - high][0])}" if high + 1 < len(steps) else None
    middle = [Coded(*step) for step in steps[low + 1 : len(steps) - 1 - high]]
    return (Coded(below, 0, first[2]), *middle, Coded(above, last[1], whole))


def _next(steps: list[tuple[str, int, int]], place: int) -> int:
    return steps[place + 1][1] if place + 1 < len(steps) else steps[place][2] + 1


def _label(count: int, whole: int, band: Band) -> str:
    percent = 100 * count / whole
    if percent < band.bottom:
        return f"<{band.bottom}"
    if percent > band.top or (band.bottom == band.top and percent == band.top):
        return f">={band.top}" if band.bottom == band.top else f">{band.top}"
    if band.width == 1:
        return str(int(percent + 0.5))
    start = band.bottom + band.width * int((percent - band.bottom) / band.width)
    start = min(start, band.top - 1)
    return f"{start}-{min(start + band.width - 1, band.top)}"


def _start(label: str) -> str:
    return label.strip("<>=").split("-")[0]


def _end(label: str) -> str:
    return label.strip("<>=").split("-")[-1]
