"""Hostile and broken files, each with the named error it must end in; `python tests/hostile.py FOLDER` writes them.

Every file is made from nothing by a function, byte for byte the same each time, and holds a name that must never be
told. Whoever adds a kind of file adds a line to `HOSTILE`; the tests take it from there.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from landed import HEADER, SCORES, scores
from le_pipeline import errors
from le_pipeline.errors import RefusedError
from le_pipeline.ingest.document import FILE_BYTES

PERSON = "Quetzalcanary"  # the name in every file, for which every message is searched
MB = 1 << 20
LONG = 100 * MB  # of a line or a cell without end


def layout_of(kind: str, read: str, name: str, more: str = "") -> str:
    """The layout `scores` for another kind of file."""
    text = SCORES.replace("layout: scores", f"layout: scores_{kind}").replace("{format: delimited}", read)
    return text.replace("[ID, Grade, Score]}", f"[ID, Grade, Score], name: {name}{more}}}")


POSITIONS = "{ID: 1-7, Name: 8-22, Born: 23-32, Grade: 33-34, District: 35, Score: 36-38}"
LAYOUTS = {
    "scores.yaml": SCORES.replace("Grade, Score]", 'Grade, Score], name: ["[!l]*.csv", "l[!a]*.csv"]'),
    "latin.yaml": layout_of("latin", "{format: delimited, encoding: windows-1252}", '"latin*"'),
    "workbook.yaml": layout_of("workbook", "{format: excel}", '["*.xlsx", "*.xls", "*.xlsb", "*.ods"]'),
    "columns.yaml": layout_of("columns", "{format: parquet}", '"*.parquet"'),
    "lines.yaml": layout_of("lines", "{format: json_lines}", '"*.jsonl"'),
    "fixed.yaml": layout_of(
        "fixed",
        f"{{format: fixed_width, record_length: 38, positions: {POSITIONS}}}",
        '"*.txt"',
        r', values: {Born: "\\d\\d/\\d\\d/2006"}',
    ),
}


def rows(count: int, first: int = 0, score: object = 500) -> list[str]:
    """Rows of as many students, each right, all of one name."""
    return [f"8{place:06d},{PERSON},02/03/2006,04,1,{score}" for place in range(first, first + count)]


CSV = scores(*rows(40)).encode()


# -- good files, which the hostile ones stand beside and overwrite ------------------------------------------------


def zipped(
    files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], object] = lambda _: None, method: int = 8
) -> bytes:
    """A ZIP archive; `change` may alter what its directory says of a file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, data)
        for info in archive.infolist():
            change(info)
    return content.getvalue()


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
WORKBOOK = "xl/workbook.xml"
SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"


def cells(lines: Iterable[str], shared: dict[str, int] | None = None) -> str:
    """Rows of a sheet; texts stand in the cells, or are numbers of `shared`."""
    found = []
    for number, line in enumerate(lines, start=1):
        row = []
        for place, text in enumerate(line.split(",")):
            at = f'r="{chr(65 + place)}{number}"'
            if shared is None:
                row.append(f'<c {at} t="inlineStr"><is><t>{text}</t></is></c>')
            else:
                row.append(f'<c {at} t="s"><v>{shared.setdefault(text, len(shared))}</v></c>')
        found.append(f'<row r="{number}">{"".join(row)}</row>')
    return "".join(found)


def book(change: Callable[[dict[str, str]], object] = lambda _: None, count: int = 40, first: int = 0) -> bytes:
    """A workbook of students; `change` may alter its parts before they are packed."""
    shared: dict[str, int] = {}
    table = cells([HEADER, *rows(count, first)], shared)
    relation = f'<Relationship Id="rId{{}}" Type="{OFFICE}/{{}}" Target="{{}}"/>'
    kind = '<Override PartName="/{}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{}+xml"/>'
    parts = {
        "[Content_Types].xml": f'{XML}<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{kind.format(WORKBOOK, 'sheet.main')}{kind.format(SHEET, 'worksheet')}"
        f"{kind.format(STRINGS, 'sharedStrings')}</Types>",
        "_rels/.rels": f'{XML}<Relationships xmlns="{PACKAGE}/relationships">'
        f"{relation.format(1, 'officeDocument', WORKBOOK)}</Relationships>",
        WORKBOOK: f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="Scores" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{XML}<Relationships xmlns="{PACKAGE}/relationships">'
        f"{relation.format(1, 'worksheet', 'worksheets/sheet1.xml')}"
        f"{relation.format(2, 'sharedStrings', 'sharedStrings.xml')}</Relationships>",
        SHEET: f'{XML}<worksheet xmlns="{MAIN}"><sheetData>{table}</sheetData></worksheet>',
        STRINGS: f'{XML}<sst xmlns="{MAIN}">{"".join(f"<si><t>{text}</t></si>" for text in shared)}</sst>',
    }
    change(parts)
    return zipped({name: text.encode() for name, text in parts.items()})


