"""What a scan is, from its content alone: PDF, JPEG, PNG or TIFF, and nothing beside it. Pure.

It decodes no picture. It walks the parts of the form and asks that they reach from the first byte to the last, so that nothing
else hangs on the scan.
"""

import re
import struct
import zlib

PDF = "application/pdf"
JPEG = "image/jpeg"
PNG = "image/png"
TIFF = "image/tiff"
EXTENSIONS = {PDF: "pdf", JPEG: "jpg", PNG: "png", TIFF: "tif"}

_PARTS = 100_000  # of one scan; no scanner writes so many, and whoever counts them must come to an end
_BLANK = b"\0\t\n\f\r "
_PDF_START = re.compile(rb"%PDF-[12]\.\d")
_PDF_END = re.compile(rb"startxref\s{1,9}(\d{1,12})\s{1,9}%%EOF\Z")
_PDF_TABLE = re.compile(rb"\s{0,9}(?:xref\b|\d{1,10}\s{1,9}\d{1,5}\s{1,9}obj\b)")
_PDF_ACTIVE = re.compile(rb"/JavaScript\b|/Launch\b|/EmbeddedFile\b|/RichMedia\b")
_PDF_SEALED = re.compile(rb"/Encrypt\b")
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in the picture's own data 00 and the restarts are no markers
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
# An archive is found from its end, or is looked for anywhere; long enough that a picture's data do not hold it by chance.
_ARCHIVES = (b"PK\x05\x06\0\0\0\0", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c")
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TIFF_FURTHER = (330, 34665, 34853, 40965)  # directories that hang on a page's
_TIFF_DATA = ((273, 279), (324, 325), (513, 514))  # where a page's data lie, and how long they are


class NotAScan(ValueError):
    """A content that is not taken, by name: `code` is stable, the text says what is wrong and holds nothing of the content."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def sniff(content: bytes) -> str:
    """The media type of a scan, from its content alone.

    Raises:
        NotAScan: PAPER_EMPTY; PAPER_FORM_UNKNOWN where it begins like none of the four forms; PAPER_DAMAGED where it does not go
            on like one; PAPER_HAS_MORE where something follows its end, or another form or an archive is in it; PAPER_ENCRYPTED,
            PAPER_ACTIVE for a PDF with a password, or with programs or files in it.
    """
    if not content:
        raise NotAScan("PAPER_EMPTY", "There is no content.")
    if content.startswith(b"%PDF-"):
        found = PDF
        _walk_pdf(content)
    elif content.startswith(b"\xff\xd8\xff"):
        found = JPEG
        _walk_jpeg(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        found = PNG
        _walk_png(content)
    elif content[:4] in (b"II*\0", b"MM\0*"):
        found = TIFF
        _Tiff(content).walk()
    else:
        raise NotAScan("PAPER_FORM_UNKNOWN", "The content begins like no PDF, JPEG, PNG or TIFF.")
    _refuse_two_in_one(content, found)
    return found


def _refuse_two_in_one(content: bytes, found: str) -> None:
    # Readers of PDF look for its beginning in the first thousand bytes of anything.
    other = found != PDF and b"%PDF-" in content[:1024]
    if other or any(archive in content for archive in _ARCHIVES):
        raise NotAScan("PAPER_HAS_MORE", "The content is a scan and something else at once.")


def _damaged(what: str) -> NotAScan:
    return NotAScan("PAPER_DAMAGED", what)


def _more(form: str) -> NotAScan:
    return NotAScan("PAPER_HAS_MORE", f"Something follows the end of the {form}.")


def _walk_pdf(content: bytes) -> None:
    if not _PDF_START.match(content):
        raise _damaged("The PDF has no version.")
    text = content.rstrip(_BLANK)
    end = _PDF_END.search(text, max(0, len(text) - 64))
    if end is None:
        if text.endswith(b"%%EOF") or b"%%EOF" not in content:
            raise _damaged("The PDF does not end with the place of its table and %%EOF.")
        raise _more("PDF")
    if not _PDF_TABLE.match(content, int(end[1])):
        raise _damaged("The PDF's table is not where its end says.")
    if _PDF_SEALED.search(content):
        raise NotAScan("PAPER_ENCRYPTED", "The PDF is encrypted; nobody could read it later.")
    if _PDF_ACTIVE.search(content):
        raise NotAScan("PAPER_ACTIVE", "The PDF has programs or files in it.")


def _walk_jpeg(content: bytes) -> None:
    at, frames, scans = 2, 0, 0
    for _ in range(_PARTS):
        if content[at : at + 1] != b"\xff":
            raise _damaged("The JPEG has no marker where one must be.")
        while content[at + 1 : at + 2] == b"\xff":
            at += 1
        marker = content[at + 1 : at + 2]
        if not marker:
            raise _damaged("The JPEG breaks off.")
        code = marker[0]
        if code == 0xD9:
            if not (frames and scans):
                raise _damaged("The JPEG has no picture in it.")
            if content[at + 2 :].strip(_BLANK):
                raise _more("JPEG")
            return
        if code == 0x01:
            at += 2
            continue
        if code == 0x00 or 0xD0 <= code <= 0xD8 or at + 4 > len(content):
            raise _damaged("The JPEG has a part that cannot be there.")
        [length] = struct.unpack_from(">H", content, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(content):
            raise _damaged("A part of the JPEG is longer than the content.")
        if code in _JPEG_FRAMES:
            if length < 8 or struct.unpack_from(">H", content, at + 7)[0] == 0:
                raise _damaged("The JPEG's picture has no width.")
            frames += 1
        if code == 0xDA:
            scans += 1
            following = _JPEG_MARKER.search(content, end)
            if following is None:
                raise _damaged("The JPEG breaks off.")
            end = following.start()
        at = end
    raise _damaged("The JPEG has too many parts.")


def _walk_png(content: bytes) -> None:
    at, data = 8, 0
    for nth in range(_PARTS):
        if at + 12 > len(content):
            raise _damaged("The PNG breaks off.")
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            raise _damaged("A part of the PNG is longer than the content.")
        if zlib.crc32(memoryview(content)[at + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            raise _damaged("A part of the PNG does not agree with its checksum.")
        if (kind == b"IHDR") != (nth == 0) or (nth == 0 and length != 13):
            raise _damaged("The PNG does not begin with its header.")
        if nth == 0 and 0 in struct.unpack_from(">II", content, at + 8):
            raise _damaged("The PNG's picture has no width or no height.")
        data += kind == b"IDAT"
        at = end
        if kind == b"IEND":
            if length or not data:
                raise _damaged("The PNG has no picture in it.")
            if at != len(content):
                raise _more("PNG")
            return
    raise _damaged("The PNG has too many parts.")


class _Tiff:
    """A TIFF being walked: its directories, what hangs on them, and how far into the content all of it reaches."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._order = "<" if content[:2] == b"II" else ">"
        self._reach = 8
        self._parts = 0

    def walk(self) -> None:
        """Walk every directory. Raises NotAScan."""
        waiting = [(self._numbers(4, 4, 1)[0], True)]
        seen: set[int] = set()
        while waiting:
            at, page = waiting.pop()
            if at in seen:
                raise _damaged("The TIFF's directories run in a circle.")
            seen.add(at)
            further, following = self._directory(at, page=page)
            waiting.extend((each, False) for each in further)
            if page and following:
                waiting.append((following, True))
        if self._content[self._reach :].strip(b"\0"):
            raise _more("TIFF")

    def _directory(self, at: int, *, page: bool) -> tuple[tuple[int, ...], int]:
        """Read a directory; returns the directories that hang on it, and where the next page's is, or 0."""
        if at < 8:
            raise _damaged("The TIFF has a directory where none can be.")
        [entries] = self._numbers(at, 2, 1)
        self._count(entries + 1)
        [following] = self._numbers(at + 2 + 12 * entries, 4, 1)
        values: dict[int, tuple[int, ...]] = {}
        for nth in range(entries):
            entry = at + 2 + 12 * nth
            tag, kind = self._numbers(entry, 2, 2)
            [count] = self._numbers(entry + 4, 4, 1)
            size = _TIFF_SIZES.get(kind)
            if size is None:
                continue  # a later kind of value, which readers pass over
            place = entry + 8 if size * count <= 4 else self._numbers(entry + 8, 4, 1)[0]
            self._reaches(place, size * count)
            if kind in (3, 4, 13) and (tag in (256, 257, *_TIFF_FURTHER) or any(tag in pair for pair in _TIFF_DATA)):
                self._count(count)
                values[tag] = self._numbers(place, size, count)
        if page:
            self._picture(values)
        for places, lengths in _TIFF_DATA:
            if places in values:
                if len(values[places]) != len(values.get(lengths, ())):
                    raise _damaged("The TIFF does not say how long its parts are.")
                for place, length in zip(values[places], values[lengths], strict=True):
                    self._reaches(place, length)
        return tuple(each for tag in _TIFF_FURTHER for each in values.get(tag, ())), following

    @staticmethod
    def _picture(values: dict[int, tuple[int, ...]]) -> None:
        if not all(values.get(tag) and 0 not in values[tag] for tag in (256, 257)):
            raise _damaged("A page of the TIFF has no width or no height.")
        if not any(values.get(places) for places, _ in _TIFF_DATA):
            raise _damaged("A page of the TIFF has no picture.")

    def _numbers(self, at: int, size: int, count: int) -> tuple[int, ...]:
        self._reaches(at, size * count)
        return struct.unpack_from(f"{self._order}{count}{'H' if size == 2 else 'I'}", self._content, at)

    def _reaches(self, at: int, length: int) -> None:
        if at + length > len(self._content):
            raise _damaged("A part of the TIFF lies behind its end.")
        self._reach = max(self._reach, at + length)

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > _PARTS:
            raise _damaged("The TIFF has too many parts.")
