"""What is known of each key: spellings from the vault, and from the lake the lists and schools it stands in.

Frames with names never leave the memory of the caller; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from le_pipeline.home import Partition
from le_pipeline.privacy.pseudonym import ISSUER
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.engine import Engine
from schemas import registry

By = Literal["id", "name"]
NAMES = {"last_name": pl.String(), "first_name": pl.String(), "middle_name": pl.String(), "birth_date": pl.Date()}
SPELLING = {"key": pl.String(), "by": pl.String(), **NAMES, "email": pl.String()}
OCCURRENCE = {
    **SPELLING,
    "id": pl.String(),
    "domain": pl.String(),
    ISSUER: pl.String(),
    "feed": pl.String(),
    "state": pl.String(),
    "school_year": pl.Int32(),
}
ABBREVIATIONS = {
    "ELEM": "ELEMENTARY",
    "MID": "MIDDLE",
    "MS": "MIDDLE",
    "HS": "HIGH",
    "ES": "ELEMENTARY",
    "ACAD": "ACADEMY",
}
MANY = 1_000_000  # rows that may wait to be compared with those before
BRACKETS = r"\([^)]*\)"
MOST_WORDS = 6  # of a name
TITLES = ["mr", "mrs", "ms", "miss", "dr", "med", "edd", "phd", "edm", "nbct"]
GENERATIONS = ["jr", "sr", "ii", "iii", "iv"]
NO_PART_OF_A_NAME = ("SCHOOL", "SCH", "THE")

# days on which whoever is enrolled is counted; nobody is on the rolls of two schools, or of two states, at once
CENSUS = "(values (-1, 10, 1), (-1, 12, 1), (0, 2, 1), (0, 4, 1)) as census(year, month, day)"


@dataclass(frozen=True)
class Named:
    """Where one feed's identities name people: the key, the id behind it, and the columns of the name.

    `by`: what the key rests on: the `id` of somebody's own record, or the `name` that a list gives.
    """

    feed: str
    key: str
    by: By = "id"
    last_name: str = "last_name"
    first_name: str = "first_name"
    email: str = "email"

    @property
    def id(self) -> str:
        """The direct identifier that the key is made of."""
        return str(registry.field_of(self.key).of)


@dataclass(frozen=True)
class Kind:
    """One kind of person, and where people of the kind are named.

    `lists`: SQL of key and list; two keys of one list are two people. `contexts`: SQL of key, state, place and school
    year; being in one place in one year, or the year after, speaks for one person. `sexes`: tables that say the sex of
    a key, with its column. `is_of_a_state`: people are looked
    for among those of their state, since its lists name its own people.
    """

    name: str
    is_of_a_state: bool
    named: tuple[Named, ...]
    lists: str
    contexts: str
    sexes: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]


STUDENT = Kind(
    name="student",
    is_of_a_state=False,
    named=tuple(Named(feed, "student_key") for feed in ("student_enrollment", "student_assessment", "student_section")),
    lists=f"""
        select distinct student_key as key, concat_ws('|', 'roll', school_year, census.month) as list
        from canonical.student_school_association, {CENSUS}
        where make_date(school_year + census.year, census.month, census.day)
            between coalesce(entry_date, date '1900-01-01') and coalesce(exit_date, date '9999-01-01')
        union all
        select distinct a.student_key, concat_ws('|', 'test', d.layout, a.state, a.school_year)
        from canonical.student_assessment as a join canonical.delivery as d on d.delivery_id = a.delivery_id""",
    contexts="""
        select distinct student_key as key, state, school_id as place, school_year
        from canonical.student_school_association
        union
        select distinct student_key, state, school_id, school_year
        from canonical.student_assessment where school_id is not null""",
    sexes=(("student_school_association", "student_key"), ("student_assessment", "student_key")),
    inputs=("canonical.student_school_association", "canonical.student_assessment", "canonical.delivery"),
)
LISTS = (
    ("fellowship", "name_key"),
    ("applicant", "name_key"),
    ("mentorship", "fellow_name_key"),
    ("mentorship", "mentee_name_key"),
    ("reported_teacher_student_link", "name_key"),
)
MENTIONS = " union ".join(  # an entry names somebody, and may give an id or an e-mail address that is said to be theirs
    f"select '{feed}' as feed, state, school_year, {side}name_key as name_key, {side}staff_key as staff_key,"
    f" {side}email_key as email_key from canonical.{feed} where {side}name_key is not null"
    for feed, side in (("fellowship", ""), ("applicant", ""), ("mentorship", "fellow_"), ("mentorship", "mentee_"))
)
ADDRESSES = f"""
    select staff_key, email_key from canonical.staff_assignment where email_key is not null
    union
    select staff_key, email_key from ({MENTIONS}) where staff_key is not null and email_key is not null"""
STAFF = Kind(
    name="staff",
    is_of_a_state=True,
    named=(
        *(Named(feed, "staff_key") for feed in ("staff_assignment", "staff_section", "teacher_student_link")),
        *(Named(feed, "name_key", "name") for feed in ("fellowship", "applicant", "teacher_student_link")),
        *(
            Named("mentorship", f"{side}_name_key", "name", f"{side}_last_name", f"{side}_first_name", f"{side}_email")
            for side in ("fellow", "mentee")
        ),
    ),
    # a mentor list names a fellow once for each mentee, a test file a teacher once for each student: in other spellings
    # perhaps, so that these lists do not tell people apart
    lists="""
        select distinct staff_key as key, concat_ws('|', 'staff', state, school_year) as list
        from canonical.staff_assignment
        union all
        select distinct staff_key, concat_ws('|', 'section', state, school_year)
        from canonical.staff_section_association
        union all
        select distinct name_key, concat_ws('|', 'fellow', delivery_id)
        from canonical.fellowship where name_key is not null
        union all
        select distinct name_key, concat_ws('|', 'applicant', delivery_id)
        from canonical.applicant where name_key is not null
        union all
        select distinct mentee_name_key, concat_ws('|', 'mentee', delivery_id)
        from canonical.mentorship where mentee_name_key is not null""",
    contexts=" union ".join(
        [
            """
        select distinct a.staff_key as key, a.state, p.place, a.school_year
        from canonical.staff_assignment as a
        join (
            select state, school_year, school_id, school_id as place from canonical.school
            union
            select state, school_year, school_id, school_name from canonical.school where school_name is not null
        ) as p on p.state = a.state and p.school_year = a.school_year and p.school_id = a.school_id
        union
        select distinct staff_key, state, school_id, school_year
        from canonical.staff_assignment where school_id is not null
        union
        select distinct t.staff_key, t.state, s.school_id, t.school_year
        from canonical.staff_section_association as t
        join canonical.section as s on s.section_key = t.section_key and s.school_year = t.school_year
        where s.school_id is not null""",
            *(
                f"select distinct {key}, state, {place}, school_year from canonical.{table}"
                f" where {key} is not null and {place} is not null"
                for table, key in LISTS
                for place in ("school_id", "school_name")
                if place in registry.tables()[table].column_names
            ),
        ]
    ),
    sexes=(("staff_assignment", "staff_key"),),
    inputs=tuple(
        f"canonical.{name}"
        for name in (
            "staff_assignment",
            "staff_section_association",
            "section",
            "school",
            *dict.fromkeys(table for table, _ in LISTS),
        )
    ),
)
KINDS = (STUDENT, STAFF)


def scopes(vault: Vault, kind: Kind) -> list[str | None]:
    """The states among whose people each person is looked for, one after the other; None for all of them together."""
    if not kind.is_of_a_state:
        return [None]
    return [*sorted({partition.state for named in kind.named for partition in vault.partitions(named.feed)})]


def spellings(vault: Vault, kind: Kind, state: str | None = None) -> pl.DataFrame:
    """One row per key, spelling and what the key rests on (`SPELLING`), from every file of a state, or of all.

    For memory only.
    """
    found, more = pl.DataFrame(schema=SPELLING), []
    is_named = pl.any_horizontal(pl.col("last_name", "first_name").is_not_null())
    for frame in _all(vault, kind, state):  # people are mostly spelt alike from year to year, so that little is held
        more.append(frame.filter(is_named).select(*SPELLING))
        if sum(each.height for each in more) > max(found.height, MANY):
            found, more = pl.concat([found, *more]).unique(), []
    return pl.concat([found, *more]).unique()


def occurrences(vault: Vault, kind: Kind, keys: pl.Series) -> pl.DataFrame:
    """One row per key, spelling, feed, state and school year (`OCCURRENCE`), of these keys; for memory only."""
    frames = [frame.filter(pl.col("key").is_in(keys.implode())) for frame in _all(vault, kind)]
    return pl.concat([pl.DataFrame(schema=OCCURRENCE), *frames]).unique(maintain_order=True)


def records(engine: Engine, kind: Kind, spelt: pl.DataFrame) -> pl.DataFrame:
    """One row per key and spelling with `lists`, `context` and `is_known`, as `matching.match` wants it."""
    with engine.connection(kind.inputs) as con:
        lists = con.sql(f"select key, list_sort(list(list)) as lists from ({kind.lists}) group by key").pl()
        places = con.sql(kind.contexts).pl()
        sexes = con.sql(_sexes(kind)).pl()
    here = pl.concat_str("state", plain_place(pl.col("place")), separator="|")
    context = (
        places.filter(pl.col("place").is_not_null())
        .select("key", context=pl.format("{}@{}", here, "school_year"))
        .unique()
        .group_by("key")
        .agg(pl.col("context").sort())
    )
    return (
        _split_anew(spelt)
        .select("key", *NAMES, "email", is_known=pl.col("by") == "id")
        .unique()
        .join(lists, on="key", how="left")
        .join(context, on="key", how="left")
        .join(sexes, on="key", how="left")
        .with_columns(pl.col("lists").fill_null([]), pl.col("context").fill_null([]))
        .sort("key", *NAMES, "email", nulls_last=True)
    )


def _sexes(kind: Kind) -> str:
    """SQL of key and sex, of keys of which files say but one."""
    said = " union ".join(f"select {key} as key, sex from canonical.{table}" for table, key in kind.sexes)
    return f"select key, min(sex) as sex from ({said}) where sex is not null group by key having count(*) = 1"


def plain_place(name: pl.Expr) -> pl.Expr:
    """A school's name or code as it is compared: capitals, no signs, words written out, without `School`."""
    words = (
        name.str.to_uppercase().str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.replace_all("[^A-Z0-9]+", " ")
    )
    split = words.str.strip_chars().str.split(" ")
    whole = split.list.eval(pl.element().replace(ABBREVIATIONS))
    return whole.list.eval(pl.element().filter(~pl.element().is_in(list(NO_PART_OF_A_NAME)))).list.join(" ")


