"""What is said of feeds, fields, files and rules, as rows that the document and the workbook both show."""

from __future__ import annotations

from collections.abc import Iterable

from schemas import registry, template
from schemas.layout import Layout
from schemas.registry import Field, Table
from schemas.rules import rule_texts

# what most figures rest on comes first; feeds that are not named here follow
ORDER = (
    "student_assessment",
    "student_enrollment",
    "staff_assignment",
    "school",
    "section",
    "student_section",
    "staff_section",
    "teacher_student_link",
)
TYPES = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "date": "date",
    "yes_no": "yes or no",
    "grade": "grade",
    "school_year": "school year",
}
PERSONAL = {
    "direct": "says who somebody is: encrypted vault only",
    "quasi": "describes somebody: kept beside a pseudonym",
    "none": "not by itself: kept as it is",
}
FIELD_COLUMNS = ("Column", "Needed", "What it is", "Type", "May hold", "Standard name", "Personal", "Example")
RULE_COLUMNS = ("Rule", "What it says", "Why it matters", "How to mend it")
# what a rule's remedy says where no single column is meant
ANY_COLUMN = {
    "values": "the allowed values",
    "range": "in the allowed range",
    "description": "the one that its column has in this request",
    "kind": "a value of the column's type, or of its list",
}


def feeds() -> dict[str, Table]:
    """The feeds in the order in which a partner is asked for them."""
    known = registry.feeds()
    return {feed: known[feed] for feed in sorted(known, key=lambda feed: (_place(feed), feed))}


def field_rows(table: Table) -> list[tuple[str, ...]]:
    """A row of FIELD_COLUMNS for each field that is asked for."""
    return [
        (
            name,
            _need(table, name),
            field.description,
            TYPES[field.type],
            _may_hold(field),
            field.standard or "",
            PERSONAL[field.privacy],
            template.example(field),
        )
        for name, field in template.asked(table).items()
    ]


def conditions(table: Table) -> list[str]:
    """What every row must meet beside the needs of single columns."""
    groups = [
        f"At least one of {', '.join(map(' with '.join, group))} is filled in every row."
        for group in template.alternatives(table)
    ]
    years = [
        f"{' and '.join(rule.within_year)} lie in the school year, or in the summer before or after it."
        for rule in table.rules
        if rule.within_year
    ]
    return groups + [f"{' is not after '.join(rule.ordered)}." for rule in table.rules if rule.ordered] + years


def rule_rows() -> list[tuple[str, ...]]:
    """A row of RULE_COLUMNS for each rule."""
    return [(name, rule.what, rule.why, rule.how.format_map(ANY_COLUMN)) for name, rule in rule_texts().items()]


def known_files(layouts: Iterable[Layout], feed: str, state: str) -> list[Layout]:
    """The layouts of the feed that may be used in the state, by name, without those of the request itself."""
    found = (layout for layout in layouts if layout.feed == feed and layout.name not in template.layouts())
    usable = (layout for layout in found if layout.states is None or state in layout.states)
    return sorted(usable, key=lambda layout: layout.name)


def columns_of(layout: Layout) -> list[str]:
    """The columns that a layout takes of the delivered file: first those it is known by."""
    filled = [name for _, source in layout.sources() for name in layout.named(source)]
    return list(dict.fromkeys([*layout.recognise.columns, *filled]))


def _place(feed: str) -> int:
    return ORDER.index(feed) if feed in ORDER else len(ORDER)


def _need(table: Table, name: str) -> str:
    if name in template.needed(table):
        return "needed"
    groups = (group for group in template.alternatives(table) if any(name in columns for columns in group))
    others = [" with ".join(columns) for group in groups for columns in group if name not in columns]
    return f"needed, or {' or '.join(others)}" if others else "welcome"


def _may_hold(field: Field) -> str:
    if field.values:
        return ", ".join(field.values)
    return f"{field.range} ({field.unit})".strip() if field.unit else field.range
