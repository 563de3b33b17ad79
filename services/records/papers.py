"""Papers: scans in the files of a person, an employer or a case, sealed under a key that can be destroyed, kept for their time.

A scan is sealed as a whole and lies as one value in the province's database: it is small, it commits together with the event
that names its digest, and the backup of the books holds it. Nothing is destroyed before its time; the table refuses it as well.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.envelope import new_id
from contracts.events import PaperDestroyed, PaperKept, PaperRead, ReadingPurpose
from services.records.agency import Agency
from services.records.commands import one_person
from services.records.decisions import Refused
from services.records.sniffing import NotAScan, sniff
from services.rules.employers import is_credit_code
from services.rules.filing_tables import FiledPaper, PaperKindUnknown
from services.runtime.database import Database, Transaction, queries

SQL = queries(__file__)

SubjectKind = Literal["person", "employer", "case"]

# Given a case of this agency: the pseudonym under which it seals what it holds of it; None where it has no such case.
WhoseCase = Callable[[Transaction, str], Awaitable[str | None]]

LISTED = 1000  # papers of one subject that a list shows at most


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what a paper is about: `id` is a person's or an employer's pseudonym, or a case's id."""

    kind: SubjectKind
    id: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper without its content. `kept_until` None: for ever. `sealed_for`: whose key opens it."""

    paper_id: str
    subject_kind: SubjectKind
    subject: str
    sealed_for: str
    kind: str
    media_type: str
    bytes: int
    digest: str
    retention: str
    kept_on: date
    kept_until: date | None
    actor: str
    kept_at: datetime
    destruction_maker: str | None
    destruction_reason: str | None
    destruction_checker: str | None
    destroyed_on: date | None


class Papers:
    """The files of an agency.

    Args:
        database: of the province.
        agency: that says on its journal what is kept, read and destroyed.
        whose_case: whose a case of this agency is.
        told: called after a commit, to wake the relay.
    """

    def __init__(self, database: Database, agency: Agency, whose_case: WhoseCase, told: Callable[[], None]) -> None:
        self._database = database
        self._agency = agency
        self._whose_case = whose_case
        self._told = told

    @property
    def largest(self) -> int:
        """How many bytes a scan of any form may have today."""
        return self._agency.tables.filing.largest(self._agency.clock.today())

    async def employer(self, credit_code: str) -> str:
        """The pseudonym under which an employer's file is kept here, with a key of its own; the same code gives the same.

        Raises:
            Refused: CREDIT_CODE_INVALID.
        """
        code = credit_code.strip().upper()
        if not is_credit_code(code):
            raise Refused(
                "CREDIT_CODE_INVALID",
                "This is no unified social credit code: 18 characters, the last one computed from the others.",
                legal_basis="GB 32100-2015",
                remedy="Copy the code from the business licence.",
            )
        vault = self._agency.vault
        code_hash = vault.id_hash(f"employer:{code}")
        async with self._database.transaction("papers") as tx:
            known = await tx.value(SQL["employer_by_code"], code_hash)
            if known is None:
                employer_ref = new_id()
                await vault.make([employer_ref])
                await tx.execute(SQL["add_employer"], employer_ref, code_hash)
                known = await tx.value(SQL["employer_by_code"], code_hash)  # another's, where somebody was faster
        return str(known)

    async def keep(
        self, subject: Subject, kind: str, content: bytes, *, declared: str | None = None, actor: str
    ) -> tuple[Paper, bool]:
        """Put a scan into a file; returns the paper, and whether it is new: the same content again changes nothing.

        Args:
            subject: whom or what it is about.
            kind: a code of the filed_papers table.
            content: the scan.
            declared: the media type that the caller says it is of; None where nothing was said.
            actor: `sub` of who brought it.

        Raises:
            Refused: by name: what `sniff` refuses, DECLARED_FORM_DIFFERS, PAPER_FORM_UNKNOWN, PAPER_TOO_LARGE,
                PAPER_KIND_UNKNOWN, PAPER_KIND_NOT_HERE, NO_SUCH_PERSON, NO_SUCH_EMPLOYER, NO_SUCH_CASE, PERSON_FORGOTTEN,
                KEPT_AS_ANOTHER_KIND.
        """
        agency, tables, today = self._agency, self._agency.tables, self._agency.clock.today()
        if len(content) > tables.filing.largest(today):
            raise too_large(tables.filing.largest(today))
        try:
            media_type, digest = await asyncio.to_thread(_look_at, content)
        except NotAScan as error:
            raise Refused(error.code, error.detail, remedy="Scan it again as PDF, JPEG, PNG or TIFF.") from error
        self._form(media_type, len(content), declared, today)
        filed = self._kind(kind, subject, today)
        kept_until = tables.filing.retention(filed.retention, today).kept_until(today)
        async with self._database.transaction("papers") as tx:
            sealed_for = await self._sealed_for(tx, subject)
            known = await tx.one(SQL["paper_by_digest"], subject.kind, subject.id, digest)
            if known is None:
                paper_id = new_id()
                key = (await agency.vault.keys([sealed_for])).get(sealed_for)
                if key is None:
                    raise _forgotten()
                nonce = os.urandom(12)
                bound = _bound(paper_id, sealed_for, digest)
                sealed = await asyncio.to_thread(AESGCM(key).encrypt, nonce, content, bound)
                row = await tx.one(
                    SQL["add_paper"],
                    paper_id,
                    subject.kind,
                    subject.id,
                    sealed_for,
                    kind,
                    media_type,
                    len(content),
                    digest,
                    filed.retention,
                    today,
                    kept_until,
                    actor,
                    nonce,
                    sealed,
                )
                if row is not None:
                    said = PaperKept(
                        paper_id=paper_id,
                        subject_kind=subject.kind,
                        subject=subject.id,
                        digest=digest,
                        kind=kind,
                        media_type=media_type,
                        bytes=len(content),
                        retention=filed.retention,
                        kept_until=kept_until,
                        actor=actor,
                    )
                    await agency.tell(tx, [said])
                    tx.after_commit(self._told)
                    return _paper(row), True
                known = await tx.one(SQL["paper_by_digest"], subject.kind, subject.id, digest)
                assert known is not None, paper_id
        paper = _paper(known)
        if paper.kind != kind:
            raise Refused(
                "KEPT_AS_ANOTHER_KIND",
                f"The same scan is kept as {paper.kind}.",
                remedy="Look at the paper that is there.",
            )
        return paper, False

    async def read(self, paper_id: str, *, actor: str, purpose: ReadingPurpose, own: str | None = None) -> tuple[Paper, bytes]:
        """Open a paper; the journal says who did, and why.

        Args:
            paper_id: which.
            actor: `sub` of who opens it.
            purpose: why.
            own: the person who asks about themselves; None for who works here.

        Raises:
            Refused: NO_SUCH_PAPER, NOT_YOUR_RECORD, PAPER_DESTROYED, PERSON_FORGOTTEN, PAPER_ALTERED.
        """
        async with self._database.transaction("papers") as tx:
            paper = _found(await tx.one(SQL["paper"], paper_id))
            if own is not None and (paper.subject_kind == "employer" or paper.sealed_for != own):
                raise _not_yours()
            key = (await self._agency.vault.keys([paper.sealed_for])).get(paper.sealed_for)
            row = await tx.one(SQL["paper_content"], paper_id)
            if row is None or row["content"] is None:
                raise _destroyed(paper)
            if key is None:
                raise _forgotten()
            bound = _bound(paper.paper_id, paper.sealed_for, paper.digest)
            try:
                content = await asyncio.to_thread(AESGCM(key).decrypt, row["nonce"], row["content"], bound)
            except InvalidTag as error:
                raise Refused("PAPER_ALTERED", "What is kept does not open.", remedy="Take it from a backup.") from error
            said = PaperRead(
                paper_id=paper.paper_id,
                subject_kind=paper.subject_kind,
                subject=paper.subject,
                digest=paper.digest,
                actor=actor,
                purpose=purpose,
            )
            await self._agency.tell(tx, [said])
        self._told()
        return paper, content

    async def of(self, subject: Subject, *, own: str | None = None) -> list[Paper]:
        """The papers of a subject, the oldest first, those that were destroyed among them; no content.

        Raises:
            Refused: NO_SUCH_PERSON, NO_SUCH_EMPLOYER, NO_SUCH_CASE; NOT_YOUR_RECORD where `own` asks about somebody else.
        """
        async with self._database.transaction("look") as tx:
            whose = await self._sealed_for(tx, subject)
            if own is not None and (subject.kind == "employer" or whose != own):
                raise _not_yours()
            return [_paper(row) for row in await tx.fetch(SQL["papers_of"], subject.kind, subject.id, LISTED)]

    async def propose_destruction(self, paper_id: str, maker: str, reason: str) -> Paper:
        """Somebody proposes to destroy a paper whose time is over.

        Raises:
            Refused: NO_SUCH_PAPER, PAPER_DESTROYED, KEPT_FOR_EVER, STILL_TO_BE_KEPT, DESTRUCTION_PROPOSED.
        """
        async with self._database.transaction("papers") as tx:
            paper = _found(await tx.one(SQL["hold_paper"], paper_id))
            self._over(paper)
            if paper.destruction_maker is not None:
                raise Refused(
                    "DESTRUCTION_PROPOSED", "Its destruction is proposed already.", remedy="Approve it, or take it back."
                )
            return _found(await tx.one(SQL["propose_destruction"], paper_id, maker, reason))

    async def withdraw_destruction(self, paper_id: str) -> Paper:
        """A proposal is taken back.

        Raises:
            Refused: NO_SUCH_PAPER, PAPER_DESTROYED, NOT_PROPOSED.
        """
        async with self._database.transaction("papers") as tx:
            self._proposed(_found(await tx.one(SQL["hold_paper"], paper_id)))
            return _found(await tx.one(SQL["propose_destruction"], paper_id, None, None))

    async def approve_destruction(self, paper_id: str, checker: str) -> Paper:
        """A second person destroys a paper: its content is gone, that it was there stays.

        Raises:
            Refused: NO_SUCH_PAPER, PAPER_DESTROYED, NOT_PROPOSED, SAME_PERSON, KEPT_FOR_EVER, STILL_TO_BE_KEPT.
        """
        today = self._agency.clock.today()
        async with self._database.transaction("papers") as tx:
            paper = _found(await tx.one(SQL["hold_paper"], paper_id))
            maker, reason = self._proposed(paper)
            if maker == checker:
                raise one_person("approve the destruction")
            until = self._over(paper)
            destroyed = _found(await tx.one(SQL["destroy_paper"], paper_id, checker, today))
            said = PaperDestroyed(
                paper_id=paper.paper_id,
                subject_kind=paper.subject_kind,
                subject=paper.subject,
                digest=paper.digest,
                kind=paper.kind,
                retention=paper.retention,
                kept_until=until,
                destroyed_on=today,
                reason=reason,
                maker=maker,
                checker=checker,
            )
            await self._agency.tell(tx, [said])
        self._told()
        return destroyed

    def _form(self, media_type: str, size: int, declared: str | None, today: date) -> None:
        if declared is not None and declared != media_type:
            raise Refused(
                "DECLARED_FORM_DIFFERS",
                f"The content is {media_type}, not what it was declared as.",
                remedy="Declare what it is, or send it as application/octet-stream.",
            )
        form = self._agency.tables.filing.form(media_type, today)
        if form is None:
            raise Refused("PAPER_FORM_UNKNOWN", f"No {media_type} is taken.", remedy="Scan it in another form.")
        if size > form.max_bytes:
            raise too_large(form.max_bytes)

    def _kind(self, kind: str, subject: Subject, today: date) -> FiledPaper:
        try:
            found = self._agency.tables.filing.paper(kind, today)
        except PaperKindUnknown as error:
            raise Refused(
                "PAPER_KIND_UNKNOWN", "No such kind of paper is kept.", remedy="Look at the table filed_papers."
            ) from error
        if subject.kind not in found.subjects:
            raise Refused(
                "PAPER_KIND_NOT_HERE",
                f"{kind} is not kept in the file of a {subject.kind}.",
                remedy=f"It belongs to: {', '.join(found.subjects)}.",
            )
        return found

    async def _sealed_for(self, tx: Transaction, subject: Subject) -> str:
        match subject.kind:
            case "person":
                found = await tx.value(SQL["person_known"], subject.id)
            case "employer":
                found = await tx.value(SQL["employer_known"], subject.id)
            case "case":
                found = await self._whose_case(tx, subject.id)
        if found is None:
            raise Refused(
                f"NO_SUCH_{subject.kind.upper()}", f"This agency knows no {subject.kind} of this id.", remedy="Check the id."
            )
        return str(found)

    @staticmethod
    def _proposed(paper: Paper) -> tuple[str, str]:
        """Who proposed the destruction, and why."""
        if paper.destroyed_on is not None:
            raise _destroyed(paper)
        if paper.destruction_maker is None or paper.destruction_reason is None:
            raise Refused("NOT_PROPOSED", "Its destruction is not proposed.", remedy="Let somebody propose it first.")
        return paper.destruction_maker, paper.destruction_reason

    def _over(self, paper: Paper) -> date:
        """The last day of a paper's time, which is over: by the class of its day, and by today's where that is longer."""
        if paper.destroyed_on is not None:
            raise _destroyed(paper)
        filing, today = self._agency.tables.filing, self._agency.clock.today()
        ends = [paper.kept_until]
        with suppress(PaperKindUnknown):  # no such paper comes any more; those that came keep the class of their day
            ends.append(filing.retention(filing.paper(paper.kind, today).retention, today).kept_until(paper.kept_on))
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            raise Refused(
                "KEPT_FOR_EVER",
                "A paper of this kind is never destroyed.",
                legal_basis="社会保险法 第七十四条",
                remedy="Leave it where it is.",
            )
        until = max(known)
        if today <= until:
            raise Refused(
                "STILL_TO_BE_KEPT",
                f"It must be kept until {until}.",
                legal_basis="社会保险业务档案管理规定(试行)",
                remedy="Leave it where it is until then.",
            )
        return until


async def kinds_filed(tx: Transaction, subjects: Sequence[str]) -> dict[str, frozenset[str]]:
    """Of which kinds papers lie in the files of persons and cases; whoever has none is not in the answer."""
    found: dict[str, set[str]] = {}
    for row in await tx.fetch(SQL["kinds_filed"], list(subjects)) if subjects else []:
        found.setdefault(row["subject"], set()).add(row["kind"])
    return {subject: frozenset(kinds) for subject, kinds in found.items()}


def too_large(limit: int) -> Refused:
    """What is said of a scan above the limit, in bytes."""
    return Refused("PAPER_TOO_LARGE", f"A scan has at most {limit} bytes.", remedy="Scan it in grey, or in several parts.")


def _look_at(content: bytes) -> tuple[str, str]:
    """Media type and digest of a scan."""
    return sniff(content), hashlib.sha256(content).hexdigest()


def _bound(paper_id: str, sealed_for: str, digest: str) -> bytes:
    """What a sealed content is bound to, so that it opens in its own place alone."""
    return f"paper|{paper_id}|{sealed_for}|{digest}".encode()


def _found(row: asyncpg.Record | None) -> Paper:
    if row is None:
        raise Refused("NO_SUCH_PAPER", "There is no paper of this id.", remedy="Look at the list of papers.")
    return _paper(row)


def _not_yours() -> Refused:
    return Refused(
        "NOT_YOUR_RECORD",
        "A person may open the own papers alone.",
        legal_basis="社会保险法 第八十一条",
        remedy="Log in as the person, or go to the window with the power of attorney.",
    )


def _destroyed(paper: Paper) -> Refused:
    return Refused(
        "PAPER_DESTROYED",
        f"It was destroyed on {paper.destroyed_on}; its digest stays on the journal.",
        legal_basis="社会保险业务档案管理规定(试行)",
        remedy="Its time was over; what it proved stands in the record. Hand in another one where it is still needed.",
    )


def _forgotten() -> Refused:
    return Refused(
        "PERSON_FORGOTTEN",
        "The key was destroyed; nothing that was sealed under it can be read or added.",
        legal_basis="个人信息保护法 第四十七条",
        remedy="Whoever is insured again is registered anew, with a file of their own.",
    )


def _paper(row: asyncpg.Record) -> Paper:
    return Paper(**{name: row[name] for name in Paper.__slots__})
