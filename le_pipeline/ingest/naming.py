"""Files that are named after somebody in them: the name would be in every table and message that tells of the file."""

from __future__ import annotations

from pathlib import PurePosixPath

import polars as pl

from le_pipeline.ingest.delivery import Delivery
from le_pipeline.privacy.scan import words
from schemas import registry

SHORTEST_ID = 6
PARTS = ("", "fellow_", "mentee_")


def is_named_after_somebody(name: str, identity: pl.DataFrame) -> bool:
    """Whether a file's name holds an id, an address, or given and family name, of a person in the file.

    Args:
        name: path below landing, with the file in an archive or the sheet, if any.
        identity: the direct identifiers of a batch of its records.
    """
    own = "/".join(PurePosixPath(name).parts[2:])  # behind state and school year
    said = [*words.atoms(pl.Series([f"{own} {words.apart(own)}"]))[0]]
    if all(word in words.own_words() or (word.isdigit() and len(word) < SHORTEST_ID) for word in said):
        return False  # as most files are called, and names of a million people need not be taken apart
    return any(_is_named(identity, part, said) for part in PARTS) or _holds_id(identity, said)


def withheld(delivery: Delivery) -> str:
    """What stands in the place of such a name: folder, kind of file, and how the content can be told from another."""
    path = PurePosixPath(delivery.document.path.name)
    folder = "/".join(PurePosixPath(delivery.name).parts[:2])
    return f"{folder}/(name withheld, {delivery.file_hash[:8]}){path.suffix}"


def _is_named(identity: pl.DataFrame, part: str, said: list[str]) -> bool:
    columns = [f"{part}first_name", f"{part}last_name"]
    if not {*columns} <= {*identity.columns}:
        return False
    people = identity.select(columns).drop_nulls().unique().cast(pl.String)  # of a big file they come as codes
    named = pl.DataFrame({name: words.atoms(people[name]) for name in columns})
    both = [pl.col(name).list.set_intersection(pl.lit(said)).list.len() for name in columns]
    told = [(inside == pl.col(name).list.n_unique()) & (inside > 0) for inside, name in zip(both, columns, strict=True)]
    return bool(named.select(pl.all_horizontal(told).any()).item())


def _holds_id(identity: pl.DataFrame, said: list[str]) -> bool:
    fields = registry.fields()
    for column in identity.columns:
        field = fields.get(column)  # who issued the ids stands beside them, and is no field
        if field is None or field.privacy != "direct" or field.made_of or column == "section_id":
            continue
        if not column.endswith(("_id", "email")):
            continue
        values = identity[column].drop_nulls().unique().cast(pl.String)
        begins = values.str.to_lowercase().str.extract(r"([\p{L}\p{N}]+)").is_in(said)
        values = values.filter(begins & (values.str.len_chars() >= SHORTEST_ID))
        text = f" {' '.join(said)} "
        if any(f" {atoms} " in text for atoms in words.atoms(values).list.join(" ")):
            return True
    return False
