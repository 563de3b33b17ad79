"""Which facts become notices, and what the letters say and do not say."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pytest

from contracts import events
from contracts.base import Fact, Items, SealedForPerson
from contracts.envelope import Envelope, envelope, type_of
from contracts.registry import FACTS
from contracts.statuses import Leg, PublicStatus, Status
from services.notification.notices import (
    HEARD,
    HEARD_TYPES,
    LANGUAGES,
    Language,
    Notice,
    NoWords,
    Rendered,
    Template,
    Templates,
    derived,
    e_mail,
    employers_notice_for,
    message_id,
    notice_for,
)
from services.rules.loader import load_tables
from services.rules.reasons import because
from services.rules.statuses import StatusCode
from services.runtime.clock import SHANGHAI

TABLES = load_tables()
TEMPLATES = Templates(TABLES)
CASE = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
PERSON = "019a2b3c-0000-7000-8000-123456789012"
NOON = datetime(2024, 5, 6, 12, 0, tzinfo=SHANGHAI)
ON = NOON.date()
SEALED = SealedForPerson(nonce="00" * 12, ciphertext="QUJD")
# What a letter may say in digits: dates, the complaint line, articles and numbers of laws, the step.
_FIT_TO_PRINT = re.compile(
    r"\d{4}年\d{1,2}月\d{1,2}日|\d{1,2} [A-Z][a-z]+ \d{4}|12333|〔\d{4}〕\d+号|Art\. 83|第 \d 步，共 5 步|step \d of 5"
)


def public(status: Status = Status.LETTER_SENT, **more: Any) -> PublicStatus:
    return PublicStatus(status=status, holder="33", since=date(2024, 5, 6), **{"due_on": date(2024, 5, 27), **more})


def told(fact: Fact, event_id: str = "event-1") -> Envelope[Fact]:
    return envelope(fact, source="33/destination-agency", subject=CASE, time=NOON, id=event_id)


def a_completion(shown: PublicStatus | None) -> events.Completed:
    return events.Completed(
        case_id=CASE,
        person_ref=PERSON,
        public=shown,
        origin="44",
        form_version=1,
        items=Items(
            before_1998_fen=0,
            until_last_year_fen=7654321,
            this_year_fen=98765,
            account_fen=7753086,
            pool_fen=5432109,
            total_fen=13185195,
        ),
        months=187,
        maker="m",
        checker="c",
    )


def a_letter_sent(shown: PublicStatus | None) -> events.ContactLetterSent:
    return events.ContactLetterSent(
        case_id=CASE,
        person_ref=PERSON,
        public=shown,
        origin="44",
        letter_no="L-777888",
        letter_version=1,
        due_on=date(2024, 5, 27),
    )


def a_voucher() -> events.VoucherIssued:
    return events.VoucherIssued(
        person_ref=PERSON, voucher_no="44-2024-00031415", months=187, balance_fen=7753086, language="en", personal=SEALED
    )


def an_ending(ground: str) -> events.EndingNotified:
    return events.EndingNotified(
        person_ref=PERSON,
        ending_id=CASE,
        ground=ground,  # type: ignore[arg-type]
        notified_on=date(2024, 5, 6),
        language="en",
        personal=SEALED,
        actor="m",
    )


def queued(fact: Fact) -> Notice:
    notice = notice_for(told(fact), TABLES, "agency.example")
    assert notice is not None
    return notice


def rendered(fact: Fact, language: Language) -> Rendered:
    notice = queued(fact)
    return TEMPLATES.render(notice.template, notice.template_version, language, notice.said)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", Status)
def test_every_public_status_is_told_in_both_languages(status: Status, language: Language) -> None:
    words = TABLES.status(StatusCode(status.value))

    letter = rendered(a_letter_sent(public(status)), language)

    assert words.text(language) in letter.subject
    assert words.text(language) in letter.body
    assert words.to_do(language) in letter.body
    assert ("浙江省" if language == "zh-CN" else "Zhejiang") in letter.body
    assert (f"第 {words.step} 步，共 5 步" if language == "zh-CN" else f"step {words.step} of 5") in letter.body
    assert "12333" in letter.body
    assert ("2024年5月27日" in letter.body or "27 May 2024" in letter.body) is not words.terminal
    assert "\n\n\n" not in letter.body
    assert "{" not in letter.subject + letter.body


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("overdue", [False, True])
def test_a_letter_carries_no_amounts_and_no_numbers_of_the_person_or_the_case(
    status: Status, language: Language, overdue: bool
) -> None:
    fact = a_completion(public(status, overdue=overdue))

    letter = rendered(fact, language)

    text = letter.subject + letter.body
    assert CASE not in text
    assert PERSON not in text
    left = _FIT_TO_PRINT.sub("", text.replace("2E3F-4A5B", ""))
    assert re.findall(r"\d", left) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voucher_letter_names_only_the_end_of_its_number(language: Language) -> None:
    letter = rendered(a_voucher(), language)

    text = letter.subject + letter.body
    assert "1415" in letter.subject
    assert "0003" not in text
    assert "187" not in text
    assert re.findall(r"\d", _FIT_TO_PRINT.sub("", text.replace("1415", ""))) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", sorted({row.code for row in TABLES.refusals if "admission" in row.uses and row.in_force(ON)}))
def test_a_refusal_says_its_reason_legal_basis_remedy_and_how_to_contest_it(code: str, language: Language) -> None:
    words = TABLES.refusal(code, ON)
    fact = events.Refused(
        case_id=CASE,
        person_ref=PERSON,
        public=public(Status.REJECTED, code=code),
        code=code,
        rule="R",
        legal_basis=words.legal_basis,
        rule_set="x",
        maker="m",
        checker="c",
    )

    letter = rendered(fact, language)

    assert queued(fact).template is Template.REFUSAL
    assert (words.reason_en if language == "en" else words.reason_zh) in letter.body
    assert words.legal_basis in letter.body
    assert (words.remedy_en if language == "en" else words.remedy_zh) in letter.body
    assert ("行政复议" if language == "zh-CN" else "administrative reconsideration") in letter.body
    assert ("第八十三条" if language == "zh-CN" else "Art. 83") in letter.body


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", sorted({row.code for row in TABLES.refusals if "return" in row.uses and row.in_force(ON)}))
def test_a_return_says_its_reason_legal_basis_and_remedy(code: str, language: Language) -> None:
    words = TABLES.refusal(code, ON)
    fact = events.TransferReturned(
        case_id=CASE,
        person_ref=PERSON,
        public=public(Status.RETURNED, code=code),
        origin="44",
        code=code,
        legal_basis=words.legal_basis,
    )

    letter = rendered(fact, language)

    assert queued(fact).template is Template.RETURN
    assert (words.reason_en if language == "en" else words.reason_zh) in letter.body
    assert words.legal_basis in letter.body
    assert (words.remedy_en if language == "en" else words.remedy_zh) in letter.body


def test_a_refusal_whose_status_has_no_code_is_explained_by_the_code_of_the_fact() -> None:
    fact = events.TransferReturned(
        case_id=CASE,
        person_ref=PERSON,
        public=public(Status.RETURNED),
        origin="44",
        code="STILL_CONTRIBUTING",
        legal_basis="x",
    )

    notice = queued(fact)

    assert notice.template is Template.RETURN
    assert notice.said.code == "STILL_CONTRIBUTING"


def test_a_refusal_without_any_code_still_says_how_to_contest_it() -> None:
    fact = a_letter_sent(public(Status.REJECTED))

    letter = rendered(fact, "zh-CN")

    assert queued(fact).template is Template.REFUSAL
    assert "第八十三条" in letter.body


def test_a_temporary_account_is_explained_and_not_called_a_refusal() -> None:
    fact = a_letter_sent(public(Status.TEMP_ACCOUNT, code="TEMP_ACCOUNT_AT_DESTINATION"))

    letter = rendered(fact, "en")

    assert queued(fact).template is Template.TEMPORARY_ACCOUNT
    assert "This is not a refusal" in letter.body
    assert TABLES.refusal("TEMP_ACCOUNT_AT_DESTINATION", ON).remedy_en in letter.body


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh-CN", ("已超期", "12333投诉", "行政复议", "第八十三条")), ("en", ("overdue", "12333", "reconsideration", "Art. 83"))],
)
def test_an_overdue_case_is_told_whom_to_complain_to_and_how_to_contest_it(language: Language, words: tuple[str, ...]) -> None:
    fact = events.DeadlineBreached(
        case_id=CASE,
        person_ref=PERSON,
        public=public(Status.ORIGIN_HANDLING, overdue=True),
        leg=Leg.ORIGIN,
        holder="44",
        due_on=date(2024, 5, 27),
    )

    letter = rendered(fact, language)

    assert queued(fact).template is Template.OVERDUE
    assert all(word in letter.subject + letter.body for word in words)


def test_an_ended_case_is_not_called_overdue_in_its_letter() -> None:
    letter = rendered(a_completion(public(Status.COMPLETED, overdue=True)), "en")

    assert "legal limit" not in letter.body


def test_a_limit_that_waits_for_the_person_says_so() -> None:
    letter = rendered(a_letter_sent(public(Status.NEED_MATERIAL)), "en")

    assert "stands still while we wait for you" in letter.body


def test_a_fact_that_changes_nothing_the_person_is_shown_asks_for_no_notice() -> None:
    assert notice_for(told(a_letter_sent(None)), TABLES, "agency.example") is None
    assert notice_for(told(a_completion(None)), TABLES, "agency.example") is None


@pytest.mark.parametrize("code", ["NO_SUCH_REASON"])
def test_a_reason_without_words_is_refused_by_name(code: str) -> None:
    with pytest.raises(NoWords, match=code):
        notice_for(told(a_letter_sent(public(Status.REJECTED, code=code))), TABLES, "agency.example")


def test_a_province_without_a_name_is_refused_by_name() -> None:
    nowhere = PublicStatus(status=Status.LETTER_SENT, holder="99", since=date(2024, 5, 6))

    with pytest.raises(NoWords, match="99"):
        notice_for(told(a_letter_sent(nowhere)), TABLES, "agency.example")


def test_an_unknown_template_version_is_refused_by_name() -> None:
    notice = queued(a_letter_sent(public()))

    with pytest.raises(NoWords, match="version 99"):
        TEMPLATES.render(notice.template, 99, "en", notice.said)


def test_the_message_id_follows_from_the_event_and_the_channel_alone() -> None:
    first = queued(a_letter_sent(public()))
    again = queued(a_letter_sent(public()))
    other = notice_for(told(a_letter_sent(public()), "event-2"), TABLES, "agency.example")

    assert other is not None
    assert first.message_id == again.message_id == message_id("event-1", "email", "agency.example")
    assert first.notice_id == again.notice_id == derived("event-1", "email")
    assert other.message_id != first.message_id
    assert message_id("event-1", "sms", "agency.example") != first.message_id
    assert re.fullmatch(r"<[0-9a-f]{32}@agency\.example>", first.message_id)


def to_employer(fact: Fact) -> Notice:
    notice = employers_notice_for(told(fact), TABLES, "agency.example")
    assert notice is not None
    return notice


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_employer_who_applied_is_told_the_end_without_amounts_beside_the_person(language: Language) -> None:
    fact = a_completion(public(Status.COMPLETED, employer_told=True))

    notice = to_employer(fact)

    letter = TEMPLATES.render(notice.template, notice.template_version, language, notice.said)
    text = letter.subject + letter.body
    words = TABLES.status(StatusCode.COMPLETED)
    assert (notice.template, notice.channel, notice.said.recipient) == (Template.EMPLOYER, "employer_email", "employer")
    assert words.text(language) in letter.subject
    assert ("浙江省" if language == "zh-CN" else "Zhejiang") in letter.body
    assert re.findall(r"\d", _FIT_TO_PRINT.sub("", text.replace("2E3F-4A5B", "").replace("第八十三条", ""))) == []
    assert "\n\n\n" not in letter.body
    mine = queued(fact)
    assert mine.template is Template.STATUS
    assert {mine.notice_id, mine.message_id}.isdisjoint({notice.notice_id, notice.message_id})


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_employer_who_applied_gets_the_written_refusal_with_reason_basis_and_remedy(language: Language) -> None:
    words = TABLES.refusal("SAME_PROVINCE", ON)
    shown = public(Status.REJECTED, code=words.code, employer_told=True)
    fact = events.Refused(
        **ABOUT, public=shown, code=words.code, rule="R02", legal_basis=words.legal_basis, rule_set="x", maker="m", checker="c"
    )

    notice = to_employer(fact)

    letter = TEMPLATES.render(notice.template, notice.template_version, language, notice.said)
    assert (words.reason_en if language == "en" else words.reason_zh) in letter.body
    assert words.legal_basis in letter.body
    assert (words.remedy_en if language == "en" else words.remedy_zh) in letter.body


@pytest.mark.parametrize(
    "fact",
    [
        a_completion(public(Status.COMPLETED)),
        a_completion(None),
        a_letter_sent(public(Status.LETTER_SENT, employer_told=True)),
        a_voucher(),
    ],
    ids=["nobody but the person applied", "not shown", "not the end", "no case"],
)
def test_an_employer_is_told_nothing_else(fact: Fact) -> None:
    assert employers_notice_for(told(fact), TABLES, "agency.example") is None


def test_a_mail_made_again_has_the_same_bytes_and_its_address_in_one_header_only() -> None:
    def made() -> bytes:
        notice = queued(a_letter_sent(public()))
        return e_mail(
            TEMPLATES.render(notice.template, notice.template_version, "zh-CN", notice.said),
            language="zh-CN",
            sender="jiexu@agency.example",
            to="zhang.san@mail.example",
            message_id=notice.message_id,
            occurred_at=notice.occurred_at,
        ).as_bytes()

    first, again = made(), made()

    assert first == again
    assert first.count(b"zhang.san") == 1
    assert b"To: zhang.san@mail.example" in first
    assert b"Date: Mon, 06 May 2024 12:00:00 +0800" in first


def test_the_facts_of_an_origin_and_our_own_are_not_heard() -> None:
    silent: set[type[Fact]] = {
        events.InformationFormIssued,
        events.FundsRemitted,
        events.RelationshipClosed,
        events.ContactLetterReceived,
        events.NoticeDelivered,
        events.NoticeFailed,
        events.DocumentSent,
    }

    assert silent.isdisjoint(HEARD)
    assert not {type_of(fact) for fact in silent} & HEARD_TYPES


def test_whatever_a_destination_says_of_a_case_is_heard_by_its_type() -> None:
    def heard(facts: Mapping[str, type[Fact]]) -> set[str]:
        return {name for name, fact in facts.items() if type_of(fact) in HEARD_TYPES}

    assert heard(FACTS) >= {
        "transfer.applied",
        "transfer.accepted",
        "transfer.refused",
        "contact_letter.sent",
        "transfer.returned",
        "information_form.received",
        "funds.received",
        "discrepancy.raised",
        "discrepancy.resolved",
        "transfer.completed",
        "transfer.cancelled",
        "deadline.breached",
        "withdrawal.declined",
        "voucher.issued",
    }
    assert "account.balance_stated" not in heard(FACTS)


ABOUT: dict[str, Any] = {"case_id": CASE, "person_ref": PERSON}
ITEMS = Items(
    before_1998_fen=0, until_last_year_fen=7654321, this_year_fen=0, account_fen=7654321, pool_fen=98, total_fen=7654419
)
TWO: dict[str, Any] = {"maker": "m", "checker": "c"}


def a_material_request(*items: str, **more: Any) -> events.MaterialRequested:
    shown = public(Status.NEED_MATERIAL, paused="MATERIAL_ASKED", **more)
    return events.MaterialRequested(**ABOUT, public=shown, items=items, paused_on=date(2024, 5, 6), actor="clerk")


def duplicates_cleared(kept: str) -> events.DuplicatesCleared:
    return events.DuplicatesCleared(
        **ABOUT,
        public=public(Status.COMPLETED),
        origin="44",
        kept=kept,  # type: ignore[arg-type]
        months=12,
        refund_principal_fen=120_000,
        refund_interest_fen=794,
        rule_set="r",
        **TWO,
    )


def not_movable(*reasons: str) -> events.NotMovableNotified:
    return events.NotMovableNotified(
        **ABOUT,
        destination="33",
        months=60,
        account_fen=480_000,
        pool_fen=720_000,
        reasons=reasons,
        due_on=date(2024, 5, 20),
        language="en",
        personal=SEALED,
        **TWO,
    )


def arrears() -> events.ArrearsNotified:
    return events.ArrearsNotified(
        **ABOUT,
        destination="33",
        months=2,
        pay_until=date(2024, 5, 17),
        language="en",
        personal=SEALED,
        actor="clerk",
    )


def a_double_drawing(*reasons: str) -> events.DoubleDrawingSettled:
    return events.DoubleDrawingSettled(
        person_ref=PERSON,
        settlement_id=CASE,
        keeps="44",
        overpaid_fen=2_000_000,
        repaid_fen=0,
        set_off_fen=1_247_986,
        paid_out_fen=0,
        deduction_months=8,
        deduction_monthly_fen=100_000,
        deduction_last_fen=52_014,
        reasons=reasons,
        language="en",
        personal=SEALED,
        rule_set="2024.1",
        **TWO,
    )


def withdrawal_declined() -> events.WithdrawalDeclined:
    return events.WithdrawalDeclined(**ABOUT, public=public(Status.FUND_IN_TRANSIT), origin="44", reason="the form is approved")


OF_THEIR_OWN: dict[Template, Fact] = {
    Template.DOUBLE_DRAWING: a_double_drawing("DOUBLE_KEEP_ONE", "DOUBLE_SET_OFF", "DOUBLE_MONTHLY"),
    Template.MATERIAL: a_material_request("IDENTITY_DOCUMENT", "PROXY_AUTHORISATION"),
    Template.ESCALATED: events.DeadlineEscalated(
        **ABOUT,
        public=public(Status.ORIGIN_HANDLING, overdue=True),
        leg=Leg.ORIGIN,
        holder="44",
        due_on=date(2024, 5, 27),
        actor="clock",
    ),
    Template.DUPLICATES: events.DuplicatesFound(
        **ABOUT,
        public=public(Status.DUPLICATE_CLEARING, paused="DUPLICATE_CHOICE"),
        origin="44",
        months=12,
        overlap=("2023-10", "2023-11", "2023-12"),
        paused_on=date(2024, 5, 6),
    ),
    Template.DUPLICATES_CLEARED: duplicates_cleared("own"),
    Template.CORRECTED: events.Corrected(
        **ABOUT,
        public=public(Status.COMPLETED),
        origin="44",
        form_version=2,
        items=ITEMS,
        supersedes=ITEMS,
        months=187,
        **TWO,
    ),
    Template.RECALLED: events.Recalled(
        **ABOUT,
        public=public(Status.CANCELLED, code="WRONG_PERSON"),
        origin="44",
        code="WRONG_PERSON",
        items=ITEMS,
        months=9,
        **TWO,
    ),
    Template.CLOSED: events.TransferClosed(
        **ABOUT, public=public(Status.RETURNED, code="NO_RELATIONSHIP"), reason="not cured in time", actor="clock"
    ),
    Template.WITHDRAWAL_DECLINED: withdrawal_declined(),
    Template.NOT_MOVABLE: not_movable("STILL_CONTRIBUTING", "NO_RELATIONSHIP"),
    Template.ARREARS: arrears(),
}


@pytest.mark.parametrize(
    ("lapsed", "words"),
    [(True, "was not corrected in time"), (False, "this application goes no further")],
    ids=["lapsed", "final"],
)
def test_a_closed_case_is_told_to_be_late_where_it_was_late_alone(lapsed: bool, words: str) -> None:
    closed = events.TransferClosed(**ABOUT, public=public(Status.CANCELLED), reason="why", actor="clock", lapsed=lapsed)

    body = rendered(closed, "en").body

    assert [each in body for each in ("was not corrected in time", "this application goes no further")] == [lapsed, not lapsed]
    assert words in body
    assert ("未在期限内更正" in rendered(closed, "zh-CN").body) is lapsed


def test_who_cannot_withdraw_any_more_is_told_why_on_which_basis_and_what_helps() -> None:
    text = TABLES.refusal("WITHDRAWAL_TOO_LATE", date(2024, 5, 6))

    body = rendered(withdrawal_declined(), "zh-CN").body

    assert all(words in body for words in (text.reason_zh, text.legal_basis, text.remedy_zh))
    assert text.reason_en in rendered(withdrawal_declined(), "en").body


def test_who_has_another_scheme_is_told_the_procedure_of_that_scheme() -> None:
    refused = events.Refused(
        **ABOUT,
        public=public(Status.REJECTED, code="WRONG_SCHEME"),
        code="WRONG_SCHEME",
        rule="R06",
        legal_basis="国办发〔2009〕66号 第二条",
        scheme="170",
        rule_set="2024.1",
        maker="m",
        checker="c",
    )
    pointer = TABLES.scheme("170", date(2024, 5, 6))

    assert pointer.pointer_zh in rendered(refused, "zh-CN").body
    assert pointer.pointer_en in rendered(refused, "en").body
    assert pointer.pointer_en not in rendered(refused.model_copy(update={"scheme": None}), "en").body


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", OF_THEIR_OWN, ids=str)
def test_what_is_no_mere_change_of_status_has_a_letter_of_its_own_without_amounts_or_numbers(
    template: Template, language: Language
) -> None:
    fact = OF_THEIR_OWN[template]

    letter = rendered(fact, language)

    assert queued(fact).template is template
    text = letter.subject + letter.body
    assert "12333" in text
    assert ("第八十三条" in text) is (language == "zh-CN" and template is not Template.DUPLICATES)
    assert ("Art. 83" in text) is (language == "en" and template is not Template.DUPLICATES)
    assert CASE not in text
    assert PERSON not in text
    # How many months are unpaid is said; what they cost is not.
    left = _FIT_TO_PRINT.sub(
        "", text.replace("2E3F-4A5B", "").replace("Art. 86", "").replace("2 months", "").replace("2个月", "")
    )
    assert re.findall(r"\d", left) == []
    assert "\n\n\n" not in letter.body
    assert "{" not in text
    assert "None" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_missing_is_listed_completely_with_its_basis_and_the_clock_is_said_to_stand(language: Language) -> None:
    words = [TABLES.material.material(code, NOON.date()) for code in ("IDENTITY_DOCUMENT", "PROXY_AUTHORISATION")]

    letter = rendered(a_material_request("IDENTITY_DOCUMENT", "PROXY_AUTHORISATION"), language)

    for each in words:
        assert f"- {each.text(language)}" in letter.body
        assert each.legal_basis in letter.body
    assert TABLES.material.pause("MATERIAL_ASKED", NOON.date()).text(language) in letter.body


def test_the_clock_is_said_to_stand_also_where_no_date_is_shown() -> None:
    letter = rendered(a_material_request("IDENTITY_DOCUMENT", due_on=None), "en")

    assert f"Legal limit of this step: {TABLES.material.pause('MATERIAL_ASKED', NOON.date()).text_en}" in letter.body


def test_what_the_law_does_not_let_an_agency_ask_for_has_no_words() -> None:
    with pytest.raises(NoWords, match="HOUSEHOLD_REGISTER"):
        notice_for(told(a_material_request("HOUSEHOLD_REGISTER")), TABLES, "agency.example")


def test_a_pause_without_words_is_refused_by_name() -> None:
    shown = public(Status.NEED_MATERIAL, paused="HOLIDAY")

    with pytest.raises(NoWords, match="HOLIDAY"):
        notice_for(told(a_letter_sent(shown)), TABLES, "agency.example")


@pytest.mark.parametrize(
    ("kept", "language", "words"),
    [
        ("own", "zh-CN", "保留新参保地的缴费，清理转入的缴费"),
        ("transferred", "zh-CN", "保留转入的缴费，清理新参保地的缴费"),
        ("own", "en", "those of the new place are kept"),
        ("transferred", "en", "those that were transferred are kept"),
    ],
)
def test_whose_months_are_kept_is_told_as_it_was_chosen(kept: str, language: Language, words: str) -> None:
    assert words in rendered(duplicates_cleared(kept), language).body


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_cannot_move_is_told_with_each_reason_its_basis_and_remedy(language: Language) -> None:
    letter = rendered(not_movable("STILL_CONTRIBUTING", "NO_RELATIONSHIP"), language)

    for code in ("STILL_CONTRIBUTING", "NO_RELATIONSHIP"):
        words = TABLES.refusal(code, ON)
        assert (words.reason_en if language == "en" else words.reason_zh) in letter.body
        assert words.legal_basis in letter.body
        assert (words.remedy_en if language == "en" else words.remedy_zh) in letter.body


@pytest.mark.parametrize("fact", [not_movable("STILL_CONTRIBUTING"), arrears(), a_voucher()], ids=lambda fact: fact.type_name)
def test_what_an_origin_alone_knows_goes_to_the_contacts_that_it_brings_along(fact: Fact) -> None:
    notice = notice_for(told(fact, "event-9"), TABLES, "agency.example")

    assert notice is not None
    assert notice.contact_id == "event-9"
    assert notice.said.holder == "33"
    assert notice.said.since == NOON.date()


def test_arrears_are_told_with_the_last_day_on_which_they_can_be_paid() -> None:
    assert "17 May 2024" in rendered(arrears(), "en").body
    assert "2024年5月17日" in rendered(arrears(), "zh-CN").body


def test_arrears_that_nobody_paid_are_said_to_be_lost_with_the_basis_and_the_remedy() -> None:
    text = TABLES.refusal("ARREARS_REFUSED", ON)

    english = rendered(a_letter_sent(public(arrears_lost=True)), "en").body
    chinese = rendered(a_completion(public(Status.COMPLETED, arrears_lost=True)), "zh-CN").body

    assert all(words in english for words in (text.reason_en, text.legal_basis, text.remedy_en))
    assert all(words in chinese for words in (text.reason_zh, text.legal_basis, text.remedy_zh))
    assert text.reason_en not in rendered(a_letter_sent(public()), "en").body


@pytest.mark.parametrize(("ground", "code"), [("nationality_lost", "NATIONALITY_LOST"), ("too_few_years", "TOO_FEW_END")])
def test_before_a_relationship_ends_the_person_is_told_of_the_right_to_keep_the_account(ground: str, code: str) -> None:
    reason = because(code, date(2024, 5, 6), TABLES)

    english, chinese = (rendered(an_ending(ground), language).body for language in ("en", "zh-CN"))

    assert "right to keep the account" in english
    assert "without your written confirmation nothing ends" in english
    assert "您有权保留个人账户" in chinese
    assert "未经您书面确认不会终止" in chinese
    assert reason.text_en in english
    assert all(words in chinese for words in (reason.text_zh, reason.legal_basis))
    notice = queued(an_ending(ground))
    assert (notice.case_id, notice.contact_id, notice.person_ref) == (PERSON, notice.event_id, PERSON)


def test_whoever_drew_two_pensions_is_told_which_is_kept_and_where_what_was_drawn_twice_comes_from() -> None:
    fact = a_double_drawing("DOUBLE_KEEP_ONE", "DOUBLE_MONTHLY")
    here, kept = TABLES.province("33"), TABLES.province("44")

    english, chinese = (rendered(fact, language).body for language in ("en", "zh-CN"))

    for code in fact.reasons:
        reason = because(code, date(2024, 5, 6), TABLES)
        assert f"- {reason.text_en} ({reason.legal_basis})\n" in english
        assert f"- {reason.text_zh}（{reason.legal_basis}）\n" in chinese
    assert f"you keep the pension of {kept.name_en}, and your relationship in {here.name_en} has ended" in english
    assert f"保留在{kept.name_zh}的待遇" in chinese
    notice = queued(fact)
    assert (notice.case_id, notice.contact_id, notice.person_ref) == (PERSON, notice.event_id, PERSON)


def test_a_part_that_cannot_move_is_flagged_in_every_letter_of_the_case() -> None:
    flag = TABLES.status(StatusCode.PART_NOT_MOVABLE)

    letter = rendered(a_letter_sent(public(part_not_movable=True)), "en")

    assert f"Please note: {flag.text_en}" in letter.body
    assert flag.text_zh in rendered(a_completion(public(Status.COMPLETED, part_not_movable=True)), "zh-CN").body
    assert flag.text_en not in rendered(a_letter_sent(public()), "en").body


def test_a_service_target_stands_beside_the_legal_limit_while_the_clock_runs() -> None:
    target: dict[str, Any] = {"service_target_on": date(2024, 5, 13)}

    running = rendered(a_letter_sent(public(**target)), "en")
    standing = rendered(a_material_request("IDENTITY_DOCUMENT", **target), "en")

    assert "Legal limit of this step: 27 May 2024\n" in running.body
    assert "Target of the agency of Zhejiang: 13 May 2024\n" in running.body
    assert "target" not in standing.body


def test_a_return_that_can_be_cured_says_until_when_and_where_the_relationship_is() -> None:
    fact = events.TransferReturned(
        **ABOUT,
        public=public(Status.RETURNED, code="NO_RELATIONSHIP", due_on=date(2024, 6, 3)),
        origin="44",
        code="NO_RELATIONSHIP",
        legal_basis="x",
        curable_until=date(2024, 6, 3),
        right_division="410100",
    )

    letter = rendered(fact, "en")

    assert "A corrected letter is possible until: 3 June 2024" in letter.body
    assert "Legal limit of this step" not in letter.body
    assert "Henan" in letter.body
    assert "you need not apply again" in letter.body


def test_why_agencies_take_a_transfer_back_is_not_told_in_the_letter() -> None:
    assert queued(OF_THEIR_OWN[Template.RECALLED]).said.code is None


def test_a_letter_of_the_first_version_that_still_waits_reads_as_it_did() -> None:
    said = queued(a_letter_sent(public(paused="MATERIAL_ASKED"))).said

    first = TEMPLATES.render("status", 1, "en", said)

    assert "Legal limit of this step: 27 May 2024\n" in first.body


def test_what_passes_between_agencies_and_what_an_origin_books_again_is_not_told() -> None:
    between: set[type[Fact]] = {
        events.QuestionAsked,
        events.QuestionReceived,
        events.QuestionAnswered,
        events.AnswerReceived,
        events.RecallRequested,
        events.RecallAnswered,
        events.InformationFormRevoked,
        events.RelationshipReopened,
    }

    assert between.isdisjoint(HEARD)


def test_a_death_is_heard_so_that_nobody_is_written_to_about_their_own() -> None:
    assert type_of(events.DeathReported) in HEARD_TYPES
