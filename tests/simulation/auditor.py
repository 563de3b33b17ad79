"""An auditor with books of its own. It knows the law and what was published, and shares no code with those whom it audits.

It reads the bytes of the logs, the public keys, and what databases, bank and mailboxes hold at the end. Nothing of `services` and
nothing of `contracts` is imported; `test_auditor.py` sees to that. The measures are those of architecture § 7.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PREFIX = "cn.jiexu."


@dataclass(frozen=True)
class Mail:
    """A mail in somebody's box, and whether its event and its notice were committed when it came."""

    message_id: str
    to: str
    committed: bool


@dataclass
class Evidence:
    """What the auditor is shown.

    `records` are the logs as they stand, repeats included; `accounts` and `postings` are the live books, `outbox` the number of
    rows in each service's outbox, `orders` and `lines` the bank's own tables, `secrets` what must stand nowhere in clear.
    """

    records: Sequence[Any]
    keys: Mapping[str, Ed25519PublicKey]
    accounts: Mapping[str, Mapping[str, tuple[int, int]]]
    postings: Mapping[str, Sequence[Mapping[str, Any]]]
    outbox: Mapping[str, int]
    notices: Mapping[str, Sequence[Mapping[str, Any]]]
    orders: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    mails: Sequence[Mail]
    secrets: Sequence[str]


@dataclass(frozen=True)
class Said:
    """One published message."""

    service: str
    number: int
    topic: str
    id: str
    kind: str
    subject: str
    data: Mapping[str, Any]
    digest: str
    cause: str | None

    @property
    def province(self) -> str:
        """Who says it."""
        return self.service[:2]


@dataclass
class Findings:
    """What was found."""

    violations: list[str] = field(default_factory=list)
    events: int = 0

    def add(self, measure: str, text: str) -> None:
        """Note a violation of a measure."""
        self.violations.append(f"{measure}: {text}")

    def equal(self, measure: str, what: str, found: object, expected: object) -> None:
        """Two things must be the same."""
        if found != expected:
            self.add(measure, f"{what}: {found}, not {expected}"[:600])


def audit(evidence: Evidence) -> Findings:
    """Check every measure; the findings name the first word of the measure that is broken."""
    found = Findings()
    said = _log(evidence, found)
    found.events = len(said)
    _books(evidence, said, found)
    _bank(evidence, said, found)
    _cases(said, found)
    _documents(said, found)
    _notices(evidence, said, found)
    _persons(evidence, found)
    _arithmetic(said, found)
    return found


# ---- integrity: what was published, each once, numbered, signed ---------------------------------------------------------------


def _log(evidence: Evidence, found: Findings) -> list[Said]:
    """The messages of all services in the order of their numbers; everything about their evidence is checked on the way."""
    contents: dict[tuple[str, int], set[tuple[str, bytes, bytes]]] = defaultdict(set)
    messages: dict[tuple[str, int], Said] = {}
    checkpoints: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    verified: dict[bytes, Mapping[str, Any] | None] = {}
    published_heads: set[bytes] = set()
    for record in evidence.records:
        if record.topic == "directory":
            continue
        if record.topic == "checkpoints":
            published_heads.add(record.value)
            continue
        headers = dict(record.headers)
        service, number = headers["jx-service"].decode(), int(headers["jx-number"])
        text = headers["jx-checkpoint"]
        if text not in verified:
            verified[text] = _checkpoint(text, evidence.keys, found)
        head = verified[text]
        if head is not None:
            checkpoints[service][hashlib.sha256(json.loads(text)["checkpoint"].encode()).hexdigest()] = head
            if head["service"] != service:
                found.add("integrity", f"{service} {number} stands under a checkpoint of {head['service']}")
            place, size = number - head["first"], head["last"] - head["first"] + 1
            if not 0 <= place < size or _root(record.value, place, size, headers["jx-proof"]) != head["root"]:
                found.add("integrity", f"{service} {number} is not in its signed batch")
        message = json.loads(record.value)
        if record.key != message["subject"].encode():
            found.add("integrity", f"{service} {number} has a key that is not its subject")
        contents[service, number].add((record.topic, record.key, record.value))
        messages[service, number] = Said(
            service,
            number,
            record.topic,
            message["id"],
            message["type"].removeprefix(PREFIX).rpartition(".v")[0],
            message["subject"],
            message["data"],
            hashlib.sha256(record.value).hexdigest(),
            message.get("causationid"),
        )
        if message["source"] != f"/provinces/{service}":
            found.add("integrity", f"{service} {number} says it comes from {message['source']}")
    for (service, number), different in sorted(contents.items()):
        if len(different) > 1:
            found.add("numbers", f"{service} {number} has {len(different)} contents")
    by_service: dict[str, list[int]] = defaultdict(list)
    for service, number in sorted(messages):
        by_service[service].append(number)
    for service, rows in sorted(evidence.outbox.items()):
        numbers = by_service.get(service, [])
        found.equal("numbers", f"numbers of {service} are not 1 to {len(numbers)}", numbers, list(range(1, len(numbers) + 1)))
        found.equal("numbers", f"{service} has published", len(numbers), rows)
    for service, heads in sorted(checkpoints.items()):
        _chain(service, heads, found)
    for text in sorted(verified):
        if text not in published_heads:
            found.add("integrity", "a checkpoint is missing in the topic of checkpoints")
    ids = Counter(message.id for message in messages.values())
    for event_id, times in sorted(ids.items()):
        if times > 1:
            found.add("numbers", f"event {event_id} stands under {times} numbers")
    return [messages[at] for at in sorted(messages)]


