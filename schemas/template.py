"""What a partner is asked for: the fields of each feed, and the layouts that read them under their own names.

The data request, its workbook and these layouts are made from the registry, so what is asked for is what is read: as a
sheet of the workbook, called after its feed, or as delimited text in a file whose name begins with the feed's.
"""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import chain
from typing import Any

from schemas.layout import ANY_ISSUER, Layout
from schemas.registry import Field, Table, feeds, field_of

# alternatives, each of one column or of several that go together
Group = tuple[tuple[str, ...], ...]

# the landing folder tells the year, the position who teaches
NOT_ASKED = ("school_year", "is_teacher")
NAMES = 2  # of the parts of a listed name, the first are the family and the given name
DATES = ("%Y-%m-%d", "%m/%d/%Y")
EXAMPLES = {"date": "2015-08-17", "yes_no": "no", "grade": "04"}


def asked(table: Table) -> dict[str, Field]:
    """The fields that a partner is asked for, by the name of their column."""
    return {name: field for name, field in table.source_fields.items() if name not in NOT_ASKED}


def needed(table: Table) -> tuple[str, ...]:
    """Columns that every row must fill."""
    single = {group[0][0] for group in _groups(table) if len(group) == 1}
    return tuple(name for name in asked(table) if name in single | _required(table))


def alternatives(table: Table) -> tuple[Group, ...]:
    """Columns of which every row must fill at least one; names alone will do where family and given name are there."""
    return tuple(group for group in _groups(table) if len(group) > 1)


def example(field: Field) -> str:
    """An invented value that the field may hold."""
    return field.example or EXAMPLES.get(field.type) or (field.values or ("",))[0]


@cache
def layouts() -> dict[str, Layout]:
    """For each feed a layout of its sheet and one of its text file."""
    # a sheet is filled in by hand, and one bad row of a short list must not hold the others
    sheet = {"about": "Sheet of the data request's workbook", "tolerance": 0.25}
    text = {"about": "Text file with the columns of the data request"}
    made = [
        layout
        for feed, table in feeds().items()
        for layout in (
            _layout(table, {"layout": f"request_{feed}", "read": {"format": "excel", "sheet": feed}} | sheet),
            _layout(table, {"layout": f"request_{feed}_text", "read": {"format": "delimited"}} | text, f"{feed}*"),
        )
    ]
    return {layout.name: layout for layout in made}


def _layout(table: Table, content: dict[str, Any], file_name: str = "*") -> Layout:
    alone = (columns for group in alternatives(table) for columns in group if len(columns) == 1)
    telling = {*needed(table), *chain.from_iterable(alone)}
    columns = [name for name in asked(table) if name in telling]
    fill = {
        name: {"from": name, "date": DATES} if field.type == "date" else name for name, field in asked(table).items()
    }
    recognise = {"columns": columns, "name": file_name}
    own = {"feed": table.feed, "issuer": ANY_ISSUER, "recognise": recognise, "fill": fill, "correction": "file"}
    layout = Layout.model_validate(content | own)
    return layout.model_copy(update={"hash": hashlib.sha256(layout.model_dump_json().encode()).hexdigest()})


def _required(table: Table) -> set[str]:
    return {column.field.of or column.name for column in table.columns if column.required or column.expected}


def _groups(table: Table) -> list[Group]:
    """The `any_of` of the table's rules in the columns that a partner fills: the id or the name behind a key."""
    sources = {column.name: column.field.of or column.name for column in table.columns}
    return [tuple(_filled(sources[name]) for name in rule.any_of) for rule in table.rules if rule.any_of]


def _filled(name: str) -> tuple[str, ...]:
    """What a partner fills in for a field: of a listed name the family and the given name."""
    return field_of(name).made_of[:NAMES] or (name,)
