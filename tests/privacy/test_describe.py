"""What may be shown of an exception: named troubles speak for themselves, of others only type and place."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from le_pipeline import cli, errors
from le_pipeline.errors import describe
from schemas.yaml_file import ContractError

CANARY = "Zebulon Canary"


def foreign() -> None:
    raise ValueError(CANARY)


def of_polars() -> None:
    pl.Series([CANARY]).cast(pl.Int64)


def of_polars_dates() -> None:
    pl.Series([CANARY]).str.to_date("%Y-%m-%d")


def of_duckdb() -> None:
    duckdb.sql(f"select cast('{CANARY}' as integer)").fetchall()


def chained() -> None:
    try:
        foreign()
    except ValueError as error:
        raise KeyError(CANARY) from error


def noted() -> None:
    trouble = RuntimeError(CANARY)
    trouble.add_note(CANARY)
    raise trouble


def panicking() -> None:
    raise pl.exceptions.PanicException(CANARY)


@pytest.mark.parametrize("fail", [panicking, foreign, of_polars, of_polars_dates, of_duckdb, chained, noted])
def test_the_message_of_a_foreign_exception_is_never_shown_and_its_place_is(fail: object) -> None:
    assert callable(fail)
    with pytest.raises((Exception, pl.exceptions.PanicException)) as caught:
        fail()
    assert CANARY in str(caught.value)
    shown = describe(caught.value)
    assert CANARY not in shown
    assert type(caught.value).__name__ in shown
    assert f"{fail.__name__}" in shown
    assert "test_describe.py:" in shown


def test_named_troubles_are_told_in_their_own_words_and_without_their_cause() -> None:
    for kind in (*errors.PipelineError.__subclasses__(), *errors.RefusedError.__subclasses__(), ContractError):
        trouble = kind("row 7 lacks Grade")
        trouble.__cause__ = ValueError(CANARY)
        assert describe(trouble) == "row 7 lacks Grade"


def test_the_command_line_tells_a_panic_without_its_message_and_lets_an_end_be_an_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", panicking)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "PanicException" in said
    assert CANARY not in said

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cli.main()
