"""Recognize the real format of a file that is not the csv, Parquet or npz file it should be."""

from __future__ import annotations

import re

from dlc.runtime.data import encodings

BINARY, TEXT = "it is not text", "it is text in another format"
NO_UTF8 = "it holds bytes that are not UTF-8 text"
# The first bytes of a file, its format, and the fix.
BEGINNINGS = (
    (b"PAR1", "a Parquet file", "parquet"),
    (b"PK\x03\x04", "a zip archive", "unpack it, and name the csv file in it"),
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel (.xls)", "save the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "compressed by gzip", "let its name end in .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it"),
    (b"BZh", "compressed by bzip2", "unpack it"),
    (b"\xfd7zXZ\0", "compressed by xz", "unpack it"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"SQLite format 3", "a SQLite database", "write the table as a csv file"),
    (b"\x89HDF", "an HDF5 file", "write its arrays as an npz file"),
    (b"\x93NUMPY", "one NumPy array (.npy)", "write it with its names as an npz file: `numpy.savez`"),
    *((b"\x80" + bytes([version]), "a pickle", "it can run code: write its rows as a csv or Parquet file")
      for version in range(2, 6)),
    (b"%PDF-", "a PDF", "write its table as a csv file"),
    (b"\x89PNG", "a picture", "a csv file holds rows of text"),
    (b"\xff\xd8\xff", "a picture", "a csv file holds rows of text"),
)  # fmt: skip
POINTER = b"version https://git-lfs.github.com/"
BINARY_BYTES = re.compile(rb"[\0-\x08\x0e-\x1f\x80-\xff]")
PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
OBJECTS = (b'{"', b"[{", b"[[", b"{\n")


def of_another_kind(head: bytes, path: str, *, in_spec: bool) -> tuple[str, str]:
    """Why a file with these first bytes is not a csv file, and the fix; empty if it may be one."""
    if BINARY_BYTES.search(head) or head.startswith(b"%PDF-"):
        for begin, what, do in BEGINNINGS:
            if head.startswith(begin):
                kind, do = within_zip(head) if begin.startswith(b"PK") else (what, do)
                return BINARY, f"it is {kind}: {reader_of(do, path, in_spec=in_spec)}"
    if wide := encodings.wide(head[:64]):
        return BINARY, f"it is {wide.upper()}: {encodings.setting(wide, in_spec)}"
    if re.match(rb"[^\r\n]*[\x01-\x08\x0e-\x1f]", head):
        return BINARY, "its first line contains control characters"
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower()
    if begin.startswith(PAGES):
        return TEXT, "it is an HTML page, such as a login page: download the file itself"
    if begin.startswith(POINTER[:20]):
        return TEXT, "it is a Git LFS pointer: `git lfs pull` fetches the file"
    if begin.startswith(b"<?xml"):
        return TEXT, "it is XML: write its rows as a csv file"
    if begin.startswith(OBJECTS):
        return TEXT, "it is JSON: write its rows as a csv file"
    return "", ""


def fix(head: bytes, path: str, begins: bytes, *, in_spec: bool) -> str:
    """The fix for a file that should begin with `begins`: its real format, or that it is truncated; empty if
    that is not known."""
    if head.startswith(begins):
        return "its end is missing: download or write it again"
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed by gzip: unpack it"
    why, help = of_another_kind(head, path, in_spec=in_spec)
    if why or not head.strip() or BINARY_BYTES.search(head):
        return help
    return f"it is text: {reader_of('csv', path, in_spec=in_spec)}, if it is a table"


def within_zip(head: bytes) -> tuple[str, str]:
    """The format of a zip archive, and the fix."""
    if b"xl/" in head or b"[Content_Types].xml" in head:
        return "a workbook of Excel (.xlsx)", "save the sheet as CSV UTF-8"
    if b".npy" in head:
        return "an npz file of NumPy", "npz"
    return "a zip archive", "unpack it, and name the csv file in it"


def reader_of(do: str, path: str, *, in_spec: bool) -> str:
    """The fix, or for a format that dlc reads: the source to use in a spec, or the file suffix."""
    if do not in ("csv", "parquet", "npz"):
        return do
    return f'`{do}("{path}")` reads it' if in_spec else f"let its name end in .{do}"