def replaced(part: str, old: str, new: str) -> Callable[[dict[str, str]], object]:
    """A change to a workbook: the first `old` of a part becomes `new`."""

    def change(parts: dict[str, str]) -> None:
        assert old in parts[part]
        parts[part] = parts[part].replace(old, new, 1)

    return change


def parquet(count: int = 40, first: int = 0, **columns: object) -> bytes:
    """A Parquet file of students, with further or other columns."""
    frame = pl.read_csv(io.StringIO(scores(*rows(count, first))), infer_schema=False)
    content = io.BytesIO()
    frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()}).write_parquet(content)
    return content.getvalue()


def records(count: int = 40, first: int = 0) -> list[str]:
    """JSON lines of students."""
    return [json.dumps(dict(zip(HEADER.split(","), row.split(","), strict=True))) for row in rows(count, first)]


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def fixed(count: int = 40, first: int = 0, born: str = "02/03/2006") -> list[str]:
    """Fixed-width lines of students."""
    return [f"8{place:06d}{PERSON:<15}{born}041500" for place in range(first, first + count)]


def good(suffix: str, first: int) -> bytes:
    """A good file of that kind, of students that no other has."""
    made: dict[str, Callable[[], bytes]] = {
        ".csv": lambda: scores(*rows(40, first)).encode(),
        ".zip": lambda: zipped({"scores.csv": scores(*rows(40, first)).encode()}),
        ".xlsx": lambda: book(first=first),
        ".parquet": lambda: parquet(first=first),
        ".jsonl": lambda: lines(*records(first=first)),
        ".txt": lambda: lines(*fixed(first=first)),
    }
    return made[suffix]()


GOOD_SUFFIXES = (".csv", ".zip", ".xlsx", ".parquet", ".jsonl", ".txt")


# -- archives -----------------------------------------------------------------------------------------------------


def named_in_zip(name: str) -> bytes:
    return zipped({name: CSV})


def linked_in_zip() -> bytes:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    return zipped({"scores.csv": b"/etc/passwd"}, link)


def encrypted_zip() -> bytes:
    """What stands first in each header says that it is encrypted."""
    data = bytearray(zipped({"scores.csv": CSV}))
    data[6] |= 1
    data[data.rfind(b"PK\1\2") + 8] |= 1
    return bytes(data)


def lying_zip(field: int, value: int, size: str = "<I") -> bytes:
    """A directory entry in which a number is another one."""
    data = bytearray(zipped({"scores.csv": CSV}))
    struct.pack_into(size, data, data.rfind(b"PK\1\2") + field, value)
    return bytes(data)


def zip64(size: int) -> bytes:
    """A directory entry whose size, beyond what a ZIP file can say, is said as ZIP64 does."""

    def claim(info: zipfile.ZipInfo) -> None:
        info.file_size = size

    return zipped({"scores.csv": CSV}, claim)


def overlapping_zip(names: int) -> bytes:
    """Directory entries that all mean one file of 10 MB: it unpacks again and again."""
    data = zipped({"0.csv": bytes(10 * MB)})
    at = data.rfind(b"PK\1\2")
    entry, end = data[at : data.rfind(b"PK\5\6")], data[data.rfind(b"PK\5\6") :]
    many = b"".join(entry.replace(b"0.csv", f"{n:05d}".encode()) for n in range(names))
    return data[:at] + many + end[:8] + struct.pack("<HHII", names, names, len(many), at) + end[20:]


def crowded_zip(members: int) -> bytes:
    """A directory of empty files, far more than a delivery has."""
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + f"{n:08d}".encode() for n in range(members))
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, members, members, len(directory), len(local))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(local) + len(directory), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return local + directory + end64 + locator + end