def _checkpoint(text: bytes, keys: Mapping[str, Ed25519PublicKey], found: Findings) -> Mapping[str, Any] | None:
    signed = json.loads(text)
    head: Mapping[str, Any] = json.loads(signed["checkpoint"])
    try:
        keys[head["service"]].verify(bytes.fromhex(signed["signature"]), signed["checkpoint"].encode())
    except (InvalidSignature, KeyError):
        found.add("integrity", f"a checkpoint of {head.get('service')} is not signed by it")
        return None
    return head


def _root(value: bytes, place: int, size: int, proof: bytes) -> str | None:
    """RFC 9162 § 2.1.3.2: the root that an inclusion path leads to."""
    path = [proof[at : at + 32] for at in range(0, len(proof), 32)]
    inner, last = place, size - 1
    node = hashlib.sha256(b"\x00" + value).digest()
    for step in path:
        if last == 0:
            return None
        if inner & 1 or inner == last:
            node = hashlib.sha256(b"\x01" + step + node).digest()
            while not inner & 1 and inner:
                inner >>= 1
                last >>= 1
        else:
            node = hashlib.sha256(b"\x01" + node + step).digest()
        inner >>= 1
        last >>= 1
    return node.hex() if last == 0 else None


def _chain(service: str, heads: Mapping[str, Mapping[str, Any]], found: Findings) -> None:
    """Each checkpoint names the one before, and their batches follow on each other without a gap."""
    before, after = "0" * 64, 1
    in_order = sorted(heads.items(), key=lambda item: (item[1]["first"], item[1]["last"]))
    for digest, head in in_order:
        if head["previous"] != before or head["first"] != after:
            found.add(
                "integrity", f"the checkpoint of {service} over {head['first']}..{head['last']} does not follow on {after - 1}"
            )
            return
        before, after = digest, head["last"] + 1


# ---- books --------------------------------------------------------------------------------------------------------------------

GROWS_BY_DEBIT = ("bank", "interest_paid")


