"""A first layout for a file that no layout knows: what can be recognised by name and by value, and what is unsure.

Names are compared with the columns of every layout there is, since states and vendors call things alike, and with the
names of the fields. A draft is read and mended by a person before it goes into LE_HOME/layouts.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from le_pipeline.errors import HomeError, UnreadableFileError
from le_pipeline.home import Home
from le_pipeline.ingest import reading, text, workbook
from le_pipeline.ingest.document import Document, check_file, documents
from le_pipeline.ingest.drift import likeness_of_names, looks
from le_pipeline.ingest.value import GRADE_WORDS
from schemas import registry
from schemas.layout import DEFAULTS, NO_FEED, Layout, Read
from schemas.registry import NO, YES, Field, Table, word

DELIMITERS = (",", "\t", ";", "|", "^", "~")
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%m%d%Y", "%m%d%y", "%Y%m%d", "%d/%m/%Y", "%m-%d-%Y", "%d-%b-%Y")
SUBJECTS = {
    "ela": ("ELA", "EnglishLanguageArts"),
    "mathematics": ("Math", "Mathematics", "MAT"),
    "science": ("Science", "Sci"),
    "social_studies": ("SocialStudies", "Social", "Soc"),
    "reading": ("Reading", "Rdg"),
    "writing": ("Writing", "Wrt"),
}
OWN_NAME, SURE, ALIKE = 1.1, 0.95, 0.8
TELLING = 10  # columns of a fingerprint
SHORTEST_ID = 4
FEW = 20  # distinct values of what is a list of words and no text
ROWS_TRIED = 40


Side = tuple[str, dict[str, str]]  # `{}ScaleScore` with the stem of each subject


@dataclass
class Draft:
    """What is guessed of a file: for each field a column with its likeness (0 to 1), or a pattern over subjects."""

    table: Table
    columns: dict[str, tuple[str, float]]
    side_by_side: dict[str, Side]

    @property
    def needed(self) -> list[str]:
        """Fields that every row needs and that the layout has to fill."""
        named = [column.field.of or column.name for column in self.table.columns if column.required]
        return [name for name in named if name in self.table.source_fields and name not in DEFAULTS]

    @property
    def missing(self) -> list[str]:
        """Those of them for which no column was found."""
        filled = {*self.columns, *self.side_by_side, *(["subject"] if self.side_by_side else [])}
        return [name for name in self.needed if name not in filled]

    @property
    def weight(self) -> float:
        """How well the feed explains the file: the fields found, those that every row needs above all."""
        found = sum(likeness * (3 if name in self.needed else 1) for name, (_, likeness) in self.columns.items())
        return found + 3 * len(self.side_by_side) - 4 * len(set(self.missing) - {"subject"})

    @property
    def used(self) -> list[str]:
        """The columns that the layout would read."""
        wide = [pattern.replace("{}", stem) for pattern, stems in self.side_by_side.values() for stem in stems.values()]
        return [column for column, _ in self.columns.values()] + wide


def draft(home: Home, path: Path, feed: str | None = None) -> str:
    """The text of a layout for a file.

    Raises:
        RefusedError: the file cannot be read, or nothing tells its columns.
        ContractError: a layout of the user's is wrong.
        HomeError: there is no such feed.
    """
    if feed and feed not in registry.feeds():
        raise HomeError(f"{feed} is no feed; the feeds are {', '.join(sorted(registry.feeds()))}")
    try:
        check_file(path, path.name)
        document = documents(path, path.name)[0]
        read, said = sniff(document)
    except FileNotFoundError:
        raise UnreadableFileError("is not there, or is not a file") from None
    except csv.Error:
        raise UnreadableFileError("has a line that cannot be split into cells; check its delimiter") from None
    if document.is_workbook and (names := workbook.sheets(document))[1:]:
        said.append(f"the workbook has {len(names)} sheets; the first is read. `sheet` takes names or patterns")
    rows = reading.sample(document, read)
    known = _known_names(home.all_layouts().values())
    drafts = [_guess(registry.feeds()[name], rows, known) for name in ([feed] if feed else registry.feeds())]
    best = max(drafts, key=lambda one: one.weight)
    if best.weight <= 0 and not feed:
        return _of_no_feed(document, read, [name for name in rows.columns if not name.startswith("__")], said)
    return _written(document, read, best, said)


def sniff(document: Document) -> tuple[Read, list[str]]:
    """How the bytes are most likely read, and what is unsure of it.

    Raises:
        RefusedError: nothing tells where one column ends and the next begins.
    """
    head = document.head(text.HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return Read(format="parquet"), []
    if document.is_workbook:
        rows = [list(row) for row in workbook.cells(document).head(ROWS_TRIED).rows()]
        return _with_header(Read(format="excel"), rows)
    if head.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"{"):
        return Read(format="json_lines"), []
    encoding = next(name for name in ("utf-8", "windows-1252", "latin-1") if text.fits_head(head, name))
    read = Read(format="delimited", encoding=(encoding,))
    lines = text.head(document, read).split("\n")[:ROWS_TRIED]
    widths = {sign: _steady_width(lines, sign) for sign in DELIMITERS}
    delimiter = max(widths, key=lambda sign: widths[sign])
    if widths[delimiter] < 2:  # noqa: PLR2004  # one column is no table
        raise UnreadableFileError(
            "has no delimiter that splits its lines alike; if it is of fixed width, ask the sender for the column map"
            " and write `format: fixed_width` with `positions`"
        )
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    found, said = _with_header(read.model_copy(update={"delimiter": delimiter}), rows)
    return found, said + ([f"the encoding is most likely {encoding}"] if encoding != "utf-8" else [])


def _steady_width(lines: list[str], delimiter: str) -> int:
    """How many cells most lines have, if most have as many."""
    widths = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if row]
    common = max(set(widths), key=widths.count, default=0)
    return common if widths.count(common) > len(widths) / 2 else 0


def _with_header(read: Read, rows: list[list[str]] | list[list[str | None]]) -> tuple[Read, list[str]]:
    """The header's place: below titles, above the first row that has numbers or dates as data do."""
    filled = [[cell for cell in row if cell and cell.strip()] for row in rows]
    width = max((len(row) for row in rows), default=0)
    first = next((place for place, row in enumerate(filled) if len(row) >= max(2, width / 3)), 0)
    data = next((place for place, row in enumerate(filled) if place > first and _is_data(row)), first + 1)
    said = []
    if first:
        said.append(f"{first} rows stand above the header")
    if data - first > 1:
        said.append(f"the header seems to have {data - first} rows")
    return read.model_copy(update={"preamble": first, "header": min(data - first, 5) or 1}), said


