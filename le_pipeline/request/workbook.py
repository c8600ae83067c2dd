"""The request as a workbook to fill in: a sheet for each feed, and before them what explains the sheets.

The layouts of `schemas.template` read the sheets back.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterable, Sequence

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from le_pipeline.request import words
from schemas import template as asked_for
from schemas.registry import Field, Table

COVER = (
    "Each sheet that is named after a feed takes the rows of that feed, below its header.",
    "The sheet Fields explains every column; so does the comment on its header.",
    "Fill in what you have. A sheet that you do not need may stay empty or be deleted.",
    "Columns with a dark header are needed (or one of two, as Fields says). Others may stay empty or be deleted.",
    "Do not rename sheets or columns, and leave the header in the first row.",
    "Ids and codes are text here, so that leading zeros stay. Paste values only, no formulas.",
    "Dates are 2015-08-17 or 08/17/2015. Leave a cell empty where you do not know.",
    "One workbook for each school year. A correction is the whole workbook again.",
    "The sheet Rules says what a row must meet, why, and how to mend it. Every example is invented.",
)
NUMBERS = ("integer", "number")
LAST_ROW = 1_048_575
CELL_WIDTH, TEXT_WIDTH = 18, 60
CREATED = datetime.datetime(2000, 1, 1)  # else the same request would be another file in every run


def template(state: str) -> bytes:
    """The workbook for a state; the same contracts always give the same bytes."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        book.set_properties({"title": f"Data request: {state}", "created": CREATED})
        head = book.add_format({"bold": True, "bg_color": "#DDE3EA", "border": 1})
        needed = book.add_format({"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "border": 1})
        wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        cells = {"date": book.add_format({"num_format": "yyyy-mm-dd"}), "text": book.add_format({"num_format": "@"})}
        feeds = words.feeds()
        _cover(book.add_worksheet("Read me"), state, head, wrapped)
        fields = ((feed, *row) for feed, table in feeds.items() for row in words.field_rows(table))
        _explain(book.add_worksheet("Fields"), ("Feed", *words.FIELD_COLUMNS), fields, head, wrapped)
        _explain(book.add_worksheet("Rules"), words.RULE_COLUMNS, words.rule_rows(), head, wrapped)
        lists = _lists(book.add_worksheet("Lists"), feeds.values(), head)
        for feed, table in feeds.items():
            _feed(book.add_worksheet(feed), table, {"needed": needed, "welcome": head} | cells, lists)
    return content.getvalue()


def _cover(sheet: Worksheet, state: str, head: Format, wrapped: Format) -> None:
    sheet.set_column(0, 0, 2 * TEXT_WIDTH, wrapped)
    sheet.write_string(0, 0, f"Data request: {state}", head)
    for row, line in enumerate(COVER, start=1):
        sheet.write_string(row, 0, line)


def _explain(
    sheet: Worksheet, columns: Sequence[str], rows: Iterable[Sequence[str]], head: Format, wrapped: Format
) -> None:
    lines = list(rows)
    for place, column in enumerate(columns):
        longest = max(len(line[place]) for line in lines)
        sheet.set_column(place, place, min(max(longest + 2, CELL_WIDTH), TEXT_WIDTH), wrapped)
        sheet.write_string(0, place, column, head)
    for row, line in enumerate(lines, start=1):
        for place, text in enumerate(line):
            sheet.write_string(row, place, text)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, len(lines), len(columns) - 1)


def _lists(sheet: Worksheet, tables: Iterable[Table], head: Format) -> dict[Field, str]:
    """The values that fields may hold, a column for each, and where: Excel takes no long list in a rule."""
    fields = dict.fromkeys(field for table in tables for field in asked_for.asked(table).values() if field.values)
    places: dict[Field, str] = {}
    for place, field in enumerate(fields):
        sheet.write_column(0, place, [field.name, *(field.values or ())])
        sheet.write_string(0, place, field.name, head)
        column = xl_col_to_name(place, col_abs=True)
        places[field] = f"=Lists!{column}$2:{column}${len(field.values or ()) + 1}"
    sheet.set_column(0, len(fields) - 1, CELL_WIDTH)
    return places


def _feed(sheet: Worksheet, table: Table, formats: dict[str, Format], lists: dict[Field, str]) -> None:
    """The header, and under it columns that keep what is typed as it is: ids text, dates dates."""
    fields = asked_for.asked(table)
    for place, (name, need, meaning, *_, example) in enumerate(words.field_rows(table)):
        field = fields[name]
        cells = formats["date"] if field.type == "date" else None if field.type in NUMBERS else formats["text"]
        sheet.set_column(place, place, max(len(name), len(example), CELL_WIDTH) + 2, cells)
        sheet.write_string(0, place, name, formats["welcome" if need == "welcome" else "needed"])
        sheet.write_comment(0, place, f"{meaning}\n{need}; such as {example}", {"author": "", "x_scale": 2})
        if field.values:
            # a warning, not a stop: a word of the sender's own can still be mapped
            choice = {"validate": "list", "source": lists[field], "error_type": "warning"}
            sheet.data_validation(1, place, LAST_ROW, place, choice)
    sheet.freeze_panes(1, 0)