def _entry(message: Said) -> list[tuple[str, str, int]]:
    """What the law says of one fact, in the books of the province that says it: from (debit), to (credit), fen."""
    data, kind = message.data, message.kind
    person = f"individual:{data.get('person_ref')}"
    lines: list[tuple[str, str, int]] = []
    if kind == "account.opened":  # what stood there at the end of 1997 comes with it
        lines = [("bank", person, data["opening_fen"])]
    elif kind == "contribution.recorded":
        lines = [("bank", person, data["account_fen"]), ("bank", "pooled_fund", data["pool_fen"])]
    elif kind == "interest.credited":
        lines = [("interest_paid", person, data["interest_fen"])]
    elif kind == "information_form.issued":  # Art. 8(3): owed from here on
        old = data.get("supersedes") or {"account_fen": 0, "pool_fen": 0}
        owed = f"transfers_payable:{data['destination']}"
        lines = [
            (person, owed, data["items"]["account_fen"] - old["account_fen"]),
            ("pooled_fund", owed, data["items"]["pool_fen"] - old["pool_fen"]),
        ]
    elif kind == "funds.remitted":
        lines = [(f"transfers_payable:{data['destination']}", "bank", data["amount_fen"])]
    elif kind == "funds.returned":
        lines = [("bank", f"transfers_payable:{data['destination']}", data["amount_fen"])]
    elif kind == "funds.received":
        lines = [("bank", f"suspense:{data['origin']}", data["amount_fen"])]
    elif kind == "funds.sent_back":
        lines = [(f"suspense:{data['origin']}", "bank", data["amount_fen"])]
    elif kind == "transfer.completed":  # Art. 8(4)
        held = f"suspense:{data['origin']}"
        lines = [(held, person, data["items"]["account_fen"]), (held, "pooled_fund", data["items"]["pool_fen"])]
    elif kind == "transfer.corrected":  # only the difference to what stands there
        held, new, old = f"suspense:{data['origin']}", data["items"], data["supersedes"]
        lines = [
            (held, person, new["account_fen"] - old["account_fen"]),
            (held, "pooled_fund", new["pool_fen"] - old["pool_fen"]),
        ]
    elif kind == "transfer.recalled":  # given up: it is held for the origin until it goes back
        held = f"suspense:{data['origin']}"
        lines = [(person, held, data["items"]["account_fen"]), ("pooled_fund", held, data["items"]["pool_fen"])]
    elif kind == "information_form.revoked":  # the debt is the person's and the fund's again
        owed = f"transfers_payable:{data['destination']}"
        lines = [(owed, person, data["items"]["account_fen"]), (owed, "pooled_fund", data["items"]["pool_fen"])]
    elif kind == "duplicates.cleared":  # the account's part is owed to the person, the fund keeps its own
        lines = [(person, "refunds_payable", data["refund_principal_fen"] + data["refund_interest_fen"])]
    elif kind == "account.settled":
        lines = [(person, "refunds_payable", data["amount_fen"])]
    elif kind == "contribution.corrected":
        lines = [
            ("bank", person, data["account_difference_fen"]),
            ("interest_paid", person, data["interest_difference_fen"]),
            ("bank", "pooled_fund", data["pool_difference_fen"]),
        ]
    return [(credit, debit, -fen) if fen < 0 else (debit, credit, fen) for debit, credit, fen in lines if fen]


NEVER_BELOW = ("individual", "transfers_payable", "suspense", "refunds_payable")


def _may_dip(said: Iterable[Said]) -> set[tuple[str, str]]:
    """Accounts that may stand below nothing for a while.

    A smaller form after the payment makes the payee owe, until the rest is back; a year that is corrected downwards after the
    account moved on is drawn from it before the form that takes the difference along.
    """
    found = set()
    for message in said:
        data = message.data
        if (
            message.kind == "information_form.issued"
            and (data.get("supersedes") or {}).get("total_fen", 0) > data["items"]["total_fen"]
        ):
            found.add((message.province, f"transfers_payable:{data['destination']}"))
        if message.kind == "contribution.corrected":
            found.add((message.province, f"individual:{data['person_ref']}"))
    return found


def _books(evidence: Evidence, said: Iterable[Said], found: Findings) -> None:
    """Double entry from the events alone, in the order of each account's own numbers; compared with what the books say."""
    changes: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    stated: dict[str, list[Said]] = defaultdict(list)
    postings: dict[str, Counter[tuple[str, str, str, int]]] = defaultdict(Counter)
    may_dip = _may_dip(said)
    for message in said:
        if message.kind == "account.balance_stated":
            stated[message.province].append(message)
        entry = _entry(message)
        moved: dict[str, int] = defaultdict(int)
        for debit, credit, fen in entry:
            postings[message.province][message.id, debit, credit, fen] += 1
            moved[debit] += fen if debit in GROWS_BY_DEBIT else -fen
            moved[credit] += -fen if credit in GROWS_BY_DEBIT else fen
        sequences = message.data.get("account_sequences", {})
        if entry and set(sequences) != set(moved):
            found.add("books", f"{message.kind} of {message.service} numbers {sorted(sequences)}, not {sorted(moved)}")
        for account, change in moved.items():
            at = sequences.get(account, 0)
            if at in changes[message.province][account]:
                found.add("books", f"{message.province}: two events have number {at} of {account.split(':')[0]}")
            changes[message.province][account][at] = change
    for province, live in sorted(evidence.accounts.items()):
        own: dict[str, tuple[int, int]] = {}
        running: dict[str, dict[int, int]] = {}
        for account, by_number in changes[province].items():
            found.equal("books", f"numbers of {account} in {province}", sorted(by_number), list(range(1, len(by_number) + 1)))
            balance, running[account] = 0, {0: 0}
            for at in sorted(by_number):
                balance += by_number[at]
                running[account][at] = balance
                if balance < 0 and account.split(":")[0] in NEVER_BELOW and (province, account) not in may_dip:
                    found.add("books", f"{account} in {province} falls to {balance} fen")
            if balance < 0 and account.split(":")[0] in NEVER_BELOW:
                found.add("books", f"{account} in {province} ends with {balance} fen")
            own[account] = (len(by_number), balance)
        known = {account: head for account, head in live.items() if head != (0, 0)}
        found.equal("books", f"live balances of {province}", known, {name: head for name, head in own.items() if head != (0, 0)})
        for message in stated[province]:
            account, at = message.data["account"], message.data["sequence"]
            found.equal(
                "books",
                f"{account} in {province} is stated at {at} as",
                message.data["balance_fen"],
                running.get(account, {0: 0}).get(at),
            )
        booked = Counter((row["event_id"], row["debit"], row["credit"], row["amount_fen"]) for row in evidence.postings[province])
        if booked != postings[province]:
            extra, missing = booked - postings[province], postings[province] - booked
            found.add("books", f"{province} has {len(extra)} postings that no event calls for, and lacks {len(missing)}")
        debits = sum(balance for account, (_, balance) in own.items() if account in GROWS_BY_DEBIT)
        credits_ = sum(balance for account, (_, balance) in own.items() if account not in GROWS_BY_DEBIT)
        found.equal("books", f"trial balance of {province}", debits, credits_)