def _is_data(row: list[str]) -> bool:
    return sum(bool(re.search(r"\d", cell)) for cell in row) >= len(row) / 4 > 0


# -- which column is which field ---------------------------------------------------------------------------------


def _known_names(layouts: Iterable[Layout]) -> dict[str, dict[str, set[str]]]:
    """For each feed and field the columns that layouts take it from."""
    known: dict[str, dict[str, set[str]]] = {}
    for layout in layouts:
        for loc, source in layout.sources():
            if loc[0] == "lookup" or layout.feed not in registry.feeds():
                continue
            single = source.from_ if source.from_ and len(source.from_) == 1 else ()
            names = (*single, *(source.candidates or ()))
            known.setdefault(layout.feed, {}).setdefault(loc[-1], set()).update(names)
    return known


def _guess(table: Table, rows: pl.DataFrame, known: dict[str, dict[str, set[str]]]) -> Draft:
    """For each field the likest column, the likest pair first, and no column twice."""
    columns = [name for name in rows.columns if not name.startswith("__")]
    names = {name: {name, *known.get(str(table.feed), {}).get(name, set())} for name in table.source_fields}
    pairs = (
        (_likeness(column, names[name], field, rows[column]), name, column)
        for name, field in table.source_fields.items()
        for column in columns
    )
    found: dict[str, tuple[str, float]] = {}
    for likeness, name, column in sorted(pairs, key=lambda pair: -pair[0]):
        if likeness >= ALIKE and name not in found and column not in [taken for taken, _ in found.values()]:
            found[name] = column, likeness
    wide = _side_by_side(table, columns, names)
    return Draft(table, {name: guess for name, guess in found.items() if name not in wide}, wide)


def _likeness(column: str, names: set[str], field: Field, cells: pl.Series) -> float:
    if not _may_hold(field, cells):
        return 0.0
    if word(column) == word(field.name):
        return OWN_NAME
    return max(
        1.0 if word(column) == word(name) else likeness_of_names(column, name) * 0.95
        for name in names
        if "{" not in name
    )


def _may_hold(field: Field, cells: pl.Series) -> bool:
    """Whether the cells can be values of the field at all, whatever the column is called."""
    kind = str(looks(cells)["value_kind"])
    if kind == "empty":
        return True
    match field.type:
        case "number" | "integer":
            return kind in ("integer", "decimal", "yes_no")
        case "date":
            return bool(_date_formats(cells))
        case "yes_no":
            return cells.n_unique() <= FEW
        case "grade" | "school_year":
            return cells.n_unique() <= FEW * 2
        case _:
            return field.values is None or cells.n_unique() <= FEW * 2


