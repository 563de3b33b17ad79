"""Everything that a step can do, one entry a verb: whose service, which request, as whom, with which fields.

A new verb of the protocol is one line in `VERBS` more; reader, schema, documents and runner take it from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.cli.play import DESTINATION, NOTIFICATION, ORIGIN
from services.cli.scenario.kinds import (
    CODE,
    COUNT,
    DAY,
    DIVISION,
    MONEY,
    MONTH,
    PERSON,
    PROVINCE,
    QUESTION,
    RATE,
    ROW_KIND,
    ROW_STATUS,
    STATUS,
    TEXT,
    VOUCHER,
    YES_NO,
    one_of,
)
from services.cli.scenario.making import (
    CASE_FIELD,
    CODE_ANSWER,
    EITHER,
    PROVINCE_FIELD,
    Verb,
    about,
    agency,
    answering,
    body,
    both,
    listed,
    on_case,
    paying,
    plain,
    taking,
    two_hands,
    where,
)
from services.cli.scenario.reading import Field, Many, Maybe, Shape, Values
from services.rules.endings import EndingStep, Ground
from services.rules.pension_tables import Category

if TYPE_CHECKING:
    from services.cli.scenario.format import Step
    from services.cli.scenario.telling import Answer, Telling

_ROWS_OF_A_TABLE = (
    Field("text", TEXT, "the rows, TOML like the tables", needed=True),
    Field("replace", YES_NO, "they may change answers for days that have passed"),
    Field("reason", TEXT, "why, where they do"),
)


async def _import_rules(telling: Telling, step: Step) -> Answer:
    province = str(step.given["province"])
    token = telling.token(province, step.by or "operator")
    wish = body(_ROWS_OF_A_TABLE, step.given)
    taken = await telling.ask("POST", province, ORIGIN, "/rules/imports", token, json=wish)
    # The other agency takes the rows over when it looks for them the next time.
    for _ in range(300 if taken.refusal is None else 0):
        there = await telling.ask("GET", province, DESTINATION, "/rules", token)
        if there.refusal is not None or there.body["rule_set"] == taken.body["rule_set_after"]:
            break
        await asyncio.sleep(0.1)
    return taken


async def _credit_interest(telling: Telling, step: Step) -> Answer:
    province = str(step.given["province"])
    operator = telling.token(province, step.by or "operator")
    proposed = await telling.ask("POST", province, ORIGIN, "/year-ends", operator, json={"year": step.given["year"]})
    if proposed.refusal is not None:
        return proposed
    path = f"/year-ends/{proposed.body['run_id']}/approvals"
    return await telling.ask("POST", province, ORIGIN, path, telling.token(province, step.by or "checker"))


# ---- what is more than a request ----------------------------------------------------------------------------------------------

ROW = Shape(
    "row",
    "months of one year with the same wage, as in the contributions file",
    (
        Field("division", DIVISION, "where they were paid", needed=True),
        Field("start", MONTH, "first month", needed=True),
        Field("end", MONTH, "last month, of the same year", needed=True),
        Field("monthly_wage", MONEY, "contribution wage of each month", needed=True),
        Field("employer_rate", RATE, "the employer's rate", needed=True),
        Field("status", ROW_STATUS, "paid, unless told otherwise"),
        Field("kind", ROW_KIND, "normal, unless told otherwise"),
        Field("paid_on", DAY, "when it was paid, for one-off and deferred payments"),
        Field("note", TEXT, "a remark"),
    ),
)
RECORD_FIELDS = (
    Field("first_insured_on", DAY, "since when the relationship there exists"),
    Field("stopped_on", DAY, "since when nothing is paid there; without it the person is still insured"),
    Field("drawing_since", DAY, "since when a pension is drawn there"),
    Field("personal_balance_1997", MONEY, "the person's own part at the end of 1997"),
    Field("scheme", TEXT, "AAE140 code; 110, unless told otherwise"),
    Field("name", TEXT, "the name under which the record stands, where it is another"),
    Field("rows", Many(ROW), "what was paid there"),
)


PROXY = Shape(
    "proxy",
    "who acts for the person; the story's people are their own, so every field is written out",
    (
        Field("name", TEXT, "the proxy's name", needed=True),
        Field("id_number", TEXT, "the proxy's identity number", needed=True),
        Field("relation", TEXT, "to the person", needed=True),
        Field("phone", TEXT, "where the proxy is called", needed=True),
        Field("address", TEXT, "where the proxy lives", needed=True),
        Field("postcode", TEXT, "six digits", needed=True),
    ),
)


async def _apply(telling: Telling, step: Step) -> Answer:
    given = step.given
    person = telling.person(given["person"])
    province = str(given["destination_division"])[:2]
    json: dict[str, Any] = {
        "id_number": given.get("id_number") or person.id_number,
        "name": given.get("name") or person.name,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        **person.beside_the_number,
        **body([each for each in _APPLICATION if each.name not in ("person", "id_number", "name", "voucher")], given),
    }
    if "voucher" in given:
        voucher = telling.voucher(given["voucher"])
        json |= {"voucher_no": voucher.voucher_no, "check_code": voucher.check_code}
    token = telling.token(province, step.by or "person", person=given["person"])
    answer = await telling.ask("POST", province, DESTINATION, "/applications", token, json=json)
    return telling.opened(step.gives, answer, given["person"], str(given["origin_division"])[:2], province)


_APPLICATION = (
    Field("person", PERSON, "who moves", needed=True),
    Field("origin_division", DIVISION, "the former place", needed=True),
    Field("destination_division", DIVISION, "the new place, where the application is handed in", needed=True),
    Field("name", TEXT, "the name as it is written there, where it is another"),
    Field("id_number", TEXT, "the number as it is written there, where it is another"),
    Field("employer_name", TEXT, "the employer, where it applies"),
    Field("employer_email", TEXT, "where the employer is written to when the case ends"),
    Field("approved_transfer", YES_NO, "whether the transfer is approved by the authorities (K2)"),
    Field("materials", Many(CODE), "codes of the materials table: what is handed in with the application"),
    Field("proxy", PROXY, "who acts for the person, with the material PROXY_AUTHORISATION"),
    Field("voucher", VOUCHER, "the voucher of the former place, where the person has one"),
)


async def _gather(telling: Telling, step: Step) -> Answer:
    given, person = step.given, telling.person(step.given["person"])
    province = str(given["destination_division"])[:2]
    json: dict[str, Any] = {
        "id_number": person.id_number,
        "name": person.name,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        **person.beside_the_number,
        **body(_CLAIM[1:], given),
    }
    answer = await telling.ask(
        "POST", province, DESTINATION, "/gatherings", telling.token(province, step.by or "maker"), json=json
    )
    return await telling.gathered(step.gives, answer, given["person"], province)


_CLAIM = (
    Field("person", PERSON, "who claims the pension", needed=True),
    Field("destination_division", DIVISION, "the paying place, where it is claimed", needed=True),
    Field("hukou", PROVINCE, "province of the household register on the day, where it is another than on record"),
    Field(
        "places",
        Many(
            Shape(
                "place",
                "months that are to be gathered, as the voucher of whoever holds them says",
                (
                    Field("division", DIVISION, "the place to which they belong", needed=True),
                    Field("held_by", DIVISION, "who has them since an earlier transfer"),
                    Field("months", COUNT, "paid there", needed=True),
                    Field("until", MONTH, "the last month there", needed=True),
                    Field("deemed_months", COUNT, "deemed there"),
                    Field("account_kind", one_of("account kind", "normal", "temporary"), "normal, unless told otherwise"),
                ),
            ),
            least=1,
        ),
        "every other place",
        needed=True,
    ),
)


def _case_of_each_place(name: str, given: Values) -> tuple[str, ...]:
    """One name for each province that is asked: `case-44`."""
    places = [place for place in given.get("places") or () if place is not None and "division" in place]
    asked = dict.fromkeys(str(place.get("held_by") or place["division"])[:2] for place in places)
    return tuple(f"{name}-{province}" for province in asked)


async def _records(telling: Telling, step: Step) -> Answer:
    return await telling.bring_more(step.given["person"], str(step.given["province"]), step.given)


async def _correct_record(telling: Telling, step: Step) -> Answer:
    given, province = step.given, str(step.given["province"])
    json = {
        "person_ref": telling.ref(province, given["person"]),
        "year": given["year"],
        "reason": given["reason"],
        "rows": [
            {("monthly_wage_fen" if name == "monthly_wage" else name): plain(value) for name, value in row.items()}
            for row in given["rows"]
        ],
    }
    token = telling.token(province, step.by or "operator")
    proposed = await telling.ask("POST", province, ORIGIN, "/records/corrections", token, json=json)
    if proposed.refusal is not None:
        return proposed
    approval = {"correction_ids": [proposed.body["correction_id"]]}
    path = "/records/corrections/approvals"
    approved = await telling.row_of_one(province, ORIGIN, path, step.by or "checker", approval)
    return approved if approved.refusal is not None else proposed


async def _assess_ending(telling: Telling, step: Step) -> Answer:
    return await _to_end(telling, step, "/records/endings/assessments")


async def _apply_to_end(telling: Telling, step: Step) -> Answer:
    return await _to_end(telling, step, "/records/endings")


async def _to_end(telling: Telling, step: Step, path: str) -> Answer:
    province, person = str(step.given["province"]), step.given["person"]
    json = {"person_ref": telling.ref(province, person), **body(_GROUND, step.given)}
    token = telling.token(province, step.by or "person", person=person)
    return await telling.ask("POST", province, ORIGIN, path, token, json=json)


_GROUND = (
    Field("ground", one_of("ground", *(str(ground) for ground in Ground)), "why the relationship might end", needed=True),
    Field("months", COUNT, "too few years: months of all places; those on record, unless told otherwise"),
    Field("category", one_of("category", *(str(each) for each in Category)), "too few years: whose statutory age counts"),
)


async def _ending_of(telling: Telling, step: Step) -> tuple[str, str]:
    """The province, and the person's open wish to end the relationship there; an id of nothing where there is none."""
    province = str(step.given["province"])
    ref = telling.ref(province, step.given["person"])
    listed = await telling.ask("GET", province, ORIGIN, "/records/endings", telling.token(province, "maker"))
    own = [row["ending_id"] for row in listed.body.get("rows", ()) if row["person_ref"] == ref]
    return province, str(own[0]) if own else "none"