def _split_anew(spelt: pl.DataFrame) -> pl.DataFrame:
    """With each place besides where given name and surname of a mere name may part: Mary Ann | Van Der Berg.

    What stands in brackets is no name.
    """
    names = spelt.filter(pl.col("by") == "name", pl.col("last_name").is_not_null(), pl.col("first_name").is_not_null())
    whole = pl.concat_str("first_name", "last_name", separator=" ").str.replace_all(BRACKETS, " ")
    plain = pl.element().str.to_lowercase().str.replace_all(r"[.,]", "")
    every = whole.str.extract_all(r"\S+")
    words = names.with_columns(  # a father and his son are two, wherever Jr. stands
        words=every.list.eval(pl.element().filter(~plain.is_in([*TITLES, *GENERATIONS]))),
        generation=every.list.eval(pl.element().filter(plain.is_in(GENERATIONS))),
    )
    words = words.filter(pl.col("words").list.len().is_between(2, MOST_WORDS))
    places = [
        words.filter(pl.col("words").list.len() > place).with_columns(
            first_name=pl.col("words").list.head(place).list.join(" "),
            last_name=pl.concat_list(pl.col("words").list.slice(place), "generation").list.join(" "),
        )
        for place in range(1, MOST_WORDS)
    ]
    return pl.concat([spelt, *(place.drop("words", "generation") for place in places)]).unique()


