"""Who approves: two persons unless the province says otherwise, and what stands in their place."""

import pytest
from pydantic import TypeAdapter

from contracts.base import Actor
from services.records.approvals import Approvals, by_rule, limit_of
from services.rules.loader import load_tables
from services.runtime.identity import is_person

HUGE = 2**62


def test_a_province_that_says_nothing_has_two_persons_for_everything() -> None:
    assert not Approvals().automatic
    assert not Approvals().covers(0)


@pytest.mark.parametrize(
    ("limit_fen", "amount_fen", "covered"),
    [(None, HUGE, True), (5000, 5000, True), (5000, 5001, False), (0, 0, True), (0, 1, False)],
)
def test_up_to_the_limit_the_system_decides_and_above_it_persons_do(
    limit_fen: int | None, amount_fen: int, covered: bool
) -> None:
    assert Approvals("automatic", limit_fen).covers(amount_fen) is covered


def test_what_stands_in_the_place_of_two_persons_is_no_person_and_fits_into_every_event() -> None:
    version = load_tables().version
    names = [
        Approvals("automatic").policy,
        Approvals("automatic", HUGE).policy,
        *(by_rule(rule, version) for rule in ("K1", "K4", "no-reason-to-return", "form-issued", "form-and-money-agree")),
    ]

    assert not any(is_person(name) for name in names)
    assert len(set(names)) == len(names)
    for name in names:
        TypeAdapter(Actor).validate_python(name)


def test_the_policy_says_the_limit_in_force() -> None:
    assert Approvals("automatic", 100).policy == "policy:automatic-approvals?limit_fen=100"
    assert Approvals("automatic").policy == "policy:automatic-approvals"


@pytest.mark.parametrize(
    ("policy", "limit_fen"),
    [
        (Approvals("automatic", 100).policy, 100),
        (Approvals("automatic", 0).policy, 0),
        (Approvals("automatic").policy, None),
        ("policy:automatic-approvals?limit_fen=", None),
        ("policy:automatic-approvals?limit_fen=-1", None),
        ("checker-1", None),
    ],
)
def test_an_auditor_reads_the_limit_from_the_policy(policy: str, limit_fen: int | None) -> None:
    assert limit_of(policy) == limit_fen