async def _notify_ending(telling: Telling, step: Step) -> Answer:
    province, ending_id = await _ending_of(telling, step)
    return await telling.row_of_one(province, ORIGIN, "/records/endings/notices", step.by or "maker", {"ending_ids": [ending_id]})


async def _confirm_ending(telling: Telling, step: Step) -> Answer:
    return await _say_of_ending(telling, step, "confirmation", {})


async def _keep_account(telling: Telling, step: Step) -> Answer:
    return await _say_of_ending(telling, step, "withdrawal", None)


async def _say_of_ending(telling: Telling, step: Step, what: str, json: Any) -> Answer:
    province, ending_id = await _ending_of(telling, step)
    token = telling.token(province, step.by or "person", person=step.given["person"])
    return await telling.ask("POST", province, ORIGIN, f"/records/endings/{ending_id}/{what}", token, json=json)


async def _pay_out(telling: Telling, step: Step) -> Answer:
    province, ending_id = await _ending_of(telling, step)
    ids = {"ending_ids": [ending_id]}
    proposed = await telling.row_of_one(province, ORIGIN, "/records/endings/proposals", step.by or "maker", ids)
    if proposed.refusal is not None:
        return proposed
    return await telling.row_of_one(province, ORIGIN, "/records/endings/approvals", step.by or "checker", ids)