def _all(vault: Vault, kind: Kind, state: str | None = None) -> Iterator[pl.DataFrame]:
    for named in kind.named:
        for partition in vault.partitions(named.feed):
            if state not in (None, partition.state):
                continue
            for frame in vault.read(f"{named.feed}/{partition}.identity"):
                if named.key in frame.columns:
                    yield _spelt(frame, named, partition)


def _spelt(frame: pl.DataFrame, named: Named, partition: Partition) -> pl.DataFrame:
    columns = {
        "key": named.key,
        "id": named.id,
        "last_name": named.last_name,
        "first_name": named.first_name,
        "email": named.email,
    }
    there = {ours: theirs for ours, theirs in columns.items() if theirs in frame.columns}
    alike = {name: name for name in ("middle_name", "birth_date", ISSUER) if name in frame.columns}
    return (
        frame.select(pl.col(theirs).alias(ours) for ours, theirs in (there | alike).items())
        .filter(pl.col("key").is_not_null())
        .unique(maintain_order=True)
        .with_columns(
            pl.lit(None, type_).alias(name) for name, type_ in OCCURRENCE.items() if name not in there | alike
        )
        .with_columns(
            domain=pl.lit(registry.field_of(named.key).domain),
            by=pl.lit(named.by),
            feed=pl.lit(named.feed),
            state=pl.lit(partition.state),
            school_year=pl.lit(partition.school_year, pl.Int32),
        )
        .select(pl.col(name).cast(type_) for name, type_ in OCCURRENCE.items())
    )
