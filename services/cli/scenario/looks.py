"""Everything that can be expected after a step, one entry a look: what is asked of whom, and what of the answer is compared."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, assert_never

from services.cli.play import DESTINATION, ORIGIN
from services.cli.scenario.kinds import (
    ACCOUNT,
    CASE,
    CODE,
    COUNT,
    DAY,
    FACT,
    MONEY,
    PERSON,
    PROVINCE,
    STATUS,
    TEXT,
    YES_NO,
    money,
    one_of,
)
from services.cli.scenario.reading import ByName, Field, Kind, Many, Maybe, Scalar, Shape, Values

if TYPE_CHECKING:
    from services.cli.scenario.format import Step
    from services.cli.scenario.telling import Telling


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was expected, beside what was found, both as a person reads them."""

    what: str
    expected: str
    actual: str
    holds: bool


PUBLISHED_WITHIN_S = 3.0

NONE = "none"
"""How a report shows that there is nothing."""

_ABSENT = object()


def compare(what: str, shape: Shape, expected: Values, answer: Mapping[str, Any]) -> list[Check]:
    """Compare every field that is expected with what was answered. A field's `goes_as` is its way in the answer."""
    checks: list[Check] = []
    for each in shape.fields:
        if each.name not in expected or each.name == "case":
            continue
        way = f"{what}.{each.name}" if what else each.name
        found = _dig(answer, each.goes_as or each.name)
        wanted = expected[each.name]
        if isinstance(each.kind, Shape):
            inner = found if isinstance(found, Mapping) else {}
            checks.extend(compare(way, each.kind, wanted, inner))
        else:
            checks.append(_check(way, each.kind, wanted, found))
    return checks


def _check(way: str, kind: Kind, wanted: Any, found: Any) -> Check:
    match kind:
        case Maybe():
            if wanted is not None and found not in (None, _ABSENT):
                return _check(way, kind.of, wanted, found)
            return Check(way, _shown(kind.of, wanted), _shown_found(kind.of, found), wanted is None and found in (None, _ABSENT))
        case Scalar():
            if found is None or found is _ABSENT:
                return Check(way, kind.show(wanted), "not in the answer" if found is _ABSENT else NONE, False)
            try:
                taken = kind.take(found)
            except (TypeError, ValueError):
                return Check(way, kind.show(wanted), repr(found), False)
            return Check(way, kind.show(wanted), kind.show(taken), bool(taken == wanted))
        case Many():
            items = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
            texts = [str(item.get("code") or item["kind"] if isinstance(item, Mapping) else item) for item in items]
            return Check(way, _listed(str(item) for item in wanted), _listed(texts), sorted(map(str, wanted)) == sorted(texts))
        case ByName() | Shape():
            raise AssertionError(way)
        case _:
            assert_never(kind)


def _shown(kind: Scalar, value: Any) -> str:
    return NONE if value is None else kind.show(value)


def _shown_found(kind: Scalar, found: Any) -> str:
    return NONE if found is None or found is _ABSENT else kind.show(kind.take(found))


def _dig(answer: Mapping[str, Any], way: str) -> Any:
    found: Any = answer
    for part in way.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None if found is None else _ABSENT
        found = found[part]
    return found


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(sorted(texts)) or NONE


# ---- what is looked at --------------------------------------------------------------------------------------------------------

_OF = Field("case", CASE, "the case's name; the last one that was opened, unless told otherwise")
# How a case stands, as either agency says it.
_STANDING = (
    Field("service_target_on", Maybe(DAY), "what the province promises beside the legal limit"),
    Field("clock", Maybe(TEXT), "how the leg stands: on_time, target_missed, limit_breached", goes_as="clocks.state"),
    Field(
        "rate_pending",
        Maybe(CODE),
        "RATE_PENDING while a rate is waited for, or another stands in",
        goes_as="rate_pending.code",
    ),
)

ITEMS = Shape(
    "items",
    "items of the information form, in yuan",
    (
        Field("①", MONEY, "own part before 1998", goes_as="before_1998_fen"),
        Field("②", MONEY, "1998 to the end of last year", goes_as="until_last_year_fen"),
        Field("③", MONEY, "this year's principal", goes_as="this_year_fen"),
        Field("④", MONEY, "individual account", goes_as="account_fen"),
        Field("⑤", MONEY, "pooled fund", goes_as="pool_fen"),
        Field("⑥", MONEY, "to be moved", goes_as="total_fen"),
    ),
)

