"""What an agreement covers is destroyed on its date, for good, and certified; whatever cuts it off, it is finished."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from killed import changes, killed
from landed import Landed, scores, students
from le_pipeline import agreements, destruction, line, rotation
from le_pipeline.errors import DestructionError, VaultError
from le_pipeline.home import Home, Partition
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.link import decision
from le_pipeline.privacy.keys import Keys, new_keys
from le_pipeline.privacy.vault import Vault
from le_pipeline.publish.record_code import together
from le_pipeline.warehouse.lake import Lake
from privacy.test_vault import AGREEMENT
from schemas import registry
from test_rotation import keys_of

ENDED = "first"
PURPOSE = "the partner has asked for it"
ONLY_2015, BOTH, ONLY_2016 = "7000000", "7000005", "7000012"
CODES = ("extract_codes/a-2026-11-27", "extract_codes/b-2026-11-27")
ASSESSMENT = registry.feeds()["student_assessment"]


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    """Ten students in 2015, ten in 2016, five of them in both; 2015 is covered by an agreement of its own."""
    made = Landed(home, keys).layout()
    for year, some in ((2015, students(10)), (2016, students(15)[5:])):
        folder = home.landing / "LA" / str(year)
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_text(scores(*some, f"800000{year % 10},Zebulon,02/03/2006,4B,1,500"))
    (home.agreements / "first.yaml").write_text(AGREEMENT.format(name="first", years="2015, 2015"))
    (home.agreements / "second.yaml").write_text(AGREEMENT.format(name="second", years="2016, 2016"))
    for left, right in ((ONLY_2015, BOTH), (BOTH, ONLY_2016)):
        decide(home, keys, left, right)
    for extract in CODES:
        seal(home, keys, extract)
    agreements.keep(home, keys)
    for partition in home.partitions():
        for _ in line.ingest(home, keys, partition):
            pass
    return made


def decide(home: Home, keys: Keys, left: str, right: str) -> None:
    both = keys_of([left, right], keys)
    sides = {
        f"{side}_{what}": said for side in decision.SIDES for what, said in (("domain", "student"), ("issuer", "LA"))
    }
    row = {"person_kind": "student", "decision": "no", "left_id": left, "right_id": right, **sides}
    decision.keep(
        Vault(home, keys), decision.in_order(pl.DataFrame([row | {"left_key": both[0], "right_key": both[1]}]))
    )


def seal(home: Home, keys: Keys, extract: str) -> None:
    known = pl.DataFrame({"student_key": keys_of([ONLY_2015, BOTH, ONLY_2016], keys), "code": ["s1", "s2", "s3"]})
    with Vault(home, keys).replacing(extract) as file:
        file.add(together({"student_key": known, "lea_id": pl.DataFrame({"lea_id": ["1"], "code": ["d1"]})}))
        file.keep()


def run(landed: Landed) -> list[line.Report]:
    return list(line.run(landed.home, landed.keys, landed.home.partitions()))


def due(home: Home) -> None:
    """Let the agreement's last day have passed."""
    path = home.agreements / f"{ENDED}.yaml"
    path.write_text(path.read_text().replace("2030-06-30", "2020-06-30"))


def certificate(home: Home) -> dict[str, object]:
    (path,) = home.certificates.glob("*.json")
    return dict(json.loads(path.read_text()))


def years(home: Home) -> list[int]:
    return sorted(set(Lake(home.lake).read(ASSESSMENT)["school_year"]))


