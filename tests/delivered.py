"""Rows of the delivery table for a scenario: files that gave the records of a test."""

from __future__ import annotations

from datetime import datetime

from scenario import Row
from schemas import registry


def delivery(name: str = "d1", feed: str | None = "student_assessment", path: str | None = None, **said: object) -> Row:
    """A delivery of which the test says only what matters to it."""
    counts = {column.name: 0 for column in registry.tables()["delivery"].columns if column.field.type == "integer"}
    fixed = {"layout": "scores", "layout_hash": "0", "file_hash": "0", "received_at": datetime(2016, 7, 1)}
    told = {"excluded_by_reason": "{}", "quarantined_by_rule": "{}", "delivery_status": "accepted"}
    return counts | fixed | told | {"delivery_id": name, "feed": feed, "path": path or f"LA/2015/{name}.csv"} | said
