"""What is searched: the values of the vault, taken apart, each with what it is and how far it may be believed.

An id of ten digits or an e-mail address is somebody wherever it stands. A family name that no list of common names,
words and places has is somebody, too. `White`, or the id `1234`, is nobody by itself: it tells only beside another
value of the same person, or in a column that holds such values more often than chance would have it. What is too short
or too common even for that is counted.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.scan import words
from le_pipeline.privacy.scan.rejected import in_rejected_rows
from le_pipeline.privacy.vault import Vault
from schemas import registry

ID, EMAIL, NAME, FAMILY, BIRTH, ROW = "id", "e-mail address", "name", "family name", "birth date", "rejected row"
GIVEN = "given name"
LONG_NUMBER = 9  # digits from which a number is believed to be an id wherever it stands
SHORT_NUMBER = 6  # digits from which it is, where few numbers of that length are ids
SPARSE = 1e-5  # share of all numbers of a length that are ids: few
SHORT_CODE = 6  # signs of an id with letters and digits
SHORT_SEQUENCE = 8  # signs of an id of several atoms
SHORT_FAMILY = 5
SHORT_PAIR = 6
SHORT_CELL = 4  # signs of an id that is looked for in whole cells
LONGEST_SEQUENCE = 6  # atoms; of longer values the first ones are searched
DENSE = 0.1  # share of all numbers of a length from which a number of it says nothing
# the part an atom has in what is searched; a sum of these
LONE, DATED, PART, STRONG_ID, STRONG_EMAIL, SCHOOL, TELLING = 1, 2, 4, 8, 16, 32, 64
STRONG = {STRONG_ID: ID, STRONG_EMAIL: EMAIL}
PARTS = ("", "fellow_", "mentee_")
PERSON = {name: pl.String() for name in ("key", "last_name", "first_name", "middle_name", "birth_date")}
VALUE = {"value": pl.String(), "what": pl.String(), "key": pl.String()}


@dataclass(frozen=True)
class Needles:
    """What is searched, in memory only.

    `atoms`: every plain atom that takes part, with the sum of its `marks`. `sequences`: atoms joined by a blank, how
    many and what they are. `pairs`: given and family name of one person, in both orders. `born`: words (and the
    pseudonym) of a person with the birth date. `cells`: ids that are looked for in whole cells. `numbers`: ids as
    numbers. `names`: given and family name as whole cells. `own`: what belongs to the person of a pseudonym, with
    another's pseudonym. `unsearched`: how many values are too short or too common, by reason. `fingerprint` tells this
    content of the vault from another.
    """

    atoms: pl.DataFrame
    sequences: pl.DataFrame
    pairs: pl.DataFrame
    born: pl.DataFrame
    cells: pl.DataFrame
    numbers: pl.DataFrame
    names: pl.DataFrame
    own: pl.DataFrame
    unsearched: dict[str, int]
    values: int
    fingerprint: str


def contents(home: Home, keys: Keys) -> Iterator[tuple[str, pl.DataFrame]]:
    """Every frame of the vault, with the name of its file.

    Raises:
        VaultError: a file cannot be opened; without it nobody can say what is to be searched.
    """
    vault = Vault(home, keys)
    for name in vault.names(""):
        for frame in vault.read(name):
            yield name, frame


def needles(home: Home, keys: Keys) -> Needles:
    """What is searched for a home.

    Raises:
        VaultError: the vault cannot be opened.
    """
    persons, values, sequences = [pl.DataFrame(schema=PERSON)], [pl.DataFrame(schema=VALUE)], []
    for name, frame in contents(home, keys):
        if "row" in frame.columns:
            found = in_rejected_rows(frame["row"], name.partition("/")[0], home)
            persons.append(found.persons.select(pl.col(n).cast(t) for n, t in PERSON.items()))
            values.append(found.values.select(pl.col(n).cast(t) for n, t in VALUE.items()))
            sequences.append(found.sequences)
            continue
        for part in PARTS:
            persons.append(_persons(frame, part))
            values += _values(frame, part)
        values += _decided(frame)
    return _ready(
        home,
        keys,
        pl.concat(persons).unique(),
        pl.concat(values).unique(),
        pl.concat(sequences or [pl.Series([], dtype=pl.String)]).unique(),
    )


def _persons(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Names and birth dates, with the first pseudonym of the row."""
    there = {name: f"{part}{name}" for name in PERSON if f"{part}{name}" in frame.columns}
    if "last_name" not in there and "birth_date" not in there:
        return pl.DataFrame(schema=PERSON)
    keys = [
        f"{part}{name}"
        for name in ("student_key", "staff_key", "email_key", "name_key")
        if f"{part}{name}" in frame.columns
    ]
    columns = [pl.col(theirs).cast(pl.String).alias(ours) for ours, theirs in there.items()]
    key = pl.coalesce(keys) if keys else pl.lit(None, pl.String)
    made = frame.select(*columns, key=key).unique()
    return made.select(pl.col(n).cast(t) if n in made.columns else pl.lit(None, t).alias(n) for n, t in PERSON.items())


