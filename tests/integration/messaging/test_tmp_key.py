import asyncio
from tests.integration.messaging.test_house import *
from aiokafka.record import default_records
class Odd(str):
    def encode(self, *a, **k):
        return b"\xff\xfe"
async def test_odd(origin: Origin) -> None:
    sick, well = cases(2)
    def spoil(value, headers):
        headers.insert(0, (Odd("xx"), b"1"))
        return value
    async with living(origin):
        await send(origin, sick, spoil=spoil)
        await asyncio.sleep(3)
        print("HANDLED", origin.handled, sick, await parked(origin), await origin.house.idle())
        await send(origin, well)
        await asyncio.sleep(5)
        print("HANDLED", origin.handled, well, await origin.house.ready(), await origin.house.idle())
