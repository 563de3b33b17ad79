"""Papers: sealed under a key of their own, on the journal by their digest alone, and never destroyed before their time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import date
from typing import Any

import asyncpg
import pytest

from contracts.envelope import new_id
from contracts.events import PaperDestroyed, PaperKept, PaperRead
from services.origin_agency.store import whose_case
from services.records.decisions import Refused
from services.records.papers import Papers, Subject
from tests.agencies import MONDAY, InProcess, a_letter, in_process, known_in, tables
from tests.integration.conftest import UrlOf
from tests.integration.origin_agency.conftest import Origin
from tests.scans import a_jpeg, a_pdf, a_png, a_tiff

HE = known_in("44")
CODE = "91350100M000100Y43"
SECRET = "陈志远的身份证"


@pytest.fixture
async def at(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[InProcess]:
    async with in_process(province_database, keys_database, keys_kept_s=0) as found:
        yield found


def the_files(at: InProcess) -> Papers:
    return Papers(at.database, at.agency, whose_case, at.ring)


async def his(at: InProcess) -> Subject:
    """The file of the story's person."""
    await at.importing(HE)
    return Subject("person", (await at.record(HE.person.id_number)).person_ref)


async def code_of(wish: Awaitable[Any]) -> str:
    with pytest.raises(Refused) as refused:
        await wish
    return refused.value.code


async def test_a_scan_comes_back_as_it_came_and_lies_sealed(at: InProcess) -> None:
    subject, files, content = await his(at), the_files(at), a_pdf(SECRET)

    paper, fresh = await files.keep(subject, "IDENTITY_DOCUMENT", content, actor="maker-1")
    again = await files.read(paper.paper_id, actor="checker-1", purpose="audit")

    assert (fresh, again) == (True, (paper, content))
    assert (paper.media_type, paper.bytes, paper.sealed_for) == ("application/pdf", len(content), subject.id)
    assert paper.digest == hashlib.sha256(content).hexdigest()
    assert await at.places_of(SECRET, "startxref") == {}
    assert at.rung


async def test_the_journal_says_what_was_kept_and_who_read_it_and_why_and_nothing_of_the_content(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)

    paper, _ = await files.keep(subject, "CORRESPONDENCE", a_png(SECRET), actor="maker-1")
    await files.read(paper.paper_id, actor="auditor-1", purpose="audit")
    await files.read(paper.paper_id, actor="he", purpose="own", own=subject.id)

    [kept] = await at.facts(PaperKept)
    assert (kept.paper_id, kept.subject_kind, kept.subject) == (paper.paper_id, "person", subject.id)
    assert (kept.kind, kept.media_type, kept.bytes, kept.digest) == ("CORRESPONDENCE", "image/png", paper.bytes, paper.digest)
    assert (kept.retention, kept.kept_until, kept.actor) == ("years_30", date(2054, 12, 31), "maker-1")
    assert kept.rule_set == tables().version
    reads = await at.facts(PaperRead)
    assert [(read.actor, read.purpose, read.digest) for read in reads] == [
        ("auditor-1", "audit", paper.digest),
        ("he", "own", paper.digest),
    ]
    assert {message.subject for message in await at.told() if isinstance(message.data, PaperKept | PaperRead)} == {paper.paper_id}


async def test_a_case_s_paper_is_under_the_key_of_its_person(at: InProcess) -> None:
    subject, files, origin = await his(at), the_files(at), Origin(at)
    case_id = await origin.holding()
    nobody_s = replace(HE, person=replace(HE.person, id_number="11010519491231002X"))
    unknown = await origin.holding(a_letter(nobody_s))

    paper, _ = await files.keep(Subject("case", case_id), "TRANSFER_FILE", a_tiff(), actor="maker-1")
    other, _ = await files.keep(Subject("case", unknown), "TRANSFER_FILE", a_tiff(), actor="maker-1")

    assert (paper.subject, paper.sealed_for, paper.kept_until) == (case_id, subject.id, None)
    assert (other.subject, other.sealed_for) == (unknown, unknown)
    assert (await files.read(paper.paper_id, actor="he", purpose="own", own=subject.id))[1] == a_tiff()
    assert [each.paper_id for each in await files.of(Subject("case", case_id))] == [paper.paper_id]
    assert await files.of(subject) == []


