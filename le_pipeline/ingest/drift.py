"""How a file differs from the one that came before it: columns that are new, gone, renamed or of another kind.

It is compared with the latest file of an earlier school year that the same layout has read in the same state; where
there is none, with what the layout knows. Drift warns and stops nothing: what a layout needs, it asks for itself.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import polars as pl

from le_pipeline.ingest import reading
from le_pipeline.ingest.delivery import Delivery
from le_pipeline.ingest.filling import Filler
from le_pipeline.warehouse.lake import Lake, polars_schema
from schemas import registry
from schemas.registry import NO, YES, word

PROFILE, DRIFT = registry.tables()["column_profile"], registry.tables()["column_drift"]
ALIKE = 0.6  # names that share six letters of ten, the likeness of values counted in
LIKENESS_OF_VALUES = 0.2  # of their kind; as much again for their lengths and for how many cells are filled
FILLED_ALIKE = 0.05
KINDS = {
    "integer": r"^-?\d+$",
    "decimal": r"^-?\d*\.\d+$",
    "date": r"^(?:\d{1,2}[/-]\d{1,2}[/-]\d{2,4}|\d{4}-\d{2}-\d{2}(?:[T ].*)?)$",
    "code": r"^[^\s]{1,12}$",
}
MOST = 0.9


def profile(delivery: Delivery, filler: Filler) -> pl.DataFrame:
    """What the columns of a delivery look like (rows of `canonical.column_profile`)."""
    layout = delivery.layout
    rows = reading.sample(delivery.document, layout.read, layout.recognise.columns)
    found = [
        {
            "state": delivery.partition.state,
            "school_year": delivery.partition.school_year,
            "delivery_id": delivery.delivery_id,
            "layout": layout.name,
            "path": delivery.name,
            "column_place": place,
            "source_column": shown,
            "is_known": name in filler.known_columns,
            **looks(rows[name] if name in rows.columns else pl.Series(dtype=pl.String)),
        }
        for place, (name, shown) in enumerate(filler.shown_columns.items(), start=1)
    ]
    return pl.DataFrame(found, schema=polars_schema(PROFILE))


def looks(cells: pl.Series) -> dict[str, object]:
    """Kind, filled share and lengths of the cells of a column."""
    filled = cells.str.strip_chars()
    filled = filled.filter(filled.is_not_null() & (filled != ""))
    if filled.is_empty():
        return {"value_kind": "empty", "filled_share": 0.0 if cells.len() else None, "shortest": None, "longest": None}
    lengths = filled.str.len_chars()
    return {
        "value_kind": _kind(filled),
        "filled_share": filled.len() / cells.len(),
        "shortest": lengths.min(),
        "longest": lengths.max(),
    }


def compare(now: pl.DataFrame, delivery: Delivery, filler: Filler, lake: Lake) -> pl.DataFrame:
    """How a delivery's columns differ from those before it (rows of `canonical.column_drift`)."""
    before, compared_with = _before(now, delivery, lake)
    found = _against_layout(now, filler) if before is None else _against_file(now, before)
    where = {
        "state": delivery.partition.state,
        "school_year": delivery.partition.school_year,
        "delivery_id": delivery.delivery_id,
        "path": delivery.name,
        "compared_with": compared_with or f"layout {delivery.layout.name}",
    }
    return pl.DataFrame([where | row for row in found], schema=polars_schema(DRIFT)).sort(DRIFT.key)


def told(drift: pl.DataFrame) -> list[str]:
    """A line for each file and kind of drift, with what to do."""
    grouped = drift.sort("path", "drift", "source_column").group_by("path", "drift", "fix", maintain_order=True)
    shown = pl.when(pl.col("earlier_column").is_not_null()).then(
        pl.format("{} (before: {})", "source_column", "earlier_column")
    ).otherwise(pl.col("source_column"))  # fmt: skip
    rows = grouped.agg(shown.alias("columns").str.join(", "), pl.col("compared_with").first())
    return [
        f"{path}: {kind} {columns} (against {other}); {fix}" for path, kind, fix, columns, other in rows.iter_rows()
    ]


def nameless(profiles: pl.DataFrame) -> list[str]:
    """Files whose header holds what looks like somebody's record, with what to do."""
    places = pl.col("source_column").str.contains(r"^column \d+$")
    found = profiles.filter(places).group_by("path", maintain_order=True).len()
    return [
        f"{path}: {count} columns have no name, or one that looks like data; see that the header is whole"
        for path, count in found.iter_rows()
    ]