def twice_named_zip() -> bytes:
    data = zipped({"scores.csv": CSV, "scared.csv": CSV})
    return data.replace(b"scared.csv", b"scores.csv")


def damaged_zip() -> bytes:
    data = bytearray(zipped({"scores.csv": CSV}, method=0))
    data[60] ^= 1  # of the content: its checksum is no longer right
    return bytes(data)


def tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("scores.csv")
        info.size = len(CSV)
        archive.addfile(info, io.BytesIO(CSV))
    return content.getvalue()


# -- workbooks ----------------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE lolz [<!ENTITY l0 "Quetzalcanary">' + "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
)  # fmt: skip
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
CELL = '<c r="F2" t="s"><v>8</v></c>'


def with_markup(part: str, markup: str) -> bytes:
    return book(replaced(part, XML, XML + markup))


def with_cell(cell: str) -> bytes:
    """A workbook in which the first score is another cell."""

    def change(parts: dict[str, str]) -> None:
        before, _, after = parts[SHEET].partition('<c r="F2"')
        parts[SHEET] = before + cell + after.partition("</c>")[2]

    return book(change)


def moved_sheet() -> bytes:
    """The sheet, with a formula, where no sheet is looked for."""

    def change(parts: dict[str, str]) -> None:
        parts["data/elsewhere.bin"] = parts.pop(SHEET).replace("<v>", "<f>1+1</f><v>", 1)
        for name in ("xl/_rels/workbook.xml.rels", "[Content_Types].xml"):
            parts[name] = parts[name].replace("worksheets/sheet1.xml", "/data/elsewhere.bin")

    return book(change)


def prefixed(parts: dict[str, str]) -> None:
    """The sheet with every element in a prefix of its own, as some programs write them, and with a formula."""
    sheet = parts[SHEET].replace("xmlns=", "xmlns:x=").replace("<v>", "<f>1+1</f><v>", 1)
    for tag in ("worksheet", "sheetData", "row", "c", "v", "f"):
        for start in (f"<{tag} ", f"<{tag}>", f"</{tag}>"):
            sheet = sheet.replace(start, start.replace(tag, f"x:{tag}"))
    parts[SHEET] = sheet


def stuffed(part: str) -> bytes:
    """A workbook with 300 MB of blanks in a part."""
    return book(replaced(part, XML, XML + " " * (300 * MB)))


def without(part: str) -> bytes:
    return book(lambda parts: parts.pop(part))


def ole(stream: str, size: int = 4096) -> bytes:
    """An Office container with one stream: what an encrypted workbook, or an old one, is."""
    free, end, fat = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    sectors = size // 512
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    table = [fat, end, *range(3, 2 + sectors), end]
    sector0 = struct.pack("<128I", *table, *[free] * (128 - len(table)))

    def entry(name: str, kind: int, child: int, start: int, length: int) -> bytes:
        text = name.encode("utf-16-le")
        return (
            text.ljust(64, b"\0")
            + struct.pack("<HBB3I", len(text) + 2 if name else 0, kind, 1, free, free, child)
            + bytes(36)
            + struct.pack("<IQ", start, length)
        )

    directory = entry("Root Entry", 5, 1, end, 0) + entry(stream, 2, free, 2, size)
    directory += (entry("", 0, free, 0, 0)) * 2
    return header + sector0 + directory + (PERSON.encode() * size)[:size]


def sheet_ods(repeated: int, more: str = "") -> bytes:
    """A spreadsheet of OpenOffice in which one cell stands for many; `more` is further said of it."""
    office = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"
    spaces = " ".join(f'xmlns:{name}="{office.format(name)}"' for name in ("office", "table", "text"))
    row = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'
        for text in HEADER.split(",")
    )
    many = (
        f'<table:table-row table:number-rows-repeated="{repeated}">'
        f'<table:table-cell {more} table:number-columns-repeated="{repeated}" office:value-type="string">'
        f"<text:p>{PERSON}</text:p></table:table-cell></table:table-row>"
    )
    content = (
        f"{XML}<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="Scores"><table:table-row>{row}</table:table-row>{many}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        f'{XML}<manifest:manifest xmlns:manifest="{office.format("manifest")}">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    return zipped(
        {"mimetype": kind.encode(), "content.xml": content.encode(), "META-INF/manifest.xml": manifest.encode()}
    )


