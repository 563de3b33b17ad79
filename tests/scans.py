"""Scans as a scanner writes them, the smallest that are whole: each form in a function, its content different for each text."""

import struct
import zlib


def a_pdf(text: str = "scan", *, more: bytes = b"") -> bytes:
    """A page of a PDF with its table; `more` stands inside of it."""
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text.encode()), text.encode()),
        b"<< " + more + b" >>",
    ]
    content, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(parts) + 1, table)
    return content + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, start)


def a_png(text: str = "scan") -> bytes:
    """A grey picture of one line."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    line = text.encode() or b"\0"
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", len(line), 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" + line)) + chunk(b"IEND", b"")


def a_jpeg(text: str = "scan") -> bytes:
    """A picture in two scans, with a restart and a stuffed byte in its data. Its parts are in order; its tables are made up."""

    def segment(marker: int, data: bytes) -> bytes:
        return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data

    head = b"\xff\xd8" + segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0") + segment(0xFE, text.encode()[:1000])
    frame = segment(0xDB, b"\0" + bytes(range(1, 65))) + segment(0xC2, struct.pack(">BHHBBBB", 8, 8, 8, 1, 1, 0x11, 0))
    scan = segment(0xDA, b"\x01\x01\0\0\x3f\0")
    return head + frame + scan + b"\x12\xff\x00\x34\xff\xd0\x56" + b"\xff" + scan + b"\x78\x9a" + b"\xff\xd9"


def a_tiff(text: str = "scan", *, order: str = "<", pages: int = 2) -> bytes:
    """Pages of one strip each, in either order of bytes."""
    data = text.encode() or b"\0"
    content = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data)) + data

    def entry(tag: int, value: int) -> bytes:
        return struct.pack(f"{order}HHII", tag, 4, 1, value)

    for page in range(pages):
        entries = [entry(256, len(data)), entry(257, 1), entry(273, 8), entry(279, len(data))]
        following = len(content) + 2 + 12 * len(entries) + 4 if page + 1 < pages else 0
        content += struct.pack(f"{order}H", len(entries)) + b"".join(entries) + struct.pack(f"{order}I", following)
    return content