# As the destination shows it: to the person, and with amounts to staff.
CASE_SEEN = Shape(
    "case",
    "the case as the destination shows it",
    (
        _OF,
        Field("status", STATUS, "public status"),
        Field("code", Maybe(CODE), "refusal or return code"),
        Field("legal_basis", TEXT, "legal basis of the code"),
        Field("state", TEXT, "the agency's own state"),
        Field("holder", PROVINCE, "who is to act"),
        Field("since", DAY, "since when the status stands"),
        Field("step", COUNT, "step of five"),
        Field("due_on", Maybe(DAY), "last day of the leg that runs"),
        Field("due_provisional", YES_NO, "whether that day is counted over a year without calendar"),
        Field("working_days_left", Maybe(COUNT), "until then"),
        Field("overdue", YES_NO, "whether the legal limit has passed"),
        Field("items", ITEMS, "the form's items"),
        Field("months", Maybe(COUNT), "the form's months"),
        Field("received", MONEY, "what the bank has paid in", goes_as="received_fen"),
        Field("surplus", MONEY, "what is too much", goes_as="surplus_fen"),
        Field("discrepancy", Maybe(TEXT), "what differs"),
        Field("form_version", Maybe(COUNT), "version of the newest form"),
        Field("booked_version", Maybe(COUNT), "version of the form that is booked"),
        Field("letter_version", COUNT, "version of the contact letter; 0 for none"),
        Field("paused", Maybe(CODE), "why the clock stands, a code of the pauses table"),
        Field("material", Many(CODE), "what is asked for, by its codes"),
        Field("part_not_movable", YES_NO, "whether some contributions stay at the old place"),
        Field("not_movable", Many(CODE), "why they stay, by its codes"),
        Field("papers", Many(CODE), "what came with the form for one-off back payments, by codes of the papers table"),
        Field("arrears_months", COUNT, "months in arrears that count nothing", goes_as="arrears.months"),
        Field("escalated", YES_NO, "whether the supervisors know that it is overdue", goes_as="complaint.escalated"),
        *_STANDING,
    ),
)
STAYING = Shape(
    "staying",
    "contributions that stay at the origin",
    (
        Field("months", COUNT, "months"),
        Field("account", MONEY, "their part of the account", goes_as="account_fen"),
        Field("pool", MONEY, "their part of the pooled fund", goes_as="pool_fen"),
        Field("reasons", Many(CODE), "why, by codes of the refusals table"),
    ),
)
ORIGIN_SEEN = Shape(
    "origin",
    "the case as the origin holds it",
    (
        _OF,
        Field("state", TEXT, "the agency's own state"),
        Field("received_on", DAY, "when the letter came"),
        Field("due_on", DAY, "last day of the origin's leg"),
        Field("reminded", YES_NO, "whether ten working days were over"),
        Field("breached", YES_NO, "whether the limit has passed"),
        Field("form_version", COUNT, "the form's version; 0 for none"),
        Field("items", ITEMS, "the form's items"),
        Field("remitted", MONEY, "what has been paid", goes_as="remitted_fen"),
        Field("to_remit", MONEY, "what is still to be paid; below zero, what is to come back", goes_as="to_remit_fen"),
        Field("letter_version", COUNT, "version of the contact letter"),
        Field("account_wanted", YES_NO, "whether a corrected payee account is waited for"),
        Field("escalated", YES_NO, "whether the supervisors know that it is overdue"),
        Field("arrears_until", Maybe(DAY), "until when the person was told to pay arrears"),
        Field("died_on", Maybe(DAY), "the person's death"),
        Field("not_movable", STAYING, "what stays"),
        *_STANDING,
        Field("notice_due_on", Maybe(DAY), "last day of the written notice of what stays", goes_as="not_movable_notice.due_on"),
        Field("notice_late", YES_NO, "whether that day is over and nobody was told", goes_as="not_movable_notice.late"),
    ),
)
ENTRY = Shape(
    "entry",
    "one amount from one account to another",
    (
        Field("debit", ACCOUNT, "from", needed=True),
        Field("credit", ACCOUNT, "to", needed=True),
        Field("amount", MONEY, "how much", needed=True),
    ),
)
BOOKS = Shape(
    "books",
    "a province's ledger",
    (
        Field(
            "balances",
            ByName(ACCOUNT, MONEY),
            "a person's account as it stands; any other as what it has grown by since the story's records were in",
        ),
        Field("entries", Many(ENTRY), "everything that this step has entered, in any order"),
    ),
)
NOTICE = Shape(
    "notice",
    "notices of one template",
    (
        Field("template", TEXT, "status, refusal, return, overdue, ...", needed=True),
        Field("times", COUNT, "how many of them there are now", needed=True),
        Field("channel", TEXT, "email, unless told otherwise"),
        Field("state", one_of("state", "queued", "delivered", "failed"), "delivered, unless told otherwise"),
    ),
)
NOTICES = Shape(
    "notices",
    "all notices of a case until now; none is left out",
    (
        _OF,
        Field("province", PROVINCE, "who has sent them; the destination, unless told otherwise"),
        Field("all", Many(NOTICE), "by template", needed=True),
    ),
)
QUARANTINED = Shape(
    "quarantined",
    "what has come to stand in a service's quarantine since the story began",
    (
        Field("province", PROVINCE, "whose quarantine", needed=True),
        Field("service", one_of("service", ORIGIN, DESTINATION, "notification"), "which service's", needed=True),
        Field("records", COUNT, "how many", needed=True),
        Field("reasons", Many(TEXT), "why, one a record"),
    ),
)
ASKED = Shape(
    "asked",
    "a question, and its answer once it is there",
    (
        Field("asked_by", PROVINCE, "who asks", needed=True),
        Field("kind", TEXT, "what it is about"),
        Field("text", TEXT, "its words"),
        Field("answer", Maybe(TEXT), "the answer's words"),
        Field("confirms", YES_NO, "whether the answer confirms what the asker holds"),
    ),
)
QUESTIONS = Shape(
    "questions",
    "the questions of a case as one of the agencies sees them",
    (
        _OF,
        Field("at", one_of("agency", "origin", "destination"), "which", needed=True),
        Field("all", Many(ASKED), "in order", needed=True),
    ),
)
GATHERED = Shape(
    "gathered",
    "the story's last gathering",
    (
        Field("state", TEXT, "open; when the last of its cases has ended completed, or place_differs where another place pays"),
        Field("rule", TEXT, "by which rule of Art. 6 this place pays"),
        Field("months", COUNT, "months of all places, in the end"),
        Field("minimum_months", Maybe(COUNT), "what a pension takes"),
        Field("missing_months", Maybe(COUNT), "how many are missing"),
        Field("found_place", Maybe(PROVINCE), "who pays by the rows that came", goes_as="place_differs.found_place"),
    ),
)
RECORD_SEEN = Shape(
    "record_seen",
    "a person's record as the window of a province finds it",
    (
        Field("person", PERSON, "whose; the story's first person, unless told otherwise"),
        Field("state", one_of("record state", "active", "stopped", "moved", "settled"), "whether a relationship is there"),
        Field("account_kind", one_of("account kind", "normal", "temporary"), "what kind of account"),
        Field("first_insured_on", Maybe(DAY), "since when the relationship there exists"),
        Field("stopped_on", Maybe(DAY), "since when nothing is paid there"),
        Field("sealed", YES_NO, "whether it is a temporary account that waits to be gathered"),
    ),
)
TOLD = Shape(
    "told",
    "facts of one kind on a case's journal",
    (
        Field("fact", FACT, "what happened", needed=True),
        Field("times", COUNT, "how often; once, unless told otherwise"),
        Field("form_version", COUNT, "those alone that are about this version of the form"),
        Field("superseded", YES_NO, "those alone of a version that came when a newer one was there, or the others alone"),
    ),
)
JOURNAL = Shape(
    "journal",
    "what a province has told the auditors of a case",
    (_OF, Field("facts", Many(TOLD, least=1), "by kind; of others nothing is said", needed=True)),
)
HOLDING = Shape(
    "holding",
    "what the bank holds between two provinces, as it has grown since the story's records were in",
    (
        Field("payer", PROVINCE, "from", needed=True),
        Field("payee", PROVINCE, "to", needed=True),
        Field("in_hands", MONEY, "taken and not given on", needed=True),
    ),
)


