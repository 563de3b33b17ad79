"""An employer's number: the unified social credit code 统一社会信用代码, 18 characters, the last a check. GB 32100-2015."""

_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # I, O, S, V, Z are left out, for they look like digits
_LENGTH = 18


def is_credit_code(text: str) -> bool:
    """Say whether a text is a unified social credit code; letters are upper case."""
    if len(text) != _LENGTH or any(character not in _CHARACTERS for character in text):
        return False
    weighed = sum(_CHARACTERS.index(character) * pow(3, at, 31) for at, character in enumerate(text[:-1]))
    return _CHARACTERS.index(text[-1]) == -weighed % 31