def _bank(evidence: Evidence, said: Sequence[Said], found: Findings) -> None:
    """Money that one province sent is money that the other got, or it is in the bank's hands; each line is booked once."""
    flows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    lines: Counter[tuple[str, str, str]] = Counter()
    references: Counter[tuple[str, str]] = Counter()
    for message in said:
        data = message.data
        if message.kind == "funds.remitted":
            flows[message.province, data["destination"]]["sent"] += data["amount_fen"]
            references[message.province, data["bank_reference"]] += data["amount_fen"]
        elif message.kind == "funds.returned":
            flows[message.province, data["destination"]]["came back"] += data["amount_fen"]
            lines["returned", message.province, data["line_id"]] += 1
        elif message.kind == "funds.received":
            flows[data["origin"], message.province]["got"] += data["amount_fen"]
            lines["payment", message.province, data["line_id"]] += 1
        elif message.kind == "funds.sent_back":
            flows[data["origin"], message.province]["gave back"] += data["amount_fen"]
            references[message.province, data["bank_reference"]] += data["amount_fen"]
    at_bank: dict[tuple[str, str], int] = defaultdict(int)
    for order in evidence.orders:
        if order["kind"] == "remittance":
            at_bank[order["payer"], order["payee"]] += order["total_fen"]
        else:
            at_bank[order["payee"], order["payer"]] += order["total_fen"]
        key = (order["payer"], order["reference"])
        found.equal(
            "conservation", f"order {order['reference']} of {order['payer']} is booked with", references[key], order["total_fen"]
        )
    for line in evidence.lines:
        at_bank[line["payer"], line["payee"]] -= line["amount_fen"]
        owner = line["payee"] if line["kind"] == "payment" else line["payer"]
        found.equal("effects", f"line {line['line_id']} is booked so often", lines[line["kind"], owner, line["line_id"]], 1)
    for pair in sorted({*flows, *at_bank}):
        flow = flows[pair]
        left = flow["sent"] - flow["came back"]
        arrived = flow["got"] - flow["gave back"]
        found.equal("conservation", f"from {pair[0]} to {pair[1]}: sent, less what came back,", left, arrived + at_bank[pair])


# ---- cases --------------------------------------------------------------------------------------------------------------------

