"""An agency put together from its house: who it is, its vault, its bank, its opener. The same for both agencies."""

from dataclasses import dataclass

from services.messaging.house import House
from services.messaging.sealing import Opener
from services.messaging.signing import read_sealing_key
from services.records.agency import Agency
from services.records.approvals import Approvals
from services.records.bank import HttpBank
from services.records.rulebook import Rulebook
from services.records.vault import Vault
from services.rules.loader import build_tables, read_contents
from services.runtime.settings import Settings


class SettingMissing(RuntimeError):
    """A setting that an agency cannot do without; the text names it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an agency's app is made of."""

    house: House
    agency: Agency
    bank: HttpBank
    opener: Opener
    rulebook: Rulebook


def build(settings: Settings, service: str) -> Parts:
    """Build an agency's parts.

    Raises:
        SettingMissing: when a key file or the bank is not set.
    """
    house = House(settings, service)
    if house.keys_database is None:
        raise SettingMissing("KEYS_DATABASE_URL is not set; an agency keeps persons' keys there")
    if settings.sealing_key_file is None or settings.id_hash_key_file is None:
        raise SettingMissing("SEALING_KEY_FILE and ID_HASH_KEY_FILE must be set")
    if settings.bank_token_file is None or not settings.bank_url:
        raise SettingMissing("BANK_URL and BANK_TOKEN_FILE must be set")
    contents = read_contents(settings.tables_dir)
    hash_key = bytes.fromhex(settings.id_hash_key_file.read_text(encoding="ascii").strip())
    agency = Agency(
        province=settings.province,
        service=service,
        tables=build_tables(contents),
        vault=Vault(house.keys_database, hash_key),
        directory=house.directory,
        outbox=house.outbox,
        clock=house.clock,
        approvals=Approvals(settings.approvals, settings.automatic_limit_fen),
    )
    rulebook = Rulebook(house.database, agency, contents)
    house.first("rules", rulebook.refresh)
    house.every(settings.timer_poll_s, "rules", rulebook.refresh)
    return Parts(
        house,
        agency,
        HttpBank(settings.bank_url, settings.bank_token_file),
        Opener(read_sealing_key(settings.sealing_key_file)),
        rulebook,
    )