async def test_an_employer_has_a_file_and_a_key_of_its_own_and_its_code_stands_nowhere(at: InProcess) -> None:
    files = the_files(at)

    employer = Subject("employer", await files.employer(CODE.lower()))
    same = await asyncio.gather(*(files.employer(CODE) for _ in range(3)))
    first, _ = await files.keep(employer, "EMPLOYER_REGISTRATION", a_jpeg(), actor="maker-1")
    second, _ = await files.keep(employer, "ORIGINAL_VOUCHER", a_pdf(), actor="maker-1")

    assert set(same) == {employer.id}
    assert [paper.paper_id for paper in await files.of(employer)] == [first.paper_id, second.paper_id]
    assert first.sealed_for == employer.id
    assert await at.places_of(CODE) == {}
    assert await code_of(files.read(first.paper_id, actor="he", purpose="own", own=employer.id)) == "NOT_YOUR_RECORD"


async def test_the_same_scan_in_the_same_file_is_kept_once(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)

    answers = await asyncio.gather(*(files.keep(subject, "ORIGINAL_VOUCHER", a_pdf(), actor="maker-1") for _ in range(4)))
    elsewhere, fresh = await files.keep(
        Subject("employer", await files.employer(CODE)), "ORIGINAL_VOUCHER", a_pdf(), actor="maker-1"
    )

    assert len({paper.paper_id for paper, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert (fresh, elsewhere.paper_id != answers[0][0].paper_id) == (True, True)
    assert len(await at.facts(PaperKept)) == 2
    assert await code_of(files.keep(subject, "WORKING_PAPER", a_pdf(), actor="maker-1")) == "KEPT_AS_ANOTHER_KIND"


async def test_what_cannot_be_kept_is_refused_by_name_and_nothing_is_there(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)

    async def code(content: bytes = a_pdf(), kind: str = "IDENTITY_DOCUMENT", about: Subject = subject, **more: Any) -> str:
        return await code_of(files.keep(about, kind, content, actor="maker-1", **more))

    assert await code(b"") == "PAPER_EMPTY"
    assert await code(b"<html>") == "PAPER_FORM_UNKNOWN"
    assert await code(a_pdf()[:-20]) == "PAPER_DAMAGED"
    assert await code(a_pdf() + b"PK") == "PAPER_HAS_MORE"
    assert await code(declared="image/png") == "DECLARED_FORM_DIFFERS"
    assert await code(a_pdf("x" * files.largest)) == "PAPER_TOO_LARGE"
    assert await code(kind="LOVE_LETTER") == "PAPER_KIND_UNKNOWN"
    assert await code(kind="EMPLOYER_REGISTRATION") == "PAPER_KIND_NOT_HERE"
    assert await code(about=Subject("person", new_id())) == "NO_SUCH_PERSON"
    assert await code(about=Subject("employer", subject.id), kind="ORIGINAL_VOUCHER") == "NO_SUCH_EMPLOYER"
    assert await code(about=Subject("case", new_id())) == "NO_SUCH_CASE"
    assert await code_of(files.employer("91350100M000100Y44")) == "CREDIT_CODE_INVALID"
    assert await code_of(files.read(new_id(), actor="maker-1", purpose="handling")) == "NO_SUCH_PAPER"
    assert (await at.facts(PaperKept), await at.rows("SELECT 1 FROM records.papers")) == ([], [])


async def test_the_limit_of_one_form_and_the_forms_themselves_are_rows(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)
    filing = tables().filing
    small = tuple(replace(form, max_bytes=100) if form.code == "application/pdf" else form for form in filing.forms)
    at.agency.tables = replace(tables(), filing=replace(filing, forms=tuple(form for form in small if form.code != "image/png")))

    assert await code_of(files.keep(subject, "IDENTITY_DOCUMENT", a_pdf(), actor="maker-1")) == "PAPER_TOO_LARGE"
    assert await code_of(files.keep(subject, "IDENTITY_DOCUMENT", a_png(), actor="maker-1")) == "PAPER_FORM_UNKNOWN"
    assert (await files.keep(subject, "IDENTITY_DOCUMENT", a_jpeg(), actor="maker-1"))[1]


async def test_with_its_key_a_person_s_paper_is_gone_and_its_digest_stays(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)
    paper, _ = await files.keep(subject, "IDENTITY_DOCUMENT", a_pdf(), actor="maker-1")

    await at.forget(subject.id)

    assert await code_of(files.read(paper.paper_id, actor="maker-1", purpose="handling")) == "PERSON_FORGOTTEN"
    assert await code_of(files.keep(subject, "IDENTITY_DOCUMENT", a_png(), actor="maker-1")) == "PERSON_FORGOTTEN"
    assert [each.digest for each in await files.of(subject)] == [paper.digest]
    assert await at.facts(PaperRead) == []


async def test_what_was_altered_or_exchanged_in_the_table_does_not_open(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)
    one, _ = await files.keep(subject, "IDENTITY_DOCUMENT", a_pdf("one"), actor="maker-1")
    other, _ = await files.keep(subject, "IDENTITY_DOCUMENT", a_pdf("two"), actor="maker-1")

    await at.rows(
        "UPDATE records.papers AS p SET content = o.content, nonce = o.nonce FROM records.papers AS o"
        " WHERE p.paper_id = $1 AND o.paper_id = $2",
        one.paper_id,
        other.paper_id,
    )

    assert await code_of(files.read(one.paper_id, actor="maker-1", purpose="handling")) == "PAPER_ALTERED"
    assert (await files.read(other.paper_id, actor="maker-1", purpose="handling"))[1] == a_pdf("two")


async def test_nothing_is_destroyed_before_its_time(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)
    voucher, _ = await files.keep(subject, "ORIGINAL_VOUCHER", a_pdf("for ever"), actor="maker-1")
    note, _ = await files.keep(subject, "WORKING_PAPER", a_pdf("ten years"), actor="maker-1")

    early = await code_of(files.propose_destruction(note.paper_id, "maker-1", "its time is over"))
    at.clock.move(MONDAY.replace(year=2034, month=12, day=31))
    on_the_last_day = await code_of(files.propose_destruction(note.paper_id, "maker-1", "its time is over"))
    at.clock.move(MONDAY.replace(year=3024))
    never = await code_of(files.propose_destruction(voucher.paper_id, "maker-1", "its time is over"))

    assert (early, on_the_last_day, never) == ("STILL_TO_BE_KEPT", "STILL_TO_BE_KEPT", "KEPT_FOR_EVER")
    assert await at.facts(PaperDestroyed) == []
    assert (await files.read(note.paper_id, actor="maker-1", purpose="archive"))[1] == a_pdf("ten years")


async def test_after_its_time_two_persons_destroy_a_paper_and_its_digest_stays(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)
    paper, _ = await files.keep(subject, "WORKING_PAPER", a_pdf(), actor="maker-1")
    at.clock.move(MONDAY.replace(year=2035, month=1, day=1))

    unproposed = await code_of(files.approve_destruction(paper.paper_id, "checker-1"))
    await files.propose_destruction(paper.paper_id, "maker-1", "its time is over")
    twice = await code_of(files.propose_destruction(paper.paper_id, "maker-2", "its time is over"))
    alone = await code_of(files.approve_destruction(paper.paper_id, "maker-1"))
    destroyed = await files.approve_destruction(paper.paper_id, "checker-1")

    assert (unproposed, twice, alone) == ("NOT_PROPOSED", "DESTRUCTION_PROPOSED", "SAME_PERSON")
    assert (destroyed.destroyed_on, destroyed.destruction_checker) == (date(2035, 1, 1), "checker-1")
    [said] = await at.facts(PaperDestroyed)
    assert (said.paper_id, said.digest, said.kind, said.retention) == (paper.paper_id, paper.digest, "WORKING_PAPER", "years_10")
    assert (said.kept_until, said.destroyed_on) == (date(2034, 12, 31), date(2035, 1, 1))
    assert (said.maker, said.checker, said.reason) == ("maker-1", "checker-1", "its time is over")
    assert [row["content"] for row in await at.rows("SELECT content FROM records.papers")] == [None]
    assert await code_of(files.read(paper.paper_id, actor="maker-1", purpose="archive")) == "PAPER_DESTROYED"
    assert await code_of(files.approve_destruction(paper.paper_id, "checker-1")) == "PAPER_DESTROYED"
    assert await code_of(files.withdraw_destruction(paper.paper_id)) == "PAPER_DESTROYED"
    assert [each.destroyed_on for each in await files.of(subject)] == [date(2035, 1, 1)]


async def test_a_proposal_is_taken_back(at: InProcess) -> None:
    subject, files = await his(at), the_files(at)
    paper, _ = await files.keep(subject, "WORKING_PAPER", a_pdf(), actor="maker-1")
    at.clock.move(MONDAY.replace(year=2035))
    await files.propose_destruction(paper.paper_id, "maker-1", "its time is over")

    back = await files.withdraw_destruction(paper.paper_id)

    assert back.destruction_maker is None
    assert await code_of(files.approve_destruction(paper.paper_id, "checker-1")) == "NOT_PROPOSED"
    assert await code_of(files.withdraw_destruction(paper.paper_id)) == "NOT_PROPOSED"


async def test_a_longer_class_that_came_since_counts_and_a_shorter_one_does_not(at: InProcess) -> None:
    subject, files, filing = await his(at), the_files(at), tables().filing
    note, _ = await files.keep(subject, "WORKING_PAPER", a_pdf("note"), actor="maker-1")
    letter, _ = await files.keep(subject, "CORRESPONDENCE", a_pdf("letter"), actor="maker-1")
    exchanged = {"WORKING_PAPER": "years_30", "CORRESPONDENCE": "years_10"}
    papers = tuple(replace(row, retention=exchanged.get(row.code, row.retention)) for row in filing.papers)
    at.agency.tables = replace(tables(), filing=replace(filing, papers=papers))
    at.clock.move(MONDAY.replace(year=2040))

    codes = [await code_of(files.propose_destruction(each.paper_id, "maker-1", "over")) for each in (note, letter)]

    assert codes == ["STILL_TO_BE_KEPT", "STILL_TO_BE_KEPT"]


async def test_the_time_is_looked_at_again_when_the_destruction_is_approved(at: InProcess) -> None:
    subject, files, filing = await his(at), the_files(at), tables().filing
    note, _ = await files.keep(subject, "WORKING_PAPER", a_pdf(), actor="maker-1")
    at.clock.move(MONDAY.replace(year=2035))
    await files.propose_destruction(note.paper_id, "maker-1", "its time is over")
    longer = tuple(replace(row, retention="permanent") for row in filing.papers)
    at.agency.tables = replace(tables(), filing=replace(filing, papers=longer))

    assert await code_of(files.approve_destruction(note.paper_id, "checker-1")) == "KEPT_FOR_EVER"


@pytest.mark.parametrize(
    "statement",
    [
        "SET content = NULL, destroyed_on = '2024-05-06', destruction_maker = 'a', destruction_checker = 'b'",
        "SET content = NULL",
        "SET content = NULL, destruction_maker = 'a', destruction_checker = 'a', destroyed_on = '2099-01-01'",
        "SET kept_until = '2020-01-01'",
    ],
    ids=["before-its-time", "without-saying-so", "by-one-person", "time-made-shorter"],
)
async def test_the_database_itself_lets_no_service_destroy_a_paper_otherwise(at: InProcess, statement: str) -> None:
    subject, files = await his(at), the_files(at)
    await files.keep(subject, "WORKING_PAPER", a_pdf(), actor="maker-1")

    with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)):
        async with at.database.transaction("test") as tx:
            await tx.execute(f"UPDATE records.papers {statement}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with at.database.transaction("test") as tx:
            await tx.execute("DELETE FROM records.papers")
