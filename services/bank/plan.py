"""What the bank makes of an order, faults included. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, assert_never

from contracts.banking import Fault, RemittanceLine


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