# What must have been said of the case before, by the same service, and what must not.
DESTINATION: dict[str, tuple[set[str], set[str]]] = {
    "transfer.applied": (set(), {"transfer.applied", "transfer.accepted", "transfer.refused"}),
    "material.requested": (
        {"transfer.applied"},
        {"material.requested", "transfer.accepted", "transfer.refused", "transfer.cancelled"},
    ),
    "material.supplied": ({"material.requested"}, {"material.supplied", "transfer.accepted", "transfer.cancelled"}),
    "transfer.accepted": ({"transfer.applied"}, {"transfer.accepted", "transfer.refused", "transfer.cancelled"}),
    "transfer.refused": ({"transfer.applied"}, {"transfer.accepted", "transfer.refused", "transfer.cancelled"}),
    "contact_letter.sent": ({"transfer.accepted"}, {"transfer.cancelled", "transfer.closed", "transfer.recalled"}),
    "information_form.received": (
        {"contact_letter.sent"},
        {"transfer.returned", "transfer.cancelled", "transfer.refused", "transfer.closed"},
    ),
    "withdrawal.requested": ({"contact_letter.sent"}, {"information_form.received", "transfer.completed", "transfer.returned"}),
    "withdrawal.declined": ({"withdrawal.requested"}, {"transfer.cancelled"}),
    "transfer.returned": ({"contact_letter.sent"}, {"transfer.completed", "transfer.returned", "transfer.cancelled"}),
    "transfer.readdressed": ({"transfer.returned"}, {"transfer.closed", "transfer.completed", "transfer.cancelled"}),
    "transfer.closed": ({"transfer.returned"}, {"transfer.closed", "transfer.completed", "transfer.cancelled"}),
    "transfer.cancelled": (
        {"transfer.applied"},
        {"transfer.completed", "transfer.refused", "transfer.cancelled", "transfer.closed"},
    ),
    "transfer.completed": (
        {"contact_letter.sent", "information_form.received", "funds.received"},
        {"transfer.completed", "transfer.returned", "transfer.cancelled", "transfer.refused", "transfer.closed"},
    ),
    "transfer.corrected": ({"transfer.completed"}, {"transfer.recalled"}),
    "duplicates.found": ({"transfer.completed"}, {"duplicates.found", "transfer.recalled"}),
    "duplicates.cleared": ({"duplicates.found"}, {"duplicates.cleared", "transfer.recalled"}),
    "recall.received": ({"transfer.completed"}, {"transfer.recalled"}),
    "recall.declined": ({"recall.received"}, {"transfer.recalled"}),
    "transfer.recalled": ({"recall.received"}, {"transfer.recalled"}),
    "question.answered": ({"question.received"}, set()),
    "answer.received": ({"question.asked"}, set()),
    "discrepancy.agreed": ({"discrepancy.raised", "answer.received"}, {"transfer.completed"}),
    "discrepancy.resolved": ({"discrepancy.raised"}, set()),
    "deadline.escalated": ({"deadline.breached"}, set()),
    "death.reported": ({"transfer.applied"}, {"death.reported"}),
    "funds.sent_back": ({"funds.received"}, set()),
}
ORIGIN: dict[str, tuple[set[str], set[str]]] = {
    "contact_letter.received": (set(), set()),
    "contact_letter.returned": ({"contact_letter.received"}, {"contact_letter.returned", "information_form.issued"}),
    "information_form.issued": ({"contact_letter.received"}, {"contact_letter.returned", "information_form.revoked"}),
    "information_form.revoked": ({"information_form.issued", "recall.answered"}, {"information_form.revoked"}),
    "funds.remitted": ({"information_form.issued"}, {"contact_letter.returned", "information_form.revoked"}),
    "funds.returned": ({"funds.remitted"}, set()),
    "relationship.closed": ({"information_form.issued"}, {"relationship.closed"}),
    "relationship.reopened": ({"relationship.closed", "information_form.revoked"}, {"relationship.reopened"}),
    "transfer.settled": ({"information_form.issued"}, {"information_form.revoked"}),
    "withdrawal.answered": ({"contact_letter.received"}, {"withdrawal.answered"}),
    "contributions.not_movable": ({"contact_letter.received"}, {"contributions.not_movable"}),
    "arrears.notified": ({"contact_letter.received"}, {"arrears.notified", "information_form.issued"}),
    "question.answered": ({"question.received"}, set()),
    "answer.received": ({"question.asked"}, set()),
    "recall.requested": ({"transfer.settled"}, {"information_form.revoked"}),
    "recall.answered": ({"recall.requested"}, {"information_form.revoked"}),
    "death.reported": ({"contact_letter.received"}, {"death.reported"}),
}
# What lets a case go on where it had stopped.
GOES_ON = {
    "contact_letter.sent": {"transfer.returned"},
    "contact_letter.received": {"contact_letter.returned"},
    "transfer.corrected": {"duplicates.found"},  # of the months of another form the person is asked again
}
DECIDED = (
    "transfer.accepted",
    "transfer.refused",
    "transfer.completed",
    "transfer.corrected",
    "transfer.readdressed",
    "transfer.recalled",
    "recall.declined",
    "recall.requested",
    "discrepancy.agreed",
    "duplicates.cleared",
    "information_form.issued",
    "funds.remitted",
    "funds.sent_back",
)
ENDED = ("COMPLETED", "CANCELLED", "RETURNED", "REJECTED", "TEMP_ACCOUNT")


