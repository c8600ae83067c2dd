"""`le`, the command line. It calls the functions that the Dagster assets call, and shows what they report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from le_pipeline.home import Home, Partition
    from le_pipeline.privacy.keys import Keys

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
quarantine = typer.Typer(no_args_is_help=True, help="Records that broke a rule: see them, mend them, take them in.")
app.add_typer(quarantine, name="quarantine")
layout = typer.Typer(no_args_is_help=True, help="Layouts: how delivered files are described.")
app.add_typer(layout, name="layout")
roster = typer.Typer(no_args_is_help=True, help="Rosters: let schools say whose students are whose.")
app.add_typer(roster, name="roster")
review = typer.Typer(invoke_without_command=True, help="Pairs of records that may be one person: look, and decide.")
app.add_typer(review, name="review")
keys = typer.Typer(no_args_is_help=True, help="The key that pseudonyms and vault rest on.")
app.add_typer(keys, name="keys")
vault = typer.Typer(no_args_is_help=True, help="The vault: who is behind a key, what agreements cover, and their end.")
app.add_typer(vault, name="vault")
audit = typer.Typer(no_args_is_help=True, help="The log of what was taken out of the vault, or changed in it.")
app.add_typer(audit, name="audit")
extract = typer.Typer(invoke_without_command=True, help="Research extracts: de-identified records under an agreement.")
app.add_typer(extract, name="extract")
release = typer.Typer(no_args_is_help=True, help="Releases: tables in which nobody can be recognised.")
app.add_typer(release, name="release")
out = Console()

HomeOption = Annotated[Path | None, typer.Option("--home", help="LE_HOME; else the environment's, else ./le_home")]
StateOption = Annotated[str | None, typer.Option("--state", help="Only this state, such as LA")]
YearOption = Annotated[int | None, typer.Option("--year", help="Only this school year, such as 2016 for 2015-16")]
PurposeOption = Annotated[str, typer.Option(help="What for, in a sentence; it is kept in the log: name nobody")]
LandingOption = Annotated[Path | None, typer.Option(help="Read deliveries from here; else LE_HOME/landing")]
FormOption = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="How the answer is written")]


@app.command()
def init(home: HomeOption = None) -> None:
    """Make the home's folders and a key file (mode 0600) outside it, where they are missing."""
    from le_pipeline.home import Home
    from le_pipeline.privacy.key_source import described
    from le_pipeline.privacy.keys import create_key_file, load_keys

    place = Home.at(home)
    create_key_file(place)
    made = load_keys(place)
    place.create()
    out.print(f"home     {place.root}", soft_wrap=True)
    out.print(f"landing  {place.landing}/<STATE>/<school year>/", soft_wrap=True)
    out.print(
        f"key      {described()} (id {made.key_id}). Without it nobody can open the vault: keep a copy elsewhere.",
        soft_wrap=True,
    )


@app.command()
def run(
    home: HomeOption = None,
    landing: LandingOption = None,
    state: StateOption = None,
    year: YearOption = None,
) -> None:
    """Bring in what has landed, then links, marts and warehouse. What has not changed is not done again."""
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home, landing)
    keys = load_keys(place)
    place.create()
    _walk(place, keys, place.chosen(state, year))