async def _case(telling: Telling, step: Step, expected: Values) -> list[Check]:
    case = telling.case(expected.get("case"))
    answer = await telling.shown(case.destination, DESTINATION, f"/cases/{case.case_id}")
    return compare("case", CASE_SEEN, expected, answer)


async def _origin(telling: Telling, step: Step, expected: Values) -> list[Check]:
    case = telling.case(expected.get("case"))
    answer = await telling.shown(case.origin, ORIGIN, f"/cases/{case.case_id}")
    return compare("origin", ORIGIN_SEEN, expected, answer)


async def _ledger(telling: Telling, step: Step, expected: Values) -> list[Check]:
    checks: list[Check] = []
    for province, books in expected.items():
        what = f"ledger.{province}"
        if "balances" in books:
            now = await telling.balances(province)
            for account, fen in books["balances"].items():
                found = now.get(telling.account(province, account), 0)
                checks.append(Check(f"{what}.{account}", money(fen), money(found), found == fen))
        if "entries" in books:
            wanted = Counter((entry["debit"], entry["credit"], entry["amount"]) for entry in books["entries"])
            posted = await telling.posted(province)
            checks.extend(_entries(what, wanted, Counter((each.debit, each.credit, each.amount_fen) for each in posted)))
    return checks


def _entries(what: str, wanted: Counter[tuple[str, str, int]], found: Counter[tuple[str, str, int]]) -> list[Check]:
    """One check an entry that is there and was expected; what is missing stands beside nothing, and what is too much as well."""
    checks: list[Check] = []
    missing, surplus = sorted((wanted - found).elements()), sorted((found - wanted).elements())
    for entry in sorted((wanted & found).elements()):
        checks.append(Check(f"{what}.entries", _entry(entry), _entry(entry), True))
    for at in range(max(len(missing), len(surplus))):
        expected = _entry(missing[at]) if at < len(missing) else NONE
        actual = _entry(surplus[at]) if at < len(surplus) else NONE
        checks.append(Check(f"{what}.entries", expected, actual, False))
    return checks or [Check(f"{what}.entries", NONE, NONE, True)]


