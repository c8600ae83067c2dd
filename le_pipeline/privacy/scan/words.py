"""How texts are taken apart for the search, and which words say nothing about anybody.

A text is a row of atoms: runs of letters and digits, without accents and in small letters, so that `O'Brien`, `OBRIEN`
and `o’brien` are one. Values of the vault are taken apart in the same way, so that any separator is as good as another.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

import polars as pl

from le_pipeline.home import Home
from schemas import registry

# a number with a point is one atom, so that the seconds of a time stamp are no id
ATOM = r"[0-9]+\.[0-9][0-9.]*|[\p{L}\p{M}\p{N}]+(?:\\?['’ʼ`]{1,2}[\p{L}\p{M}]+)*"
APART = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
MARK = r"[\\'’ʼ`\p{M}]"
LETTERS = {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i"}
# what may stand between the given and the family name of one person, in a record, a page or a sentence
_LINKS = """
name names first last given family middle sur surname forename fname lname firstname lastname givenname
familyname null none nan na td tr th li span div br b p text string str value v t si jr sr ii iii iv mr mrs ms
miss dr mx student teacher fellow mentee staff n r x1 x2 quot amp nbsp u
"""
LINKS = frozenset(_LINKS.split())
_SCHOOL_WORDS = """
school schools elementary elem middle high academy academies charter primary junior senior preparatory prep
institute college collegiate magnet montessori kindergarten intermediate center centre campus district parish
county isd usd university es ms hs jhs
"""
SCHOOL_WORDS = frozenset(_SCHOOL_WORDS.split())
REFERENCE = registry.HERE / "reference"
OWN_WORDS = (".py", ".sql", ".yaml", ".csv")  # of the project's own files
NAMES_IN_REFERENCE = ("given_name.csv", "nickname.csv", "family_name.csv", "public_name.csv")


def apart(name: str) -> str:
    """A name of a file with its words apart: RobinExample2016 as Robin Example 2016."""
    return APART.sub(" ", name)


def plain(texts: pl.Series) -> pl.Series:
    """Atoms as they are compared: small letters, no accents, no apostrophes, no `.0` behind a whole number."""
    folded = texts.str.to_lowercase().str.normalize("NFKD").str.replace_all(MARK, "")
    for letter, written in LETTERS.items():
        folded = folded.str.replace_all(letter, written, literal=True)
    return folded.str.replace(r"^([0-9]+)\.0+$", "$1")


def atoms(texts: pl.Series) -> pl.Series:
    """The plain atoms of each text, as a list."""
    frame = texts.rename("text").to_frame().with_row_index("row")
    split = frame.select("row", pl.col("text").str.extract_all(ATOM)).explode("text").drop_nulls()
    split = split.with_columns(plain(split["text"]).alias("text"))
    lists = split.group_by("row", maintain_order=True).agg("text")
    whole = frame.select("row").join(lists, on="row", how="left", maintain_order="left")
    return whole["text"].fill_null(pl.Series([[]], dtype=pl.List(pl.String)))


@cache
def given_names() -> frozenset[str]:
    """Given names and nicknames that are known for such."""
    found = _column("given_name.csv", "name") + _column("nickname.csv", "name") + _column("nickname.csv", "nickname")
    return frozenset(found)


@cache
def common_names() -> frozenset[str]:
    """Family names that alone say nothing about anybody: common ones, words and places."""
    return frozenset(_column("family_name.csv", "name"))


@cache
def own_words() -> frozenset[str]:
    """Words of the project itself: of its code, contracts and layouts."""
    package = Path(__file__).parents[2]
    files = [path for folder in (package, registry.HERE) for path in folder.rglob("*") if path.suffix in OWN_WORDS]
    texts = [path.read_text(encoding="utf-8").lower() for path in files if path.name not in NAMES_IN_REFERENCE]
    return frozenset(word for text in texts for word in re.findall("[a-z]+", text))


def nickname_pairs() -> set[tuple[str, str]]:
    """Pairs of given names that stand beside each other in a table of nicknames."""
    return set(zip(_column("nickname.csv", "name"), _column("nickname.csv", "nickname"), strict=True))


def public_names(home: Home) -> list[str]:
    """Names that schools and places bear, from `reference/public_name.csv` (the home's own, where there is one)."""
    own = home.reference / "public_name.csv"
    return _read(own if own.exists() else REFERENCE / "public_name.csv", "name")


def _column(file: str, column: str) -> list[str]:
    return _read(REFERENCE / file, column)


def _read(path: Path, column: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[column] for row in csv.DictReader(file)]