_TWO_PENSIONS = (
    Field("keeps", PROVINCE, "whose pension is kept", needed=True),
    Field("kept_monthly", MONEY, "the kept pension, a month", needed=True, goes_as="kept_monthly_fen"),
    Field("monthly", MONEY, "the pension of this place, a month", needed=True, goes_as="monthly_fen"),
    Field("paid_twice", MONEY, "what this place paid since the second one began", needed=True, goes_as="paid_twice_fen"),
    Field("repaid", MONEY, "what the person has paid back of it", goes_as="repaid_fen"),
    Field("agreed_monthly", MONEY, "what an agreement takes from the kept pension a month", goes_as="agreed_monthly_fen"),
)


async def _settle_double_drawing(telling: Telling, step: Step) -> Answer:
    province = str(step.given["province"])
    json = {"person_ref": telling.ref(province, step.given["person"]), **body(_TWO_PENSIONS, step.given)}
    token = telling.token(province, step.by or "maker")
    proposed = await telling.ask("POST", province, ORIGIN, "/records/double-drawings", token, json=json)
    if proposed.refusal is not None:
        return proposed
    approval = {"settlement_ids": [proposed.body["settlement_id"]]}
    path = "/records/double-drawings/approvals"
    approved = await telling.row_of_one(province, ORIGIN, path, step.by or "checker", approval)
    return approved if approved.refusal is not None else proposed


async def _wait(telling: Telling, step: Step) -> Answer:
    return await telling.move_to(step.on)


async def _look(telling: Telling, step: Step) -> Answer:
    return telling.nothing()


async def _voucher(telling: Telling, step: Step) -> Answer:
    province, person = str(step.given["province"]), step.given["person"]
    token = telling.token(province, step.by or "person", person=person)
    json = {"person_ref": telling.ref(province, person)}
    answer = await telling.ask("POST", province, ORIGIN, "/vouchers", token, json=json)
    return telling.issued(step.gives, answer, province)


async def _check_voucher(telling: Telling, step: Step) -> Answer:
    voucher = telling.voucher(step.given["voucher"])
    code = step.given.get("check_code") or voucher.check_code
    json = {"voucher_no": voucher.voucher_no, "check_code": code}
    token = telling.token(voucher.province, step.by or "employer")
    return await telling.ask("POST", voucher.province, ORIGIN, "/vouchers/checks", token, json=json)


async def _surrender(telling: Telling, step: Step) -> Answer:
    province, person = str(step.given["province"]), step.given["person"]
    token = telling.token(province, step.by or "person", person=person)
    return await telling.ask("POST", province, ORIGIN, "/surrenders", token)


async def _bank_fault(telling: Telling, step: Step) -> Answer:
    case = telling.case(step.given.get("case"))
    fault = {"case_id": case.case_id, **body(_FAULT, step.given)}
    return await telling.ask_bank("PUT", "/scenario/faults", case.origin, step.by or "operator", json={"faults": [fault]})


_FAULT = (
    Field("kind", one_of("fault", "delay", "lose", "duplicate", "return", "short"), "what it does", needed=True),
    Field("days", COUNT, "for delay: how many calendar days"),
    Field("amount", MONEY, "for short: how much is left out", goes_as="amount_fen"),
)


async def _investigate(telling: Telling, step: Step) -> Answer:
    case = telling.case(step.given.get("case"))
    return await telling.ask_bank("POST", f"/investigations/{case.case_id}", case.origin, step.by or "fund-desk")


async def _correct_letter(telling: Telling, step: Step) -> Answer:
    given, case = step.given, telling.case(step.given.get("case"))
    more = body([each for each in _CORRECTION if each.name != "identity_of"], given)
    if (known_as := given.get("identity_of")) is not None:
        person = telling.person(known_as)
        more |= {"id_number": person.id_number, "name": person.name}
    answer = await both(telling, step, DESTINATION, "letters", case, more)
    if answer.refusal is None and "origin_division" in given:
        telling.readdressed(case, str(given["origin_division"])[:2])
    return answer