def _walk(place: Home, keys: Keys, chosen: list[Partition]) -> None:
    """Walk the whole line over the partitions, showing how far it is; ends with 1 where files need somebody."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from le_pipeline import line, summary
    from schemas import registry

    outcome = summary.Outcome()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("starting", total=len(chosen) * len(registry.feeds()) + len(line.STEPS) + 4)
        for report in line.run(place, keys, chosen):
            outcome.add(report)
            progress.update(task, advance=0 if isinstance(report, line.Refused) else 1, description=outcome.last)
    out.print(summary.after_run(place, outcome))
    if outcome.scan:
        outcome.scan.require_clean()
    if outcome.reasons:
        raise typer.Exit(1)


@app.command()
def scan(home: HomeOption = None) -> None:
    """Search everything below the home, but landing and vault, for values of the vault; ends with 1 on a find."""
    from le_pipeline import line, summary
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    report = line.search(place, load_keys(place))
    out.print(summary.scanned(report), soft_wrap=True)
    report.require_clean()


@app.command()
def status(home: HomeOption = None) -> None:
    """What has landed, what became of it, and whether the warehouse is up to date."""
    from le_pipeline import summary
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import require_whole
    from le_pipeline.warehouse import build

    place = Home.at(home)
    require_whole(place)
    landed = place.partitions()
    out.print(f"landing    {len(landed)} folders: {', '.join(map(str, landed)) or 'none yet'}", soft_wrap=True)
    out.print(f"agreements {summary.covered(place)}", soft_wrap=True)
    out.print(summary.deliveries(place))
    reasons = summary.open_troubles(place)
    if reasons:
        out.print(summary.troubles(reasons))
    if not place.warehouse.exists():
        out.print("warehouse  not built yet; `le run` builds it")
    else:
        fresh = (
            "up to date with the lake"
            if build.is_current(place)
            else "older than the lake or warehouse.yaml; `le run` brings it up to date"
        )
        out.print(f"warehouse  {place.warehouse}: {fresh}", soft_wrap=True)


@quarantine.command("list")
def list_(home: HomeOption = None, state: StateOption = None, year: YearOption = None) -> None:
    """What waits, by file, rule and column, with what to do; no value is shown."""
    from le_pipeline import summary
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import require_whole

    place = Home.at(home)
    require_whole(place)
    out.print(summary.waiting(place, place.chosen(state, year)))


@quarantine.command()
def export(
    workbook: Annotated[Path, typer.Argument(help="Where to write it (.xlsx)")] = Path("quarantine.xlsx"),
    home: HomeOption = None,
    state: StateOption = None,
    year: YearOption = None,
) -> None:
    """Write the rows that wait, in full, into a workbook to mend them in. It holds names: keep it safe. Is logged."""
    from le_pipeline.home import Home
    from le_pipeline.ingest import mending
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    rows = mending.export(place, load_keys(place), place.chosen(state, year), workbook)
    out.print(
        f"{rows:,} rows are in {workbook}. It holds names: delete it once `le quarantine retry {workbook}` has run.",
        soft_wrap=True,
    )


@quarantine.command()
def retry(
    workbook: Annotated[Path | None, typer.Argument(help="The exported workbook, mended")] = None,
    home: HomeOption = None,
    state: StateOption = None,
    year: YearOption = None,
) -> None:
    """Try again what waits: with the rows of a mended workbook, or with rules and layouts as they are now."""
    from le_pipeline.home import Home
    from le_pipeline.ingest import mending
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    keys = load_keys(place)
    chosen = place.chosen(state, year)
    if workbook:
        changed = mending.take_back(place, keys, workbook)
        out.print(f"{sum(changed.values()):,} rows were mended")
        chosen = [partition for partition in chosen if partition in changed]
    if chosen:
        _walk(place, keys, chosen)


@roster.command("export")
def export_roster(  # noqa: PLR0913, PLR0917  # each is an option of the command
    lea: Annotated[str, typer.Option(help="The district whose schools are asked, such as 017")],
    workbook: Annotated[Path, typer.Option("--out", help="Where to write it (.xlsx)")] = Path("roster.xlsx"),
    home: HomeOption = None,
    state: StateOption = None,
    year: Annotated[int | None, typer.Option(help="School year; else the latest that has links")] = None,
    school: Annotated[str | None, typer.Option(help="Only this school, by its id")] = None,
) -> None:
    """Write teachers' students with their shares into a workbook for the schools to correct. Holds names; is logged."""
    from le_pipeline.home import Home
    from le_pipeline.link.roster import Choice
    from le_pipeline.link.roster import export as export_links
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    told = export_links(place, load_keys(place), Choice(lea, state, year, school), workbook)
    out.print(
        f"{told.rows:,} links of {told.schools:,} schools are in {workbook}, {told.not_counted:,} more with why they do"
        f" not count, {told.not_here:,} with why they cannot be verified there. It holds names: send it in a safe way,"
        f" put what comes back into {place.landing}/{told.state}/{told.school_year}/, and delete it.",
        soft_wrap=True,
    )


