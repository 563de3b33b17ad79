"""A small lie, to show that it is found: one byte of one amount, in a copy of an export."""

import re
import shutil
from pathlib import Path

from services.audit.archive import Archive, Record, records_file, seal_again

_AMOUNT = re.compile(rb'"([a-z0-9_]*_fen)":(\d+)')


def lie(export: Path, copy: Path, *, cover: bool = True) -> str:
    """Copy an export and alter one digit of one amount in it; the JSON stays valid.

    Money that was remitted is preferred, because it is what everybody looks at.

    Args:
        export: an export.
        copy: where the altered copy is made.
        cover: digest the files anew in the manifest, so that only the signed trees can tell.

    Returns:
        What was altered, in a sentence.

    Raises:
        ArchiveRefused: when `export` is none.
        ValueError: when no record has an amount.
    """
    archive = Archive.open(export)
    shutil.copytree(export, copy)
    for wanted in (b'"type":"cn.jiexu.funds.remitted.', b""):
        for each in archive.manifest.services:
            file = copy / records_file(each.service)
            lines = file.read_bytes().splitlines(keepends=True)
            for at, line in enumerate(lines):
                record = Record.read(line)
                found = _AMOUNT.search(record.value) if wanted in record.value else None
                if found is None:
                    continue
                last = found.end() - 1
                digit = b"%d" % ((int(record.value[last : last + 1]) + 1) % 10)
                value = record.value[:last] + digit + record.value[last + 1 :]
                lines[at] = record._replace(value=value).line()
                file.write_bytes(b"".join(lines))
                if cover:
                    seal_again(copy)
                name, before = found.group(1).decode(), found.group(2).decode()
                after = value[found.start(2) : found.end(2)].decode()
                return f"{archive.province}/{each.service}, record {record.number}: {name} was {before} and is now {after}"
    raise ValueError(f"{export} has no record with an amount")
