"""What the bank makes of an order, faults included. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, assert_never

from contracts.banking import Fault, RemittanceLine

SENT_BACK = "sent back by the payee"  # why money comes back that had arrived


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that will be booked: to the payee, or back to the payer. `available_at` is None for what was lost."""

    case_id: str
    amount_fen: int
    kind: Literal["payment", "returned"]
    available_at: datetime | None
    reason: str = ""


def payments(lines: Sequence[RemittanceLine], faults: Mapping[str, Fault], *, now: datetime, delay: timedelta) -> list[Payment]:
    """One payment a line after the set delay, or what the fault of its case makes of it."""
    found: list[Payment] = []
    for line in lines:
        due = now + delay
        fault = faults.get(line.case_id)
        if fault is None:
            found.append(Payment(line.case_id, line.amount_fen, "payment", due))
            continue
        match fault.kind:
            case "delay":
                found.append(Payment(line.case_id, line.amount_fen, "payment", due + timedelta(days=fault.days)))
            case "lose":
                found.append(Payment(line.case_id, line.amount_fen, "payment", None))
            case "duplicate":
                found.extend(Payment(line.case_id, line.amount_fen, "payment", due) for _ in range(2))
            case "return":
                found.append(Payment(line.case_id, line.amount_fen, "returned", due, "payee account refused"))
            case "short":
                left_out = min(fault.amount_fen, line.amount_fen)
                if line.amount_fen > left_out:
                    found.append(Payment(line.case_id, line.amount_fen - left_out, "payment", due))
            case _:
                assert_never(fault.kind)
    return found


def passes_on(amount_fen: int, *, ordered_fen: int, planned_fen: int, given_back_fen: int, passed_on_fen: int) -> int:
    """How much of what a payee gives back goes on to the payer, in fen: all but what the bank paid out beyond its orders.

    Args:
        amount_fen: what is given back now.
        ordered_fen: what was ordered for the case, all remittances together.
        planned_fen: what the bank pays out on them.
        given_back_fen: what was given back before.
        passed_on_fen: what of that went on.
    """
    own_fen = max(0, planned_fen - ordered_fen)
    kept_fen = given_back_fen - passed_on_fen
    return amount_fen - min(amount_fen, max(0, own_fen - kept_fen))