def assert_destroyed(landed: Landed) -> None:
    home, vault = landed.home, Vault(landed.home, landed.keys)
    assert years(home) == [2016]
    assert not vault.data_keys.path(ENDED).exists()
    assert [name for name in vault.names("") if "2015" in name] == []
    (kept,) = decision.read(vault).iter_rows(named=True)
    assert {kept["left_id"], kept["right_id"]} == {BOTH, ONLY_2016}
    for extract in CODES:
        assert pl.concat(vault.read(extract))["code"].to_list() == ["s2", "s3", "d1"]
    (gone,) = keys_of([ONLY_2015], landed.keys)
    for path in home.lake.rglob("*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        assert not any((frame[name] == gone).any() for name in frame.columns if name.endswith("_key")), path
    assert vault.audit.verify().broken is None
    assert (home.landing / "LA" / "2015" / "scores.csv").exists()


def test_the_nightly_line_destroys_what_is_due_and_certifies_it(landed: Landed) -> None:
    home = landed.home
    vault_files = {f"vault/{name}.vault" for name in Vault(home, landed.keys).names("") if "2015" in name}
    due(home)
    assert not line.is_current(home, landed.keys)
    first, *_ = run(landed)
    assert isinstance(first, agreements.AgreementReport) and first.destroyed == (ENDED,)
    assert_destroyed(landed)
    said = certificate(home)
    assert {file["path"] for file in said["vault_files"]} == vault_files
    assert all(len(file["sha256"]) == 64 for file in (*said["vault_files"], *said["lake_files"]))
    assert said["rows"] == {
        "canonical.column_drift": 0,
        "canonical.column_profile": 6,
        "canonical.identity_match": 0,
    } | {
        "canonical.quarantine": 1,
        "canonical.student_assessment": 10,
    }
    assert (said["people"], said["decisions"], said["codes"]) == (5, 1, 2)
    assert said["agreement"]["legal_basis"] == "34 CFR 99.31(a)(6)"
    assert said["not_destroyed"]["landing_files"] == [str(home.landing / "LA" / "2015" / "scores.csv")]
    assert "Back-ups" in " ".join(said["not_destroyed"]["by_hand"])
    entries = list(Vault(home, landed.keys).audit.entries())
    entry = entries[said["audit_entry"]["number"] - 1]
    assert (entry["what"], entry["hash"]) == ("destroy agreement", said["audit_entry"]["hash"])
    assert entries[-1]["what"] == "certificate of destruction"
    (text,) = home.certificates.glob("*.md")
    assert "NIST SP 800-88" in text.read_text() and "34 CFR 99.31(a)(6)" in text.read_text()
    assert ONLY_2015 not in text.read_text() and "Tester" not in json.dumps(said)


@pytest.mark.parametrize("day", [datetime.date(2020, 6, 30), datetime.date(2020, 7, 1)])
def test_the_last_day_is_one_on_which_the_data_may_be_kept(
    landed: Landed, monkeypatch: pytest.MonkeyPatch, day: datetime.date
) -> None:
    due(landed.home)
    monkeypatch.setattr(agreements, "today", lambda: day)
    assert agreements.due(landed.home) == ([ENDED] if day.month == 7 else [])


def test_nothing_of_it_comes_back(landed: Landed) -> None:
    line.destroy(landed.home, landed.keys, ENDED, PURPOSE)
    home = landed.home
    (home.landing / "LA" / "2015" / "more.csv").write_text(scores(*students(3)))
    (home.agreements / f"{ENDED}.yaml").unlink()  # not even where it is no longer declared
    refused = [report for report in run(landed) if isinstance(report, line.Refused)]
    assert [report.path for report in refused] == ["LA/2015/more.csv", "LA/2015/scores.csv"]
    assert "covered by the agreement first, whose data were destroyed on" in refused[0].reason
    assert_destroyed(landed)
    status = Lake(home.lake).read(registry.tables()["delivery"]).filter(pl.col("school_year") == 2015)
    assert set(status["delivery_status"]) == {"refused", "withdrawn"}
    (told,) = rehearse(home, home.landing / "LA" / "2015" / "more.csv")
    assert "were destroyed on" in str(told.refusal)
    with (
        pytest.raises(VaultError, match="takes nothing of LA-2015"),
        Vault(home, landed.keys).replacing("student_assessment/LA-2015.identity"),
    ):
        pass
    assert line.is_current(home, landed.keys)


def test_copies_of_its_vault_files_and_of_the_decisions_do_not_open_with_the_master_key_any_more(
    landed: Landed, tmp_path: Path
) -> None:
    home, keys = landed.home, landed.keys
    copy = Path(shutil.copytree(home.vault, tmp_path / "copy"))
    agreements.destroy(home, keys, ENDED, PURPOSE)
    shutil.rmtree(copy / "keys")
    shutil.copytree(home.vault / "keys", copy / "keys")  # the wrapped keys as they are now
    aside = Vault(home, keys, copy)
    for name in aside.names(""):
        if "2015" in name or name in (decision.FILE, *CODES):
            with pytest.raises(VaultError):
                list(aside.read(name))
        else:
            list(aside.read(name))


def test_the_other_agreement_is_as_it_was(landed: Landed) -> None:
    before = Vault(landed.home, landed.keys).path("student_assessment/LA-2016.identity").read_bytes()
    agreements.destroy(landed.home, landed.keys, ENDED, PURPOSE)
    assert Vault(landed.home, landed.keys).path("student_assessment/LA-2016.identity").read_bytes() == before
    assert agreements.keep(landed.home, landed.keys).is_current
    assert len(Lake(landed.home.lake).read(ASSESSMENT)) == 10


def test_what_is_no_agreement_or_is_gone_already_is_told(landed: Landed) -> None:
    with pytest.raises(DestructionError, match=r"there is no agreement third in .*; there are: first, second"):
        line.destroy(landed.home, landed.keys, "third", PURPOSE)
    line.destroy(landed.home, landed.keys, ENDED, PURPOSE)
    with pytest.raises(DestructionError, match=r"destroyed already: see certificates/first-"):
        line.destroy(landed.home, landed.keys, ENDED, PURPOSE)


def test_a_folder_that_was_declared_just_before_is_destroyed_whole(landed: Landed) -> None:
    path = landed.home.agreements / f"{ENDED}.yaml"
    text = path.read_text()
    path.unlink()
    assert agreements.keep(landed.home, landed.keys).resealed > 0
    assert agreements.undeclared(landed.home) == [Partition("LA", 2015)]
    path.write_text(text)
    agreements.destroy(landed.home, landed.keys, ENDED, PURPOSE)
    assert_destroyed(landed)
    (stone,) = destruction.unfinished(landed.home)
    assert (stone["people"], stone["decisions"]) == (5, 1)


def test_killed_at_any_step_it_is_finished_by_the_next_run(landed: Landed, tmp_path: Path) -> None:
    kept = shutil.copytree(landed.home.root, tmp_path / "kept")

    def anew() -> None:
        shutil.rmtree(landed.home.root)
        shutil.copytree(kept, landed.home.root)

    def destroy() -> None:
        agreements.destroy(landed.home, landed.keys, ENDED, PURPOSE)

    with changes(landed.home.root) as counted:
        destroy()
    assert counted.seen > 10
    for step in range(counted.seen):
        anew()
        with killed(landed.home.root, step):
            destroy()
        begun = bool(destruction.unfinished(landed.home))
        assert begun or years(landed.home) == [2015, 2016]
        assert not landed.home.certificates.exists()
        if begun:
            assert not agreements.is_kept(landed.home, landed.keys) or destruction.unfinished(landed.home)[0]["erased"]
            agreements.keep(landed.home, landed.keys)
        else:
            destroy()
        finished_lake(landed)
        assert destruction.unfinished(landed.home)[0]["erased"]


def finished_lake(landed: Landed) -> None:
    assert years(landed.home) == [2016]
    vault = Vault(landed.home, landed.keys)
    codes, review, other = vault.data_keys.names()
    assert (codes.partition(".")[0], review.partition(".")[0], other) == ("extract_codes", "review", "second")
    assert [name for name in vault.names("") if "2015" in name] == []
    assert decision.read(vault).height == 1
    assert [pl.concat(vault.read(extract)).height for extract in CODES] == [3, 3]
    assert vault.audit.verify().broken is None


def test_a_run_that_fails_after_the_erasure_certifies_nothing_and_the_next_one_does(
    landed: Landed, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(landed.home)

    def fail(*_: object) -> None:
        raise VaultError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(line.person_match, "resolve", fail)
        with pytest.raises(VaultError, match="stopped"):
            run(landed)
    assert not landed.home.certificates.exists()
    assert not line.is_current(landed.home, landed.keys)
    run(landed)
    assert_destroyed(landed)
    assert certificate(landed.home)["people"] == 5


def test_a_destroyed_agreement_stays_destroyed_under_another_key(landed: Landed, tmp_path: Path) -> None:
    line.destroy(landed.home, landed.keys, ENDED, PURPOSE)
    run(landed)
    other = new_keys(tmp_path / "other.key", landed.home)
    rotation.rotate(landed.home, landed.keys, other)
    again = Landed(landed.home, other)
    assert line.is_current(landed.home, other)
    run(again)
    assert_destroyed(again)
