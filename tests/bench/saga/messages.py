"""What the two say to each other; validated both ways, like everything that crosses a border."""

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contracts.envelope import new_id

COMMANDS, EVENTS, JOURNAL = "saga.commands", "saga.events", "saga.journal"
DONE = "saga.done"


class Message(BaseModel):
    """What every record has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str = Field(default_factory=new_id)
    transfer_id: str
    caused_by: str | None = None
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    payer: int
    payee: int
    amount_fen: int = Field(gt=0)


class Requested(Message):
    """Somebody wants money moved."""

    type: Literal["saga.requested"] = "saga.requested"


class DebitWanted(Message):
    """The orchestrator asks for the first half."""

    type: Literal["saga.debit_wanted"] = "saga.debit_wanted"


class Debited(Message):
    """The payer's account is debited."""

    type: Literal["saga.debited"] = "saga.debited"


class CreditWanted(Message):
    """The orchestrator asks for the second half."""

    type: Literal["saga.credit_wanted"] = "saga.credit_wanted"


class Credited(Message):
    """The payee's account is credited."""

    type: Literal["saga.credited"] = "saga.credited"


class Done(Message):
    """The transfer is complete."""

    type: Literal["saga.done"] = "saga.done"


AnyMessage = Annotated[Requested | DebitWanted | Debited | CreditWanted | Credited | Done, Field(discriminator="type")]

M = TypeVar("M", bound=Message)

ADAPTER: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)

TOPIC_OF: dict[type[Message], str] = {
    Requested: EVENTS,
    DebitWanted: COMMANDS,
    Debited: EVENTS,
    CreditWanted: COMMANDS,
    Credited: EVENTS,
    Done: JOURNAL,
}


def follow(kind: type[M], cause: Message) -> M:
    """The next message of the same transfer."""
    return kind(
        transfer_id=cause.transfer_id,
        caused_by=cause.event_id,
        payer=cause.payer,
        payee=cause.payee,
        amount_fen=cause.amount_fen,
    )