def _values(frame: pl.DataFrame, part: str) -> Iterator[pl.DataFrame]:
    """Ids and e-mail addresses, each with its pseudonym."""
    fields = registry.fields()
    for column in frame.columns:
        if column not in fields or fields[column].privacy != "direct" or fields[column].made_of:
            continue
        if part != next((p for p in PARTS[1:] if column.startswith(p)), ""):
            continue
        what = EMAIL if column.endswith("email") else ID if column.endswith("_id") else None
        if what is None:
            continue
        key = next((f.name for f in fields.values() if f.of == column and f.name in frame.columns), None)
        if column == "local_student_id" and "student_key" in frame.columns:
            key = "student_key"
        yield (
            frame.select(
                value=pl.col(column).cast(pl.String),
                what=pl.lit(what),
                key=pl.col(key) if key else pl.lit(None, pl.String),
            )
            .drop_nulls("value")
            .unique()
        )


def _decided(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Ids and addresses beside the decisions of a review; a name that stands there has come with a file."""
    for column in ("left_id", "right_id"):
        if column in frame.columns:
            value = pl.col(column)
            what = pl.when(value.str.contains("@", literal=True)).then(pl.lit(EMAIL)).otherwise(pl.lit(ID))
            yield frame.filter(~value.str.contains("|", literal=True)).select(
                value=value, what=what, key=pl.lit(None, pl.String)
            )


def _ready(home: Home, keys: Keys, persons: pl.DataFrame, values: pl.DataFrame, rows: pl.Series) -> Needles:
    values = values.with_columns(pl.col("value").str.strip_chars()).filter(pl.col("value") != "")
    texts = values.select("value", "what").unique()
    texts = texts.with_columns(atoms=words.atoms(texts["value"]))
    texts = texts.with_columns(
        n=pl.col("atoms").list.len(),
        joined=pl.col("atoms").list.head(LONGEST_SEQUENCE).list.join(" "),
        signs=pl.col("atoms").list.join("").str.len_chars(),
    ).filter(pl.col("n") > 0)
    texts = texts.with_columns(is_strong=_is_strong(texts))
    people = _named(persons)
    pairs, skipped = _pairs(home, people)
    family, common = _families(home, people)
    sequences = (
        pl.concat(
            [
                texts.filter("is_strong", pl.col("n") > 1).select(text="joined", kind="what"),
                family.filter(pl.col("text").str.contains(" ")).select("text", kind=pl.lit(FAMILY)),
                rows.rename("text").to_frame().with_columns(kind=pl.lit(ROW)),
                pairs.filter(pl.col("text").str.count_matches(" ") > 1).select("text", kind=pl.lit(NAME)),
            ]
        )
        .unique("text")
        .with_columns(n=pl.col("text").str.count_matches(" ") + 1)
    )
    pairs = pairs.filter(pl.col("text").str.count_matches(" ") == 1).select("text").unique()
    strong = texts.filter("is_strong", pl.col("n") == 1).select(atom="joined", strong="what").unique("atom")
    lone = family.filter(~pl.col("text").str.contains(" ")).select(atom="text").unique()
    born = _born(people)
    weak = texts.filter(~pl.col("is_strong"))
    cells = _cells(weak)
    numbers, dense = _numbers(texts)
    unsearched = {
        "ids too short to be searched in text": weak.height,
        "names of words that stand beside each other everywhere": skipped,
        "family names too common or short to tell somebody alone": common,
        "ids that are numbers like most of their length": dense,
    }
    return Needles(
        atoms=_atoms(strong, lone, sequences, pairs, born),
        sequences=sequences,
        pairs=pairs,
        born=born,
        cells=cells,
        numbers=numbers,
        names=people.select("first", "last")
        .drop_nulls()
        .unique()
        .join(_public(home), left_on=["first", "last"], right_on=["a", "b"], how="anti"),
        own=_own(people, values),
        unsearched={what: count for what, count in unsearched.items() if count},
        values=texts.height + people.height + rows.len(),
        fingerprint=_fingerprint(keys, persons, values, rows),
    )


def _is_strong(texts: pl.DataFrame) -> pl.Series:
    """Whether an id or address is somebody wherever it stands."""
    is_number = pl.col("joined").str.contains(r"^[0-9]+$")
    is_mixed = pl.col("joined").str.contains("[0-9]") & pl.col("joined").str.contains(r"\p{L}")
    per_length = pl.len().over("signs", is_number) / 10.0 ** pl.col("signs").clip(0, 18).cast(pl.Float64)
    plain_words = list(words.own_words() | words.common_names() | words.given_names())
    tells = (
        pl.col("atoms")
        .list.eval(
            ~pl.element().is_in(plain_words)
            & (pl.element().str.len_chars() > 1)
            & ~pl.element().str.contains("^[0-9]{1,4}$")
        )
        .list.any()
    )
    is_word = ~is_number & ~is_mixed
    one = (
        pl.when(is_number)
        .then((pl.col("signs") >= LONG_NUMBER) | ((pl.col("signs") >= SHORT_NUMBER) & (per_length <= SPARSE)))
        .when(is_word)
        .then((pl.col("signs") >= SHORT_CODE) & tells)
        .otherwise(pl.col("signs") >= SHORT_CODE)
    )
    several = (pl.col("signs") >= SHORT_SEQUENCE) & tells
    is_email = pl.col("what") == EMAIL
    made = pl.when(pl.col("n") == 1).then(one).when(is_email).then(pl.lit(value=True)).otherwise(several)
    return texts.select(made.alias("is_strong")).to_series()


def _named(persons: pl.DataFrame) -> pl.DataFrame:
    """Persons with the plain atoms of their names: lists `last`, `first`, `middle`, joined to whole names as well."""
    found = persons
    for name in ("last", "first", "middle"):
        unique = persons[f"{name}_name"].unique().drop_nulls()
        split = pl.DataFrame({f"{name}_name": unique, f"{name}_atoms": words.atoms(unique)})
        found = found.join(split, on=f"{name}_name", how="left")
    has = {name: pl.col(f"{name}_atoms").list.len() > 0 for name in ("last", "first", "middle")}
    return found.with_columns(
        pl.when(is_there).then(pl.col(f"{name}_atoms").list.join(" ")).alias(name) for name, is_there in has.items()
    )


def _pairs(home: Home, people: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Given and family name beside each other, as they may stand in a text; and how many are left out."""
    first, last = pl.col("first_atoms"), pl.col("last_atoms")
    named = people.filter(first.list.len() > 0, last.list.len() > 0).unique(["first", "last", "middle"])
    sides = [
        (first.list.last(), last.list.first()),
        (last.list.last(), first.list.first()),
        (first.list.first(), last.list.last()),
        (last.list.last(), first.list.last()),
        (first.list.first(), last.list.first()),
    ]
    made = pl.concat(
        [named.select(a=a, b=b, middle="middle", is_natural=pl.lit(i in (0, 2, 4))) for i, (a, b) in enumerate(sides)]
    ).unique()
    made = made.filter(pl.col("a") != pl.col("b"), pl.col("a").str.len_chars() > 1, pl.col("b").str.len_chars() > 1)
    own = list(words.own_words())
    searched = made.join(_public(home), on=["a", "b"], how="anti").filter(
        pl.col("a").str.len_chars() + pl.col("b").str.len_chars() >= SHORT_PAIR,
        ~(pl.col("a").is_in(own) & pl.col("b").is_in(own)),
    )
    all_of, kept = (frame.filter("is_natural").unique(["a", "b"]).height for frame in (made, searched))
    between = searched.filter(pl.col("middle").str.len_chars() > 1, ~pl.col("middle").str.contains(" "))
    return pl.concat(
        [
            searched.select(text=pl.concat_str("a", "b", separator=" ")),
            between.select(text=pl.concat_str("a", "middle", "b", separator=" ")),
        ]
    ).unique(), all_of - kept


def _public(home: Home) -> pl.DataFrame:
    """Pairs of names, in both orders, that stand beside each other without a person: nicknames, and public names."""
    pairs = pl.DataFrame([*words.nickname_pairs()], schema={"a": pl.String, "b": pl.String}, orient="row")
    split = pl.DataFrame({"p": words.atoms(pl.Series(words.public_names(home), dtype=pl.String))})
    split = split.filter(pl.col("p").list.len() > 1)
    ends = split.select(a=pl.col("p").list.first(), b=pl.col("p").list.last())
    both = pl.concat([pairs, ends])
    return pl.concat([both, both.select(a="b", b="a")])


def _families(home: Home, people: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Family names that are somebody's alone, and how many are not: double names, and words that no list has."""
    names = people.select("last", "last_atoms").drop_nulls("last").unique("last")
    public = {atom for name in words.atoms(pl.Series(words.public_names(home), dtype=pl.String)) for atom in name}
    usual = list(words.given_names() | words.common_names() | words.own_words() | words.SCHOOL_WORDS | public)
    parts = names.explode("last_atoms").filter(
        pl.col("last_atoms").str.len_chars() >= SHORT_FAMILY,
        ~pl.col("last_atoms").is_in(usual),
        ~pl.col("last_atoms").str.contains("[0-9]"),
    )
    double = names.filter(pl.col("last_atoms").list.len() == 2).join(parts, on="last", how="semi")  # noqa: PLR2004
    searched = pl.concat([parts.select(text="last_atoms"), double.select(text="last")]).unique()
    return searched, names.join(parts, on="last", how="anti").height


def _born(people: pl.DataFrame) -> pl.DataFrame:
    """The words of a person that tell a birth date beside them: uncommon in texts of any kind, or the pseudonym."""
    dated = people.drop_nulls("birth_date")
    dull = list(words.own_words() | words.SCHOOL_WORDS | words.LINKS)
    named = [
        dated.select("birth_date", word=f"{name}_atoms").explode("word").drop_nulls("word")
        for name in ("last", "first")
    ]
    by_name = pl.concat(named).filter(pl.col("word").str.len_chars() > 2, ~pl.col("word").is_in(dull))  # noqa: PLR2004
    by_key = dated.select("birth_date", word="key").drop_nulls("word")
    return pl.concat([by_name, by_key]).unique()


def _cells(weak: pl.DataFrame) -> pl.DataFrame:
    """Ids that are looked for in whole cells, by what they look like, with the share of all such that are ids."""
    ids = weak.filter(pl.col("signs") >= SHORT_CELL).select(cell=pl.col("value").str.to_lowercase()).unique()
    looks = ids.with_columns(shape=shape(pl.col("cell")))
    return looks.with_columns(share=pl.len().over("shape") / possible(pl.col("shape"))).filter(pl.col("share") < DENSE)


def shape(cell: pl.Expr) -> pl.Expr:
    """What a cell looks like: `a9999`."""
    return cell.str.replace_all(r"\p{L}", "a").str.replace_all("[0-9]", "9")


def possible(shapes: pl.Expr) -> pl.Expr:
    """How many different cells have a shape."""
    return 10.0 ** shapes.str.count_matches("9").cast(pl.Float64) * 26.0 ** shapes.str.count_matches("a").cast(
        pl.Float64
    )


def _numbers(texts: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Ids as numbers with their digits, and the share of all numbers of as many digits that are ids."""
    is_number = pl.col("value").str.contains(r"^[0-9]{4,18}$")
    found = texts.filter(is_number).select(number=pl.col("value").cast(pl.Int64, strict=False)).unique()
    found = found.with_columns(digits=pl.col("number").cast(pl.String).str.len_chars()).filter(
        pl.col("digits") > SHORT_CELL
    )
    found = found.with_columns(share=pl.len().over("digits") / (9 * 10.0 ** (pl.col("digits").cast(pl.Float64) - 1)))
    kept = found.filter((pl.col("share") < DENSE) | (pl.col("digits") >= LONG_NUMBER))
    return kept, found.height - kept.height


def _own(people: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Per pseudonym and kind the person's own value and another person's of the same kind, to compare with chance."""
    named = [
        people.drop_nulls("key").select("key", what=pl.lit(what), value=column).drop_nulls("value")
        for what, column in ((FAMILY, "last"), (GIVEN, "first"), (BIRTH, "birth_date"))
    ]
    ids = values.drop_nulls("key").select("key", "what", value=pl.col("value").str.to_lowercase())
    ids = ids.filter(pl.col("value").str.len_chars() >= SHORT_CELL)
    own = pl.concat([*named, ids]).filter(pl.col("value").str.len_chars() > 2).unique()  # noqa: PLR2004
    # the next person in an order that has nothing to do with names
    return own.sort("what", "key", "value").with_columns(
        other=pl.col("key").shift(1).over("what").fill_null(pl.col("key").last().over("what"))
    )


def _atoms(
    strong: pl.DataFrame, lone: pl.DataFrame, sequences: pl.DataFrame, pairs: pl.DataFrame, born: pl.DataFrame
) -> pl.DataFrame:
    """Every atom with its marks. Of each sequence at least one atom is `TELLING`: without one, a text holds nothing."""
    texts = pl.concat([sequences["text"], pairs["text"]]).rename("text").to_frame()
    parts = texts.select("text", atom=pl.col("text").str.split(" ")).explode("atom")
    parts = parts.with_columns(is_dull=pl.col("atom").is_in([*words.own_words(), *words.SCHOOL_WORDS, *words.LINKS]))
    parts = parts.with_columns(is_telling=~pl.col("is_dull") | pl.col("is_dull").all().over("text"))
    marked = [
        *(strong.filter(pl.col("strong") == kind).select("atom", mark=pl.lit(mark)) for mark, kind in STRONG.items()),
        lone.select("atom", mark=pl.lit(LONE)),
        parts.select("atom", mark=pl.lit(PART)),
        parts.filter("is_telling").select("atom", mark=pl.lit(TELLING)),
        born.select(atom="word", mark=pl.lit(DATED)),
        pl.DataFrame({"atom": [*words.SCHOOL_WORDS]}).with_columns(mark=pl.lit(SCHOOL)),
    ]
    found = pl.concat(marked).unique().group_by("atom").agg(marks=pl.col("mark").sum())
    tells = pl.col("marks") & (LONE | DATED | STRONG_ID | STRONG_EMAIL) != 0
    return found.with_columns(marks=pl.when(tells).then(pl.col("marks") | TELLING).otherwise("marks"))


def has(mark: int) -> pl.Expr:
    """Whether an atom has that mark."""
    return pl.col("marks") & mark != 0


def _fingerprint(keys: Keys, persons: pl.DataFrame, values: pl.DataFrame, rows: pl.Series) -> str:
    """Tells contents apart; keyed, so that a small vault cannot be guessed from it."""
    made = hmac.new(keys.derive("leak scan"), digestmod=hashlib.sha256)
    for frame in (persons, values, rows.to_frame()):
        lines = frame.select(pl.concat_str(pl.all().fill_null("\0"), separator="\1")).to_series().sort()
        made.update("\n".join(lines).encode())
    return made.hexdigest()[:32]
