"""A list of cases is decided row by row, in order and each case once, and a refused row holds no other back."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.documents import LetterReturn, LetterReturnDocument
from services.records.acting import decide_each
from services.records.decisions import Letter, NotNow, Refused, SamePerson, Told
from tests.builders import PERSON, a


class Stands(StrEnum):
    OPEN = "OPEN"
    DONE = "DONE"


@dataclass(frozen=True)
class Held:
    case_id: str
    state: Stands = Stands.OPEN


@dataclass(frozen=True)
class Decided:
    case: Held
    told: tuple[Told, ...] = ()


def letter(case_id: str) -> Letter:
    return Letter(LetterReturnDocument, a(LetterReturn), case_id, PERSON, "33")


def decide(case: Held) -> Decided:
    match case.case_id:
        case "late":
            raise NotNow("this", case.state)
        case "same":
            raise SamePerson("maker-44")
        case "named":
            raise Refused("BY_NAME", "because", legal_basis="Art. 8", remedy="do otherwise")
    return Decided(Held(case.case_id, Stands.DONE), (letter(case.case_id),))


def test_good_rows_are_done_and_every_other_is_refused_by_its_name() -> None:
    names = ["first", "late", "same", "named", "second"]
    cases = {name: Held(name) for name in names}

    rows, changed, told = decide_each(
        ["second", "late", "unknown", "same", "named", "first", "second"], cases, decide, says=lambda case: case.state.lower()
    )

    assert [(row.case_id, row.result, row.code, row.legal_basis, row.remedy) for row in rows] == [
        ("second", "done", "done", None, None),
        ("late", "refused", "NOT_NOW", None, "Look at the case's state first."),
        ("unknown", "refused", "NO_SUCH_CASE", None, "Check the case id."),
        ("same", "refused", "SAME_PERSON", "社会保险经办条例 第三十七条", "Let a second person check the case."),
        ("named", "refused", "BY_NAME", "Art. 8", "do otherwise"),
        ("first", "done", "done", None, None),
    ]
    assert changed == [Held("second", Stands.DONE), Held("first", Stands.DONE)]
    assert told == [letter("second"), letter("first")]


def test_an_empty_list_decides_nothing() -> None:
    assert decide_each([], {"first": Held("first")}, decide, says=lambda case: case.state) == ([], [], [])
