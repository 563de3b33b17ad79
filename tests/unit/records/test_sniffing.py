"""What a scan is, its content says; whatever is damaged, or more than a scan, is refused by name, and nothing crashes."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.records.sniffing import EXTENSIONS, JPEG, PDF, PNG, TIFF, NotAScan, sniff
from tests.scans import a_jpeg, a_pdf, a_png, a_tiff

SCANS = [(PDF, a_pdf()), (JPEG, a_jpeg()), (PNG, a_png()), (TIFF, a_tiff()), (TIFF, a_tiff(order=">"))]
IDS = ["pdf", "jpeg", "png", "tiff", "tiff-motorola"]
CODES = {"PAPER_EMPTY", "PAPER_FORM_UNKNOWN", "PAPER_DAMAGED", "PAPER_HAS_MORE", "PAPER_ENCRYPTED", "PAPER_ACTIVE"}
ZIP_END = b"PK\x05\x06" + bytes(18)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def code_of(content: bytes) -> str:
    with pytest.raises(NotAScan) as refused:
        sniff(content)
    return refused.value.code


@pytest.mark.parametrize(("media_type", "content"), SCANS, ids=IDS)
def test_each_form_is_known_by_its_content(media_type: str, content: bytes) -> None:
    assert sniff(content) == media_type
    assert media_type in EXTENSIONS


def test_nothing_is_no_scan() -> None:
    assert code_of(b"") == "PAPER_EMPTY"


@pytest.mark.parametrize(
    "content",
    [b"hello", b"<html><body>", b"GIF89a", b"PK\x03\x04", b"MZ", b"\x7fELF", b" %PDF-1.7", b"II+\0", b"\xff\xd8\x00"],
    ids=["text", "html", "gif", "zip", "exe", "elf", "pdf-after-a-blank", "bigtiff", "half-a-jpeg"],
)
def test_what_begins_otherwise_is_none_of_the_forms(content: bytes) -> None:
    assert code_of(content) == "PAPER_FORM_UNKNOWN"


@pytest.mark.parametrize("content", [content for _, content in SCANS], ids=IDS)
@given(cut=st.integers(min_value=1, max_value=2000))
def test_whatever_broke_off_is_refused(content: bytes, cut: int) -> None:
    text = content.rstrip(b"\n")

    assert code_of(text[: -min(cut, len(text))]) in CODES


@pytest.mark.parametrize("content", [content for _, content in SCANS], ids=IDS)
@given(more=st.binary(min_size=1, max_size=300))
def test_nothing_may_hang_on_the_end_of_a_scan(content: bytes, more: bytes) -> None:
    if more.strip(b"\0\t\n\f\r "):
        assert code_of(content + more) in ("PAPER_HAS_MORE", "PAPER_DAMAGED")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (a_pdf() + ZIP_END, "PAPER_HAS_MORE"),
        (a_pdf("PK\x05\x06" + "\0" * 18), "PAPER_HAS_MORE"),
        (a_png()[:33] + chunk(b"tEXt", b"%PDF-1.7") + a_png()[33:], "PAPER_HAS_MORE"),
        (a_jpeg("%PDF-1.7"), "PAPER_HAS_MORE"),
        (a_tiff("Rar!\x1a\x07"), "PAPER_HAS_MORE"),
    ],
    ids=["archive-behind", "archive-inside", "pdf-in-a-png", "pdf-in-a-jpeg", "archive-in-a-tiff"],
)
def test_what_is_two_things_at_once_is_refused(content: bytes, code: str) -> None:
    assert code_of(content) == code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (b"/Encrypt 9 0 R", "PAPER_ENCRYPTED"),
        (b"/S /JavaScript", "PAPER_ACTIVE"),
        (b"/S /Launch", "PAPER_ACTIVE"),
        (b"/Type /EmbeddedFile", "PAPER_ACTIVE"),
    ],
    ids=["encrypted", "program", "launch", "file-in-it"],
)
def test_a_pdf_that_is_sealed_or_acts_is_refused(more: bytes, code: str) -> None:
    assert code_of(a_pdf(more=more)) == code


def test_a_pdf_whose_table_is_elsewhere_is_damaged() -> None:
    start = a_pdf().split(b"startxref\n")[1].split(b"\n")[0]

    assert code_of(a_pdf().replace(b"startxref\n" + start, b"startxref\n3")) == "PAPER_DAMAGED"


def test_a_png_whose_bytes_were_changed_does_not_agree_with_its_checksum() -> None:
    content = bytearray(a_png())
    content[45] ^= 1

    assert code_of(bytes(content)) == "PAPER_DAMAGED"


def test_a_tiff_whose_directories_run_in_a_circle_comes_to_an_end() -> None:
    content = a_tiff(pages=1)
    first = struct.unpack_from("<I", content, 4)[0]

    assert code_of(content[:-4] + struct.pack("<I", first)) == "PAPER_DAMAGED"


def test_a_tiff_that_points_behind_its_end_is_damaged() -> None:
    content = a_tiff(pages=1)
    at = content.index(struct.pack("<HHII", 273, 4, 1, 8))

    assert code_of(content[:at] + struct.pack("<HHII", 273, 4, 1, 5000) + content[at + 12 :]) == "PAPER_DAMAGED"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8" + b"\xff\xfe\x00\x02" * 2_000_000,
        b"\xff\xd8\xff\xda\x00\x02" + b"\xff\x00" * 4_000_000,
        b"\x89PNG\r\n\x1a\n" + a_png()[8:33] + chunk(b"tEXt", b"") * 600_000,
        b"%PDF-1.7" + b" " * 8_000_000 + b"startxref 8 %%EOF",
        b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 330, 4, 2_000_000, 0) * 65535 + bytes(8_000_000),
    ],
    ids=["jpeg-parts", "jpeg-data", "png-parts", "pdf-blanks", "tiff-lists"],
)
def test_a_content_made_to_take_long_is_refused(content: bytes) -> None:
    assert code_of(content) == "PAPER_DAMAGED"


BEGINNINGS = [
    b"%PDF-1.",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    a_png()[:33],
    a_jpeg()[:40],
    b"II*\0\x08\0\0\0",
]


@given(start=st.sampled_from([b"", *BEGINNINGS]), rest=st.binary(max_size=400))
def test_whatever_the_bytes_are_there_is_an_answer(start: bytes, rest: bytes) -> None:
    _answered(start + rest)


@pytest.mark.parametrize("content", [content for _, content in SCANS], ids=IDS)
@given(data=st.data())
def test_however_a_scan_was_changed_there_is_an_answer(content: bytes, data: st.DataObject) -> None:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(min_value=1, max_value=6))):
        changed[data.draw(st.integers(min_value=0, max_value=len(changed) - 1))] = data.draw(
            st.integers(min_value=0, max_value=255)
        )

    _answered(bytes(changed))


def _answered(content: bytes) -> None:
    assert _answer(content) in {*EXTENSIONS, *CODES}


def _answer(content: bytes) -> str:
    """The form, or the name of the refusal."""
    try:
        return sniff(content)
    except NotAScan as refused:
        return refused.code
