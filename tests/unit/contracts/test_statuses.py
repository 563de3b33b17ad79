"""What a person is shown: stable codes."""

from datetime import date

import pytest
from pydantic import ValidationError

from contracts.statuses import Leg, PublicStatus, Status


def test_codes_are_their_own_names_on_every_channel() -> None:
    assert all(status.value == status.name for status in Status)
    assert [leg.value for leg in Leg] == ["admission", "origin", "booking"]


def test_a_public_status_says_where_who_and_until_when_and_no_more() -> None:
    dates = {"since", "due_on", "due_provisional", "overdue", "paused", "service_target_on"}
    others = {"status", "holder", "code", "part_not_movable", "arrears_lost", "employer_told"}

    assert set(PublicStatus.model_fields) == others | dates


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValidationError):
        PublicStatus.model_validate_json('{"status": "LOST", "holder": "33", "since": "2024-05-06"}')


def test_a_status_without_a_date_or_code_is_not_overdue() -> None:
    shown = PublicStatus(status=Status.SUBMITTED, holder="33", since=date(2024, 5, 6))

    assert (shown.due_on, shown.overdue, shown.code) == (None, False, None)
    assert (shown.paused, shown.part_not_movable, shown.arrears_lost, shown.service_target_on) == (None, False, False, None)
    assert not shown.employer_told