def _entry(entry: tuple[str, str, int]) -> str:
    debit, credit, fen = entry
    return f"{debit} -> {credit} {money(fen)}"


async def _notices(telling: Telling, step: Step, expected: Values) -> list[Check]:
    case = telling.case(expected.get("case"))
    province = expected.get("province") or case.destination
    rows = await telling.notices(province, case.case_id)
    found = Counter((row["template"], row["channel"], row["state"]) for row in rows)
    wanted = {
        (each["template"], each.get("channel", "email"), each.get("state", "delivered")): each["times"]
        for each in expected["all"]
    }
    return [
        Check(f"notices.{' '.join(which)}", str(wanted.get(which, 0)), str(found[which]), wanted.get(which, 0) == found[which])
        for which in sorted(wanted.keys() | found.keys())
    ]


async def _questions(telling: Telling, step: Step, expected: Values) -> list[Check]:
    case, at_origin = telling.case(expected.get("case")), expected["at"] == "origin"
    province, service = (case.origin, ORIGIN) if at_origin else (case.destination, DESTINATION)
    rows = (await telling.shown(province, service, f"/cases/{case.case_id}/questions")).get("rows", ())
    checks = [Check("questions", str(len(expected["all"])), str(len(rows)), len(expected["all"]) == len(rows))]
    for at, (wanted, found) in enumerate(zip(expected["all"], rows, strict=False), 1):
        checks.extend(compare(f"questions.{at}", ASKED, wanted, found))
    return checks


async def _gathering(telling: Telling, step: Step, expected: Values) -> list[Check]:
    return compare("gathering", GATHERED, expected, await telling.gathering())


async def _record(telling: Telling, step: Step, expected: Values) -> list[Check]:
    checks: list[Check] = []
    for province, wanted in expected.items():
        found = await telling.record(str(province), wanted.get("person"))
        whose = Values(wanted.place, {name: value for name, value in wanted.items() if name != "person"}, wanted.places)
        checks.extend(compare(f"record.{province}", RECORD_SEEN, whose, found))
    return checks


