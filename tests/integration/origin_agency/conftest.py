"""44's origin agency on databases of the test's own, with a bank in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.banking import StatementLine
from contracts.documents import CompletionDocument, CompletionNotice, ContactLetter
from contracts.envelope import new_id
from services.messaging.handler import BatchHandler
from services.messaging.received import Received
from services.origin_agency import store
from services.origin_agency.afterwards import Afterwards
from services.origin_agency.app import HEARS
from services.origin_agency.case import Case
from services.origin_agency.correspondence import Correspondence
from services.origin_agency.desk import Desk
from services.origin_agency.funds import FundDesk
from services.origin_agency.handlers import Handlers
from services.world.plan import ProvinceRecord
from tests.agencies import BankDouble, InProcess, a_letter, arriving_letter, in_process
from tests.builders import a
from tests.integration.conftest import UrlOf


@dataclass
class Origin:
    """The agency, its clerks' desk, its fund desk, what hears documents for it, and its bank."""

    at: InProcess
    bank: BankDouble = field(default_factory=BankDouble)

    def __post_init__(self) -> None:
        self.desk = Desk(self.at.database, self.at.agency, self.at.ring)
        self.afterwards = Afterwards(self.at.database, self.at.agency, self.at.ring)
        self.correspondence = Correspondence(self.at.database, self.at.agency, self.at.ring)
        self.funds = FundDesk(self.at.database, self.at.agency, self.bank, self.at.ring)
        self.handler: BatchHandler = self.at.handler(Handlers(self.at.agency, self.at.opener).documents, HEARS)

    async def hear(self, *documents: Received) -> None:
        """Take documents in as one batch."""
        await self.handler.handle(documents)

    async def holding(self, letter: ContactLetter | None = None, *, sender: str = "33") -> str:
        """A case of which the letter is held; returns its id."""
        case_id = new_id()
        body = letter or a_letter(destination=sender)
        await self.hear(arriving_letter(self.at, body, case_id=case_id, sender=sender))
        return case_id

    async def correct_letter(self, case_id: str, *, version: int = 2, **fields: Any) -> None:
        """A later version of a case's letter arrives, by default with another account."""
        held = (await self.case(case_id)).letter
        account = held.payee.model_copy(update={"account_no": f"{held.payee.account_no}{version}"})
        letter = held.model_copy(update={"letter_version": version, "payee": account, **fields})
        await self.hear(arriving_letter(self.at, letter, case_id=case_id, sender=letter.destination_division[:2]))

    async def case(self, case_id: str) -> Case:
        """A case that must be there, not locked."""
        async with self.at.database.transaction("test") as tx:
            found = await store.look(tx, self.at.vault, case_id)
        assert found is not None, case_id
        return found

    async def states(self) -> dict[str, str]:
        """Every case's state."""
        return {row["case_id"]: row["state"] for row in await self.at.rows("SELECT case_id, state FROM origin_agency.cases")}

    async def issued(self, *people: ProvinceRecord) -> list[str]:
        """Cases of these people, one each, whose forms are issued."""
        cases = [await self.holding(a_letter(person)) for person in people]
        assert (await self.desk.propose(cases, "maker-1")).done == len(cases)
        result = await self.desk.approve(cases, "checker-1")
        assert result.done == len(cases), result
        return cases

    async def ordered(self, *people: ProvinceRecord) -> list[str]:
        """Cases of these people whose remittances are approved and not yet with the bank."""
        cases = await self.issued(*people)
        await self.order(*cases)
        return cases

    async def order(self, *cases: str) -> None:
        """Propose and approve the remittances of cases."""
        assert (await self.desk.propose_remittances(cases, "fund-1")).done == len(cases)
        assert (await self.desk.approve_remittances(cases, "checker-1")).done == len(cases)

    async def remitted(self, *people: ProvinceRecord) -> list[str]:
        """Cases of these people that are paid."""
        cases = await self.ordered(*people)
        await self.funds.pay()
        return cases

    async def settled(self, *people: ProvinceRecord) -> list[str]:
        """Cases of these people that the destination has completed."""
        cases = await self.remitted(*people)
        for case_id in cases:
            await self.complete(case_id)
        return cases

    async def complete(self, case_id: str) -> None:
        """The destination's completion notice of the form that is out arrives."""
        case = await self.case(case_id)
        notice = a(CompletionNotice, letter_no=case.letter.letter_no, form_version=case.form_version)
        await self.hear(self.at.arriving(CompletionDocument, notice, case_id=case_id, sender=case.destination))

    def returned(self, case_id: str, amount_fen: int, remittance_id: str) -> StatementLine:
        """The bank gives money back."""
        return self.bank.book(case_id, amount_fen, kind="returned", remittance_id=remittance_id, reason="payee account refused")


@pytest.fixture
async def origin(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[Origin]:
    async with in_process(province_database, keys_database, keys_kept_s=0) as at:
        yield Origin(at)