_CORRECTION = (
    Field("reason", TEXT, "what is corrected, and why", needed=True),
    Field("origin_division", DIVISION, "the agency that holds the relationship"),
    Field("identity_of", PERSON, "the person as that agency knows it"),
)


async def _ask(telling: Telling, step: Step) -> Answer:
    case, service = telling.case(step.given.get("case")), agency(EITHER, step)
    json = {"case_id": case.case_id, **body(_QUESTION, step.given)}
    answer = await telling.row_of_one(where(case, service), service, "/questions", step.by or "maker", json)
    if answer.refusal is None:
        await telling.asked(step.gives, service, case)
    return answer


_QUESTION = (
    Field("text", TEXT, "the question", needed=True),
    Field("kind", TEXT, "a discrepancy's kind; other, unless told otherwise"),
)


async def _answer(telling: Telling, step: Step) -> Answer:
    case, service = telling.case(step.given.get("case")), agency(EITHER, step)
    question = telling.question(step.given["question"])
    json = {"case_id": case.case_id, "question_id": question, **body(_ANSWER[1:], step.given)}
    return await telling.row_of_one(where(case, service), service, "/answers", step.by or "maker", json)


_ANSWER = (
    Field("question", QUESTION, "the question's name", needed=True),
    Field("text", TEXT, "the answer", needed=True),
    Field("confirms", YES_NO, "whether what the asker holds is right as it stands"),
)


async def _agree(telling: Telling, step: Step) -> Answer:
    case, province = telling.case(step.given.get("case")), telling.case(step.given.get("case")).destination
    question = telling.question(step.given["question"])
    json = {"case_id": case.case_id, "question_id": question, "reason": step.given["reason"]}
    proposed = await telling.row_of_one(province, DESTINATION, "/agreements/proposals", step.by or "maker", json)
    if proposed.refusal is not None:
        return proposed
    return await telling.list_of_one(DESTINATION, "agreements/approvals", case, step.by or "checker", {})


_SERVICE = Field("service", one_of("service", ORIGIN, DESTINATION, NOTIFICATION), "which service of it", needed=True)
_ENTRY = (
    Field("province", PROVINCE, "whose quarantine", needed=True),
    _SERVICE,
    Field("reason", TEXT, "why; it stands on the journal", needed=True),
)
_REMEDY = (
    Field("remedy", TEXT, "what the sender is told to do", needed=True),
    Field("code", CODE, "the code that the sender is told"),
)


def quarantine(verb: str, by: str, says: str, *fields: Field) -> Verb:
    """An operator's verb on the first record that has come to stand in a quarantine since the story began."""

    async def act(telling: Telling, step: Step) -> Answer:
        province, service = str(step.given["province"]), step.given["service"]
        found = await telling.quarantined(province, service)
        approves = verb in ("approve", "withdraw")
        path = f"/quarantine/decisions/{found['proposal']}/{verb}" if approves else f"/quarantine/{found['quarantine_id']}/{verb}"
        json = {"reason": step.given["reason"], **body(fields, step.given)}
        return await telling.ask("POST", province, service, path, telling.token(province, step.by or by), json=json)

    path = "/quarantine/decisions/{id}/" if verb in ("approve", "withdraw") else "/quarantine/{id}/"
    name = f"quarantine_{verb}"
    answer = (Field("outcome", TEXT, "what came of it"),)
    return Verb(
        name,
        says,
        f"the service: POST {path}{verb}",
        by,
        taking(name, says, *_ENTRY, *fields),
        act,
        answer=answering(name, answer),
    )


def holding(name: str, held: bool, says: str) -> Verb:
    """A scenario's control of what a service hears."""

    async def act(telling: Telling, step: Step) -> Answer:
        province = str(step.given["province"])
        token = telling.token(province, step.by or "operator")
        return await telling.hold(province, step.given["service"], token, held=held)

    where = Field("province", PROVINCE, "whose service", needed=True)
    return Verb(name, says, "the service: PUT /scenario/documents", "operator", taking(name, says, where, _SERVICE), act)


async def _deliver_again(telling: Telling, step: Step) -> Answer:
    from services.cli.scenario.local import deliver_again

    case = telling.case(step.given.get("case"))
    wanted = step.given.get("document", "")
    return telling.did(await deliver_again(telling.stack(), str(step.given["province"]), case.case_id, wanted))


async def _deliver_late(telling: Telling, step: Step) -> Answer:
    from services.cli.scenario.local import deliver_late

    case = telling.case(step.given.get("case"))
    document = step.given["document"]
    return telling.did(await deliver_late(telling.stack(), str(step.given["province"]), case.case_id, document))


async def _deliver_garbage(telling: Telling, step: Step) -> Answer:
    from services.cli.scenario.local import deliver_garbage

    case = telling.case(step.given.get("case"))
    return telling.did(await deliver_garbage(telling.stack(), str(step.given["province"]), case.case_id, step.given["role"]))


