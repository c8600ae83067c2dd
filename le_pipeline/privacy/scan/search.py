"""Texts searched for the values of the vault: which text holds what kind of value."""

from __future__ import annotations

import polars as pl

from le_pipeline.privacy.scan import words
from le_pipeline.privacy.scan.dates import DATE, days
from le_pipeline.privacy.scan.needles import (
    BIRTH,
    DATED,
    FAMILY,
    LONE,
    NAME,
    PART,
    SCHOOL,
    STRONG,
    TELLING,
    Needles,
    has,
)

HIT = {"row": pl.UInt32(), "kind": pl.String(), "value": pl.String()}
REACH = 3  # atoms behind a name in which a word such as `school` makes it the name of a school


class Search:
    """Searches texts for needles; what has once been prepared serves any number of texts."""

    def __init__(self, needles: Needles) -> None:
        self.needles = needles
        atoms = needles.atoms
        # a dictionary, for tables ask for few atoms many times, and a join would go through all needles each time
        self.lengths = sorted(needles.sequences["n"].unique())
        self._marks = dict(zip(atoms["atom"], atoms["marks"], strict=True))

    def __call__(self, texts: pl.Series) -> pl.DataFrame:
        """The kinds of values in each text (`HIT`): row of the text, kind, and which value, for counting only."""
        placed = self._placed(texts)
        if placed.is_empty():
            return pl.DataFrame(schema=HIT)
        found = [self._alone(placed), self._sequences(placed), self._pairs(placed), self._dates(placed, texts)]
        return pl.concat(found).unique()

    def _placed(self, texts: pl.Series) -> pl.DataFrame:
        """Atoms that take part: `row`, place among all atoms (`at`) and among those that are no link (`step`)."""
        split = texts.rename("raw").to_frame().with_row_index("row")
        every = split.select("row", pl.col("raw").str.extract_all(words.ATOM)).explode("raw").drop_nulls()
        unique = every["raw"].unique()
        known = pl.DataFrame({"raw": unique, "atom": words.plain(unique)}).with_columns(
            is_link=(pl.col("atom").is_in([*words.LINKS]) | pl.col("atom").str.contains(r"^\p{L}$"))
        )
        known = known.with_columns(
            marks=pl.Series([self._marks.get(atom, 0) for atom in known["atom"]], dtype=pl.UInt8)
        )
        if not known.select(has(TELLING).any()).item():
            return pl.DataFrame()
        links = known.filter("is_link")["raw"]
        every = every.with_row_index("at").with_columns(step=(~pl.col("raw").is_in(links.implode())).cum_sum())
        return every.join(known.filter(pl.col("marks") > 0), on="raw", how="inner", maintain_order="left")

    def _alone(self, placed: pl.DataFrame) -> pl.DataFrame:
        strong = [
            placed.filter(has(mark)).select("row", kind=pl.lit(kind), value="atom") for mark, kind in STRONG.items()
        ]
        family = placed.filter(has(LONE))
        family = family.join(self._of_schools(placed, family), on="at", how="anti")
        return pl.concat([*strong, family.select("row", kind=pl.lit(FAMILY), value="atom")])

    def _of_schools(self, placed: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
        """The places of names behind which stands what makes them the name of a school or district."""
        after = placed.filter(has(SCHOOL)).select("row", school="at").sort("school")
        if after.is_empty() or names.is_empty():
            return names.select("at").clear()
        near = (
            names.select("at", "row")
            .sort("at")
            .join_asof(
                after,
                left_on="at",
                right_on="school",
                by="row",
                strategy="forward",
                allow_exact_matches=False,
                check_sortedness=False,
            )
        )
        return near.filter(pl.col("school") - pl.col("at") <= REACH).select("at")

    def _sequences(self, placed: pl.DataFrame) -> pl.DataFrame:
        found = [pl.DataFrame(schema=HIT)]
        sequences = self.needles.sequences
        placed = placed.filter(has(PART))
        for n in self.lengths:
            inside = pl.all_horizontal(
                pl.col("at").shift(-n + 1) - pl.col("at") == n - 1, pl.col("row").shift(-n + 1) == pl.col("row")
            )
            joined = placed.select(
                "row", inside=inside, text=pl.concat_str([pl.col("atom").shift(-i) for i in range(n)], separator=" ")
            ).filter("inside")
            if joined.is_empty():
                continue
            hits = joined.join(
                sequences.filter(pl.col("n") == n, pl.col("text").is_in(joined["text"].implode())), on="text"
            )
            found.append(hits.select("row", "kind", value="text"))
        return pl.concat(found)

    def _pairs(self, placed: pl.DataFrame) -> pl.DataFrame:
        own = placed.filter(has(PART), ~pl.col("is_link"))
        beside = own.select(
            "row",
            at=pl.col("at").shift(-1),
            text=pl.concat_str("atom", pl.col("atom").shift(-1), separator=" "),
            inside=(pl.col("step").shift(-1) - pl.col("step") == 1) & (pl.col("row").shift(-1) == pl.col("row")),
        ).filter("inside")
        if beside.is_empty():
            return pl.DataFrame(schema=HIT)
        pairs = self.needles.pairs
        hits = beside.join(pairs.filter(pl.col("text").is_in(beside["text"].implode())), on="text")
        hits = hits.join(self._of_schools(placed, hits), on="at", how="anti")
        return hits.select("row", kind=pl.lit(NAME), value="text")

    def _dates(self, placed: pl.DataFrame, texts: pl.Series) -> pl.DataFrame:
        """Birth dates in one text with a word or the pseudonym of the person."""
        dated = placed.filter(has(DATED)).select("row", word="atom").unique()
        if dated.is_empty():
            return pl.DataFrame(schema=HIT)
        rows = dated["row"].unique().sort()
        there = pl.DataFrame({"row": rows, "date": texts.gather(rows).str.extract_all(DATE)})
        there = there.explode("date").drop_nulls().unique()
        unique = there["date"].unique()
        meant = pl.DataFrame(
            {"date": unique, "birth_date": [list(days(text)) for text in unique]},
            schema={"date": pl.String, "birth_date": pl.List(pl.String)},
        )
        meant = meant.explode("birth_date").drop_nulls()
        pairs = there.join(meant, on="date").join(dated, on="row")
        born = self.needles.born.filter(pl.col("word").is_in(pairs["word"].unique().implode()))
        hits = pairs.join(born, on=["birth_date", "word"])
        return hits.select("row", kind=pl.lit(BIRTH), value="birth_date")
