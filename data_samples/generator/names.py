"""Invented names of people and places.

No name is a word or a real name, and people and places have different syllables, so that finding a person's
name in any other file means that it leaked there.
"""

from __future__ import annotations

import unicodedata
from itertools import product

_SURNAME_STARTS = "Quor Zynd Vexm Brul Thraz Jolv Kriz Plov Dwem Fjur Xanq Skiv Yuld Narv Chelz"
_SURNAME_ENDS = "vexel qorm zulo mbiq dox rgaz vek thyx gun skwo"
_FIRST_STARTS = "Tamq Lirv Osvy Wyzl Ifqu Anzv Umbl Pazk Goxr Hyjm Cwel Ruvn Edzo Sibw Jexo"
_FIRST_ENDS = "yla iko enq oziv ubri arw essu imo othi uve"
_PLACE_STARTS = "Bal Cor Del Far Gan Hol Kam Lun Mor Nel Pel Ral Sel Tor Val Wen"
_PLACE_MIDDLES = "a e i o u au ei ia"
_PLACE_ENDS = "bane cray dor fell gate hurst lake mere ness pont rune shire stead thorn vale wick"

_VOWELS = {"a": "á", "e": "é", "i": "í", "o": "ö", "u": "ü"}


def _accented(plain: str) -> str:
    """The name with an accent on its first vowel."""
    place = next(place for place, letter in enumerate(plain) if letter in _VOWELS)
    return plain[:place] + _VOWELS[plain[place]] + plain[place + 1 :]


def _surname(index: int, plain: str) -> str:
    """Every tenth surname or so carries what readers stumble over: accent, apostrophe or hyphen."""
    if index % 15 == 4:
        return _accented(plain)
    if index % 30 == 7:
        return f"O'{plain}"
    if index % 30 == 19:
        return f"{plain}-{plain[-1].upper()}{plain[1:]}"
    return plain


def _first_name(index: int, plain: str) -> str:
    return _accented(plain) if index % 15 == 6 else plain


def _combined(*syllables: str) -> list[str]:
    """Every combination of the syllables, each a text of alternatives."""
    return ["".join(parts) for parts in product(*(alternatives.split() for alternatives in syllables))]


SURNAMES = tuple(_surname(index, plain) for index, plain in enumerate(_combined(_SURNAME_STARTS, _SURNAME_ENDS)))
FIRST_NAMES = tuple(_first_name(index, plain) for index, plain in enumerate(_combined(_FIRST_STARTS, _FIRST_ENDS)))
_PLACES = _combined(_PLACE_STARTS, _PLACE_MIDDLES, _PLACE_ENDS)


def place_name(number: int) -> str:
    """The `number`-th place name: neighbours sound different, and names come back with a numeral added."""
    around, index = divmod(number, len(_PLACES))
    name = _PLACES[index * 629 % len(_PLACES)]
    return f"{name} {around + 1}" if around else name


def mailbox(first: str, last: str) -> str:
    """`First.Last` in plain letters, as a mail system would make it."""
    text = unicodedata.normalize("NFKD", f"{first}.{last}")
    return "".join(letter for letter in text if letter.isascii() and (letter.isalpha() or letter == "."))
