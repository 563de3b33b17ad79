"""The story of one person from application to completion, as the services tell it."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from deploy.local.services import Endpoints
from services.cli.demo.show import Show, money
from services.cli.play import DESTINATION, ORIGIN, Stage, Unexpected
from services.runtime.clock import SHANGHAI
from services.runtime.identity import Role
from services.world.plan import PROTAGONIST, PlannedApplication

EXPECTED_FEN = 3_047_986  # item ⑥ of example 3 of the domain brief


def form_of(application: PlannedApplication) -> dict[str, Any]:
    """An application as it is sent."""
    wanted = (
        "id_number",
        "name",
        "origin_division",
        "destination_division",
        "phone",
        "email",
        "language",
        "employer_name",
        "approved_transfer",
    )
    sent = {name: value for name, value in asdict(application).items() if name in wanted}
    # An approval of the transfer is a paper: who relies on it hands it in.
    return {**sent, "materials": ["PERSONNEL_TRANSFER_APPROVAL"]} if application.approved_transfer else sent


def day(text: str, hour: int = 9) -> datetime:
    """A working moment of the story."""
    return datetime.fromisoformat(f"{text}T{hour:02d}:00:00").replace(tzinfo=SHANGHAI)


async def tell_story(stage: Stage, endpoints: Endpoints, show: Show) -> str:
    """Play the protagonist's transfer step by step; returns the case id.

    Raises:
        Unexpected: when a step ends otherwise than the law and the worked example say.
    """
    application = PROTAGONIST.application
    destination, origin = application.destination, application.origin
    show.head(f"1  One person: {application.name} worked in Guangdong (44) and now works in Zhejiang (33)")
    whom = {"id_number": application.id_number, "name": application.name}
    there = await stage.call("POST", origin, ORIGIN, "/records/lookups", Role.MAKER, json=whom)
    leaving = stage.person(origin, there["person_ref"])
    voucher = await stage.call("POST", origin, ORIGIN, "/vouchers", leaving, json={"person_ref": there["person_ref"]})
    now = day("2024-05-06")
    show.at(now, f"gets contribution voucher {voucher['voucher_no']} from 44: {voucher['months']} months; anybody can check it")
    known = await stage.call("POST", destination, ORIGIN, "/records/lookups", Role.MAKER, json=whom)
    person = stage.person(destination, known["person_ref"])
    taken = await stage.call("POST", destination, DESTINATION, "/applications", person, json=form_of(application))
    case_id = str(taken["case_id"])
    await stage.idle()
    case = await stage.call("GET", destination, DESTINATION, f"/cases/{case_id}", person)
    show.at(now, f"applies online at the new place; case {case_id}; no fee, no paper")
    show.at(now, f"is shown: {case['text']['en']}; step {case['step']} of 5; {_held(case)}")

    now = day("2024-05-07")
    await stage.move(now)
    await stage.decide_admissions(destination)
    await stage.idle()
    case = await stage.call("GET", destination, DESTINATION, f"/cases/{case_id}", person)
    show.at(now, f"maker-33 proposes, checker-33 approves: contact letter {case['letter_no']} leaves, signed and sealed")
    show.at(now, f"is shown: {case['text']['en']}; step {case['step']} of 5; {_held(case)}")

    now = day("2024-05-08")
    await stage.move(now)
    await stage.handle_letters(origin)
    await stage.idle()
    held = await stage.call("GET", origin, ORIGIN, f"/cases/{case_id}", Role.CHECKER)
    show.at(now, f"44 looks at its record and issues information form version {held['form_version']}:")
    _items(show, held["items"])
    if held["items"]["total_fen"] != EXPECTED_FEN:
        raise Unexpected(f"item ⑥ is {held['items']['total_fen']} fen, the worked example says {EXPECTED_FEN}")
    await stage.remit(origin)
    await stage.idle()
    show.at(
        now, f"44's fund desk proposes, checker-44 approves: {money(EXPECTED_FEN)} yuan leave by bank; the relationship closes"
    )

    now = day("2024-05-09")
    await stage.move(now)
    case = await stage.call("GET", destination, DESTINATION, f"/cases/{case_id}", person)
    show.at(now, f"the money meets its form; is shown: {case['text']['en']}; {_held(case)}")

    now = day("2024-05-10")
    await stage.move(now)
    await stage.complete(destination)
    await stage.idle()
    case = await stage.call("GET", destination, DESTINATION, f"/cases/{case_id}", person)
    show.at(now, f"checker-33 approves; is shown: {case['text']['en']}: {case['months']} months, {money(EXPECTED_FEN)} yuan")
    if case["status"] != "COMPLETED":
        raise Unexpected(f"the protagonist's case ended as {case['status']}")
    show.say(f"  the e-mails that {application.email} got (no amount, no full number in any of them):")
    for mail in endpoints.mails():
        if str(mail["to"]) == application.email or application.email in str(mail["to"]):
            show.say(f"      {mail['subject']}")
    return case_id


def _held(case: dict[str, Any]) -> str:
    left = f", {case['working_days_left']} working days left" if case["working_days_left"] is not None else ""
    return f"with {case['holder_name']} ({case['holder_phone']}) until {case['due_on']}{left}"


def _items(show: Show, items: dict[str, int]) -> None:
    show.table(
        ("item", "", "yuan"),
        [
            ("①", "own part before 1998, with interest", money(items["before_1998_fen"])),
            ("②", "1998 to the end of last year, with interest", money(items["until_last_year_fen"])),
            ("③", "this year's principal", money(items["this_year_fen"])),
            ("④", "individual account = ① + ② + ③", money(items["account_fen"])),
            ("⑤", "pooled fund: 12 % of the wages since 1998", money(items["pool_fen"])),
            ("⑥", "to be moved = ④ + ⑤", money(items["total_fen"])),
        ],
        right=(2,),
    )