@review.callback()
def side_by_side(context: typer.Context, home: HomeOption = None) -> None:
    """Show each pair that waits side by side, and take yes, no or later. Every look is logged."""
    if context.invoked_subcommand:
        return
    from rich.prompt import Prompt

    from le_pipeline import summary
    from le_pipeline.home import Home
    from le_pipeline.link.review import Reviewer, require_made, waiting
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    require_made(place)
    rows = waiting(place)
    if rows.is_empty():
        out.print("No pair waits for review.")
        return
    reviewer = Reviewer(place, load_keys(place))
    for number, pair in enumerate(reviewer.pairs(rows), start=1):
        reviewer.looked_at(pair)
        out.print(summary.side_by_side(pair, f"{number} of {rows.height}"))
        said = Prompt.ask("One person?", console=out, choices=["yes", "no", "later", "quit"])
        if said == "quit":
            break
        reviewer.decide(pair.decided(said))
    out.print("Decisions take effect with the next `le run`.")


@review.command("list")
def list_pairs(home: HomeOption = None) -> None:
    """How many pairs wait, by kind of person and reason; no name is shown."""
    from le_pipeline import summary
    from le_pipeline.home import Home
    from le_pipeline.link.review import require_made, waiting
    from le_pipeline.privacy.keys import require_whole

    place = Home.at(home)
    require_whole(place)
    require_made(place)
    out.print(summary.pairs_waiting(waiting(place)))


@review.command("export")
def export_pairs(
    workbook: Annotated[Path, typer.Argument(help="Where to write it (.xlsx)")] = Path("review.xlsx"),
    home: HomeOption = None,
) -> None:
    """Write the pairs that wait into a workbook, to decide there. It holds names: keep it safe. Is logged."""
    from le_pipeline.home import Home
    from le_pipeline.link.review import Reviewer
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    pairs = Reviewer(place, load_keys(place)).export(workbook)
    out.print(
        f"{pairs:,} pairs are in {workbook}. It holds names: delete it once `le review import {workbook}` has run.",
        soft_wrap=True,
    )


@review.command("import")
def import_decisions(
    source: Annotated[Path, typer.Argument(help="The exported workbook with decisions, or a CSV file")],
    home: HomeOption = None,
) -> None:
    """Take the decisions of a spreadsheet: yes, no or later in the column decision; empty ones stay open."""
    from le_pipeline.home import Home
    from le_pipeline.link.review import Reviewer, read_decisions
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    decisions = read_decisions(source)
    count = Reviewer(place, load_keys(place)).decide(decisions) if decisions.height else 0
    out.print(f"{count:,} decisions were taken; they take effect with the next `le run`")


