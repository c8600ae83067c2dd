"""Bytes as texts that can be searched, whatever they are written in.

A chunk is read as UTF-8, and as Latin-1 where it is none; what stands in it as UTF-16 or UTF-32, behind escapes (JSON,
URL, HTML) or in base64 is put beside it. Long lines are cut into overlapping pieces, so that memory stays bounded.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import unquote

import polars as pl

CHUNK = 8 << 20
CARRIED = 1 << 16  # of a chunk without a line end, so that what stands on its border is read in one piece
PIECE, OVERLAP = 2000, 100
WIDE = re.compile(rb"(?:[\x20-\xff][\x00-\x05]){4,}|(?:[\x00-\x05][\x20-\xff]){4,}")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(rb"[0-9a-fA-F-]+")
ESCAPED = re.compile(r"\\|%[0-9a-fA-F]{2}|&#?\w{2,8};")
UNICODE = re.compile(r"\\+u([0-9a-fA-F]{4})")
BYTES = re.compile(r"(?:\\+x[0-9a-fA-F]{2})+")
CONTROL = re.compile(r"\\+[nrtfv0]")
QUOTE = re.compile(r"\\+(?=['\"])")
# a line such as `name: value` belongs to the one above it: a record may be written over several lines
NEXT_OF_RECORD = re.compile(r"\r?\n(?=\s*[\"']?[A-Za-z_][\w .-]{1,30}[\"']?\s*[:=]\s*\S)")


def of_stream(stream: BinaryIO) -> Iterator[pl.Series]:
    """The texts of a file, a chunk at a time."""
    left = b""
    while chunk := stream.read(CHUNK):
        chunk = left + chunk
        end = max(chunk.rfind(b"\n", len(chunk) - CARRIED), 0) or max(len(chunk) - CARRIED, 0)
        left = chunk[end:] if len(chunk) > CARRIED else chunk
        if len(chunk) > CARRIED:
            yield of_bytes(chunk[: end + OVERLAP])
    if left:
        yield of_bytes(left)


def of_bytes(chunk: bytes) -> pl.Series:
    """Everything that a chunk may say, in pieces of bounded length."""
    try:
        texts = [chunk.decode()]
    except UnicodeDecodeError:
        texts = [chunk.decode(errors="replace"), chunk.decode("latin-1")]
    if b"\0" in chunk:
        texts += _wide(chunk)
    texts += _from_base64(chunk)
    return pieces(line for text in texts for line in _lines(text))


def of_cells(cells: pl.Series) -> pl.Series:
    """Cells of a table likewise; most are short and plain, and stay as they are."""
    plain = ~cells.str.contains(r"[\\%&\n\x00]|[A-Za-z0-9+/_]{24,}") & (cells.str.len_chars() <= PIECE)
    odd = cells.filter(~plain)
    if odd.is_empty():
        return cells
    return pl.concat([cells.filter(plain), *(of_bytes(cell.encode(errors="replace")) for cell in odd)])


def pieces(lines: Iterable[str]) -> pl.Series:
    """Lines, the long ones cut, and beside each what it says without escapes."""
    found: list[str] = []
    for line in lines:
        cut = [line] if len(line) <= PIECE else [line[i : i + PIECE] for i in range(0, len(line), PIECE - OVERLAP)]
        found += cut
        for piece in cut:
            if ESCAPED.search(piece):
                found.append(unescaped(piece))
    return pl.Series(found, dtype=pl.String)


def unescaped(text: str) -> str:
    """The text without the escapes of JSON, Python, URLs and HTML."""
    plain = UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two halves of a sign are one
    plain = BYTES.sub(lambda found: bytes.fromhex(re.sub(r"\\+x", "", found[0])).decode(errors="replace"), plain)
    plain = QUOTE.sub("", CONTROL.sub(" ", plain))
    return html.unescape(unquote(plain))


def _lines(text: str) -> list[str]:
    return NEXT_OF_RECORD.sub(" ", text).splitlines()


def _wide(chunk: bytes) -> list[str]:
    """Runs that look like UTF-16, in both orders of bytes; and the whole without its zero bytes, as of UTF-32."""
    runs = [found[0] for found in WIDE.finditer(chunk)]
    texts = [run.decode(codec, errors="replace") for run in runs for codec in ("utf-16-le", "utf-16-be")]
    return [*texts, chunk.replace(b"\0\0\0", b"").decode("latin-1")] if b"\0\0\0" in chunk else texts


def _from_base64(chunk: bytes) -> list[str]:
    found = []
    for token in BASE64.findall(chunk):
        if HEX.fullmatch(token):
            continue
        try:
            said = base64.b64decode(token.rstrip(b"=") + b"=" * (-len(token.rstrip(b"=")) % 4), altchars=None)
            text = said.decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable():
            found.append(text)
    return found
