"""Splink on a private DuckDB in memory: candidate pairs of records, and their weights.

Nothing is written to disk, nothing is fetched, and no message of DuckDB or Splink, which may hold a name, comes out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from le_pipeline.errors import MatchingError
from le_pipeline.link.matching.comparisons import Comparison, comparisons
from le_pipeline.link.matching.frequency import DECLARED_PAIRS, Frequencies, frequencies, nested, with_sizes, with_u
from le_pipeline.link.matching.spelling import Columns, given_names

if TYPE_CHECKING:
    from splink import DuckDBAPI, Linker

PEOPLE = "people"
RARE = 2e-5  # share of keys up to which a name may be a typing error of another
SAMPLE = 1_500  # keys that are compared each with each, to count the u of levels
# two records may be of one person: other clusters, not both mere names, nor both settled, and no list that has both
# most people of a roster stand on all of its lists, so that it is quickly seen
ALLOWED = (
    "l.cluster <> r.cluster and (l.is_known or r.is_known) and not (l.is_settled and r.is_settled)"
    " and (l.lists <> r.lists or len(l.lists) = 0)"
    " and not list_has_any(l.lists, r.lists)"
)


@contextmanager
def quiet() -> Iterator[None]:
    """Turn the troubles of DuckDB and Splink into one without their words.

    Raises:
        MatchingError: something failed inside.
    """
    from splink.internals.exceptions import SplinkException

    logger = logging.getLogger("splink")
    before = logger.level, logger.disabled
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except (duckdb.Error, SplinkException, pl.exceptions.PolarsError) as error:
        raise MatchingError(f"records cannot be matched: {type(error).__name__} in the matching engine") from None
    finally:
        logger.setLevel(before[0])


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own that can reach neither disk nor network."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": "",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "preserve_insertion_order": "false",
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("set enable_progress_bar = false")
        connection.execute("set enable_external_access = false")
        yield connection
    finally:
        connection.close()


def put(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """A frame as a table of the database."""
    connection.register(f"{name}_frame", frame)
    connection.execute(f"create or replace table {name} as from {name}_frame")
    connection.unregister(f"{name}_frame")


def counted_u(connection: duckdb.DuckDBPyConnection, compared: list[Comparison]) -> dict[tuple[str, str], float]:
    """The u of each level among pairs of keys that share a list, of a sample that depends on what the records say.

    Who shares a list is in one place in the same year, so that neighbouring years are counted among all pairs.
    A declared u stands in for what few pairs cannot show.
    """
    connection.execute(
        f"create or replace table sample as select * from {PEOPLE} where is_known "
        f"qualify row_number() over (partition by node order by row) = 1 order by md5({_content(compared)}), key"
        f" limit {SAMPLE}"
    )
    found = {}
    for one in compared:
        conditions = " ".join(f"when {level.sql} then {index}" for index, level in enumerate(one.levels[:-1]))
        last = len(one.levels) - 1
        columns = connection.sql("from sample").columns
        sides = ", ".join(f"l.{name} as {name}_l, r.{name} as {name}_r" for name in columns if _is_of(name, compared))
        here = "true" if one.kind == "context" else "list_has_any(l.told_lists, r.told_lists)"
        missing = f"{one.column}_l is null or {one.column}_r is null"
        counts = dict(
            connection.sql(
                f"with pair as (select {sides} from sample l join sample r on l.row < r.row and {here}) "
                f"select case {conditions} else {last} end, count(*) from pair where not ({missing}) group by 1"
            ).fetchall()
        )
        total = sum(counts.values()) + DECLARED_PAIRS
        for index, level in enumerate(one.levels):
            found[one.column, level.name] = (counts.get(index, 0) + DECLARED_PAIRS * level.u) / total
    return found


def _content(compared: list[Comparison]) -> str:
    """What a record says, whatever its key is; a new master key makes other keys of the same people."""
    return f"concat_ws('|', {', '.join(one.column for one in compared if one.kind != 'context')})"


def modelled(
    connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, columns: Columns
) -> tuple[pl.DataFrame, Scorer]:
    """The people as a table of the database, and the model that weighs pairs of them.

    What is counted is counted on known people: a list of names says nothing of how common they are.
    """
    compared = comparisons(columns)
    few = max(2, round(rows.filter("is_known")["node"].n_unique() * RARE))
    for index, one in enumerate(compared):
        if one.kind in ("given_name", "surname"):
            count = pl.col("node").filter("is_known").n_unique().over(one.column)
            usual = (
                pl.col(one.column).is_in(given_names().implode()) if one.kind == "given_name" else pl.lit(value=False)
            )
            rows = rows.with_columns(((count <= few) & ~usual).alias(f"{one.column}_rare"))
        if one.kind == "context":
            rows, compared[index] = with_sizes(rows, one)
    known = rows.filter("is_known")
    found = frequencies(known, compared)
    put(connection, PEOPLE, rows)
    compared = with_u(compared, counted_u(connection, compared), found)
    return rows, Scorer(connection, nested(known, compared, found), found)


def _is_of(name: str, compared: list[Comparison]) -> bool:
    return any(name == one.column or name.startswith(f"{one.column}_") for one in compared)


@dataclass(frozen=True)
class Scorer:
    """Weighs pairs of records of the database by one model."""

    connection: duckdb.DuckDBPyConnection
    compared: list[Comparison]
    found: Frequencies

    def of_pairs(self, pairs: pl.DataFrame, prior: float) -> pl.DataFrame:
        """The weights of given pairs of rows.

        Args:
            pairs: `left` and `right`, rows.
            prior: share of pairs of one person among all that are allowed.
        """
        if pairs.is_empty():
            schema: dict[str, type[pl.DataType]] = {"left": pl.Int64, "right": pl.Int64, "match_weight": pl.Float64}
            return pl.DataFrame(schema=schema | {f"gamma_{one.column}": pl.Int32 for one in self.compared})
        from splink import DuckDBAPI

        put(self.connection, "given_pair", pairs.select(match_key=pl.lit("0"), join_key_l="left", join_key_r="right"))
        api = DuckDBAPI(self.connection)
        linker = self._linker(api, prior, ["1 = 0"])
        linker.table_management.register_blocked_pairs_for_predict(api.register("given_pair"))
        return self._predicted(linker, None)

    def of_rules(self, rules: list[str], prior: float, least: float) -> pl.DataFrame:
        """The weights, from the least on, of the pairs that a blocking rule brings together."""
        from splink import DuckDBAPI

        api = DuckDBAPI(self.connection)
        return self._predicted(self._linker(api, prior, [f"{rule} and {ALLOWED}" for rule in rules]), least)

    def _linker(self, api: DuckDBAPI, prior: float, rules: list[str]) -> Linker:
        from splink import Linker, SettingsCreator

        settings = SettingsCreator(
            link_type="dedupe_only",
            unique_id_column_name="row",
            probability_two_random_records_match=prior,
            blocking_rules_to_generate_predictions=[{"blocking_rule": rule} for rule in rules],
            comparisons=[_told(one) for one in self.compared],
            retain_matching_columns=True,
        )
        linker = Linker(api.register(PEOPLE), settings, log_level=None, validate_settings=False)
        for column, frame in self.found.terms.items():
            put(self.connection, f"tf_of_{column}", frame)
            linker.table_management.register_term_frequency_lookup(api.register(f"tf_of_{column}"), column)
        return linker

    def _predicted(self, linker: Linker, least: float | None) -> pl.DataFrame:
        predicted = linker.inference.predict(threshold_match_weight=least, warning_mode="never")
        gammas = ", ".join(f"gamma_{one.column}" for one in self.compared)
        found = self.connection.sql(
            f"select row_l as left, row_r as right, match_weight, {gammas} from {predicted.physical_name}"
        ).pl()
        linker.table_management.delete_tables_created_by_splink_from_db()  # type: ignore[no-untyped-call]
        return found


def _told(one: Comparison) -> dict[str, object]:
    """A comparison in Splink's words."""
    missing = {"sql_condition": f"{one.column}_l is null or {one.column}_r is null", "is_null_level": True}
    levels = [
        {
            "sql_condition": level.sql,
            "label_for_charts": level.name,
            "m_probability": level.m,
            "u_probability": level.u,
            **({"tf_adjustment_column": level.frequent} if level.frequent else {}),
        }
        for level in one.levels
    ]
    return {"output_column_name": one.column, "comparison_levels": [missing, *levels]}