@keys.command()
def rotate(
    to: Annotated[
        str | None, typer.Option(help="File of the new key; made, with mode 0600, where there is none")
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Take back a change that was cut off")] = False,
    home: HomeOption = None,
) -> None:
    """Put lake, warehouse, decisions and vault under another key in one step; finish or take back what was cut off."""
    from le_pipeline import rotation
    from le_pipeline.home import Home
    from le_pipeline.privacy.key_source import pointing_to
    from le_pipeline.privacy.keys import current_keys, load_keys, new_keys

    place = Home.at(home)
    if back:
        rotation.back(place, current_keys(place))
        out.print("The home is as it was, under the key before.")
        return
    if to is None:
        raise typer.BadParameter("give the file of the new key with --to, or --back")
    old = None if rotation.is_begun(place) else load_keys(place)
    counts = rotation.rotate(place, old, new_keys(to, place))
    out.print(
        f"{counts['keys']:,} keys were changed in {counts['rows']:,} rows of {counts['tables']:,} tables,"
        f" {counts['vault_files']:,} files of the vault and {counts['warehouse_tables']:,} tables of the warehouse;"
        f" {counts['decisions']:,} decisions, {counts['mended_files']:,} files of mended rows and {counts['codes']:,}"
        " codes of extracts are among them.",
        soft_wrap=True,
    )
    if counts["lost_codes"]:
        out.print(f"{counts['lost_codes']:,} codes of extracts were of people whom the vault does not know any more.")
    if not counts["warehouse_tables"]:
        out.print("The warehouse was older than the lake: `le run` makes it anew.")
    out.print(f"The old key opens nothing of this home any more: {pointing_to(to)}.", soft_wrap=True)


@vault.command()
def show(
    pseudonyms: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys of students or staff")],
    purpose: PurposeOption,
    home: HomeOption = None,
) -> None:
    """Show who is behind pseudonyms: names and ids, on a terminal only. Is logged before it is shown."""
    from le_pipeline import stewardship, summary
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    known = stewardship.behind(place, load_keys(place), pseudonyms, purpose, is_terminal=sys.stdout.isatty())
    out.print(summary.behind(known))


@vault.command()
def agreements(purpose: PurposeOption, home: HomeOption = None) -> None:
    """Which agreement covers what, until when, and how many files and records are held under it."""
    from le_pipeline import stewardship, summary
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    out.print(summary.agreement_table(stewardship.holdings(place, load_keys(place), purpose)))


@vault.command()
def destroy(
    agreement: Annotated[str, typer.Argument(help="The agreement whose data are to be destroyed, whatever its date")],
    purpose: PurposeOption,
    home: HomeOption = None,
) -> None:
    """Destroy what an agreement covers, for good: vault files, rows and decisions; writes a certificate."""
    from le_pipeline import line
    from le_pipeline.home import Home
    from le_pipeline.privacy.audit import stated
    from le_pipeline.privacy.keys import load_keys

    place = Home.at(home)
    certificates, found = line.destroy(place, load_keys(place), agreement, stated(purpose))
    for path in certificates:
        out.print(f"{path} says what was destroyed, and what is to be done by hand.", soft_wrap=True)
    found.require_clean()


@audit.command("verify")
def verify_log(
    home: HomeOption = None,
    head: Annotated[str | None, typer.Option(help="The hash of a head that was kept elsewhere")] = None,
) -> None:
    """Go through the log: how many entries and the hash of the last, or the first entry that does not hold."""
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys
    from le_pipeline.privacy.vault import Vault

    place = Home.at(home)
    verdict = Vault(place, load_keys(place)).audit.verify(head)
    if verdict.broken is not None:
        out.print(f"entry {verdict.broken} does not hold: {verdict.why}", soft_wrap=True)
        raise typer.Exit(1)
    head = verdict.head or "not there yet"
    out.print(f"{verdict.entries:,} entries hold together; the head is {head}", soft_wrap=True)


@audit.command()
def restart(purpose: PurposeOption, home: HomeOption = None) -> None:
    """Set a log that does not hold aside, unchanged, and begin another whose first entry says so."""
    from le_pipeline.home import Home
    from le_pipeline.privacy.audit import stated
    from le_pipeline.privacy.keys import load_keys
    from le_pipeline.privacy.vault import Vault

    place = Home.at(home)
    entry = Vault(place, load_keys(place)).audit.begin_anew(stated(purpose))
    out.print(f"The log before is {place.vault / entry['set_aside']}.jsonl; keep it. The head is {entry['hash']}")


@extract.callback()
def make_extract(
    context: typer.Context,
    agreement: Annotated[Path | None, typer.Option(help="The agreement, a YAML file")] = None,
    home: HomeOption = None,
) -> None:
    """Make the extract of an agreement: recoded until k students are alike, with random codes, on the register."""
    if context.invoked_subcommand:
        return
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys
    from le_pipeline.privacy.vault import Vault
    from le_pipeline.publish import summary
    from le_pipeline.publish.extract import make
    from schemas.extract_agreement import load_agreement

    if agreement is None:
        raise typer.BadParameter("give the agreement: le extract --agreement FILE")
    place, agreed = Home.at(home), load_agreement(agreement)
    made = make(place, agreed, Vault(place, load_keys(place)) if agreed.keep_codes else None)
    out.print(summary.made(made), soft_wrap=True)


@extract.command("register")
def show_register(home: HomeOption = None) -> None:
    """Who received what, when, why, and until when they may keep it. Checks that no entry was changed."""
    from le_pipeline.home import Home
    from le_pipeline.publish import summary
    from le_pipeline.publish.register import entries

    out.print(summary.register(entries(Home.at(home))), soft_wrap=True)


@extract.command()
def verify(
    home: HomeOption = None,
    head: Annotated[str | None, typer.Option(help="The hash of a head of the register that was kept elsewhere")] = None,
) -> None:
    """Hold the files of every extract against the hashes in the register, and the register against what is there."""
    from le_pipeline.home import Home
    from le_pipeline.publish import register
    from le_pipeline.publish.handover import verify as verified

    place = Home.at(home)
    folders = verified(place, head)
    for folder in folders:
        out.print(f"{folder} is as it was handed out", soft_wrap=True)
    if folders:
        out.print(f"the head of the register is {register.head(place)}", soft_wrap=True)
    else:
        out.print("No extract was ever handed out.")


@extract.command("destroyed")
def put_destroyed(
    agreement: Annotated[str, typer.Argument(help="Name of the agreement")],
    date: Annotated[str, typer.Argument(help="Date of the extract, such as 2026-11-27")],
    home: HomeOption = None,
) -> None:
    """Put on record that the recipient has confirmed the destruction of an extract."""
    from le_pipeline.home import Home
    from le_pipeline.publish.register import destroyed

    destroyed(Home.at(home), agreement, date)
    out.print(f"{agreement}/{date} is on record as destroyed", soft_wrap=True)


@release.command("make")
def make_release(
    home: HomeOption = None,
    name: Annotated[str | None, typer.Option(help="What it is called; else today's date")] = None,
) -> None:
    """Release the warehouse as it is: hide what must be hidden, audit it with every earlier release, swap it in."""
    from le_pipeline.home import Home
    from le_pipeline.privacy.keys import load_keys
    from le_pipeline.publish import release as releases
    from le_pipeline.publish import summary

    place = Home.at(home)
    load_keys(place)  # while a change of keys is cut off, or with another key, nothing is released
    out.print(summary.released(place, releases.make(place, name)), soft_wrap=True)


@release.command("list")
def list_releases(home: HomeOption = None) -> None:
    """Every release, as the ledger has it. Checks that no entry was changed."""
    from le_pipeline.home import Home
    from le_pipeline.publish import ledger, summary

    out.print(summary.releases(ledger.entries(Home.at(home))), soft_wrap=True)


@release.command("verify")
def verify_release(
    name: Annotated[str | None, typer.Argument(help="One release; else every one")] = None,
    home: HomeOption = None,
    head: Annotated[str | None, typer.Option(help="The hash of a head of the ledger that was kept elsewhere")] = None,
) -> None:
    """Hold the files of every release, and what the ledger keeps of it, against the hashes in the ledger."""
    from le_pipeline.home import Home
    from le_pipeline.publish import ledger
    from le_pipeline.publish import release as releases

    place = Home.at(home)
    names = releases.verify(place, name, head)
    for verified in names:
        out.print(f"{verified} is as it was released", soft_wrap=True)
    if names:
        out.print(f"the head of the ledger is {ledger.entries(place)[-1]['hash']}", soft_wrap=True)
    else:
        out.print("Nothing was ever released.")


@layout.command()
def draft(
    file: Annotated[Path, typer.Argument(help="A file that no layout knows")],
    home: HomeOption = None,
    feed: Annotated[str | None, typer.Option(help="What it delivers; else what fits best")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where to write it; else it is printed")] = None,
) -> None:
    """Write a first layout from a file: what is recognised by name and by value, and what is unsure."""
    from le_pipeline.home import Home
    from le_pipeline.ingest.draft import draft as drafted

    text = drafted(Home.at(home), file, feed)
    if to is None:
        out.print(text, markup=False, highlight=False, soft_wrap=True, end="")
    else:
        to.write_text(text, encoding="utf-8")
        out.print(f"{to} is a draft: mend it, put it into LE_HOME/layouts/, and try `le check {file}`", soft_wrap=True)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Delivered files, landed or not")],
    home: HomeOption = None,
    state: Annotated[str | None, typer.Option(help="State the file is for; else read off its folder")] = None,
    year: Annotated[int | None, typer.Option(help="School year the file is for; else read off its folder")] = None,
) -> None:
    """What layout a file is, what would be accepted and what quarantined and why. Writes nothing."""
    from le_pipeline.home import Home
    from le_pipeline.ingest.rehearsal import rehearse
    from le_pipeline.summary import rehearsed

    place = Home.at(home)
    trouble = False
    for file in files:
        for found in rehearse(place, file, state, year):
            out.print(rehearsed(found))
            trouble = trouble or bool(found.refusal) or any(part.refusal for part in found.parts)
    if trouble:
        raise typer.Exit(1)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="The query; else --file, standard input, or a prompt")] = None,
    home: Annotated[Path | None, typer.Option("--home", help="LE_HOME, or the DuckDB file itself")] = None,
    file: Annotated[Path | None, typer.Option("--file", exists=True, help="Read the queries from here")] = None,
    form: FormOption = "table",
) -> None:
    """Query the warehouse, read-only and sealed off from files and network. Runs neither wait for it nor disturb it."""
    from le_pipeline import sql as queries
    from le_pipeline.warehouse import reader

    if query is not None and file:
        raise typer.BadParameter("give a query or --file, not both")
    text = file.read_text(encoding="utf-8-sig") if file else query
    with reader.connect(home) as warehouse:
        if text is None and sys.stdin.isatty():
            queries.prompt(warehouse, form)
        else:
            queries.answer(warehouse, sys.stdin.read() if text is None else text, form)