def _side_by_side(table: Table, columns: list[str], names: dict[str, set[str]]) -> dict[str, Side]:
    """Fields that a row holds for several subjects: `{}ScaleScore` with its stems."""
    if "subject" not in table.source_fields:
        return {}
    patterns: dict[str, dict[str, str]] = {}
    for column in columns:
        for subject, stems in SUBJECTS.items():
            stem = next((stem for stem in sorted(stems, key=len, reverse=True) if stem.lower() in column.lower()), None)
            if stem:
                place = column.lower().index(stem.lower())
                pattern = f"{column[:place]}{{}}{column[place + len(stem) :]}"
                patterns.setdefault(pattern, {}).setdefault(subject, column[place : place + len(stem)])
    found: dict[str, Side] = {}
    for pattern, by_subject in patterns.items():
        rest = pattern.replace("{}", "")
        alike = {
            name: max(likeness_of_names(rest, other.replace("{}", "")) for other in others)
            for name, others in names.items()
        }
        best = max(alike, key=lambda name: alike[name])
        if len(by_subject) > 1 and rest and alike[best] >= ALIKE and best not in found:
            found[best] = pattern, by_subject
    return found if "scale_score" in found else {}


# -- the YAML ----------------------------------------------------------------------------------------------------


def _of_no_feed(document: Document, read: Read, columns: list[str], said: list[str]) -> str:
    """A layout that only knows the file: its columns are those of no feed."""
    lines = [
        "# No feed fits this file. If it holds something needed, draft it anew with `--feed`; else keep this, so",
        "# that the file is known, and other files can look values up in it",
        *(f"# unsure: {line}" for line in said),
        f"layout: {_name(document)}",
        f"feed: {NO_FEED}  # unsure: does the pipeline need nothing of it?",
        'issuer: "*"',
        "about: (say in one sentence what the file is)",
        "recognise:",
        f"  columns: [{', '.join(map(_quoted, columns[:TELLING]))}]",
        f"read: {_read(read)}",
    ]
    return "\n".join([*lines, ""])


def _name(document: Document) -> str:
    return re.sub(r"[^a-z0-9]+", "_", Path(document.file_name).stem.lower()).strip("_") or "draft"


def _written(document: Document, read: Read, guess: Draft, said: list[str]) -> str:
    rows = reading.sample(document, read)
    fields = guess.table.source_fields
    columns = [column for column in rows.columns if not column.startswith("__")]
    telling = list(dict.fromkeys(guess.used))[:TELLING] or columns[:TELLING]
    lines = [
        f"# A draft: read every line, above all those that say `unsure`. Then try it: le check {document.file_name}",
        *(f"# unsure: {line}" for line in said),
        f"layout: {_name(document)}",
        f"feed: {guess.table.feed}",
        'issuer: "*"  # unsure: who gives the ids? A state, or whoever the landing folder belongs to?',
        "about: (say in one sentence what the file is)",
        "recognise:",
        f"  columns: [{', '.join(map(_quoted, telling))}]",
        f"read: {_read(read)}",
        "fill:",
    ]
    for field, (column, likeness) in guess.columns.items():
        source, doubts = _source(fields[field], column, rows[column])
        doubts = [f"the column is only called like {field}"] * (likeness < SURE) + doubts
        lines.append(f"  {field}: {source}" + (f"  # unsure: {'; '.join(doubts)}" if doubts else ""))
    lines += [
        f"  {field}: {_unknown(fields[field])}  # unsure: no column was found; every row needs it"
        for field in guess.missing
    ]
    lines += _unpivot(guess.side_by_side)
    if left := [column for column in columns if column not in guess.used]:
        lines += ["ignore:  # unsure: is any of these needed?", *(f"  - {_quoted(column)}" for column in left)]
    return "\n".join([*lines, ""])


def _unpivot(wide: dict[str, Side]) -> list[str]:
    if not wide:
        return []
    stems = {subject: stem for _, by_subject in wide.values() for subject, stem in by_subject.items()}
    over = ", ".join(f"{subject}: {_quoted(stem)}" for subject, stem in stems.items())
    filled = [f"    {name}: {_quoted(pattern)}" for name, (pattern, _) in wide.items()]
    return ["unpivot:", f"  subject: {{{over}}}", "  fill:", *filled]


def _source(field: Field, column: str, cells: pl.Series) -> tuple[str, list[str]]:
    """What the YAML says of a field, and what is unsure of it."""
    filled = cells.drop_nulls().str.strip_chars()
    filled = filled.filter(filled != "")
    name = _quoted(column)
    if filled.is_empty():
        return name, ["the first rows have nothing in the column"]
    if field.type == "date":
        return _date(name, cells)
    if field.values:
        return _mapped(name, field, filled)
    if field.type == "text" and field.name.endswith("_id"):
        return _id(name, filled)
    if field.name == "scale_score":
        scores = filled.cast(pl.Float64, strict=False).drop_nulls().to_list()
        span = f" (the first rows run from {min(scores):g} to {max(scores):g})" if scores else ""
        return name, [f"give the test's own `range`{span}"]
    return name, []