# -- Parquet ------------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def absurd_parquet(count: int) -> bytes:
    """A footer that says of forty rows that they are more than there are people."""
    data = parquet()
    length = struct.unpack("<I", data[-8:-4])[0]
    body, footer = data[: -8 - length], data[-8 - length : -8]
    said, claimed = b"\x16" + varint(40 * 2), b"\x16" + varint(count * 2)
    assert said in footer
    footer = footer.replace(said, claimed)
    return body + footer + struct.pack("<I", len(footer)) + b"PAR1"


def damaged_parquet() -> bytes:
    data = bytearray(parquet(4000))
    data[200:900] = b"\xff" * 700
    return bytes(data)


def repeated_parquet(count: int) -> bytes:
    """Very many rows that are all one, packed to nearly nothing."""
    frame = pl.select(pl.repeat(PERSON, count).alias("Name")).with_columns(
        ID=pl.lit("8000001"), Grade=pl.lit("04"), Score=pl.lit("500")
    )
    content = io.BytesIO()
    frame.write_parquet(content, row_group_size=count, statistics=False)
    return content.getvalue()


# -- text ---------------------------------------------------------------------------------------------------------


def long_rows(mark: str, at: int) -> bytes:
    """Megabytes of good rows, with something in the middle of them."""
    many = rows(60_000)
    many[at] = many[at].replace(PERSON, mark)
    return scores(*many).encode()


def wide(columns: int) -> str:
    """So many more columns of a header."""
    return "".join(f",c{place}" for place in range(columns))


def half_latin() -> bytes:
    return scores(*(row.replace("Quetz", "Ñé") for row in rows(20)), *rows(20)).encode("latin-1")


def swallowed() -> bytes:
    broken = [f'8900000,"{PERSON},02/03/2006,04,1,500', *rows(3, 50), f'8900001,{PERSON}",02/03/2006,04,1,500']
    return scores(*rows(10), *broken).encode()


# -- what is no plain file ----------------------------------------------------------------------------------------

Write = Callable[[Path], object]


def content(make: Callable[[], bytes]) -> Write:
    return lambda path: path.write_bytes(make())


