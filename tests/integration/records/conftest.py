"""An agency of 44 on databases of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.agencies import InProcess, in_process
from tests.integration.conftest import UrlOf


@pytest.fixture
async def at(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[InProcess]:
    async with in_process(province_database, keys_database) as found:
        yield found