async def _audit(telling: Telling, step: Step) -> Answer:
    from services.cli.scenario.local import audit

    return telling.did(await audit(telling.stage, telling.stack()))


# ---- the table ----------------------------------------------------------------------------------------------------------------

_PERSON_THERE = (
    Field("person", PERSON, "who", needed=True),
    Field("province", PROVINCE, "at which province's agency", needed=True),
)
_REASON = Field("reason", TEXT, "why, in words; never a person's data", needed=True)
_MATERIAL = Field("items", Many(CODE), "codes of what a law lets an agency ask for", needed=True)
_KEPT = Field("kept", one_of("side", "own", "transferred"), "whose contribution counts", needed=True)
_DEATH = (
    Field("died_on", DAY, "the day", needed=True),
    Field("reported_by", one_of("source", "family", "clerk", "registry"), "clerk, unless told otherwise"),
)
_PAPER = Shape(
    "paper",
    "a paper in the agency's own file; nobody asks the person for it",
    (
        Field("kind", CODE, "a code of the papers table", needed=True),
        Field("dated", DAY, "its day", needed=True),
        Field("issuer", TEXT, "who issued it: court, social_insurance_agency, ...", needed=True),
        Field("proves_from", MONTH, "first month that it proves"),
        Field("proves_to", MONTH, "last month that it proves"),
    ),
)
_RETURN = (
    Field("return_code", CODE, "return the letter with this code, whatever the record says"),
    Field("note", TEXT, "a remark to the other agency"),
    Field("cure_days", COUNT, "makes a return a soft one, curable for so many working days"),
    Field("right_division", DIVISION, "the agency that holds the relationship, where it is known"),
    Field("papers", Many(_PAPER), "what lets a one-off back payment move"),
)
_BANK = "the bank"