def _date(name: str, cells: pl.Series) -> tuple[str, list[str]]:
    formats = _date_formats(cells)
    if formats[0] == DATES[0]:
        return name, []
    doubts = ["day and month could be the other way round"] if len(formats) > 1 else []
    return f"{{from: {name}, date: {_quoted(formats[0])}}}", doubts


def _id(name: str, filled: pl.Series) -> tuple[str, list[str]]:
    """An id of digits has its issuer's length, which a spreadsheet may have shortened."""
    if not filled.str.contains(r"^\d+$").all():
        return name, []
    lengths = [len(value) for value in filled]
    longest, is_commonest = max(lengths), lengths.count(max(lengths)) > len(lengths) / 2
    if longest < SHORTEST_ID or not is_commonest:
        return name, ["ids have several lengths; has a spreadsheet dropped zeros?"] if min(lengths) < longest else []
    doubt = "shorter ids are filled up with zeros; are all ids of that length?"
    return f"{{from: {name}, width: {longest}}}", [doubt]


def _mapped(column: str, field: Field, filled: pl.Series) -> tuple[str, list[str]]:
    """The words of the file with those of the field that they most likely mean."""
    words = [str(value) for value in filled.unique().sort()]
    if all(_reads_itself(value, field) for value in words):
        return column, []
    told = {value: _meant(value, field) for value in words}
    open_ = [value for value, meant in told.items() if meant is None]
    pairs = ", ".join(f"{_quoted(value)}: {_quoted(meant) if meant else 'null'}" for value, meant in told.items())
    doubts = ["are these the right words?"] + ([f"{', '.join(open_)} would be left empty"] if open_ else [])
    return f"{{from: {column}, map: {{{pairs}}}}}", doubts


def _reads_itself(value: str, field: Field) -> bool:
    if field.type == "yes_no":
        return value.upper() in (*YES, *NO)
    if field.type == "grade":
        return _is_grade(value, field)
    return word(value) in {word(known) for known in field.values or ()}


def _meant(value: str, field: Field) -> str | None:
    if field.type == "yes_no":
        return "yes" if value.upper() in YES else "no" if value.upper() in NO else None
    if field.type == "grade":
        digits = re.search(r"\d+", value)
        return digits[0].zfill(2) if digits and digits[0].zfill(2) in (field.values or ()) else None
    known = field.values or ()
    if field.name == "subject" and (named := _subject(value)) in known:
        return named
    begins = [name for name in known if len(value) == 1 and name.startswith(value.lower())]
    alike = max(known, key=lambda name: likeness_of_names(value, name))
    if begins:
        return begins[0] if len(begins) == 1 else None
    return alike if likeness_of_names(value, alike) >= ALIKE or word(value) in word(alike).split("_") else None


def _subject(value: str) -> str | None:
    """The subject whose name, or whose usual short form, the words begin with."""
    bare = word(value).replace("_", "")
    return next((name for name, stems in SUBJECTS.items() if bare.startswith(tuple(map(str.lower, stems)))), None)


def _is_grade(value: str, field: Field) -> bool:
    bare = GRADE_WORDS.get(value.upper(), value.upper())
    return (f"0{bare}" if len(bare) == 1 and bare.isdigit() else bare) in (field.values or ())


def _date_formats(cells: pl.Series) -> list[str]:
    filled = cells.drop_nulls().str.strip_chars()
    filled = filled.filter(filled != "")
    if filled.is_empty():
        return []
    days = filled.str.replace(r"[T ].*$", "")
    return [form for form in DATES if _all_days(days, form)]


def _all_days(days: pl.Series, form: str) -> bool:
    found = days.str.to_date(form, strict=False)
    return found.null_count() == 0 and bool(found.dt.year().is_between(1900, 2100).all())


def _unknown(field: Field) -> str:
    return f"{{value: {_quoted('other' if 'other' in (field.values or ()) else (field.values or ('?',))[0])}}}"


def _read(read: Read) -> str:
    said = {
        "format": read.format,
        "delimiter": read.delimiter,
        "encoding": read.encoding[0],
        "preamble": read.preamble,
        "header": read.header,
    }
    plain = {"delimiter": ",", "encoding": "utf-8", "preamble": 0, "header": 1}
    return (
        "{" + ", ".join(f"{key}: {_quoted(str(value))}" for key, value in said.items() if plain.get(key) != value) + "}"
    )


def _quoted(name: str) -> str:
    """A word as YAML reads it back; JSON's quoting is YAML's."""
    plain = re.fullmatch(r"[A-Za-z][\w ./-]*[\w]|[A-Za-z]|\d+", name) and not name.isdigit()
    return name if plain else json.dumps(name, ensure_ascii=False)
