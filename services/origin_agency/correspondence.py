"""What clerks say to the destination's clerks within a case, as transactions: questions and answers."""

from collections.abc import Callable
from typing import Any

from contracts.base import SealedForPerson
from contracts.documents import Answer
from contracts.documents import Question as QuestionBody
from contracts.envelope import new_id
from services.origin_agency import store
from services.origin_agency.acting import Acting
from services.origin_agency.case import Case, Outcome, Question
from services.origin_agency.questions import answer, ask
from services.records.commands import ListResult
from services.records.vault import Vault


class Correspondence(Acting):
    """Questions and answers. Their words may be about the person, so they are kept under the person's key."""

    async def ask(self, case_id: str, actor: str, *, kind: str, text: str) -> ListResult:
        """A clerk asks the destination."""
        today = self._agency.clock.today()

        def step(case: Case, sealed: SealedForPerson) -> Outcome:
            body = QuestionBody(letter_no=case.letter.letter_no, question_id=new_id(), kind=kind, text=text)
            return ask(case, actor, body, sealed, today=today)

        return await self._in_words("ask", case_id, text, step)

    async def answer(self, case_id: str, actor: str, *, question_id: str, text: str, confirms: bool) -> ListResult:
        """A clerk answers a question of the destination."""
        today = self._agency.clock.today()

        def step(case: Case, sealed: SealedForPerson) -> Outcome:
            body = Answer(letter_no=case.letter.letter_no, question_id=question_id, text=text, confirms=confirms)
            return answer(case, actor, body, sealed, today=today)

        return await self._in_words("answer", case_id, text, step)

    async def _in_words(
        self, purpose: str, case_id: str, text: str, step: Callable[[Case, SealedForPerson], Outcome]
    ) -> ListResult:
        """Decide one case with words that are kept under the key of its person."""
        vault = self._agency.vault
        async with self._deciding(purpose) as tx:
            cases = await store.load(tx, vault, [case_id])
            keys = await vault.keys(case.known_as for case in cases.values())
            return await self._act(tx, [case_id], cases, lambda case: step(case, Vault.seal(keys, case.known_as, text.encode())))

    async def questions(self, case_id: str) -> list[dict[str, Any]] | None:
        """The questions of a case with their words, in the order in which they came; None where there is no such case."""
        vault = self._agency.vault
        async with self._database.transaction("look") as tx:
            case = await store.look(tx, vault, case_id)
        if case is None:
            return None
        keys = await vault.keys(ref for each in case.questions for ref in (each.under, each.answered_under) if ref)

        def words(under: str, sealed: SealedForPerson | None) -> str | None:
            return Vault.open(keys, under, sealed).decode() if sealed is not None else None

        def shown(question: Question) -> dict[str, Any]:
            return {
                "question_id": question.question_id,
                "asked_by": self._agency.province if question.ours else case.destination,
                "kind": question.kind,
                "asked_on": question.asked_on.isoformat(),
                "text": words(question.under, question.text),
                "answered_on": question.answered_on.isoformat() if question.answered_on else None,
                "answer": words(question.answered_under, question.answer),
                "confirms": question.confirms,
            }

        return [shown(question) for question in case.questions]
