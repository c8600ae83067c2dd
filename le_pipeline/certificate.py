"""The certificate of destruction of what an agreement covered: as JSON for programs, beside it as text for people."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys
from le_pipeline.warehouse.lake import replace

METHOD = (
    "Cryptographic erase (NIST SP 800-88): the random 256-bit data key of the agreement, the only one under which its"
    " vault files were encrypted (AES-256-GCM), was overwritten and deleted, then the files were deleted. Pseudonymous"
    " rows of its landing folders were deleted from the lake; links, marts and warehouse were made anew without them."
)
BY_HAND = (
    "Landing files: the pipeline never changes or deletes what was delivered. They are listed in full.",
    "Back-ups and copies of LE_HOME.",
    "Copies of vault files of a time before the agreement had a data key of its own, or with the wrapped key beside.",
    (
        "Blocks of flash or copy-on-write disks that may still hold the wrapped key: change the master key, without"
        " which it opens nothing (`le keys rotate`), and destroy the old one."
    ),
    "Releases, extracts and reports that have been published, and workbooks with names that were handed out.",
    "Warehouse files that somebody still has open or has copied.",
)


def write(home: Home, keys: Keys, stone: dict[str, Any], landed: list[str]) -> Path:
    """Write the certificate of a finished destruction.

    Args:
        home: where it was.
        keys: the home's keys; their id is put on record.
        stone: what was destroyed, by whom, when and why.
        landed: the landing files of the agreement, which are still there.

    Returns:
        The JSON file; the text has its name with `.md`.
    """
    now = datetime.datetime.now(datetime.UTC)
    content = {
        "title": "Certificate of destruction",
        "agreement": stone["agreement"],
        "method": METHOD,
        "destroyed_by": stone["by"],
        "purpose": stone["purpose"],
        "begun_at": stone["begun"],
        "erased_at": stone["erased"],
        "certified_at": now.isoformat(timespec="seconds"),
        "audit_entry": stone["audit_entry"],
        "key_id": {"at_destruction": stone["key_id"], "at_certification": keys.key_id},
        "vault_files": stone["vault"],
        "lake_files": stone["lake"],
        "rows": stone["rows"],
        "people": stone["people"],
        "decisions": stone["decisions"],
        "codes": stone["codes"],
        "not_destroyed": {"landing_files": landed, "by_hand": list(BY_HAND)},
    }
    path = home.certificates / f"{stone['agreement']['agreement']}-{now.date().isoformat()}.json"
    replace(path.with_suffix(".md"), lambda beside: beside.write_text(_text(content), encoding="utf-8"))
    replace(path, lambda beside: beside.write_text(json.dumps(content, indent=2), encoding="utf-8"))
    return path


def _text(content: dict[str, Any]) -> str:
    agreement, entry = content["agreement"], content["audit_entry"]
    covers = agreement["covers"]
    lines = [
        f"# Certificate of destruction: {agreement['agreement']}",
        "",
        f"- Agreement: {agreement['about']}",
        f"- Discloser: {agreement['discloser']}",
        f"- Legal basis: {agreement['legal_basis']}",
        f"- Covered: {covers['state']}, school years {covers['school_years'][0]} to {covers['school_years'][1]}",
        f"- To be destroyed by: {agreement['destroy_by']}",
        f"- Destroyed: {content['erased_at']}, by {content['destroyed_by']}; certified {content['certified_at']}",
        f"- Why: {content['purpose']}",
        f"- Entry {entry['number']} of the audit log, {entry['hash']}",
        f"- Master key: {content['key_id']['at_destruction']}",
        "",
        content["method"],
        "",
        "## Destroyed",
        "",
        f"- {len(content['vault_files'])} vault files",
        f"- all that was kept of {content['people']:,} people (students, staff, listed names) whom no other file holds",
        f"- {content['decisions']:,} decisions about them, and {content['codes']:,} codes that they had in extracts",
        f"- {sum(content['rows'].values()):,} rows of tables",
        "",
        "| table | rows |",
        "|---|---|",
        *(f"| {table} | {rows:,} |" for table, rows in content["rows"].items()),
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| {each['path']} | {each['sha256']} |" for each in (*content["vault_files"], *content["lake_files"])),
        "",
        "## Not destroyed: to be done by hand",
        "",
        *(f"- {what}" for what in content["not_destroyed"]["by_hand"]),
        "",
        *(f"    {path}" for path in content["not_destroyed"]["landing_files"]),
        "",
    ]
    return "\n".join(lines)
