from contracts import events
from tests.agencies import known_in
from tests.integration.origin_agency.conftest import Origin


async def test_smoke(origin: Origin) -> None:
    await origin.at.importing(known_in("44"))
    [case] = await origin.ordered(known_in("44"))
    assert await origin.funds.pay() == 1
    print([type(m.data).__name__ for m in await origin.at.told()])
    assert (await origin.case(case)).state == "REMITTED", await origin.at.parked()