def _cases(said: Sequence[Said], found: Findings) -> None:
    """Every event has its legal predecessor; a case is completed once; money and form of a completion are there before it."""
    before: dict[tuple[str, str], set[str]] = defaultdict(set)
    forms: dict[tuple[str, int], Mapping[str, Any]] = {}
    shown: dict[str, Mapping[str, Any]] = {}
    dated: Counter[tuple[str, str, str, str, str]] = Counter()
    of: dict[str, list[Said]] = defaultdict(list)
    for message in said:
        data, role = message.data, message.service[3:]
        if message.kind in ("account.settled", "contribution.corrected") and data["maker"] == data["checker"]:
            found.add("two persons", f"{message.kind} of {message.service} is made and checked by one")
        case_id = data.get("case_id")
        if case_id is None or message.topic.startswith("exchange."):
            continue
        kinds = before[message.service, case_id]
        rules = {"destination-agency": DESTINATION, "origin-agency": ORIGIN}.get(role, {})
        needs, excludes = rules.get(message.kind, (set(), set()))
        if data.get("items", {}) and message.kind == "transfer.completed" and data["items"]["total_fen"] == 0:
            needs = needs - {"funds.received"}
        if not needs <= kinds:
            found.add("predecessor", f"{message.kind} of {message.service} without {sorted(needs - kinds)}")
        if excludes & kinds:
            found.add("predecessor", f"{message.kind} of {message.service} after {sorted(excludes & kinds)}")
        kinds -= GOES_ON.get(message.kind, set())
        kinds.add(message.kind)
        of[case_id].append(message)
        if message.kind == "information_form.issued":
            forms[case_id, data["form_version"]] = data
        if message.kind in ("deadline.reminded", "deadline.breached", "deadline.escalated"):
            dated[message.service, case_id, message.kind, data["leg"], data["due_on"]] += 1
        if role == "destination-agency" and data.get("public") is not None:
            shown[case_id] = data["public"]
    for key, times in sorted(dated.items()):
        if times > 1:
            found.add("effects", f"{key[2]} of {key[0]} is said {times} times for one leg")
    for case_id, public in sorted(shown.items()):
        if public["status"] not in ENDED and public["due_on"] is None and public["paused"] is None:
            found.add("due dates", f"case {case_id} is {public['status']} without a due date")
    for case_id, messages in sorted(of.items()):
        _case(case_id, messages, forms, found)


def _case(case_id: str, messages: Sequence[Said], forms: Mapping[tuple[str, int], Mapping[str, Any]], found: Findings) -> None:
    kinds = Counter(message.kind for message in messages)
    if kinds["transfer.completed"] > 1:
        found.add("completions", f"case {case_id} is completed {kinds['transfer.completed']} times")
    if kinds["transfer.settled"] > kinds["transfer.completed"] + kinds["transfer.corrected"]:
        found.add("predecessor", f"case {case_id} is settled more often than it was completed")
    if kinds["information_form.issued"] and any(
        message.kind == "withdrawal.answered" and message.data["confirmed"] for message in messages
    ):
        found.add("predecessor", f"case {case_id} has a form and a confirmed withdrawal")
    _versions(case_id, messages, found)
    money = 0
    for message in messages:
        data = message.data
        money += data["amount_fen"] if message.kind == "funds.received" else 0
        money -= data["amount_fen"] if message.kind == "funds.sent_back" else 0
        if message.kind in ("information_form.received", "transfer.completed", "transfer.corrected"):
            form = forms.get((case_id, data["form_version"]))
            if form is None:
                found.add("documents", f"case {case_id} has a form that its origin has not issued")
            else:
                found.equal("documents", f"the items of case {case_id} at {message.kind}", data["items"], form["items"])
                found.equal("arithmetic", f"the months of case {case_id} at {message.kind}", data["months"], form["months"])
        if message.kind in ("transfer.completed", "transfer.corrected") and money < data["items"]["total_fen"]:
            found.add("conservation", f"case {case_id} is booked with {money} of {data['items']['total_fen']} fen")
        if message.kind in DECIDED and data["maker"] == data["checker"]:
            found.add("two persons", f"{message.kind} of case {case_id} is made and checked by one")
    sent = sum(message.data["amount_fen"] for message in messages if message.kind == "funds.remitted")
    back = sum(message.data["amount_fen"] for message in messages if message.kind == "funds.returned")
    owed = max((form["items"]["total_fen"] for (known, _), form in forms.items() if known == case_id), default=0)
    if sent - back > owed:
        found.add("conservation", f"case {case_id} was paid {sent - back} fen and owed {owed}")


