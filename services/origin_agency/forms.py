"""The information form at the origin: issued, and replaced by a later version before or after it was paid. Pure."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from contracts.base import SealedForPerson
from contracts.documents import InformationForm, InformationFormDocument, NotMovable
from contracts.events import AccountClosed, ArrearsNotified, InformationFormIssued, NotMovableNotified, RelationshipClosed
from services.origin_agency.case import (
    AMENDABLE,
    TO_BE_PAID,
    UNDECIDED,
    Case,
    GivenPaper,
    Interim,
    NotNow,
    Outcome,
    Refused,
    State,
    Wish,
    clock_begins,
    refuse_after_death,
    wished,
)
from services.origin_agency.letters import checked
from services.records.decisions import Due, Letter, Told


@dataclass(frozen=True, slots=True)
class Contact:
    """To whom a written notice goes: the person's language, and identity and contacts under the person's key."""

    language: Literal["zh-CN", "en"]
    personal: SealedForPerson


def issue_form(
    case: Case,
    checker: str,
    form: InformationForm,
    *,
    interim: tuple[Interim, ...] = (),
    contact: Contact | None = None,
    told_by: date | None = None,
) -> Outcome:
    """A checker approves the information form: the origin's books owe the money from here (Art. 8(3)).

    What cannot move stays, and is told to the person in writing (S-94 item 3); the relationship then goes on.

    Args:
        interim: years that the form computes at a rate which stands in for one that is not published.
        contact: to whom the notice of what stays goes; needed where the form says that something does.
        told_by: the last day of that notice, ten working days after the letter.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = checked(case, checker, "approving the form")
    assert proposal.outcome == "form", proposal
    told = (*_issued(case, form, proposal.maker, checker), *_stays(case, form, proposal.maker, checker, contact, told_by))
    changed = replace(
        case,
        form_version=form.form_version,
        items=form.items,
        form_digest=_digest(form),
        transfer_on=form.transfer_on,
        interim=interim,
        not_movable=form.not_movable,
        notice_until=None,
    )
    if form.items.total_fen == 0:
        # Deemed years, or arrears alone, move without money; there is nothing to pay, and the relationship ends here.
        return Outcome(replace(changed, state=State.REMITTED, closed=True), (*told, *closing(changed)))
    return Outcome(replace(changed, state=State.FORM_ISSUED), told)


def propose_amendment(case: Case, maker: str, reason: str) -> Outcome:
    """A maker proposes to replace the form by one that is made from the record of today (domain § 1.6.14).

    Raises:
        NotNow: when no form is out, or the bank has an order of it in hand.
        Refused: when the destination settles with the heirs.
    """
    if case.state not in AMENDABLE or case.paying:
        raise NotNow("an amendment", case.state)
    refuse_after_death(case, "An amendment")
    return Outcome(replace(case, wish=Wish("amendment", maker, reason)))


def amend_form(case: Case, checker: str, form: InformationForm, *, due: Due, interim: tuple[Interim, ...] = ()) -> Outcome:
    """A checker approves version n+1: it supersedes the one before, and the difference is booked.

    What is owed more is to be paid; what was paid too much comes back from the destination.

    Args:
        due: the origin's leg counted from today, for a difference that is to be paid where everything was paid before.
        interim: years whose rate is not published yet.

    Raises:
        NotNow, SamePerson: by name.
        Refused: NOTHING_CHANGES for a form that says what the one that is out says; when the destination settles with the heirs.
    """
    wish = wished(case, checker, "amendment", AMENDABLE, "approving an amendment")
    if case.paying:
        raise NotNow("approving an amendment", case.state)
    refuse_after_death(case, "An amendment")
    digest = _digest(form)
    # What the destination gave back may be decided anew by saying it once more.
    if digest == case.form_digest and not case.sent_back:
        raise Refused(
            "NOTHING_CHANGES",
            f"The form would say what version {case.form_version} says.",
            remedy="Correct the record or import what was missing first, then approve; or leave the form as it is.",
        )
    told = _issued(case, form, wish.maker, checker)
    changed = replace(
        case,
        form_version=form.form_version,
        items=form.items,
        form_digest=digest,
        interim=interim,
        wish=None,
        sent_back=False,
    )
    if changed.to_remit_fen <= 0:
        return Outcome(replace(changed, state=State.REMITTED, account_wanted=False, closed=True), (*told, *closing(changed)))
    if case.state in TO_BE_PAID:
        return Outcome(changed, told)
    return Outcome(clock_begins(replace(changed, state=State.FORM_ISSUED), due), told)


