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
    message_id,
    notice_for,
)
from services.rules.loader import load_tables
from services.rules.statuses import StatusCode
from services.runtime.clock import SHANGHAI

TABLES = load_tables()
TEMPLATES = Templates(TABLES)
CASE = "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
PERSON = "019a2b3c-0000-7000-8000-123456789012"
NOON = datetime(2024, 5, 6, 12, 0, tzinfo=SHANGHAI)
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
@pytest.mark.parametrize("code", [code for code, row in TABLES.refusals.items() if "admission" in row.uses])
def test_a_refusal_says_its_reason_legal_basis_remedy_and_how_to_contest_it(code: str, language: Language) -> None:
    words = TABLES.refusal(code)
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
@pytest.mark.parametrize("code", [code for code, row in TABLES.refusals.items() if "return" in row.uses])
def test_a_return_says_its_reason_legal_basis_and_remedy(code: str, language: Language) -> None:
    words = TABLES.refusal(code)
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
    assert TABLES.refusal("TEMP_ACCOUNT_AT_DESTINATION").remedy_en in letter.body


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
