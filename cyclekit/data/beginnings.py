"""What files begin like that are not what they were taken for."""

EMPTY = "is empty"
BEGINNINGS = {
    b"version https://git-lfs": "a git-lfs pointer to the file, which git lfs pull fetches",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
    b"\x7fELF": "a program",
}
PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<error")
"""What servers send in place of what was asked for."""


def beginning(head: bytes) -> str:
    """What a file seems to be by its first bytes, if that is nothing to learn from."""
    if not head:
        return EMPTY
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(PAGES):
        return "it begins like a web page or XML, as servers send in place of it"
    found = next((what for start, what in BEGINNINGS.items() if head.startswith(start)), "")
    return f"it begins like {found}" if found else ""