async def _journal(telling: Telling, step: Step, expected: Values) -> list[Check]:
    """A journal is published after the commit; what is not there yet is looked for a little longer."""
    until = monotonic() + PUBLISHED_WITHIN_S
    while True:
        checks = await _journals(telling, expected)
        if all(check.holds for check in checks) or monotonic() > until:
            return checks
        await asyncio.sleep(0.1)


async def _journals(telling: Telling, expected: Values) -> list[Check]:
    from services.cli.scenario.local import facts_of

    checks: list[Check] = []
    for province, wanted in expected.items():
        told = await facts_of(telling.stack(), str(province), telling.case(wanted.get("case")).case_id)
        for each in wanted["facts"]:
            asked = {name: each[name] for name in ("form_version", "superseded") if name in each}
            found = sum(fact == each["fact"] and asked.items() <= data.items() for fact, data in told)
            words = " ".join([each["fact"], *(f"{name} {_said(value)}" for name, value in asked.items())])
            times = each.get("times", 1)
            checks.append(Check(f"journal.{province}.{words}", str(times), str(found), times == found))
    return checks


def _said(value: Any) -> str:
    return str(value).lower()


async def _quarantine(telling: Telling, step: Step, expected: Values) -> list[Check]:
    rows = await telling.in_quarantine(str(expected["province"]), expected["service"])
    checks = [Check("quarantine.records", str(expected["records"]), str(len(rows)), expected["records"] == len(rows))]
    if "reasons" in expected:
        wanted, found = sorted(expected["reasons"]), sorted(str(row["reason"]) for row in rows)
        checks.append(Check("quarantine.reasons", _listed(wanted), _listed(found), wanted == found))
    return checks


async def _bank(telling: Telling, step: Step, expected: Values) -> list[Check]:
    payer, payee = str(expected["payer"]), str(expected["payee"])
    found = (await telling.holdings()).get((payer, payee), 0)
    return [Check(f"bank.{payer} to {payee}", money(expected["in_hands"]), money(found), found == expected["in_hands"])]


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that can be looked at.

    Args:
        name: as it stands under `expect`.
        says: what it is, in a sentence.
        request: what is asked, for the documents.
        kind: what may be expected of it.
        look: asks, and compares.
        local: whether it needs the stack's own folder, and so cannot be had from an address alone.
    """

    name: str
    says: str
    request: str
    kind: Shape | ByName
    look: Callable[[Telling, Step, Values], Awaitable[list[Check]]]
    local: bool = False


LOOKS: tuple[Look, ...] = (
    Look("case", "The case as the destination shows it.", f"{DESTINATION}: GET /cases/{{case}}", CASE_SEEN, _case),
    Look("origin", "The case as the origin holds it.", f"{ORIGIN}: GET /cases/{{case}}", ORIGIN_SEEN, _origin),
    Look(
        "ledger",
        "Balances and entries of provinces' ledgers.",
        f"{ORIGIN}: GET /ledger/accounts, /ledger/entries",
        ByName(PROVINCE, BOOKS, least=1),
        _ledger,
    ),
    Look(
        "record",
        "Whether a relationship is there, and what kind of account.",
        f"{ORIGIN}: POST /records/lookups",
        ByName(PROVINCE, RECORD_SEEN, least=1),
        _record,
    ),
    Look("notices", "What the person was sent.", "notification: GET /notices", NOTICES, _notices),
    Look("questions", "Questions between the agencies.", "either agency: GET /cases/{case}/questions", QUESTIONS, _questions),
    Look("gathering", "How far a gathering is.", f"{DESTINATION}: GET /gatherings/{{id}}", GATHERED, _gathering),
    Look("quarantine", "What stands in quarantine.", "the service: GET /quarantine", QUARANTINED, _quarantine),
    Look(
        "journal",
        "What stands on provinces' journals of a case.",
        "Kafka, as 00.audit",
        ByName(PROVINCE, JOURNAL, least=1),
        _journal,
        local=True,
    ),
    Look("bank", "What is in the bank's hands.", "the bank: GET /holdings", HOLDING, _bank),
)
LOOK_BY_NAME: Mapping[str, Look] = {look.name: look for look in LOOKS}

REFUSED = Shape(
    "refused",
    "the refusal by which the step must end",
    (
        Field("code", CODE, "its code", needed=True),
        Field("basis", TEXT, "its legal basis, in the service's own words"),
        Field("field", TEXT, "the field that it names"),
    ),
)
