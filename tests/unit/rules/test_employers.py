"""The unified social credit code, as GB 32100-2015 checks it."""

import pytest

from services.rules.employers import is_credit_code


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91440300708461136T"])
def test_a_code_whose_last_character_agrees_is_one(code: str) -> None:
    assert is_credit_code(code)


@pytest.mark.parametrize(
    "code",
    [
        "91350100M000100Y44",  # another check character
        "91350100M000010Y43",  # two characters changed places
        "91350100m000100y43",  # lower case is the caller's to change
        "91350100M000100Y4",
        "91350100M000100Y433",
        "91350100I000100Y43",
        "",
    ],
)
def test_any_other_text_is_none(code: str) -> None:
    assert not is_credit_code(code)