@app.command()
def plan(
    home: HomeOption = None,
    declare: Annotated[bool, typer.Option("--declare", help="Put on record what is not on it yet")] = False,
) -> None:
    """The analysis plan: what is estimated, and what of it was declared before anybody could look."""
    from le_pipeline import plan as plans
    from le_pipeline.home import Home

    place = Home.at(home)
    if declare:
        for name in plans.declare(place):
            out.print(f"on record now: {name}")
    out.print(plans.told(place), markup=False, highlight=False, soft_wrap=True)


@app.command()
def evidence(
    claim: Annotated[str | None, typer.Option(help="Only this claim")] = None,
    home: Annotated[Path | None, typer.Option("--home", help="LE_HOME, or the DuckDB file itself")] = None,
) -> None:
    """What is claimed in public, what the warehouse holds that would support it, and what tier that can carry."""
    from le_pipeline import evidence as claims
    from le_pipeline.warehouse import reader

    with reader.connect(home) as warehouse:
        out.print(claims.told(warehouse, claim), markup=False, highlight=False, soft_wrap=True)


@app.command()
def request(
    state: Annotated[str, typer.Option(help="State of the partner, such as LA")],
    folder: Annotated[Path, typer.Option("--out", help="Where to write")] = Path(),
    home: HomeOption = None,
) -> None:
    """Write the data request to a partner: a document, and a workbook to fill in."""
    from le_pipeline.home import Home
    from le_pipeline.request import write_request

    for path in write_request(Home.at(home), state, folder):
        out.print(f"wrote {path}", soft_wrap=True)


def main() -> None:
    """The entry point: named troubles are told in a line, unnamed ones without their message."""
    from le_pipeline.errors import describe, is_panic

    try:
        app()
    except BaseException as error:  # the message of any other exception may hold somebody's record
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        Console(stderr=True).print(f"[bold red]le:[/] {escape(describe(error))}", soft_wrap=True, highlight=False)
        sys.exit(1)