VERBS: tuple[Verb, ...] = (
    # The story itself.
    Verb(
        "wait",
        "Days pass: all services' clocks go to 09:00 of another day, and the step ends when all are idle.",
        "every service: PUT /scenario/clock",
        "operator",
        Shape(
            "wait",
            "until when",
            (
                Field("working_days", COUNT, "so many working days on, by the calendar of the State Council"),
                Field("days", COUNT, "so many calendar days on"),
                Field("until", DAY, "this day"),
            ),
            one_of=("working_days", "days", "until"),
        ),
        _wait,
        settles=False,
    ),
    Verb(
        "look",
        "Nothing is done; what is expected is looked at.",
        "none",
        "auditor",
        Shape("look", "nothing", ()),
        _look,
        settles=False,
    ),
    Verb(
        "records",
        "A province's record of a person grows: further months, or that nothing is paid there any more.",
        f"{ORIGIN}: POST /records/imports",
        "operator",
        Shape("records", "what is new", (*_PERSON_THERE, *RECORD_FIELDS)),
        _records,
    ),
    # The person and the employer.
    Verb(
        "apply",
        "An application to bring a relationship to the new place.",
        f"{DESTINATION}: POST /applications",
        "person",
        Shape("apply", "an application", _APPLICATION),
        _apply,
        gives="case",
        answer=answering("apply", CODE_ANSWER),
    ),
    Verb(
        "gather",
        "The paying place gathers everything at retirement: one case a place, named after it: `case-44`, `case-33`.",
        f"{DESTINATION}: POST /gatherings",
        "maker",
        Shape("gather", "a claim of a pension", _CLAIM),
        _gather,
        gives="case",
        names=_case_of_each_place,
        answer=answering(
            "gather",
            (
                Field("place", PROVINCE, "who pays the pension"),
                Field("rule", TEXT, "by which rule of Art. 6"),
                Field("legal_basis", TEXT, "its legal basis"),
                Field("months", COUNT, "months of all places"),
                Field("minimum_months", Maybe(COUNT), "what a pension takes"),
                Field("missing_months", Maybe(COUNT), "how many are missing"),
            ),
        ),
    ),
    on_case("withdraw", DESTINATION, "POST /cases/{case}/withdrawal", "person", "The application is withdrawn."),
    on_case(
        "inquire",
        DESTINATION,
        "GET /cases/{case}",
        "person",
        "Whoever may see the case asks where it is; amounts are shown to the owner and to staff alone.",
        answer=(
            Field("status", STATUS, "public status"),
            Field("holder", PROVINCE, "who is to act"),
            Field("due_on", Maybe(DAY), "last day of the leg that runs"),
            Field("months", Maybe(COUNT), "the form's months"),
            Field("total", Maybe(MONEY), "item ⑥", goes_as="items.total_fen"),
            Field("overdue", YES_NO, "whether the legal limit has passed"),
            Field("complaint_phone", Maybe(TEXT), "where to complain, once it is overdue", goes_as="complaint.phone"),
        ),
        settles=False,
    ),
    Verb(
        "voucher",
        "A contribution voucher is issued.",
        f"{ORIGIN}: POST /vouchers",
        "person",
        Shape("voucher", "whose, and where", _PERSON_THERE),
        _voucher,
        gives="voucher",
        answer=answering(
            "voucher",
            (
                Field("months", COUNT, "months paid there"),
                Field("months_in_all", COUNT, "paid months, with those that other places sent"),
                Field("arrears_months", COUNT, "unpaid months, which the person is reminded of"),
                Field("balance", MONEY, "what stands in the account", goes_as="balance_fen"),
                Field("first_month", Maybe(MONTH), "first month there"),
                Field("last_month", Maybe(MONTH), "last month there"),
            ),
        ),
    ),
    Verb(
        "check_voucher",
        "Somebody checks a voucher by its number and check code.",
        f"{ORIGIN}: POST /vouchers/checks",
        "employer",
        Shape(
            "check_voucher",
            "which",
            (
                Field("voucher", VOUCHER, "the voucher's name", needed=True),
                Field("check_code", TEXT, "another code than the voucher's"),
            ),
        ),
        _check_voucher,
        answer=answering("check_voucher", (Field("genuine", YES_NO, "whether it was issued so"),)),
        settles=False,
    ),
    Verb(
        "surrender",
        "The person asks to cash out (退保); by Art. 3 nobody may.",
        f"{ORIGIN}: POST /surrenders",
        "person",
        Shape("surrender", "who asks, and where", _PERSON_THERE),
        _surrender,
        settles=False,
    ),
    # The destination's desk.
    two_hands(
        "admit", DESTINATION, "admissions", "The application is decided: the contact letter leaves, or the written refusal."
    ),
    listed(
        "propose_admission", DESTINATION, "admissions/proposals", "maker", "A maker proposes what the rules say.", settles=False
    ),
    listed("approve_admission", DESTINATION, "admissions/approvals", "checker", "A checker approves; letter or refusal leaves."),
    two_hands("complete", DESTINATION, "completions", "What form and money agree on is booked."),
    listed("propose_completion", DESTINATION, "completions/proposals", "maker", "A maker proposes to book.", settles=False),
    listed(
        "approve_completion",
        DESTINATION,
        "completions/approvals",
        "checker",
        "A checker approves; months and amounts are booked.",
    ),
    paying(
        two_hands("send_back", DESTINATION, "surpluses", "Money that is too much goes back through the bank.", first="fund-desk")
    ),
    listed(
        "propose_surplus",
        DESTINATION,
        "surpluses/proposals",
        "fund-desk",
        "The fund desk proposes to give money back.",
        settles=False,
    ),
    paying(
        listed(
            "approve_surplus", DESTINATION, "surpluses/approvals", "checker", "A second person approves; the bank gets it back."
        )
    ),
    listed(
        "ask_for_material",
        DESTINATION,
        "materials/requests",
        "maker",
        "Everything that is missing is asked for, once.",
        _MATERIAL,
    ),
    on_case(
        "supply_material", DESTINATION, "POST /cases/{case}/material", "person", "What was asked for is handed in.", _MATERIAL
    ),
    two_hands("cancel", DESTINATION, "cancellations", "A case that was opened in error ends, before the letter.", _REASON),
    Verb(
        "correct_letter",
        "The letter leaves again with its next version: corrected, or to the agency that holds the relationship.",
        f"{DESTINATION}: POST /letters/proposals, then /letters/approvals",
        "maker, checker",
        taking("correct_letter", "what is corrected", CASE_FIELD, *_CORRECTION),
        _correct_letter,
    ),
    listed(
        "close",
        DESTINATION,
        "closures",
        "maker",
        "A case whose letter came back, and that nobody goes on with, is closed.",
        _REASON,
    ),
    listed("remind", DESTINATION, "reminders", "maker", "The origin is reminded; once a day."),
    two_hands("correct", DESTINATION, "corrections", "The difference of a form that came after the completion is booked."),
    two_hands(
        "answer_recall",
        DESTINATION,
        "recalls",
        "A recalled transfer is given up, or kept.",
        Field("agreed", YES_NO, "whether it is given up", needed=True),
        _REASON,
    ),
    on_case(
        "choose", DESTINATION, "POST /cases/{case}/duplicates", "person", "The person chooses between months paid twice.", _KEPT
    ),
    listed("propose_choice", DESTINATION, "duplicates/proposals", "maker", "A clerk notes the person's choice.", _KEPT),
    listed("approve_choice", DESTINATION, "duplicates/approvals", "checker", "The other side's months are cleared and refunded."),
    # Both agencies.
    listed("escalate", EITHER, "escalations", "maker", "The supervisors of an overdue case are told before the clock does it."),
    Verb(
        "ask",
        "A clerk asks the other agency; no clock stands for it.",
        f"{EITHER}: POST /questions",
        "maker",
        taking("ask", "a question", *about(EITHER), *_QUESTION),
        _ask,
        gives="question",
    ),
    Verb(
        "answer",
        "A clerk answers a question of the other agency.",
        f"{EITHER}: POST /answers",
        "maker",
        taking("answer", "an answer", *about(EITHER), *_ANSWER),
        _answer,
    ),
    Verb(
        "agree",
        "A form is taken as it stands, on the origin's answer that confirms it.",
        f"{DESTINATION}: POST /agreements/proposals, then /agreements/approvals",
        "maker, checker",
        taking("agree", "on which answer", CASE_FIELD, _ANSWER[0], _REASON),
        _agree,
    ),
    listed("report_death", EITHER, "deaths", "maker", "The death of the person is noted.", *_DEATH),
    two_hands("settle", EITHER, "settlements", "What the account holds is owed to the heirs, and the account is closed."),
    # The origin's desk.
    two_hands("handle", ORIGIN, "handlings", "The letter is answered: by the information form, or by its return.", *_RETURN),
    listed(
        "propose_handling", ORIGIN, "handlings/proposals", "maker", "A maker proposes form or return.", *_RETURN, settles=False
    ),
    listed("approve_handling", ORIGIN, "handlings/approvals", "checker", "A checker approves; form or return leaves."),
    paying(two_hands("remit", ORIGIN, "remittances", "What the form says is paid; the relationship closes.", first="fund-desk")),
    listed("propose_remittance", ORIGIN, "remittances/proposals", "fund-desk", "The fund desk proposes to pay.", settles=False),
    paying(
        listed(
            "approve_remittance",
            ORIGIN,
            "remittances/approvals",
            "checker",
            "A second person approves; the bank is asked to pay.",
        )
    ),
    two_hands("amend", ORIGIN, "amendments", "The form is replaced by the next version, made from the record of today.", _REASON),
    two_hands(
        "recall",
        ORIGIN,
        "recalls",
        "A completed transfer is asked back.",
        Field("code", CODE, "why, by its code", needed=True),
        _REASON,
    ),
    two_hands(
        "notify_not_movable",
        ORIGIN,
        "notices",
        "The person is told in writing what cannot move, before the form.",
        Field("papers", Many(_PAPER), "papers in the agency's file; with them less stays"),
    ),
    listed(
        "notify_arrears",
        ORIGIN,
        "arrears",
        "maker",
        "The person is told in writing which months are unpaid, and until when they can be paid.",
        Field("pay_until", DAY, "until when", needed=True),
    ),
    Verb(
        "correct_record",
        "A year of a person's record is replaced, also where it has moved: the differences are booked, what was booked stays.",
        f"{ORIGIN}: POST /records/corrections, then /records/corrections/approvals",
        "operator, checker",
        Shape(
            "correct_record",
            "whose year, and how it is to be",
            (
                *_PERSON_THERE,
                Field("year", COUNT, "which year", needed=True),
                Field("rows", Many(ROW), "all its rows that the province collected", needed=True),
                _REASON,
            ),
        ),
        _correct_record,
        answer=answering(
            "correct_record",
            (
                Field("account_difference", MONEY, "principal", goes_as="account_difference_fen"),
                Field("interest_difference", MONEY, "interest of the years in the books", goes_as="interest_difference_fen"),
                Field("pool_difference", MONEY, "the pooled fund's part", goes_as="pool_difference_fen"),
            ),
        ),
    ),
    # A relationship that might end.
    Verb(
        "assess_ending",
        "The person asks what would come of ending the relationship.",
        f"{ORIGIN}: POST /records/endings/assessments",
        "person",
        Shape("assess_ending", "whose, where and why", (*_PERSON_THERE, *_GROUND)),
        _assess_ending,
        answer=answering(
            "assess_ending",
            (
                Field("step", one_of("ending step", *(str(each) for each in EndingStep)), "what comes next"),
                Field("reasons", Many(CODE), "why, by codes of the reasons table"),
            ),
        ),
        settles=False,
    ),
    Verb(
        "apply_to_end",
        "The person's written application to end the relationship and be paid the account.",
        f"{ORIGIN}: POST /records/endings",
        "person",
        Shape("apply_to_end", "whose, where and why", (*_PERSON_THERE, *_GROUND)),
        _apply_to_end,
    ),
    Verb(
        "notify_ending",
        "The agency's written notice: the account may be kept, and what ending it means.",
        f"{ORIGIN}: POST /records/endings/notices",
        "maker",
        Shape("notify_ending", "whose wish", _PERSON_THERE),
        _notify_ending,
    ),
    Verb(
        "confirm_ending",
        "The person's written confirmation.",
        f"{ORIGIN}: POST /records/endings/{{ending}}/confirmation",
        "person",
        Shape("confirm_ending", "whose wish", _PERSON_THERE),
        _confirm_ending,
    ),
    Verb(
        "keep_account",
        "The person takes the wish back and keeps the account.",
        f"{ORIGIN}: POST /records/endings/{{ending}}/withdrawal",
        "person",
        Shape("keep_account", "whose wish", _PERSON_THERE),
        _keep_account,
    ),
    Verb(
        "pay_out",
        "After notice and confirmation: what the account holds is owed to the person, and the relationship ends.",
        f"{ORIGIN}: POST /records/endings/proposals, then /records/endings/approvals",
        "maker, checker",
        Shape("pay_out", "whose wish", _PERSON_THERE),
        _pay_out,
    ),
    Verb(
        "settle_double_drawing",
        "Another place's pension is kept: the account here pays what was drawn twice, the rest of it is the person's.",
        f"{ORIGIN}: POST /records/double-drawings, then /records/double-drawings/approvals",
        "maker, checker",
        Shape("settle_double_drawing", "whose, where, and what is known of the two pensions", (*_PERSON_THERE, *_TWO_PENSIONS)),
        _settle_double_drawing,
        answer=answering(
            "settle_double_drawing",
            (
                Field("set_off", MONEY, "what the account pays", goes_as="set_off_fen"),
                Field("paid_out", MONEY, "what is left of it, the person's", goes_as="paid_out_fen"),
                Field("deduction_months", COUNT, "so many months are deducted from the kept pension"),
                Field("deduction_monthly", MONEY, "each by so much", goes_as="deduction_monthly_fen"),
                Field("deduction_last", MONEY, "the last one by so much", goes_as="deduction_last_fen"),
            ),
        ),
    ),
    Verb(
        "credit_interest",
        "The year's end: proposed and approved, it credits every account of the province with the year's interest.",
        f"{ORIGIN}: POST /year-ends, then /year-ends/{{run}}/approvals",
        "operator, checker",
        Shape("credit_interest", "which year", (PROVINCE_FIELD, Field("year", COUNT, "which year", needed=True))),
        _credit_interest,
        answer=answering("credit_interest", (Field("year", COUNT, "which year"),)),
    ),
    Verb(
        "import_rules",
        "Rows of a dated table come in; the province's agencies decide with them from here on.",
        f"{ORIGIN}: POST /rules/imports",
        "operator",
        Shape("import_rules", "which rows", (PROVINCE_FIELD, *_ROWS_OF_A_TABLE)),
        _import_rules,
        answer=answering("import_rules", (Field("table", TEXT, "of which table"), Field("rows", COUNT, "how many"))),
    ),
    # The bank.
    Verb(
        "bank_fault",
        "The bank will do something wrong with this case's next payment.",
        f"{_BANK}: PUT /scenario/faults",
        "operator",
        Shape("bank_fault", "what", (CASE_FIELD, *_FAULT)),
        _bank_fault,
        settles=False,
    ),
    Verb(
        "bank_investigation",
        "The origin's fund desk asks the bank to look for a payment; what was lost or left out is paid.",
        f"{_BANK}: POST /investigations/{{case}}",
        "fund-desk",
        Shape("bank_investigation", "which case", (CASE_FIELD,)),
        _investigate,
        answer=answering("bank_investigation", (Field("payments_found", COUNT, "how many payments that makes"),)),
    ),
    # The exchange.
    holding("hold_documents", True, "Kafka is slow for a service: what others send it does not come, until it is released."),
    holding("release_documents", False, "What was held back comes."),
    # Operators.
    quarantine("retry", "operator", "A record in quarantine is handled again."),
    quarantine("skip", "operator", "It is set aside for good, or proposed to be where it is about money."),
    quarantine("reject", "operator", "It goes back to its sender with what helps, or is proposed to.", *_REMEDY),
    quarantine("approve", "checker", "A second person approves what was proposed."),
    quarantine("withdraw", "operator", "A proposal is taken back by whoever made it."),
    # The exchange itself, and its auditor: these need the stack's own folder.
    Verb(
        "deliver_again",
        "Kafka delivers the case's documents to a province once more: the same bytes, the same headers.",
        "Kafka",
        "operator",
        Shape(
            "deliver_again",
            "which",
            (
                Field("province", PROVINCE, "whom they are addressed to", needed=True),
                CASE_FIELD,
                Field("document", TEXT, "only of this type, like document.information_form"),
            ),
        ),
        _deliver_again,
        answer=answering("deliver_again", (Field("records", COUNT, "how many were delivered again"),)),
        local=True,
    ),
    Verb(
        "deliver_late",
        "Kafka delivers the case's first document of a type after the newer ones; the addressee must be held back meanwhile.",
        "Kafka",
        "operator",
        Shape(
            "deliver_late",
            "which",
            (
                Field("province", PROVINCE, "whom they are addressed to", needed=True),
                CASE_FIELD,
                Field("document", TEXT, "of this type, like document.information_form", needed=True),
            ),
        ),
        _deliver_late,
        answer=answering("deliver_late", (Field("records", COUNT, "how many come after one that left later"),)),
        local=True,
    ),
    Verb(
        "deliver_garbage",
        "Kafka delivers a record of the case that nobody signed and nobody can read.",
        "Kafka",
        "operator",
        Shape(
            "deliver_garbage",
            "to whom",
            (
                Field("province", PROVINCE, "whom it is addressed to", needed=True),
                Field("role", one_of("service", ORIGIN, DESTINATION), "which service of it", needed=True),
                CASE_FIELD,
            ),
        ),
        _deliver_garbage,
        local=True,
    ),
    Verb(
        "audit",
        "The auditor exports every journal, verifies and folds it, compares all with the live books, then plants a lie.",
        "Kafka, as 00.audit",
        "auditor",
        Shape("audit", "nothing", ()),
        _audit,
        answer=answering(
            "audit",
            (
                Field("verdict", TEXT, "agrees, disagrees or not complete"),
                Field("first_difference", Maybe(TEXT), "the first thing that differs"),
                Field("lie_found", YES_NO, "whether one altered digit in a copy is noticed"),
            ),
        ),
        settles=False,
        local=True,
    ),
)

BY_NAME: Mapping[str, Verb] = {verb.name: verb for verb in VERBS}
assert len(BY_NAME) == len(VERBS), "two verbs of one name"