def _digest(form: InformationForm) -> str:
    """Of what a form says: rows, items, papers and all else, but whose it is, its numbers, its reason and the rules' version."""
    aside = {"letter_no", "person", "form_version", "amendment", "rule_set"}
    return hashlib.sha256(form.model_dump_json(exclude=aside).encode()).hexdigest()


def _issued(case: Case, form: InformationForm, maker: str, checker: str) -> tuple[Told, ...]:
    assert case.person_ref is not None, case.case_id
    fact = InformationFormIssued(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        form_version=form.form_version,
        items=form.items,
        supersedes=case.items,
        months=form.months,
        transfer_on=form.transfer_on,
        interim_years=tuple(each.year for each in form.interim_rates),
        rule_set=form.rule_set,
        maker=maker,
        checker=checker,
    )
    return fact, Letter(InformationFormDocument, form, case.case_id, case.person_ref, case.destination, version=form.form_version)


def _stays(
    case: Case, form: InformationForm, maker: str, checker: str, contact: Contact | None, told_by: date | None
) -> tuple[Told, ...]:
    """The notice of what stays, unless the person was told before the form that just these months stay, for these reasons."""
    stays, told = form.not_movable, case.told_stays
    if stays is None or (told is not None and (told.months, told.reasons) == (stays.months, stays.reasons)):
        return ()
    assert contact is not None, case.case_id
    assert told_by is not None, case.case_id
    return (_notice(case, stays, maker, checker, contact, told_by),)


def propose_notice(case: Case, maker: str, papers: tuple[GivenPaper, ...]) -> Outcome:
    """A maker proposes to tell the person what cannot move before the form: the notice has the shorter limit (S-94 item 3).

    Args:
        papers: what is in the file by now; with them less stays.

    Raises:
        NotNow: when the form is made, or the letter went back.
        Refused: when the person was told.
    """
    if case.state not in UNDECIDED:
        raise NotNow("a notice of what stays", case.state)
    if case.told_stays is not None:
        raise Refused("ALREADY_NOTIFIED", "The person was told what stays; the form tells what has changed since.")
    return Outcome(replace(case, wish=Wish("notice", maker, papers=papers)))


def notify_not_movable(case: Case, checker: str, stays: NotMovable, *, told_by: date, contact: Contact) -> Outcome:
    """A checker approves: the person is told in writing what stays, and everything else moves with the form.

    Args:
        told_by: the last day of the notice, ten working days after the letter.

    Raises:
        NotNow, SamePerson: by name.
    """
    wish = wished(case, checker, "notice", UNDECIDED, "approving a notice of what stays")
    fact = _notice(case, stays, wish.maker, checker, contact, told_by)
    return Outcome(replace(case, wish=None, notice_until=None, told_stays=stays), (fact,))


def _notice(case: Case, stays: NotMovable, maker: str, checker: str, contact: Contact, told_by: date) -> NotMovableNotified:
    return NotMovableNotified(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        months=stays.months,
        account_fen=stays.account_fen,
        pool_fen=stays.pool_fen,
        reasons=stays.reasons,
        due_on=told_by,
        language=contact.language,
        personal=contact.personal,
        maker=maker,
        checker=checker,
    )


def closing(case: Case) -> tuple[Told, ...]:
    """The local relationship and its account end because they moved (Art. 8(3)), once; not where something stays."""
    if case.closed or not case.leaves_whole:
        return ()
    assert case.person_ref is not None, case.case_id
    return (
        RelationshipClosed(case_id=case.case_id, person_ref=case.person_ref, destination=case.destination),
        AccountClosed(person_ref=case.person_ref, reason="the relationship moved to another province"),
    )


def notify_arrears(case: Case, actor: str, *, months: int, pay_until: date, contact: Contact) -> Outcome:
    """The person is told in writing which months are unpaid, and until when they can be paid (domain § 1.6.2).

    Args:
        months: calendar months in arrears on the record.

    Raises:
        NotNow: when the form is made, or the letter went back.
        Refused: when the person was told before, or owes nothing.
    """
    if case.state not in UNDECIDED:
        raise NotNow("a notice of arrears", case.state)
    if months == 0:
        raise Refused("NO_ARREARS", "The record has no month in arrears.")
    if case.arrears_until is not None:
        raise Refused("ALREADY_NOTIFIED", f"The person was told to pay until {case.arrears_until}.")
    fact = ArrearsNotified(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        months=months,
        pay_until=pay_until,
        language=contact.language,
        personal=contact.personal,
        actor=actor,
    )
    return Outcome(replace(case, arrears_until=pay_until), (fact,))
