"""The contact letters that the destination writes, from the case, the directory and the day."""

from contracts.documents import ContactLetter
from services.destination_agency.case import Case
from services.records.agency import Agency


def contact_letter(agency: Agency, case: Case, *, correcting: bool = False) -> ContactLetter:
    """The letter of an application that is to be accepted, or the next version that a maker proposes of one that is out.

    The payee account is the directory's of the day.
    """
    entry = agency.directory.entry(agency.province)
    assert entry is not None, agency.province
    today = agency.clock.today()
    proposal = case.proposal if correcting else None
    return ContactLetter(
        letter_no=case.letter_no or f"LXH-{case.destination_division}-{today:%Y%m%d}-{case.serial:06d}",
        letter_version=case.letter_version + 1,
        account_kind=case.decision.account_kind if case.decision else "normal",
        person=(case.proposed_there if proposal else None) or case.known_there,
        origin_division=(proposal.division if proposal else "") or case.origin_division,
        destination_division=case.destination_division,
        applied_on=case.applied_on,
        payee=entry.payee,
        agency_name=entry.agency_name,
        agency_phone=entry.phone,
        gathering=bool(case.gathering),
        served_first=case.served_first,
        correction=proposal.reason if proposal else "",
        voucher_no=case.personal.voucher_no,
        check_code=case.personal.check_code,
    )