def _versions(case_id: str, messages: Sequence[Said], found: Findings) -> None:
    """Letters and forms are numbered on and on; each form says what it replaces, and so do corrections and recalls."""
    letters: dict[str, list[int]] = defaultdict(list)
    issued: Mapping[str, Any] | None = None
    booked: Mapping[str, Any] | None = None
    versions = 0
    for message in messages:
        data, kind = message.data, message.kind
        if kind in ("contact_letter.sent", "contact_letter.received"):
            if letters[message.service] and letters[message.service][-1] >= data["letter_version"]:
                found.add("versions", f"{kind} {data['letter_version']} of case {case_id} after {letters[message.service]}")
            letters[message.service].append(data["letter_version"])
        elif kind == "information_form.issued":
            versions += 1
            found.equal("versions", f"the form's version in case {case_id}", data["form_version"], versions)
            found.equal("versions", f"what form {versions} of case {case_id} replaces", data["supersedes"], issued)
            issued = data["items"]
        elif kind == "information_form.revoked":
            found.equal("versions", f"what case {case_id} takes back", data["items"], issued)
        elif kind == "transfer.completed":
            booked = data["items"]
        elif kind == "transfer.corrected":
            found.equal("versions", f"what case {case_id} corrects", data["supersedes"], booked)
            booked = data["items"]
        elif kind == "transfer.recalled":
            found.equal("versions", f"what case {case_id} gives up", data["items"], booked)
            booked = None


def _documents(said: Sequence[Said], found: Findings) -> None:
    """Both journals agree on every document, by digest, and each takes effect once."""
    documents = {message.id: message for message in said if message.topic.startswith("exchange.")}
    sent = Counter(message.data["document_id"] for message in said if message.kind == "document.sent")
    received = Counter(message.data["document_id"] for message in said if message.kind == "document.received")
    for message in said:
        if message.kind == "document.sent":
            document = documents.get(message.data["document_id"])
            if document is None:
                found.add("documents", f"{message.service} says it sent a document that is nowhere")
            else:
                found.equal("documents", f"digest of a document of {message.service}", message.data["digest"], document.digest)
        elif message.kind == "document.received":
            document = documents.get(message.data["document_id"])
            if document is None:
                found.add("documents", f"{message.service} says it got a document that nobody sent")
                continue
            found.equal("documents", f"digest of a document at {message.service}", message.data["digest"], document.digest)
            found.equal("documents", f"number of a document at {message.service}", message.data["number"], document.number)
            found.equal("documents", f"sender of a document at {message.service}", message.data["sender"], document.service)
            found.equal(
                "documents", f"receiver of a document of {document.service}", message.province, document.data["addressee"]
            )
    for document_id, document in sorted(documents.items()):
        found.equal("documents", f"{document.kind} of {document.service} is noted by its sender so often", sent[document_id], 1)
        if received[document_id] > 1:
            found.add("effects", f"{document.kind} of {document.service} took effect {received[document_id]} times")
        if not received[document_id]:
            found.add("documents", f"{document.kind} of {document.service} was never received")
    _quarantine(said, {document.digest: document for document in documents.values()}, found)


def _quarantine(said: Sequence[Said], documents: Mapping[str, Said], found: Findings) -> None:
    """Nobody in this world sends poison. What failed without a name is tried until it takes effect."""
    ended = {
        message.data["quarantine_id"]
        for message in said
        if message.kind == "quarantine.released"
        or (message.kind == "quarantine.decided" and message.data["outcome"] in ("handled", "repeated"))
    }
    for message in said:
        if message.kind != "quarantine.parked":
            continue
        about = documents.get(message.data["digest"])
        what = f"{about.kind} of {about.service}" if about else "a fact"
        if message.data["reason"] not in ("handler_failed", "behind_parked"):
            found.add("quarantine", f"{message.service} parked {what}: {message.data['reason']}")
        elif message.data["quarantine_id"] not in ended:
            found.add("quarantine", f"{message.service} never let {what} out again")