def in_pieces(before: str, piece: bytes, count: int, after: bytes = b"") -> Write:
    """A file that is too large to be made in memory, written piece by piece."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(before.encode())
            for _ in range(count):
                file.write(piece)
            file.write(after)

    return write


def link_to(target: str) -> Write:
    return lambda path: path.symlink_to(target)


def link_outside(path: Path) -> None:
    """To a good file beside landing, which must not be read through a link."""
    outside = path.parents[3] / "outside.csv"
    outside.write_bytes(CSV)
    path.symlink_to(outside)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(CSV)
        file.truncate(FILE_BYTES + 1)


def unreadable(path: Path) -> None:
    path.write_bytes(CSV)
    path.chmod(0)


# -- the corpus ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hostile:
    """A file, the error it must end in, and words of its message.

    `is_heavy`: takes a second or more to make and to refuse.
    """

    name: str
    write: Write
    error: type[RefusedError]
    says: str
    is_heavy: bool = False

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix


def _of(error: type[RefusedError], files: dict[str, tuple[str, Callable[[], bytes]]]) -> list[Hostile]:
    return [Hostile(name, content(make), error, says) for name, (says, make) in files.items()]


def _written(error: type[RefusedError], files: dict[str, tuple[str, Write]], is_heavy: bool = False) -> list[Hostile]:
    return [Hostile(name, write, error, says, is_heavy) for name, (says, write) in files.items()]


OUT = "holds a path that leads out of it"
MARKUP = "declares markup of its own"
FORMULAS = "holds formulas"
DAMAGED = "is a damaged archive, or none at all"
BROKEN = "Excel's own format is broken inside"
GAPS = "rows that lack nearly all cells"
CUT = "ends inside a row, so it was cut off"
TWICE = "repeats a column name"
NUL = "holds NUL characters"
NO_RECORD = "has no JSON record in line"
NO_PARQUET = "is damaged, or was cut off on its way"

HOSTILE: list[Hostile] = [
    *_of(errors.ArchiveFileError, {
        "bomb.zip": ("out of all proportion", lambda: zipped({"scores.csv": CSV + bytes(200 * MB)})),
        "overlapping.zip": ("out of all proportion", lambda: overlapping_zip(900)),
        "many.zip": ("files, over 1,000", lambda: zipped({f"{n}.csv": b"" for n in range(1001)})),
        "absolute.zip": (OUT, lambda: named_in_zip("/tmp/scores.csv")),
        "parent.zip": (OUT, lambda: named_in_zip("a/../../scores.csv")),
        "backslash.zip": (OUT, lambda: named_in_zip("..\\scores.csv")),
        "drive.zip": (OUT, lambda: named_in_zip("C:scores.csv")),
        "share.zip": (OUT, lambda: named_in_zip("\\\\server\\scores.csv")),
        "linked.zip": ("holds a link", linked_in_zip),
        "encrypted.zip": ("is encrypted", encrypted_zip),
        "nested.zip": ("holds an archive inside", lambda: zipped({"inner.zip": zipped({"scores.csv": CSV})})),
        "nested gz.zip": ("holds an archive inside", lambda: zipped({"scores.csv.gz": gzip.compress(CSV, mtime=0)})),
        "twice.zip": ("holds two files of one name", twice_named_zip),
        "checksum.zip": (DAMAGED, damaged_zip),
        "cut.zip": (DAMAGED, lambda: zipped({"scores.csv": CSV})[:-30]),
        "small claim.zip": (DAMAGED, lambda: lying_zip(24, 100)),
        "large claim.zip": (DAMAGED, lambda: lying_zip(24, 10_000)),
        "absurd claim.zip": ("out of all proportion", lambda: lying_zip(24, 0xFFFFFFF0)),
        "beyond its end.zip": (DAMAGED, lambda: lying_zip(42, 0x7FFFFFFF)),
        "zip64.zip": ("out of all proportion", lambda: zip64(1 << 62)),
        "method.zip": ("is packed in a way", lambda: lying_zip(10, 99, "<H")),
        "lzma.zip": ("is packed in a way", lambda: zipped({"scores.csv": CSV}, method=zipfile.ZIP_LZMA)),
        "no file.zip": ("without a file in it", lambda: zipped({})),
        "text.zip": (DAMAGED, lambda: CSV),
        "seven.zip": (DAMAGED, lambda: b"7z\xbc\xaf\x27\x1c" + CSV),
        "name.zip": ("a name that cannot be shown", lambda: named_in_zip(f"{PERSON}\n\x1b[2J.csv")),
    }),
    *_of(errors.EmptyFileError, {
        "empty.zip": ("is empty (0 bytes)", lambda: b""),
        "empty inside.zip": ("is empty (0 bytes)", lambda: zipped({"scores.csv": b""})),
    }),
    *_of(errors.UnreadableFileError, {
        "gz.csv": ("is a gzip archive", lambda: gzip.compress(CSV, mtime=0)),
        "bz2.csv": ("is a bzip2 archive", lambda: bz2.compress(CSV)),
        "xz.csv": ("is an xz archive", lambda: lzma.compress(CSV)),
        "zst.csv": ("is a Zstandard archive", lambda: b"\x28\xb5\x2f\xfd" + CSV),
        "7z.csv": ("is a 7-Zip archive", lambda: b"7z\xbc\xaf\x27\x1c" + CSV),
        "rar.csv": ("is a RAR archive", lambda: b"Rar!\x1a\x07\x01\0" + CSV),
        "tar.csv": ("is a tar archive", tar),
        "workbook.csv": ("is a ZIP archive or Excel workbook", book),
        "parquet.csv": ("is a Parquet file", parquet),
        "page.csv": ("is a web page", lambda: f"\ufeff  <html>{PERSON}</html>".encode()),
        "pdf.csv": ("is a PDF document", lambda: b"%PDF-1.7\n" + CSV),
    }),
    *_of(errors.MarkupFileError, {
        "laughs in sheet.xlsx": (MARKUP, lambda: with_markup(SHEET, LAUGHS + "]>")),
        "laughs in strings.xlsx": (MARKUP, lambda: with_markup(STRINGS, LAUGHS + "]>")),
        "laughs in book.xlsx": (MARKUP, lambda: with_markup(WORKBOOK, LAUGHS + "]>")),
        "entity outside.xlsx": (MARKUP, lambda: with_markup(STRINGS, EXTERNAL)),
        "markup on a seam.xlsx": (MARKUP, lambda: with_markup(SHEET, " " * (MB - len(XML) - 4) + "<!dOcTyPe x>")),
        "markup elsewhere.xlsx": (MARKUP, lambda: book(lambda parts: parts.update({"xl/a.bin": EXTERNAL}))),
    }),
    *_of(errors.FormulaFileError, {
        "formula.xlsx": (FORMULAS, lambda: with_cell('<c r="F2"><f>1+1</f><v>2</v></c>')),
        "shared formula.xlsx": (FORMULAS, lambda: with_cell('<c r="F2"><f t="shared" si="0"/><v>2</v></c>')),
        "array formula.xlsx": (FORMULAS, lambda: with_cell('<c r="F2"><f\n t="array" ref="F2">1</f><v>2</v></c>')),
        "formula in a prefix.xlsx": (FORMULAS, lambda: book(prefixed)),
        "formula.ods": (FORMULAS, lambda: sheet_ods(2, 'table:formula="of:=1+1"')),
        "formula elsewhere.xlsx": (FORMULAS, moved_sheet),
    }),
    *_of(errors.ArchiveFileError, {
        "bomb in sheet.xlsx": ("is a workbook that unpacks to", lambda: stuffed(SHEET)),
        "encrypted part.xlsx": ("is a workbook that is encrypted", lambda: book().replace(b"PK\1\2\x14\x03\x14\0\0", b"PK\1\2\x14\x03\x14\0\1")),
        "path.xlsx": ("is a workbook that holds a path", lambda: book(lambda parts: parts.update({"../a.xml": XML}))),
    }),
    *_of(errors.TooLargeFileError, {
        "far cell.xlsx": ("spans", lambda: with_cell('<c r="XFD1048576"><v>2</v></c>')),
        "far column.xlsx": ("spans", lambda: with_cell("<c r='ZZZZZZ2'><v>2</v></c>")),
        "far row.xlsx": ("spans", lambda: book(replaced(SHEET, '<row r="2">', '<row spans="1:6" r = "4294967295">'))),
        "wide.csv": ("columns, more than", lambda: (HEADER + ",x" * 400_000 + "\n").encode() + CSV),
        "only delimiters.csv": ("columns, more than", lambda: b"," * 900_000 + b"\n" + CSV),
        "wide.jsonl": ("has a line of over 1 MB", lambda: lines(*records(3), json.dumps({f"{PERSON}{n}": n for n in range(40_000)}))),
    }),
    *_of(errors.UnreadableFileError, {
        "repeated.ods": (BROKEN, lambda: sheet_ods(1_000_000)),
        "damaged.xlsx": (BROKEN, lambda: book(replaced(SHEET, "</row>", "</raw>"))),
        "no workbook part.xlsx": (BROKEN, lambda: without(WORKBOOK)),
        "no sheet part.xlsx": (BROKEN, lambda: without(SHEET)),
        "no sheet.xlsx": (BROKEN, lambda: book(replaced(WORKBOOK, '<sheet name="Scores" sheetId="1" r:id="rId1"/>', ""))),
        "wrong string.xlsx": (BROKEN, lambda: with_cell('<c r="F2" t="s"><v>99999</v></c>')),
        "cut.xlsx": (BROKEN, lambda: book()[:-200]),
        "encrypted.xlsx": (BROKEN, lambda: ole("EncryptedPackage")),
        "old.xls": (BROKEN, lambda: ole("Workbook")),
        "zip.xlsx": (BROKEN, lambda: zipped({"scores.csv": CSV})),
        "page.xlsx": ("is a web page", lambda: f"<!DOCTYPE html><table><td>{PERSON}</table>".encode()),
        "text.xlsx": ("is text, not an Excel workbook", lambda: CSV),
        "json.xlsx": ("is text, not an Excel workbook", lambda: lines(*records())),
        "pdf.xlsx": ("is a PDF document", lambda: b"%PDF-1.7\n" + CSV),
        "columns twice.xlsx": (TWICE, lambda: book(replaced(STRINGS, "<t>Born</t>", "<t>Score</t>"))),
    }),
    *_of(errors.EncodingFileError, {
        "nul at its head.csv": (NUL, lambda: b"\0" + CSV),
        "nul beyond a megabyte.csv": (NUL, lambda: long_rows("\0", 50_000)),
        "utf-16.csv": (NUL, lambda: CSV.decode().encode("utf-16-le")),
        "utf-32.csv": (NUL, lambda: CSV.decode().encode("utf-32-be")),
        "half latin.csv": ("are not utf-8 in", half_latin),
        "latin utf-8.csv": ("is in UTF-8, its layout says windows-1252", lambda: CSV.replace(b"Quetz", "Ñé".encode())),
        "nul.jsonl": (NUL, lambda: lines(*records(3), "\0")),
        "surrogates.jsonl": ("are not utf-8 in", lambda: lines(*(text.replace("Quetz", "\\ud800") for text in records()))),
        "utf-16.jsonl": (NUL, lambda: lines(*records()).decode().encode("utf-16")),
    }),
    *_of(errors.UnknownFileError, {
        "ebcdic.csv": ("is its header there?", lambda: CSV.decode().encode("cp500")),
        "no header.csv": ("is its header there?", lambda: "\n".join(rows(40)).encode()),
        "one column.csv": ("is its header there?", lambda: lines(PERSON, *"123")),
        "delimiter.csv": ("is its header there?", lambda: CSV.replace(b",", b";")),
        "another year.txt": ("looks otherwise", lambda: lines(*fixed(born="02/03/1996"))),
        "noise.csv": ("is its header there?", lambda: bytes(range(1, 256)) * 40 + PERSON.encode()),
        "noise.dat": ("is its header there?", lambda: zlib.compress(CSV).replace(b"\0", b"\1")),
    }),
    *_of(errors.UnreadableFileError, {
        "open quote.csv": ("cannot be split into cells", lambda: scores(*rows(5), f'8900000,"{PERSON},', *rows(5, 9)).encode()),
        "swallowed.csv": ("has a quote without its partner at row", swallowed),
        "open header.csv": ("has a quote without its partner in its header", lambda: CSV.replace(b"Score\n", b'"Score\n')),
        "columns twice.csv": (TWICE, lambda: CSV.replace(b"Born", b"Score", 1)),
        "columns blank twice.csv": (TWICE, lambda: CSV.replace(b"Born", b" \xef\xbb\xbfScore ", 1)),
    }),
    *_of(errors.EmptyFileError, {
        "empty.csv": ("is empty (0 bytes)", lambda: b""),
        "blank.csv": ("holds nothing but blanks", lambda: b"\r\n \t\n" * 9),
        "header only.csv": ("has a header and no row below", lambda: scores().encode()),
        "header and blanks.csv": ("has a header and no row below", lambda: scores(",,,,,", " ", "").encode()),
        "empty.jsonl": ("is empty (0 bytes)", lambda: b""),
        "no row.parquet": ("has a header and no row below", lambda: parquet(0)),
    }),
    *_of(errors.TruncatedFileError, {
        "cut.csv": (CUT, lambda: CSV[:-20]),
        "cut in quotes.csv": (CUT, lambda: scores(*rows(9)).encode() + f'8900000,"{PERSON}, ju'.encode()),
        "short.txt": (CUT, lambda: lines(*fixed())[:-9]),
    }),
    *_of(errors.ToleranceError, {
        "lengths.txt": ("breaks rules in", lambda: lines(*fixed(20), *(f"{line}  " for line in fixed(20, 20)))),
        "long rows.csv": ("breaks rules in", lambda: scores(*(f"{row},{PERSON}" for row in rows(40))).encode()),
        "controls.csv": ("breaks rules in", lambda: CSV.replace(b",04,", b",\x1b[2J04,")),
        "formulas.csv": ("breaks rules in", lambda: CSV.replace(PERSON.encode(), f'"=HYPERLINK(""{PERSON}"")"'.encode())),
        "constants.jsonl": ("breaks rules in", lambda: lines(*(text.replace('"500"', "NaN") for text in records()))),
        "numbers.jsonl": ("breaks rules in", lambda: lines(*(text.replace('"500"', "9" * 5000) for text in records()))),
    }),
    *_of(errors.UnreadableFileError, {
        "text.jsonl": (NO_RECORD, lambda: CSV),
        "array.jsonl": (NO_RECORD, lambda: lines(json.dumps([json.loads(text) for text in records()]))),
        "deep.jsonl": (NO_RECORD, lambda: lines(*records(3), '{"ID": ' + "[" * 100_000)),
        "deep enough.jsonl": ("inside a cell", lambda: lines(*records(3), '{"ID": ' + "[" * 900 + "]" * 900 + "}")),
        "string.jsonl": (NO_RECORD, lambda: lines(*records(3), f'"{PERSON}"')),
        "cut.jsonl": (NO_RECORD, lambda: lines(*records())[:-20]),
        "names twice.jsonl": ("twice", lambda: lines(*(text.replace('"Born"', '"Score"') for text in records()))),
    }),
    *_of(errors.UnreadableFileError, {
        "magic.parquet": ("is text, not a Parquet file", lambda: b"QAR1" + parquet()[4:]),
        "cut.parquet": (NO_PARQUET, lambda: parquet()[:-20]),
        "footer.parquet": (NO_PARQUET, lambda: parquet()[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"),
        "page.parquet": (NO_PARQUET, damaged_parquet),
        "absurd.parquet": (NO_PARQUET, lambda: absurd_parquet(1 << 60)),
        "records.parquet": ("lists or records inside a cell", lambda: parquet(District=[{"a": PERSON}] * 40)),
        "lists.parquet": ("lists or records inside a cell", lambda: parquet(District=[[[PERSON]]] * 40)),
    }),
    *_written(errors.TooLargeFileError, {
        "rows.parquet": ("rows, out of all proportion", content(lambda: repeated_parquet(20_000_000))),
        "sparse.csv": ("has more than 16 GB", sparse),
        "long header.csv": ("has a line of over 1 MB", in_pieces("ID,Grade,Score", b"x" * MB, 100)),
        "long line.csv": ("has a line of over 1 MB", in_pieces(scores(*rows(9)), PERSON.encode() * 80_000, 100)),
        "long cell.csv": ("has a line of over 1 MB", in_pieces(scores(*rows(9)) + '8900000,"', b"x" * MB, 100, b'",,,,\n')),
        "long cell of lines.csv": ("has a cell of over 1 MB", in_pieces(scores(*rows(9)) + '8900000,"', b"x" * 1023 + b"\n", 100 * 1024, b'",,,,\n')),
        "long.jsonl": ("has a line of over 1 MB", in_pieces('{"ID": "', b"x" * MB, 100, b'"}\n')),
    }, is_heavy=True),
    *_written(errors.UnreadableFileError, {
        "gaps.csv": (GAPS, in_pieces(f"{HEADER}{wide(4000)}\n", b"8\n" * 1000, 100)),
        "gaps.jsonl": (GAPS, in_pieces(json.dumps(dict.fromkeys(map(str, range(4000)), 1)) + "\n", b'{"ID": 8}\n' * 1000, 100)),
    }, is_heavy=True),
    *_written(errors.ArchiveFileError, {
        "crowded.zip": ("files, over 1,000", content(lambda: crowded_zip(1_000_000))),
    }, is_heavy=True),
    *_written(errors.LinkFileError, {
        "outside.csv": ("is a link to a place outside landing", link_outside),
        "device.csv": ("is a link to a place outside landing", link_to("/dev/zero")),
        "loop.csv": ("is a link to nothing", link_to("loop.csv")),
        "nothing.csv": ("is a link to nothing", link_to("none.csv")),
        "folder.csv": ("is a link to a folder", link_to("..")),
    }),
    *_written(errors.UnreadableFileError, {
        "pipe.csv": ("is no file but a pipe or device", os.mkfifo),
        "unreadable.csv": ("cannot be opened", unreadable),
        "line\nbreak.csv": ("has a name that cannot be shown", content(lambda: CSV)),
        "\x1b[2Jname.csv": ("has a name that cannot be shown", content(lambda: CSV)),
        os.fsdecode(b"\xff\xfename.csv"): ("has a name that cannot be shown", content(lambda: CSV)),
    }),
]  # fmt: skip


def write_all(folder: Path) -> None:
    """Write every file into a folder, as if it was the landing folder of a state and year."""
    place = folder / "landing" / "LA" / "2016"
    place.mkdir(parents=True)
    for file in HOSTILE:
        file.write(place / file.name)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
