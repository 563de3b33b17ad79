"""What the origin approves by itself where its province lets it: the form of a case without a problem, and its remittance.

The steps are those of two persons; a rule stands in the maker's place and the policy in the checker's. Whatever has a doubt is
left untouched, as if nobody had looked at it yet, and waits for two persons; letters are never sent back without them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from services.ledger import store as ledger
from services.ledger.chart import POOLED_FUND, individual, transfers_payable
from services.ledger.journal import Head
from services.origin_agency.case import Case, Outcome, Proposal, Refused, State
from services.origin_agency.checks import reason_to_return
from services.origin_agency.desk import Remittances, issue
from services.origin_agency.letters import propose
from services.origin_agency.money import propose_remittance
from services.records.agency import Agency
from services.records.approvals import by_rule
from services.records.decisions import Told
from services.records.model import Record
from services.runtime.database import Transaction

NO_REASON = "no-reason-to-return"  # domain § 1.6.1: nothing for which the letter would go back
ISSUED = "form-issued"  # Art. 8(3): what an issued form says is owed


@dataclass(frozen=True, slots=True)
class Answered:
    """What a transaction has answered by itself.

    `held` is where the accounts stand that were locked for it; `moved` are persons whose rows have left, each with the case.
    """

    told: list[Told] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    held: Mapping[str, Head] | None = None


async def answer(
    tx: Transaction,
    agency: Agency,
    known: Mapping[str, Case],
    changed: dict[str, Case],
    persons: Mapping[str, Record],
    *,
    ordered: Callable[[], None],
) -> Answered:
    """Issue the forms of cases whose letters have just come, and order what they owe.

    Args:
        known: the cases that were there before this transaction.
        changed: the cases as they are now; what is answered is replaced in it.
        persons: the records of the letters' persons by reference, locked.
        ordered: called after the commit when there is something to be paid.
    """
    if not agency.approvals.automatic:
        return Answered()
    fresh = [case for case in changed.values() if case.state is State.LETTER_HELD and _begins(known.get(case.case_id))]
    today, tables = agency.clock.today(), agency.tables
    plain = [
        case
        for case in fresh
        if reason_to_return(case.letter, persons.get(case.person_ref or ""), on=today, tables=tables, died_on=case.died_on)
        is None
    ]
    if not plain:
        return Answered()
    # Locked before they are compared with the forms, so that nothing can be booked in between.
    accounts = {POOLED_FUND, *(transfers_payable(case.destination) for case in plain)}
    held = await ledger.hold(tx, accounts | {individual(case.person_ref) for case in plain if case.person_ref})
    left = {ref: held[individual(ref)].balance_fen for ref in {case.person_ref for case in plain if case.person_ref}}
    remittances = Remittances(agency.approvals.policy)
    found = Answered(held=held)
    for case in plain:
        assert case.person_ref is not None, case.case_id
        proposal = Proposal(by_rule(NO_REASON, agency.tables.version), "form")
        try:
            outcome = issue(
                agency,
                propose(case, proposal).case,
                persons[case.person_ref],
                agency.approvals.policy,
                held_fen=left[case.person_ref],
            ).outcome
        except Refused:
            continue  # by name, when a person looks at it
        assert outcome.case.items is not None, case.case_id
        credited = sum(each.interest_fen for each in outcome.case.interim)
        left[case.person_ref] -= outcome.case.items.account_fen - credited
        found.told.extend(outcome.told)
        found.moved[case.person_ref] = case.case_id
        if not outcome.case.closed and _payable(agency, outcome.case):
            outcome = _order(agency, remittances, outcome.case)
            found.told.extend(outcome.told)
        changed[case.case_id] = outcome.case
    if remittances.write(tx):
        tx.after_commit(ordered)
    return found


def _begins(before: Case | None) -> bool:
    """Whether a letter that is held now has just come, or was corrected after it went back."""
    return before is None or before.state is State.RETURNED


def _payable(agency: Agency, case: Case) -> bool:
    """Whether a case may be paid without a person: not above the limit, and to the account that the directory names."""
    payee = agency.directory.entry(case.destination)
    return agency.approvals.covers(case.to_remit_fen) and payee is not None and payee.payee == case.letter.payee


def _order(agency: Agency, remittances: Remittances, case: Case) -> Outcome:
    proposed = propose_remittance(case).case
    return remittances.order(replace(proposed, proposal=Proposal(by_rule(ISSUED, agency.tables.version), "form")))
