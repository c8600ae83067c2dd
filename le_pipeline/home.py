"""LE_HOME: the one folder that holds deliveries, vault, lake and warehouse."""

from __future__ import annotations

import fcntl
import os
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from le_pipeline.errors import BusyError, HomeError
from schemas import agreement, layout, template
from schemas.agreement import Agreement

STATE_FOLDER = re.compile(r"[A-Z][A-Z0-9]{1,15}")
LOCK_SECONDS, LOCK_POLL_SECONDS = 600, 0.1
YEAR_FOLDER = re.compile(r"(19|20)[0-9]{2}")
ALONE: ContextVar[bool] = ContextVar("alone", default=False)  # whether this thread holds the whole home
PRIVATE, PASSED_THROUGH = 0o700, 0o711
NEVER_SHOWN = ("Cc", "Cf", "Cs")  # what moves the cursor, what hides, and bytes of a name that are no characters


def shown(name: str) -> str:
    """The name of a file as it may stand in a message or table."""
    return "".join("\ufffd" if unicodedata.category(sign) in NEVER_SHOWN else sign for sign in name)


def _is_of_partition(state: str, year: str) -> bool:
    return bool(STATE_FOLDER.fullmatch(state) and YEAR_FOLDER.fullmatch(year))


def _make(folder: Path, mode: int) -> None:
    """Make a folder that is missing, with these rights whatever the umask is."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(PRIVATE, exist_ok=True)
    folder.chmod(mode)


@dataclass(frozen=True, order=True)
class Partition:
    """A landing folder: state and school year (the ending year)."""

    state: str
    school_year: int

    def __str__(self) -> str:
        return f"{self.state}-{self.school_year}"

    @classmethod
    def parse(cls, key: str) -> Partition:
        """The partition of a key such as `LA-2016`.

        Raises:
            HomeError: the key is not a state and a year.
        """
        state, _, year = key.rpartition("-")
        if not _is_of_partition(state, year):
            raise HomeError(f"{key!r} is not a state and a school year such as LA-2016")
        return cls(state, int(year))


@dataclass(frozen=True)
class Home:
    """The folders below LE_HOME. `landing` may lie elsewhere; the pipeline never writes there."""

    root: Path
    landing: Path

    @classmethod
    def at(cls, root: str | Path | None = None, landing: str | Path | None = None) -> Home:
        """The home at `root`, else at the environment's LE_HOME, else `./le_home`."""
        base = Path(root or os.environ.get("LE_HOME") or "le_home").resolve()
        return cls(base, Path(landing or os.environ.get("LE_LANDING") or base / "landing").resolve())

    @property
    def vault(self) -> Path:
        """Encrypted identities and quarantined rows."""
        return self.root / "vault"

    @property
    def key_record(self) -> Path:
        """Which key the home was made with: its id, and a value that proves it."""
        return self.root / "key.json"

    @property
    def rotation(self) -> Path:
        """What a change of keys makes beside, and how far it is."""
        return self.root / ".rotation"

    @property
    def agreements(self) -> Path:
        """The user's data sharing agreements."""
        return self.root / "agreements"

    @property
    def certificates(self) -> Path:
        """What was destroyed at the end of agreements."""
        return self.root / "certificates"

    @property
    def lake(self) -> Path:
        """Every table as Parquet, pseudonyms only."""
        return self.root / "lake"

    @property
    def warehouse(self) -> Path:
        """The analysts' DuckDB file."""
        return self.root / "warehouse" / "current.duckdb"

    @property
    def warehouse_profile(self) -> Path:
        """Which tables the analysts' warehouse leaves out, where any."""
        return self.root / "warehouse.yaml"

    @property
    def evaluation_settings(self) -> Path:
        """What is computed only where somebody asks for it, where anybody does."""
        return self.root / "evaluation.yaml"

    @property
    def analysis_plan(self) -> Path:
        """Specifications that are estimated besides the shipped ones, where any."""
        return self.root / "analysis_plan.yaml"

    @property
    def plan_ledger(self) -> Path:
        """When each specification was declared, and what had been estimated by then."""
        return self.root / "analysis_plan.jsonl"

    @property
    def evidence_claims(self) -> Path:
        """Public claims that are judged beside the shipped ones, where there are any."""
        return self.root / "evidence_claims.yaml"

    @property
    def extracts(self) -> Path:
        """Research extracts as they were handed out, and the register of who received them."""
        return self.root / "extracts"

    @property
    def extract_agreements(self) -> Path:
        """Agreements under which extracts may be made, one YAML file each."""
        return self.root / "extract_agreements"

    @property
    def published(self) -> Path:
        """Releases: tables after disclosure control."""
        return self.root / "published"

    @property
    def ledger(self) -> Path:
        """Every count that a release showed or hid; not for anybody outside."""
        return self.root / "ledger"

    @property
    def release_content(self) -> Path:
        """Which tables and breakdowns a release holds, where the user has an own choice."""
        return self.root / "release.yaml"

    @property
    def profiles(self) -> Path:
        """The user's own disclosure profiles; each replaces the shipped one of its name."""
        return self.root / "profiles"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.root / "dagster"

    @property
    def layouts(self) -> Path:
        """The user's own layouts."""
        return self.root / "layouts"

    @property
    def reference(self) -> Path:
        """The user's own reference tables; each replaces the shipped one of its name."""
        return self.root / "reference"

    def is_without_names(self, path: Path) -> bool:
        """Whether no name of a person may ever be written there by us: in landing, and anywhere in LE_HOME."""
        return any(path.resolve().is_relative_to(place) for place in (self.root, self.landing))

    def create(self) -> None:
        """Make the folders that are missing; what holds rows of people, for its owner alone.

        The rights of folders that are there are left as somebody has set them, but for the vault's.

        Raises:
            HomeError: the folder cannot be written.
        """
        self.create_root()
        with self._named_trouble():
            for folder in (self.vault, self.lake, self.dagster, self.ledger):
                _make(folder, PRIVATE)
            self.vault.chmod(PRIVATE)
            if self.landing == self.root / "landing":
                _make(self.landing, PRIVATE)
            own = (self.layouts, self.reference, self.agreements, self.profiles, self.extract_agreements)
            for folder in (self.warehouse.parent, *own):
                folder.mkdir(exist_ok=True)

    def create_root(self) -> None:
        """Make the home itself where it is missing: others may pass through it to the warehouse, and not look round.

        Raises:
            HomeError: it cannot be made.
        """
        with self._named_trouble():
            _make(self.root, PASSED_THROUGH)

    @contextmanager
    def _named_trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HomeError(
                f"cannot make the home {self.root}: {error.strerror}. Set LE_HOME to a folder you may write"
            ) from None

    def partitions(self) -> list[Partition]:
        """Every state and school year that has a landing folder with a file in it."""
        found = (
            Partition(year.parent.name, int(year.name))
            for year in self.landing.glob("*/*/")
            if _is_of_partition(year.parent.name, year.name)
        )
        return sorted(partition for partition in found if self.files(partition))

    def chosen(self, state: str | None, school_year: int | None) -> list[Partition]:
        """The partitions of a state and a school year, each where it is given.

        Raises:
            HomeError: nothing has landed there.
        """
        found = [p for p in self.partitions() if state in (None, p.state) and school_year in (None, p.school_year)]
        if not found:
            raise HomeError(f"nothing has landed in {self.landing}/<STATE>/<school year>/ for that choice")
        return found

    def misplaced(self) -> list[str]:
        """Files of landing that lie in no folder of a state and school year, below landing; nothing reads them."""
        found = (path.relative_to(self.landing) for path in self.landing.rglob("*") if path.is_file())
        return sorted(
            shown(path.as_posix())
            for path in found
            if not any(part.startswith(".") for part in path.parts)
            and not (len(path.parts) > 2 and _is_of_partition(*path.parts[:2]))  # noqa: PLR2004
        )

    def files(self, partition: Partition) -> list[Path]:
        """The delivered files of a partition, in order of name; hidden files are not deliveries.

        Links, pipes and devices count: each is refused by name, and none goes unseen.
        """
        folder = self.landing / partition.state / str(partition.school_year)
        found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(
            path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )

    def all_layouts(self) -> dict[str, layout.Layout]:
        """The shipped layouts, those of the data request, and the user's own, which replace others of their name.

        Raises:
            ContractError: a layout file is wrong; names file, line and key.
        """
        return layout.load_layouts(layout.SHIPPED) | template.layouts() | layout.load_layouts(self.layouts)

    def all_agreements(self) -> dict[str, Agreement]:
        """The declared agreements, by name.

        Raises:
            ContractError: an agreement file is wrong, or two cover one landing folder; names file, line and key.
        """
        return agreement.load_agreements(self.agreements)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the whole home, so that nothing that takes one of its locks runs meanwhile.

        Raises:
            BusyError: another run goes on for longer than ten minutes.
        """
        with self._held(fcntl.LOCK_EX):
            token = ALONE.set(True)
            try:
                yield
            finally:
                ALONE.reset(token)

    @contextmanager
    def _held(self, how: int) -> Iterator[None]:
        if ALONE.get():  # by ourselves
            yield
            return
        folder = self.root / ".lock"
        folder.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + LOCK_SECONDS
        with (folder / "home").open("a") as file:
            while True:
                try:
                    fcntl.flock(file, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise BusyError(
                            f"another command has been changing this home for over {LOCK_SECONDS // 60} minutes;"
                            " wait for it, or end it, and run again"
                        ) from None
                    time.sleep(LOCK_POLL_SECONDS)
            yield

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the home's lock of that name, so that two runs do not write one thing at once.

        Raises:
            BusyError: the lock, or the whole home, is held for longer than ten minutes.
        """
        folder = self.root / ".lock"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._held(fcntl.LOCK_SH), FileLock(folder / name, timeout=LOCK_SECONDS):
                yield
        except Timeout:
            raise BusyError(
                f"another run has been writing {name} for over {LOCK_SECONDS // 60} minutes;"
                " wait for it, or end it, and run again"
            ) from None
