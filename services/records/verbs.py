"""What can be done with a case: one row a verb, from which the table in the docs and the test of every state are made."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.base import Fact
from contracts.documents import Document
from services.runtime.identity import Role


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of an agency.

    `states` are those from which it works; from every other it is refused by name (`NotNow`). `roles` may begin it, and where
    `checked_by` is not empty a second person of such a role must approve. What nobody does but a clock or a document has no role.
    `facts` are the events that it may put on the journal, `document` what the other agency gets.
    """

    name: str
    command: str  # method and path below the service, or what starts it
    roles: tuple[Role, ...]
    checked_by: tuple[Role, ...]
    states: frozenset[StrEnum]
    facts: tuple[type[Fact], ...]
    document: type[Document] | None
    does: str  # what it does, in a sentence
    other_side: str  # what the other agency sees
    person: str  # what the person is told, "" for nothing
    basis: str  # article, or "design"
    act: Callable[..., Any]  # the pure step; the test of every state fills in all its arguments but the case
