"""Dates in any usual notation, as ISO dates."""

from __future__ import annotations

import datetime
import re
from functools import lru_cache

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = rf"(?:{'|'.join(MONTHS)})[a-z]*\.?"
SIGN = r"[-/. ]"
# digits that are no date; year first, year last (of two or four digits), eight digits running, a month by its name, and
# Python's own way
DATE = (
    rf"[0-9]{{9,}}|[0-9]{{4}}{SIGN}[0-9]{{1,2}}{SIGN}[0-9]{{1,2}}|[0-9]{{1,2}}{SIGN}[0-9]{{1,2}}{SIGN}[0-9]{{4}}"
    rf"|[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.][0-9]{{2}}|[0-9]{{8}}|[0-9]{{4}}, ?[0-9]{{1,2}}, ?[0-9]{{1,2}}"
    rf"|(?i:[0-9]{{1,2}}[-. ]*{MONTH},?[- ]*[0-9]{{4}}|{MONTH}[- ]*[0-9]{{1,2}}(?:st|nd|rd|th)?,?[- ]*[0-9]{{4}})"
)
CENTURY = 100


@lru_cache(maxsize=200_000)
def days(text: str) -> tuple[str, ...]:
    """The days that a date may mean, as ISO dates: 02/03/2004 is in February, or in March."""
    numbers = [int(number) for number in re.findall("[0-9]+", text)]
    month = next((place for place, name in enumerate(MONTHS, 1) if name in text.lower()), None)
    if month and len(numbers) == 2:  # noqa: PLR2004
        orders = [(numbers[1], month, numbers[0])]
    elif len(numbers) == 1 and len(text) == 8:  # noqa: PLR2004
        year_first = (int(text[:4]), int(text[4:6]), int(text[6:]))
        year, first, second = int(text[4:]), int(text[:2]), int(text[2:4])
        orders = [year_first, (year, first, second), (year, second, first)]
    elif len(numbers) == 3:  # noqa: PLR2004
        a, b, c = numbers
        orders = [(a, b, c)] if a > 31 else [(c, a, b), (c, b, a)]  # noqa: PLR2004
    else:
        orders = []
    return tuple(dict.fromkeys(day for order in orders for day in _day(*order)))


def _day(year: int, month: int, day: int) -> list[str]:
    years = [year] if year >= CENTURY else [1900 + year, 2000 + year]
    found = []
    for each in years:
        try:
            found.append(datetime.date(each, month, day).isoformat())
        except ValueError:
            continue
    return [date for date in found if "1900" <= date[:4] <= "2100"]