def _before(now: pl.DataFrame, delivery: Delivery, lake: Lake) -> tuple[pl.DataFrame | None, str | None]:
    earlier = lake.remembered(PROFILE).filter(
        (pl.col("layout") == delivery.layout.name)
        & (pl.col("state") == delivery.partition.state)
        & (pl.col("school_year") < delivery.partition.school_year)
    )
    if earlier.is_empty() or now.is_empty():
        return None, None
    latest = earlier.filter(pl.col("school_year") == pl.col("school_year").max())
    first = latest.sort("path")["delivery_id"][0]
    mine = latest.filter(pl.col("delivery_id") == first).sort("column_place")
    return mine, mine["path"][0]


def _against_layout(now: pl.DataFrame, filler: Filler) -> list[dict[str, object]]:
    new = now.filter(~pl.col("is_known")).rows(named=True)
    gone: list[dict[str, object]] = [{"source_column": name, "value_kind": None} for name in filler.missing_columns]
    return _changes(new, gone)


def _against_file(now: pl.DataFrame, before: pl.DataFrame) -> list[dict[str, object]]:
    new = now.join(before, on="source_column", how="anti", maintain_order="left").rows(named=True)
    gone = before.join(now, on="source_column", how="anti", maintain_order="left").rows(named=True)
    both = now.join(before, on="source_column", suffix="_before", maintain_order="left")
    other_kind = both.filter(
        (pl.col("value_kind") != pl.col("value_kind_before"))
        & ~pl.any_horizontal(pl.col("value_kind", "value_kind_before") == "empty")
        & ~pl.all_horizontal(pl.col("value_kind", "value_kind_before").is_in(["code", "text"]))
    )
    retyped = [
        {
            "drift": "retyped",
            "source_column": name,
            "fix": f"its cells were {was} and are {now_is}; see that the layout still reads them",
        }
        for name, was, now_is in other_kind.select("source_column", "value_kind_before", "value_kind").iter_rows()
    ]
    return [*_changes(new, gone), *retyped]


def _changes(new: list[dict[str, object]], gone: list[dict[str, object]]) -> list[dict[str, object]]:
    """Renamed columns in pairs, the likest first; what is left is new or gone."""
    pairs = sorted(((_likeness(a, b), i, j) for i, a in enumerate(new) for j, b in enumerate(gone)), reverse=True)
    renamed: dict[int, int] = {}
    for likeness, i, j in pairs:
        if likeness >= ALIKE and i not in renamed and j not in renamed.values():
            renamed[i] = j
    found: list[dict[str, object]] = []
    for i, column in enumerate(new):
        was = gone[renamed[i]]["source_column"] if i in renamed else None
        fix = (
            "put the new name into the layout"
            if was
            else "read it in the layout, or name it under `ignore`; until then it is not used"
        )
        found.append(
            {
                "drift": "renamed" if was else "new",
                "source_column": column["source_column"],
                "earlier_column": was,
                "fix": fix,
            }
        )
    left = (column for j, column in enumerate(gone) if j not in renamed.values())
    fix = "ask the sender for it, or take it out of the layout; its fields are empty"
    return [*found, *({"drift": "gone", "source_column": column["source_column"], "fix": fix} for column in left)]


def _likeness(new: dict[str, Any], gone: dict[str, Any]) -> float:
    names = likeness_of_names(str(new["source_column"]), str(gone["source_column"]))
    same = gone["value_kind"] is not None and new["value_kind"] == gone["value_kind"] != "empty"
    return names + LIKENESS_OF_VALUES * (same + (same and _looks_the_same(new, gone)))


def _looks_the_same(new: dict[str, Any], gone: dict[str, Any]) -> bool:
    """Whether cells are of the same lengths and as many are filled; codes of one sign look like all others."""
    if new.get("longest") is None or gone.get("longest") is None or max(new["longest"], gone["longest"]) == 1:
        return False
    spans = new["shortest"] == gone["shortest"] and new["longest"] == gone["longest"]
    return bool(spans and abs(new["filled_share"] - gone["filled_share"]) <= FILLED_ALIKE)


def likeness_of_names(one: str, other: str) -> float:
    """From 0 (nothing in common) to 1, whatever the case and punctuation."""
    return SequenceMatcher(None, word(one).replace("_", ""), word(other).replace("_", "")).ratio()


def _kind(filled: pl.Series) -> str:
    words = filled.str.to_uppercase()
    is_number = filled.str.contains(r"^\d+$").all() and words.n_unique() == 1  # a column of ones alone answers nothing
    if words.is_in([*YES, *NO]).mean() == 1 and words.n_unique() <= 2 and not is_number:  # noqa: PLR2004
        return "yes_no"
    shares = {kind: int(filled.str.contains(pattern).sum()) / filled.len() for kind, pattern in KINDS.items()}
    if shares["integer"] + shares["decimal"] >= MOST:
        return "decimal" if shares["decimal"] else "integer"
    return next((kind for kind, share in shares.items() if share >= MOST), "text")
