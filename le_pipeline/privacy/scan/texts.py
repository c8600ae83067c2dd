"""Bytes as texts that can be searched, whatever they are written in.

A chunk is read as UTF-8, and as Latin-1 where it is none; what stands in it as UTF-16 or UTF-32, behind escapes (JSON,
URL, HTML), in base64 or as hex is put beside it. Long lines are cut into overlapping pieces, so that memory stays
bounded.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import unquote

import polars as pl

CHUNK = 8 << 20
CARRIED = 1 << 16  # of a chunk without a line end, so that what stands on its border is read in one piece
PIECE, OVERLAP = 2000, 100
WIDE = re.compile(rb"(?:[\x20-\xff][\x00-\x05]){4,}|(?:[\x00-\x05][\x20-\xff]){4,}")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
OF_URLS = bytes.maketrans(b"-_", b"+/")
HEX, DASHED_HEX = re.compile(rb"[0-9a-fA-F]{16,}"), re.compile(rb"[0-9a-fA-F-]+")
LEAST = 16  # signs of base64 or hex
WIDEST = 4  # bytes of a sign
ESCAPED_CELL = r"[\\%&\n\x00]"
ODD_CELL = rf"{ESCAPED_CELL}|[A-Za-z0-9+/_-]{{16,}}"
# hex of a text in UTF-8
HEX_CELL = (
    "(?i)^(?:[2-7][0-9a-f]|0[9ad]|[cd][0-9a-f][89ab][0-9a-f]"
    "|e[0-9a-f](?:[89ab][0-9a-f]){2}|f[0-4](?:[89ab][0-9a-f]){3})+$"
)
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
    texts += decoded(chunk)
    return pieces(line for text in texts for line in _lines(text))


def of_cells(cells: pl.Series) -> pl.Series:
    """Cells of a table likewise; most are short and plain, and stay as they are."""
    plain = ~cells.str.contains(ODD_CELL) & (cells.str.len_chars() <= PIECE)
    odd = cells.filter(~plain)
    if odd.is_empty():
        return cells
    is_code = _is_code(odd)
    codes = odd.filter(is_code)
    more = [of_bytes(cell.encode(errors="replace")) for cell in odd.filter(~is_code)]
    return pl.concat([cells.filter(plain), codes, *more, pl.Series(_from_hex_cells(codes), dtype=pl.String)])


def _is_code(odd: pl.Series) -> pl.Series:
    """Cells that are no base64, which has letters of both kinds where it stands for a text; codes may be many."""
    is_mixed = odd.str.contains("[a-z]") & odd.str.contains("[A-Z]")
    is_other = odd.str.contains(ESCAPED_CELL) | (odd.str.len_chars() > PIECE)
    return ~is_other & (~is_mixed | odd.str.contains("^[0-9a-fA-F-]+$"))


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


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, where a file that begins in this way is a text in it, with or without a byte order mark."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    head = head[: len(head) // WIDEST * WIDEST]
    if not head:
        return None
    zeros = [head[at::WIDEST].count(0) / len(head[at::WIDEST]) for at in range(WIDEST)]
    return next((encoding for encoding, full in FULL.items() if _is_like(zeros, full)), None)


MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
# which bytes of four are not nearly always zero in a text of Latin letters
FULL = {"utf-32-le": (0,), "utf-32-be": (3,), "utf-16-le": (0, 2), "utf-16-be": (1, 3)}
MOSTLY = 0.7


def _is_like(zeros: list[float], full: tuple[int, ...]) -> bool:
    return all((share == 0) if at in full else (share > MOSTLY) for at, share in enumerate(zeros))


def decoded(chunk: bytes) -> list[str]:
    """Texts that stand in base64, also that of URLs, or as hex in it."""
    tokens = BASE64.findall(chunk)  # hex has no other signs
    said = [text for token in tokens for text in _from_base64(token)]
    return said + [text for token in tokens for part in HEX.findall(token) if (text := _from_hex(part))]


def _from_base64(token: bytes) -> Iterator[str]:
    if DASHED_HEX.fullmatch(token):
        return
    token = token.rstrip(b"=")
    # `-`, `_` and `/` may belong to it, or stand before it in a path
    parts = {token, *(part for part in re.split(rb"[/_-]+", token) if len(part) >= LEAST)}
    for part in parts:
        with suppress(binascii.Error):
            padded = part.translate(OF_URLS) + b"=" * (-len(part) % 4)
            if text := _readable(base64.b64decode(padded)):
                yield text


def _from_hex(token: bytes) -> str | None:
    return None if len(token) % 2 else _readable(bytes.fromhex(token.decode()))


def _from_hex_cells(codes: pl.Series) -> list[str]:
    """Texts of cells that are nothing but hex."""
    found = codes.filter(codes.str.contains(HEX_CELL))
    return [text for cell in found if len(cell) >= LEAST and (text := _from_hex(cell.encode()))]


def _readable(said: bytes) -> str | None:
    """What bytes say, where they are a text."""
    try:
        text = said.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable() else None
