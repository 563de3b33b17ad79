"""How an agency tells what a transaction decided: booked, numbered, sealed, and all of it or nothing."""

import pytest

from contracts.documents import LetterReturn, LetterReturnDocument
from contracts.envelope import new_id
from contracts.events import AccountOpened, BalanceStated, ContactLetterReceived, DocumentSent
from services.ledger.chart import BANK, individual
from services.messaging.sealing import NoSealingKey
from services.records.decisions import Letter
from tests.agencies import InProcess, opened
from tests.builders import a


async def test_a_fact_that_moves_money_is_booked_numbered_and_followed_by_the_balance(at: InProcess) -> None:
    person = new_id()

    async with at.database.transaction("test") as tx:
        await at.agency.tell(tx, [a(AccountOpened, person_ref=person, opening_fen=700)])

    told, stated = await at.told()
    assert isinstance(told.data, AccountOpened)
    assert told.data.account_sequences == {BANK: 1, individual(person): 1}
    assert isinstance(stated.data, BalanceStated)
    assert (stated.data.balance_fen, stated.data.sequence, stated.causationid) == (700, 1, told.id)
    assert (told.source, told.subject, told.time.date()) == ("/provinces/44/origin-agency", person, at.clock.today())
    assert await at.balance_fen(person) == 700


async def test_a_letter_is_sealed_to_its_addressee_and_its_digest_stands_on_the_journal(at: InProcess) -> None:
    case, cause = new_id(), new_id()
    letter = Letter(LetterReturnDocument, a(LetterReturn, note="陈志远"), case, case, "33")

    async with at.database.transaction("test") as tx:
        await at.agency.tell(tx, [letter], {case: cause})

    [noted] = await at.facts(DocumentSent)
    [document] = await at.facts(LetterReturnDocument)
    [row] = await at.rows(
        "SELECT event_id, topic, role, encode(sha256(payload), 'hex') AS digest FROM origin_agency.outbox WHERE role IS NOT NULL"
    )
    assert opened(document, at.country) == letter.body
    assert (noted.addressee, noted.document_type) == ("33/destination-agency", "document.letter_return")
    assert (row["topic"], row["role"]) == ("exchange.33", "destination-agency")
    assert (noted.document_id, noted.digest) == (row["event_id"], row["digest"])
    assert {message.causationid for message in await at.told()} == {cause}
    assert await at.places_of("陈志远") == {}


async def test_what_breaks_off_is_neither_booked_nor_told(at: InProcess) -> None:
    person = new_id()

    async def tells_and_breaks_off() -> None:
        async with at.database.transaction("test") as tx:
            await at.agency.tell(tx, [a(AccountOpened, person_ref=person, opening_fen=700)])
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await tells_and_breaks_off()

    assert await at.told() == []
    assert await at.heads() == {}


async def test_nothing_leaves_for_a_province_that_is_not_in_the_directory(at: InProcess) -> None:
    case = new_id()
    letter = Letter(LetterReturnDocument, a(LetterReturn), case, case, "65")

    with pytest.raises(NoSealingKey, match="65"):
        async with at.database.transaction("test") as tx:
            await at.agency.tell(tx, [a(ContactLetterReceived, case_id=case), letter])

    assert await at.told() == []
