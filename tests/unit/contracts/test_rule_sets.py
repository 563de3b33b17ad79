"""Every fact that used a dated rule can name the rule set, and each field that a rule gives is known as such."""

import pytest

from contracts.base import Fact
from contracts.registry import EVENTS, FACTS

# Fields whose value is from a dated table: a due date, a rule's name, a legal basis, an amount that a rule computed.
FROM_A_RULE = {
    *("due_on", "was_due_on", "pay_until", "paused_on", "rule", "legal_basis", "code", "reasons"),
    *("items", "expected_fen", "interest_fen", "interest_difference_fen", "refund_interest_fen", "pool_fen", "overlap"),
}
# Facts with such a field that they did not get from a rule of their own, and from where they have it.
COPIED = {
    "transfer.returned": "the origin's code and legal basis, as its letter says",
    "information_form.revoked": "the items that were issued",
    "transfer.recalled": "the items that were booked",
    "recall.requested": "a clerk's code",
    "recall.received": "the origin's code",
    "document.rejected": "the addressee's code",
}


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_fact_with_a_field_that_a_rule_gives_names_the_rule_set(name: str) -> None:
    fields = set(FACTS[name].model_fields)

    if fields & FROM_A_RULE and name not in COPIED:
        assert fields & {"rule_set", "rule_set_after"}, f"{name} has {', '.join(sorted(fields & FROM_A_RULE))} and no rule_set"


def test_what_is_excepted_exists_and_has_such_a_field() -> None:
    for name in COPIED:
        assert set(FACTS[name].model_fields) & FROM_A_RULE, name


@pytest.mark.parametrize(
    "name", ["transfer.accepted", "transfer.refused", "contribution.recorded", "interest.credited", "information_form.issued"]
)
def test_a_decision_always_says_by_which_rules_it_was_made(name: str) -> None:
    fact: type[Fact] = FACTS[name]

    assert fact.model_fields["rule_set"].is_required()
