"""Make a password for a person, for nginx: `python3 add_user.py FILE NAME`. It is shown once and kept only as a hash.

Passwords are made here and never chosen: 24 random signs cannot be guessed, however fast the hash. nginx computes it
with every request of the UI, so that a slow one would be felt. Needs nothing but Python.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sys
from pathlib import Path


def add_user(file: Path, name: str) -> str:
    """Put the person's line into the file, in the place of an earlier one; the file is its owner's and group's to read.

    Returns:
        The new password.
    """
    if not re.fullmatch(r"[a-z][a-z0-9._-]*", name):
        raise SystemExit(f"{name!r} is not a name such as maria (small letters, digits, . _ -)")
    password, salt = secrets.token_urlsafe(18), secrets.token_bytes(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if not line.startswith(f"{name}:")]
    beside = file.with_name(f".{file.name}.new")
    beside.touch(mode=0o640)
    beside.write_text(
        "\n".join([*kept, f"{name}:{{SSHA}}{base64.b64encode(digest + salt).decode()}", ""]), encoding="utf-8"
    )
    if file.exists():
        beside.chmod(file.stat().st_mode)
    beside.replace(file)
    return password


if __name__ == "__main__":
    if len(sys.argv) != 3:  # noqa: PLR2004
        raise SystemExit("usage: python3 add_user.py FILE NAME")
    print(add_user(Path(sys.argv[1]), sys.argv[2]))
