"""What comes back out of quarantine: tried again with growing pauses, in order, once, and never past what arrives meanwhile."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from contracts.envelope import new_id
from contracts.events import MessageDecided, MessageParked, MessageReleased, QuarantineReason
from services.messaging.parking import Refused, State
from services.messaging.quarantine import Quarantine
from services.messaging.received import Received
from services.messaging.retries import GONE
from services.runtime.database import COUNTS
from tests.exchange import Exchange, KafkaRecord
from tests.integration.messaging.conftest import SCHEMA, SERVICE, Service, until
from tests.integration.messaging.ward import SENDER, Ward, letters, prepare


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
async def ward(service: Service, exchange: Exchange) -> Ward:
    await prepare(service)
    return Ward(service, exchange)


def some(count: int) -> list[str]:
    return [new_id() for _ in range(count)]


async def until_due(ward: Ward) -> None:
    """Wait until the next try of something may be made."""

    async def due() -> bool:
        async with ward.service.database.transaction("test") as tx:
            return any(in_s <= 0 for _, _, in_s in await ward.handler.quarantine.due(tx))

    await until(due)


async def test_a_failure_that_passes_is_tried_again_by_itself_and_leaves_no_trace_on_the_journal(
    ward: Ward, exchange: Exchange
) -> None:
    sick, well = some(2)
    ward.wrong[sick] = KeyError("for a moment")
    await ward.hear(*letters(exchange, sick, well, sick))
    assert await ward.cases() == [well]
    ward.wrong.clear()

    await until_due(ward)
    await ward.retries.look()

    assert await ward.cases() == [well, sick, sick]
    assert await ward.states() == ["retried", "retried"]
    assert await ward.told() == []


async def test_pauses_grow_and_after_the_last_try_it_is_parked_and_told_with_what_waits_behind_it(
    ward: Ward, exchange: Exchange
) -> None:
    (sick,) = some(1)
    ward.wrong[sick] = KeyError("a bug")
    await ward.hear(*letters(exchange, sick, sick))
    pauses = []
    for _ in range(2):
        (row, _) = await ward.rows()
        pauses.append((row["next_try_at"] - row["parked_at"]).total_seconds())
        assert await ward.told() == []
        await until_due(ward)
        await ward.retries.look()

    first, second = await ward.rows()
    assert (first["state"], first["attempts"], first["detail"]) == ("parked", 3, "KeyError after 3 tries")
    assert second["state"] == "behind"
    assert 0.04 < pauses[0] < pauses[1]
    told = await ward.told()
    assert [(fact.reason, fact.offset) for fact in told if isinstance(fact, MessageParked)] == [
        ("handler_failed", 0),
        ("behind_parked", 1),
    ]
    assert await ward.retries.look() is None


async def test_a_record_that_waits_delays_no_other_case(ward: Ward, exchange: Exchange) -> None:
    sick, *well = some(50)
    slow = Ward(ward.service, exchange, pauses_s=(3600, 7200))  # whoever waits for that does not come to an end
    slow.wrong[sick] = KeyError("a bug")

    await slow.hear(*letters(exchange, sick, *well))
    await slow.hear(*(record.but(offset=100 + record.offset) for record in letters(exchange, *well)))

    assert sorted(await slow.cases()) == sorted([*well, *well])
    assert await slow.states() == ["waiting"]
    soon = await slow.retries.look()
    assert soon is not None
    assert 3000 < soon <= 3600


async def test_a_named_poison_is_parked_at_once_and_never_tried_by_itself(ward: Ward) -> None:
    await ward.parked(QuarantineReason.UNEXPECTED)
    calls = ward.calls

    assert await ward.retries.look() is None

    assert ward.calls == calls
    assert await ward.states() == ["parked"]


async def test_the_task_looks_by_itself_when_something_is_due(ward: Ward, exchange: Exchange) -> None:
    (sick,) = some(1)
    ward.wrong[sick] = KeyError("for a moment")
    running = asyncio.create_task(ward.retries.run())
    await ward.hear(*letters(exchange, sick))
    ward.wrong.clear()

    async def done() -> bool:
        return await ward.cases() == [sick]

    await until(done)
    await until(lambda: not ward.retries.busy)
    running.cancel()


async def test_a_retry_takes_effect_once_and_what_waits_behind_follows_in_the_order_of_the_log(
    ward: Ward, exchange: Exchange
) -> None:
    (sick,) = some(1)
    batch = letters(exchange, sick, sick, sick, sick)
    ward.wrong[sick] = QuarantineReason.UNEXPECTED
    await ward.hear(*batch)
    ward.wrong.clear()

    result = await ward.operators.retry((await ward.ids())[0], who="op-1", reason="the partner was right")
    await ward.retries.look()

    assert result.outcome == "handled"
    assert [said[-1] for _, said in await ward.effects()] == ["1", "2", "3", "4"]
    assert await ward.states() == ["retried"] * 4
    released = [fact for fact in await ward.told() if isinstance(fact, MessageReleased)]
    assert [(fact.quarantine_id, fact.outcome) for fact in released] == [(each, "handled") for each in (await ward.ids())[1:]]


async def test_what_waits_behind_stops_at_the_next_failure_which_is_parked_with_its_own_reason(
    ward: Ward, exchange: Exchange
) -> None:
    (sick,) = some(1)
    batch = [Received.of(record).read() for record in letters(exchange, sick, sick, sick, sick)]
    ward.wrong[sick] = QuarantineReason.UNEXPECTED
    await ward.handler.handle(batch)
    ward.wrong = {batch[2].event_id: QuarantineReason.UNOPENABLE}

    await ward.operators.retry((await ward.ids())[0], who="op-1", reason="the partner was right")
    await ward.retries.look()

    assert await ward.states() == ["retried", "retried", "parked", "behind"]
    assert [row["reason"] for row in await ward.rows()][2:] == ["unopenable", "behind_parked"]
    last = (await ward.told())[-1]
    assert isinstance(last, MessageParked)
    assert (last.quarantine_id, last.reason) == ((await ward.ids())[2], "unopenable")


async def test_a_retry_that_fails_again_parks_it_with_the_new_reason_and_says_so(ward: Ward) -> None:
    case, quarantine_id = await ward.parked()
    ward.wrong[case] = QuarantineReason.UNOPENABLE

    named = await ward.operators.retry(quarantine_id, who="op-1", reason="try again")
    ward.wrong[case] = KeyError("a bug")
    unnamed = await ward.operators.retry(quarantine_id, who="op-2", reason="and again")

    assert (named.outcome, named.failure, unnamed.outcome, unnamed.failure) == (
        "failed",
        "unopenable",
        "failed",
        "handler_failed",
    )
    (row,) = await ward.rows()
    assert (row["state"], row["reason"], row["attempts"]) == ("parked", "handler_failed", 3)
    assert [(fact.maker, fact.outcome, fact.failure) for fact in await ward.decided()] == [
        ("op-1", "failed", "unopenable"),
        ("op-2", "failed", "handler_failed"),
    ]
    assert await ward.cases() == []


async def test_two_replicas_that_retry_at_once_have_one_effect(ward: Ward, exchange: Exchange) -> None:
    case, quarantine_id = await ward.parked()
    other = Ward(ward.service, exchange)

    results = await asyncio.gather(
        *(each.operators.retry(quarantine_id, who="op-1", reason="once") for each in (ward, other)), return_exceptions=True
    )

    assert await ward.cases() == [case]
    assert sorted(type(result).__name__ for result in results) == ["Refused", "Result"]
    assert len(await ward.decided()) == 1


async def test_two_replicas_that_look_at_once_try_each_record_once(ward: Ward, exchange: Exchange) -> None:
    sick = some(6)
    other = Ward(ward.service, exchange, pauses_s=(0.05, 3600))
    mine = Ward(ward.service, exchange, pauses_s=(0.05, 3600))
    mine.wrong = dict.fromkeys(sick, KeyError("a bug"))
    other.wrong = mine.wrong
    await mine.hear(*letters(exchange, *sick))
    await asyncio.sleep(0.2)

    await asyncio.gather(mine.retries.look(), other.retries.look())

    assert [row["attempts"] for row in await ward.rows()] == [2] * 6


async def test_a_failure_that_another_replica_has_written_down_meanwhile_is_not_counted_twice(
    ward: Ward, exchange: Exchange
) -> None:
    (sick,) = some(1)
    mine, other = (Ward(ward.service, exchange, pauses_s=(0.05, 3600)) for _ in range(2))
    for each in (mine, other):
        each.wrong[sick] = KeyError("a bug")
    await mine.hear(*letters(exchange, sick))
    (quarantine_id,) = await mine.ids()
    await until_due(mine)
    failed = mine.retries._failed

    async def late(*parts: Any) -> Any:
        await other.retries.attempt(quarantine_id)
        return await failed(*parts)

    mine.retries._failed = late  # type: ignore[method-assign,assignment]

    assert await mine.retries.attempt(quarantine_id) is GONE
    (row,) = await ward.rows()
    assert (row["state"], row["attempts"]) == ("waiting", 2)


async def test_what_arrives_while_a_retry_runs_does_not_overtake_it_and_is_not_left_behind(
    ward: Ward, exchange: Exchange
) -> None:
    (sick,) = some(1)
    first, second, third = letters(exchange, sick, sick, sick)
    ward.wrong[sick] = QuarantineReason.UNEXPECTED
    await ward.hear(first, second)
    ward.wrong.clear()
    ward.hold, ward.entered = asyncio.Event(), asyncio.Event()
    consumer = Ward(ward.service, exchange)

    retry = asyncio.create_task(ward.operators.retry((await ward.ids())[0], who="op-1", reason="go on"))
    await ward.entered.wait()
    arrival = asyncio.create_task(consumer.hear(third))
    await asyncio.sleep(0.3)
    assert not arrival.done()
    ward.hold.set()
    await asyncio.gather(retry, arrival)
    ward.hold = None
    await ward.retries.look()

    assert [said[-1] for _, said in await ward.effects()] == ["1", "2", "3"]
    assert set(await ward.states()) == {"retried"}


async def test_what_arrives_while_the_last_record_of_its_case_is_retried_goes_straight_on(ward: Ward, exchange: Exchange) -> None:
    case, quarantine_id = await ward.parked()
    ward.hold, ward.entered = asyncio.Event(), asyncio.Event()
    consumer = Ward(ward.service, exchange)

    retry = asyncio.create_task(ward.operators.retry(quarantine_id, who="op-1", reason="go on"))
    await ward.entered.wait()
    arrival = asyncio.create_task(consumer.hear(letters(exchange, case, first=9)[0].but(offset=999)))
    await asyncio.sleep(0.2)
    ward.hold.set()
    await asyncio.gather(retry, arrival)

    assert [said[-1] for _, said in await ward.effects()] == ["1", "9"]
    assert await ward.states() == ["retried"]


async def test_what_arrived_just_before_a_retry_is_seen_by_it(ward: Ward, exchange: Exchange) -> None:
    """The arrival holds the case first and parks its record behind; the retry that waited for it must not leave it there."""
    case, quarantine_id = await ward.parked()
    consumer = Ward(ward.service, exchange)
    parking, go_on = asyncio.Event(), asyncio.Event()
    park = consumer.handler.quarantine.park

    async def slowly(*parts: object, **named: object) -> object:
        found = await park(*parts, **named)  # type: ignore[arg-type]
        parking.set()
        await go_on.wait()
        return found

    consumer.handler.quarantine.park = slowly  # type: ignore[method-assign,assignment]
    arrival = asyncio.create_task(consumer.hear(letters(exchange, case, first=9)[0].but(offset=999)))
    await parking.wait()
    retry = asyncio.create_task(ward.operators.retry(quarantine_id, who="op-1", reason="go on"))
    await asyncio.sleep(0.2)
    go_on.set()
    await asyncio.gather(arrival, retry)
    await ward.retries.look()

    assert [said[-1] for _, said in await ward.effects()] == ["1", "9"]
    assert await ward.states() == ["retried", "retried"]


async def test_a_retry_whose_effect_was_there_already_does_nothing_again(ward: Ward, exchange: Exchange) -> None:
    """The same signed bytes came twice: first unproven, because a header was lost, then whole."""
    (case,) = some(1)
    (record,) = letters(exchange, case)
    await ward.hear(record.with_header("jx-checkpoint", None))
    await ward.hear(record.but(offset=1))
    await mend_header(ward, record)

    result = await ward.operators.retry((await ward.ids())[0], who="op-1", reason="the header is mended")

    assert result.outcome == "repeated"
    assert await ward.cases() == [case]
    assert await ward.states() == ["retried"]


async def mend_header(ward: Ward, record: KafkaRecord) -> None:
    """As if the directory had not known the key at first: now the evidence holds."""
    headers = {name: (value or b"").hex() for name, value in record.headers}
    await ward.service.rows("UPDATE origin_agency.quarantine SET headers = $1::jsonb", json.dumps(headers))


async def test_a_record_that_is_proven_only_now_takes_its_place_in_its_case(ward: Ward, exchange: Exchange) -> None:
    (case,) = some(1)
    poison, late = letters(exchange, case, case)
    await ward.hear(late.with_header("jx-checkpoint", None))
    await mend_header(ward, late)
    ward.wrong[case] = QuarantineReason.UNEXPECTED
    await ward.hear(poison)
    ward.wrong.clear()
    first, second = await ward.ids()

    queued = await ward.operators.retry(second, who="op-1", reason="the key is known now")
    states = await ward.states()
    await ward.operators.retry(first, who="op-1", reason="it is expected now")
    await ward.retries.look()

    assert queued.outcome == "queued"
    assert states == ["parked", "behind"]
    assert [said[-1] for _, said in await ward.effects()] == ["1", "2"]


async def test_a_record_that_is_still_unproven_is_parked_again_and_holds_up_no_case(ward: Ward, exchange: Exchange) -> None:
    (case,) = some(1)
    (record,) = letters(exchange, case)
    await ward.hear(record.with_header("jx-checkpoint", None))

    result = await ward.operators.retry((await ward.ids())[0], who="op-1", reason="perhaps now")
    await ward.hear(letters(exchange, case)[0].but(offset=9))

    assert (result.outcome, result.failure) == ("failed", "unsigned")
    assert await ward.cases() == [case]


async def test_a_retry_while_the_database_goes_away_changes_nothing_and_can_be_made_again(ward: Ward) -> None:
    case, quarantine_id = await ward.parked()
    ward.hold, ward.entered = asyncio.Event(), asyncio.Event()

    async def cut() -> None:
        await ward.entered.wait()
        await ward.service.terminate(f"{SERVICE}%")
        assert ward.hold is not None
        ward.hold.set()

    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await asyncio.gather(ward.operators.retry(quarantine_id, who="op-1", reason="now"), cut())
    ward.hold = None
    before = (await ward.states(), await ward.cases(), await ward.decided())
    for _ in range(20):
        try:
            await ward.operators.retry(quarantine_id, who="op-1", reason="again")
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            continue
        break

    assert before == (["parked"], [], [])
    assert await ward.cases() == [case]
    assert len(await ward.decided()) == 1


async def test_the_effect_the_state_and_the_event_are_one_transaction(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    before = COUNTS.by_purpose.get("retry", [0, 0])[1]

    await ward.operators.retry(quarantine_id, who="op-1", reason="now")

    assert COUNTS.by_purpose["retry"][1] - before == 1
    assert isinstance((await ward.told())[-1], MessageDecided)


async def test_by_itself_nothing_is_tried_that_is_parked_closed_or_unknown(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()

    parked = await ward.retries.attempt(quarantine_id)
    await ward.operators.retry(quarantine_id, who="op-1", reason="now")
    closed = await ward.retries.attempt(quarantine_id)
    unknown = await ward.retries.attempt(new_id())

    assert parked is closed is unknown is GONE
    assert len(await ward.cases()) == 1


async def test_a_retry_of_what_is_dealt_with_is_refused_by_name(ward: Ward) -> None:
    _, quarantine_id = await ward.parked()
    await ward.operators.retry(quarantine_id, who="op-1", reason="now")

    with pytest.raises(Refused, match="NOT_OPEN"):
        await ward.operators.retry(quarantine_id, who="op-1", reason="and again")
    with pytest.raises(Refused, match="NO_SUCH_RECORD"):
        await ward.operators.retry(new_id(), who="op-1", reason="nobody")


async def test_rows_parked_before_the_key_was_kept_can_be_retried(ward: Ward) -> None:
    case, quarantine_id = await ward.parked()
    await ward.service.execute("UPDATE origin_agency.quarantine SET record_key = NULL, accepted = false")
    await ward.service.execute("DELETE FROM origin_agency.inbox")

    assert (await ward.operators.retry(quarantine_id, who="op-1", reason="after the upgrade")).outcome == "handled"
    assert await ward.cases() == [case]


async def test_a_queue_left_without_its_head_is_found_and_goes_on(ward: Ward, exchange: Exchange) -> None:
    """As after a crash between the head's transaction and the next."""
    (sick,) = some(1)
    ward.wrong[sick] = QuarantineReason.UNEXPECTED
    await ward.hear(*letters(exchange, sick, sick, service=SENDER))
    ward.wrong.clear()
    quarantine = Quarantine(SCHEMA, SERVICE)
    async with ward.service.database.transaction("test") as tx:
        entry = await quarantine.hold(tx, (await ward.ids())[0])
        assert entry is not None
        await quarantine.release(tx, entry, State.SKIPPED)

    await Ward(ward.service, exchange).retries.look()

    assert await ward.cases() == [sick]
    assert await ward.states() == ["skipped", "retried"]