def _notices(evidence: Evidence, said: Sequence[Said], found: Findings) -> None:
    """A notice for each public change, after its commit, once; none is sent to somebody whose death was reported."""
    own = ("voucher.issued", "contributions.not_movable", "arrears.notified")
    wanted = {
        message.id: message
        for message in said
        if message.kind in own or (message.data.get("public") is not None and not message.service.endswith("notification"))
    }
    deaths = {(message.service, message.subject): message for message in reversed(said) if message.kind == "death.reported"}
    dead = {(message.province, message.data["person_ref"]) for message in deaths.values()}
    delivered = {message.data["message_id"]: message for message in said if message.kind == "notice.delivered"}
    of = Counter(message.data["event_id"] for message in said if message.kind in ("notice.delivered", "notice.failed"))
    boxes = Counter(mail.message_id for mail in evidence.mails)
    for event_id, message in sorted(wanted.items()):
        found.equal("notices", f"{message.kind} of {message.service} has notices", of[event_id], 1)
    for event_id in sorted(set(of) - set(wanted)):
        found.add("notices", f"event {event_id} has a notice and no public change")
    for message in said:
        data = message.data
        if message.kind == "notice.failed":
            deceased = data["reason"] == "PERSON_DECEASED" and (message.province, data["person_ref"]) in dead
            if not deceased:
                found.add("notices", f"a notice of {message.service} failed: {data['reason']}")
        elif message.kind == "notice.delivered" and (about := wanted.get(data["event_id"])) is not None:
            death = deaths.get((about.service, about.subject))
            if death is not None and about.number >= death.number:
                found.add("notices", f"{about.kind} of {about.service} was told to somebody who had died")
    for message_id in sorted(set(delivered) - set(boxes)):
        found.add("notices", f"{message_id} is said to be delivered and is in nobody's box")
    # A mail that was taken while its record was lost is not sent again when the death was reported meanwhile.
    unsent = {m.data["notice_id"] for m in said if m.kind == "notice.failed" and m.data["reason"] == "PERSON_DECEASED"}
    for message_id in sorted(set(boxes) - set(delivered)):
        if message_id.strip("<").partition("@")[0] not in unsent:
            found.add("notices", f"{message_id} is in a box and nobody says so")
    for mail in evidence.mails:
        if not mail.committed:
            found.add("notices", f"{mail.message_id} came before its commit")


def _persons(evidence: Evidence, found: Findings) -> None:
    """No person's data in keys, headers, or what is published in clear."""
    secrets = [secret.encode() for secret in evidence.secrets]
    for record in evidence.records:
        parts = (record.key or b"", record.value, *(part for name, value in record.headers for part in (name.encode(), value)))
        text = b"\n".join(parts)
        if any(secret in text for secret in secrets):
            found.add("persons", f"a person's data stands in {record.topic}")
    for province, rows in evidence.notices.items():
        for row in rows:
            if any(secret in f"{row['said']}{row['evidence']}{row['message_id']}" for secret in evidence.secrets):
                found.add("persons", f"a person's data stands in a notice of {province}")


def _arithmetic(said: Sequence[Said], found: Findings) -> None:
    """Items and months add up, and a form is what the person's account and years came to, less what cannot move."""
    months: dict[tuple[str, str], int] = defaultdict(int)
    account: dict[tuple[str, str], int] = defaultdict(int)
    moved_in: set[tuple[str, str]] = set()
    stays = {(m.service, m.subject): m.data for m in said if m.kind == "contributions.not_movable"}
    for message in said:
        data = message.data
        who = (message.province, str(data.get("person_ref")))
        items = data.get("items")
        if isinstance(items, Mapping):
            three = items["before_1998_fen"] + items["until_last_year_fen"] + items["this_year_fen"]
            found.equal("arithmetic", f"④ of {message.kind}", items["account_fen"], three)
            found.equal("arithmetic", f"⑥ of {message.kind}", items["total_fen"], items["account_fen"] + items["pool_fen"])
        if message.kind == "contribution.recorded":
            months[who] += data["months"]
        if message.kind == "transfer.completed":
            moved_in.add(who)
        if message.kind in ("account.opened", "contribution.recorded", "interest.credited", "contribution.corrected"):
            own = f"individual:{who[1]}"
            account[who] += sum(fen * ((to == own) - (of == own)) for of, to, fen in _entry(message))
        if message.kind == "information_form.issued" and who not in moved_in:
            # Numbers of two services of a province do not say which came first, so what moved in is left to the books.
            left = stays.get((message.service, message.subject), {"account_fen": 0, "months": 0})
            held = account[who] - left["account_fen"]
            found.equal("arithmetic", f"④ of the form of {message.service}", data["items"]["account_fen"], held)
            found.equal("arithmetic", f"months of the form of {message.service}", data["months"], months[who] - left["months"])
