"""What the destination's clerks do about a letter that is out: correct it, close its case, ask, answer, remind, agree."""

from collections.abc import Sequence

from contracts.base import SealedForPerson
from contracts.documents import Answer, PersonIdentity
from contracts.documents import Question as QuestionBody
from contracts.envelope import new_id
from services.destination_agency import store
from services.destination_agency.acting import Acting
from services.destination_agency.case import SENT_BACK, Case, Outcome, Refused
from services.destination_agency.clocks import escalate, remind
from services.destination_agency.letters import PAYEE_ALONE, Change, close, correct_letter, propose_letter
from services.destination_agency.meeting import agree, propose_agreement
from services.destination_agency.questions import answer, ask
from services.destination_agency.writing import contact_letter
from services.records.commands import ListResult
from services.records.vault import Vault
from services.rules.identity import IdNumberInvalid, normal_form, parse_social_security_number
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown


class LetterDesk(Acting):
    """The destination's commands on letters that are out."""

    async def propose_letters(self, case_ids: Sequence[str], maker: str, change: Change) -> ListResult:
        """A maker proposes corrected letters: the directory's payee account of today, and what `change` says.

        Raises:
            Refused: for a place or an identity number that cannot be.
        """
        if change.division:
            self._reachable(change.division)
        if change.there is not None:
            change = Change(change.reason, change.division, self._known_as(change.there))
        return await self._each("propose-letter", case_ids, lambda case: propose_letter(case, maker, change))

    def _reachable(self, division: str) -> None:
        agency = self._agency
        try:
            agency.tables.participating_province(division[:2])
        except (ProvinceUnknown, ProvinceOutOfScope) as error:
            raise Refused("UNKNOWN_PROVINCE", str(error), remedy="Give the six digits of the right place.") from error
        if division[:2] != agency.province and not agency.directory.knows(division[:2]):
            detail = f"Province {division[:2]} does not take part in the exchange yet."
            raise Refused("PROVINCE_NOT_CONNECTED", detail, remedy="Ask the window for the paper procedure.")

    async def approve_letters(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: the corrected letters leave, each to the agency that it names."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("approve-letter") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            # One relationship has one open transfer: another may have been begun since this one's letter came back.
            keys = {case.case_id: self._open_key(case) for case in cases.values() if case.state in SENT_BACK}
            others = await store.open_cases(tx, list(set(keys.values()))) if keys else {}

            def decide(case: Case) -> Outcome:
                proposal = case.proposal
                open_key = keys.get(case.case_id, case.open_key)
                other, _ = others.get(open_key, (case.case_id, ""))
                if other != case.case_id:
                    text = agency.tables.refusal("DUPLICATE_APPLICATION", today)
                    raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy="Close this case.")
                origin = (proposal.division if proposal and proposal.division else case.origin_division)[:2]
                if case.state in PAYEE_ALONE:
                    due = agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
                else:
                    due = agency.due("LETTER_TO_FORM", today, holder=origin)
                letter = contact_letter(agency, case, correcting=True)
                outcome = correct_letter(case, checker, letter, today=today, due=due, open_key=open_key)
                others[open_key] = (case.case_id, case.applicant)  # a later row of the list may be of the same relationship
                return outcome

            return await self._act(tx, case_ids, cases, decide)

    def _known_as(self, there: PersonIdentity) -> PersonIdentity:
        agency = self._agency
        try:
            read = parse_social_security_number(there.id_number, on=agency.clock.today(), tables=agency.tables)
        except IdNumberInvalid as error:
            raise Refused("ID_NUMBER_INVALID", f"{error.field}: {error.reason}", remedy="Check the identity number.") from error
        return PersonIdentity(id_number=read.number, name=there.name)

    def _open_key(self, case: Case) -> bytes:
        division = case.proposal.division if case.proposal and case.proposal.division else case.origin_division
        number = normal_form(case.personal.id_number)
        return self._agency.vault.id_hash(f"{number}|{division[:2]}")

    async def close(self, case_ids: Sequence[str], actor: str, reason: str) -> ListResult:
        """A clerk closes cases whose letter came back and that nobody goes on with."""
        today = self._agency.clock.today()
        return await self._each("close", case_ids, lambda case: close(case, actor, reason, today=today))

    async def remind(self, case_ids: Sequence[str]) -> ListResult:
        """A clerk reminds the origin, once a day."""
        today = self._agency.clock.today()
        return await self._each("remind", case_ids, lambda case: remind(case, today=today))

    async def escalate(self, case_ids: Sequence[str], actor: str) -> ListResult:
        """A clerk tells the supervisors of overdue cases before the clock does."""
        return await self._each("escalate", case_ids, lambda case: escalate(case, actor))

    async def ask(self, case_id: str, actor: str, *, kind: str, text: str) -> ListResult:
        """A clerk asks the origin within a case; the row says the question's id."""
        agency = self._agency
        today = agency.clock.today()
        question_id = new_id()
        async with self._deciding("ask") as tx:
            cases = await store.load(tx, agency.vault, agency.province, [case_id])

            sealed = await self._sealed(cases, text)

            def decide(case: Case) -> Outcome:
                body = QuestionBody(letter_no=case.letter_no or "", question_id=question_id, kind=kind, text=text)
                return ask(case, actor, body, sealed[case.case_id], today=today)

            return await self._act(tx, [case_id], cases, decide, says=lambda case: question_id)

    async def answer(self, case_id: str, actor: str, *, question_id: str, text: str, confirms: bool) -> ListResult:
        """A clerk answers a question of the origin."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("answer") as tx:
            cases = await store.load(tx, agency.vault, agency.province, [case_id])
            sealed = await self._sealed(cases, text)

            def decide(case: Case) -> Outcome:
                body = Answer(letter_no=case.letter_no or "", question_id=question_id, text=text, confirms=confirms)
                return answer(case, actor, body, sealed[case.case_id], today=today)

            return await self._act(tx, [case_id], cases, decide)

    async def _sealed(self, cases: dict[str, Case], text: str) -> dict[str, SealedForPerson]:
        keys = await self._agency.vault.keys(case.person_ref for case in cases.values())
        return {case.case_id: Vault.seal(keys, case.person_ref, text.encode()) for case in cases.values()}

    async def propose_agreements(self, case_id: str, maker: str, *, question_id: str, reason: str) -> ListResult:
        """A maker proposes to take a form as it stands, on the origin's answer that confirms it."""
        return await self._each("propose-agreement", [case_id], lambda case: propose_agreement(case, maker, question_id, reason))

    async def approve_agreements(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: both sides agree on the form, and it meets its money."""
        agency = self._agency
        today = agency.clock.today()
        due = agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
        return await self._each("approve-agreement", case_ids, lambda case: agree(case, checker, today=today, due=due))
