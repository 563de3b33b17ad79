"""docker-compose.yml: what is in it, what each container is kept to, and that it agrees with the stack without containers."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.compose import home as compose_home
from deploy.compose.home import DIRECTORY_FILE, KAFKA_INSIDE, KAFKA_PUBLISHED, PROVINCES, make
from deploy.kafka.provision import principal_name
from deploy.local import kafka as local_kafka
from deploy.local import postgres as local_postgres
from deploy.local import services as local_services
from deploy.local.exchange import root_fingerprint
from deploy.local.native import CHECKOUT
from deploy.local.secrets import Secrets
from deploy.postgres.provision import service_role
from deploy.postgres.server import INITDB, SETTINGS
from services.areas import PROVINCE_SERVICES
from services.bank.settings import BankSettings
from services.runtime.identity import Role, TokenVerifier
from services.runtime.settings import Settings
from tests.unit.compose.composition import composition, given_to, parsed, secrets_of, services

SERVERS = {"kafka", *(f"postgres-{owner}" for owner in (*PROVINCES, "bank"))}
JOBS = {"provision-kafka", *(f"provision-{owner}" for owner in (*PROVINCES, "bank"))}
AGENCIES = {principal_name(province, service) for province in PROVINCES for service in PROVINCE_SERVICES}
OURS = {*AGENCIES, "bank", "smtp-sink"}
EVERYTHING = sorted(SERVERS | JOBS | OURS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make compose-secrets` makes."""
    made = tmp_path_factory.mktemp("compose")
    make(made)
    return made


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting of ours."""
    for name in {*Settings.model_fields, *BankSettings.model_fields, "secrets_dir"}:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_the_whole_exchange_is_in_it() -> None:
    assert set(services()) == SERVERS | JOBS | OURS


def test_whatever_goes_on_running_has_a_health_check_and_comes_back_by_itself() -> None:
    for name in SERVERS | OURS:
        service = services()[name]
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["healthcheck"]["retries"] >= 40, name
        assert service["restart"] == "unless-stopped", name
    for name in AGENCIES | {"bank"}:
        assert services()[name]["healthcheck"]["test"] == ["CMD", "bash", "deploy/compose/ready.sh", "8080"]
    assert "GET /readyz" in (CHECKOUT / "deploy" / "compose" / "ready.sh").read_text("utf-8")


def test_a_service_starts_when_its_servers_are_healthy_and_the_jobs_are_done() -> None:
    done, healthy = {"condition": "service_completed_successfully"}, {"condition": "service_healthy"}

    for name in AGENCIES:
        province = name.split(".")[0]
        assert services()[name]["depends_on"] == {
            "kafka": healthy,
            f"postgres-{province}": healthy,
            "provision-kafka": done,
            f"provision-{province}": done,
        }
    assert services()["bank"]["depends_on"] == {"postgres-bank": healthy, "provision-bank": done}
    for job in JOBS:
        assert list(services()[job]["depends_on"].values()) == [healthy], job


def test_the_engine_is_asked_for_nothing_that_version_20_10_lacks() -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text("utf-8")

    assert "start_interval" not in text
    assert not [name for name, service in services().items() if "gpus" in service or "annotations" in service]


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_container_is_kept_short(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in ("", "0", "root")
    assert any(mount.split(":")[0] == "/tmp" for mount in service["tmpfs"])
    assert service["pids_limit"] <= 400
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "docker.sock" not in str(service)


def test_each_program_of_ours_runs_as_a_user_of_its_own() -> None:
    users: dict[str, set[str]] = {}
    for name in JOBS | OURS:
        program = "job" if name in JOBS else name.split(".")[-1]
        users.setdefault(services()[name]["user"], set()).add(program)

    assert all(len(programs) == 1 for programs in users.values()), users
    assert len(users) == 6


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_container_has_a_secret_in_its_environment_or_its_command(name: str, home: Path) -> None:
    service = services()[name]
    told = f"{service.get('environment')} {service.get('command')} {service.get('entrypoint')}"
    texts = [file.read_text("utf-8").strip() for file in (home / "secrets").iterdir()]

    assert len(texts) > 60
    assert not [
        name
        for name in service.get("environment", {})
        if name.endswith(("PASSWORD", "_KEY", "TOKEN", "_URL")) and name != "BANK_URL"
    ]
    assert not [text for text in texts if text in told]
    assert "env_file" not in service


def test_everything_that_containers_are_given_is_made_and_everything_made_for_them_is_given(home: Path) -> None:
    of = composition({"JIEXU_HOME": str(home)})

    missing = [name for name, entry in of["secrets"].items() if not Path(entry["file"]).is_file()]
    missing += [name for name, entry in of["configs"].items() if not (CHECKOUT / entry["file"]).is_file()]

    assert missing == []
    given = {source for service in services().values() for source in secrets_of(service).values()}
    assert given == set(of["secrets"])
    # These stay with whoever runs the stack: nobody in a container signs the directory, or issues tokens.
    kept = {file.name for file in (home / "secrets").iterdir()} - given
    assert kept == {"directory-root.key", "tokens.private.json"}


def test_what_containers_are_given_nobody_else_on_this_machine_can_reach(home: Path) -> None:
    of = composition({"JIEXU_HOME": str(home)})

    assert (home / "secrets").stat().st_mode & 0o777 == 0o700
    assert (home / "mail").stat().st_mode & 0o777 == 0o700
    assert {Path(entry["file"]).stat().st_mode & 0o777 for entry in of["secrets"].values()} == {0o444}
    for kept in ("directory-root.key", "tokens.private.json"):
        assert (home / "secrets" / kept).stat().st_mode & 0o077 == 0


def test_a_private_key_is_given_to_its_service_alone() -> None:
    holders: dict[str, set[str]] = {}
    for name, service in services().items():
        for source in secrets_of(service).values():
            holders.setdefault(source, set()).add(name)

    for province in PROVINCES:
        both = {f"{province}.origin-agency", f"{province}.destination-agency"}
        for service_name in PROVINCE_SERVICES:
            name = f"{province}.{service_name}"
            assert holders[f"signing-{province}-{service_name}.key"] == {name}
            assert holders[f"{name}-database-url"] == {name}
            assert holders[f"password-kafka-{name}"] == {name, "provision-kafka"}
        for source in (f"sealing-{province}.key", f"idhash-{province}.key", f"bank-token-{province}.jwt"):
            assert holders[source] == both
        assert holders[f"password-postgres-admin-{province}"] == {f"postgres-{province}", f"provision-{province}"}


@pytest.mark.parametrize("name", sorted(AGENCIES))
def test_a_service_reads_its_settings_from_what_it_is_given(
    name: str, home: Path, tmp_path: Path, bare: pytest.MonkeyPatch
) -> None:
    province, service_name = name.split(".")
    service = services()[name]
    given_to(service, home, tmp_path / "secrets")
    for variable, value in service["environment"].items():
        bare.setenv(variable, value.replace("/run/secrets", str(tmp_path / "secrets")))
    secrets = Secrets.of(home)

    settings = Settings()

    assert (settings.province, settings.kafka_username) == (province, name)
    assert settings.kafka_password.get_secret_value() == secrets.password(f"kafka-{name}")
    assert settings.kafka_bootstrap == f"kafka:{KAFKA_INSIDE}"
    role = service_role(province, service_name)
    assert settings.keys_database_url is not None
    for url, database in ((settings.database_url, f"province_{province}"), (settings.keys_database_url, f"keys_{province}")):
        parts = urlsplit(url.get_secret_value())
        assert (parts.hostname, parts.port, parts.path) == (f"postgres-{province}", 5432, f"/{database}")
        assert (parts.username, parts.password) == (role, secrets.password(f"postgres-{role}"))
    assert settings.signing_key_file.read_text("ascii") == secrets.signing_file(province, service_name).read_text("ascii")
    assert settings.directory_root == root_fingerprint(secrets)
    if service_name == "notification":
        assert (settings.smtp_host, settings.smtp_port) == ("smtp-sink", 2525)
        assert settings.sealing_key_file is None
    else:
        assert settings.sealing_key_file is not None
        assert settings.sealing_key_file.read_text("ascii") == secrets.sealing_file(province).read_text("ascii")
        assert settings.id_hash_key_file is not None
        assert settings.id_hash_key_file.is_file()
        assert settings.bank_token_file is not None
        caller = TokenVerifier(settings.token_keys_file).verify(settings.bank_token_file.read_text("ascii"))
        assert (caller.province, set(caller.roles)) == (province, {Role.FUND_DESK})
        assert settings.bank_url == "http://bank:8080"


def test_the_bank_reads_its_settings_from_what_it_is_given(home: Path, tmp_path: Path, bare: pytest.MonkeyPatch) -> None:
    service = services()["bank"]
    given_to(service, home, tmp_path / "secrets")
    for variable, value in service["environment"].items():
        bare.setenv(variable, value.replace("/run/secrets", str(tmp_path / "secrets")))

    settings = BankSettings()

    parts = urlsplit(settings.database_url.get_secret_value())
    assert (parts.hostname, parts.path, parts.username) == ("postgres-bank", "/bank", "bank")
    assert parts.password == Secrets.of(home).password("postgres-bank")


def test_what_clock_there_is_the_environment_says() -> None:
    assert composition()["services"]["bank"]["environment"]["CLOCK"] == "system"
    moved = composition({"CLOCK": "scenario", "SCENARIO_START": "2024-05-06T00:00:00+08:00"})["services"]
    assert {moved[name]["environment"]["CLOCK"] for name in AGENCIES | {"bank"}} == {"scenario"}
    assert {moved[name]["environment"]["SCENARIO_START"] for name in AGENCIES | {"bank"}} == {"2024-05-06T00:00:00+08:00"}


def test_services_start_as_they_do_without_containers() -> None:
    for name in AGENCIES | {"bank"}:
        service = services()[name]
        words = [*service["entrypoint"], *service["command"]]

        native = local_services._uvicorn(name.split(".")[-1], 8080)

        assert sorted(words[1:]) == sorted(word.replace("127.0.0.1", "0.0.0.0") for word in native[1:]), name


def test_a_provinces_server_is_reached_by_its_own_services_alone() -> None:
    for owner in (*PROVINCES, "bank"):
        networks = services()[f"postgres-{owner}"]["networks"]
        sharing = {name for name, service in services().items() if set(service["networks"]) & set(networks)}
        own = {"bank"} if owner == "bank" else {principal_name(owner, service) for service in PROVINCE_SERVICES}
        assert sharing == {f"postgres-{owner}", f"provision-{owner}", *own}


def test_postgresql_is_told_the_same_as_without_containers() -> None:
    for owner in (*PROVINCES, "bank"):
        service = services()[f"postgres-{owner}"]
        told = dict(word.removeprefix("--").split("=", 1) for word in service["command"][1:])
        assert told == SETTINGS
        assert service["environment"]["POSTGRES_INITDB_ARGS"].split() == list(INITDB)
        assert not {"fsync", "synchronous_commit", "full_page_writes"} & set(told)
    assert {name: local_postgres._SETTINGS[name] for name in SETTINGS} == SETTINGS


def test_kafka_is_told_the_same_as_without_containers_but_where_it_listens(home: Path, tmp_path: Path) -> None:
    def settings(text: str) -> dict[str, str]:
        return dict(line.split("=", 1) for line in text.splitlines())

    server = local_kafka.KafkaServer(
        folder=tmp_path, log=tmp_path / "log", port=1, controller_port=2, password=Secrets.of(home).password("kafka-admin")
    )
    native = settings(server._properties())
    contained = settings((home / "secrets" / "kafka-server.properties").read_text("utf-8"))

    differing = {name for name in native | contained if native.get(name) != contained.get(name)}

    assert differing == {
        "listeners",
        "advertised.listeners",
        "listener.security.protocol.map",
        "controller.quorum.voters",
        "log.dirs",
        "listener.name.host.sasl.enabled.mechanisms",
        "listener.name.host.scram-sha-512.sasl.jaas.config",
    }
    assert set(contained["listener.security.protocol.map"].split(",")) == {
        f"{name}:SASL_PLAINTEXT" for name in ("CLIENT", "HOST", "CONTROLLER")
    }
    # Nobody but the broker itself reaches the controller.
    assert contained["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert contained["log.dirs"] == services()["kafka"]["entrypoint"][-1] == "/var/lib/kafka/data"


def test_kafka_advertises_the_port_that_is_published_whatever_it_is() -> None:
    for digits in ("18", "19"):
        service = composition({"JIEXU_PORTS": digits})["services"]["kafka"]
        address, port, inside = service["ports"][0].split(":")
        advertised = dict(each.split("://") for each in service["environment"]["ADVERTISED_LISTENERS"].split(","))
        assert advertised == {"CLIENT": f"kafka:{KAFKA_INSIDE}", "HOST": f"{address}:{port}"}
        assert (int(inside), port[:2]) == (KAFKA_PUBLISHED, digits)


def test_no_port_is_published_twice_and_a_second_stack_has_others() -> None:
    def published(digits: str) -> list[str]:
        of = composition({"JIEXU_PORTS": digits})["services"]
        return [port.rsplit(":", 1)[0] for service in of.values() for port in service.get("ports", [])]

    assert len(set(published("18"))) == len(published("18")) == len(AGENCIES) + 1 + len(SERVERS)
    assert not set(published("18")) & set(published("19"))


def test_the_jobs_prepare_what_the_services_need() -> None:
    assert services()["provision-kafka"]["command"][-2:] == ["kafka", ",".join(PROVINCES)]
    for province in PROVINCES:
        assert services()[f"provision-{province}"]["command"][-2:] == ["province", province]
        roles = {f"password-postgres-{service_role(province, service)}" for service in PROVINCE_SERVICES}
        assert roles <= set(secrets_of(services()[f"provision-{province}"]))
    passwords = {f"password-kafka-{name}" for name in AGENCIES}
    assert passwords <= set(secrets_of(services()["provision-kafka"]))


def test_making_it_again_changes_nothing_that_a_container_was_given(home: Path) -> None:
    before = {file: (file.read_bytes(), file.stat().st_ino) for file in sorted((home / "secrets").iterdir())}
    directory = (home / DIRECTORY_FILE).read_bytes()

    make(home)

    assert {file: (file.read_bytes(), file.stat().st_ino) for file in sorted((home / "secrets").iterdir())} == before
    assert (home / DIRECTORY_FILE).read_bytes() == directory


def test_every_variable_of_the_file_is_explained_in_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", (CHECKOUT / "docker-compose.yml").read_text("utf-8")))
    explained: dict[str, str] = dict(
        line.split("=", 1) for line in (CHECKOUT / ".env.example").read_text("utf-8").splitlines() if re.match(r"\w+=", line)
    )

    assert set(explained) == used
    # And its defaults are those of the file.
    assert composition() == composition(explained)
    assert CHECKOUT / explained["JIEXU_HOME"] == compose_home.HOME


def dockerfile() -> list[str]:
    """The instructions, each on one line."""
    text = (CHECKOUT / "deploy" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_image_holds_the_locked_packages_by_their_hashes_and_nothing_that_builds() -> None:
    lines = dockerfile()
    last = lines[max(at for at, line in enumerate(lines) if line.startswith("FROM")) :]
    installing = next(line for line in lines if "runtime.lock" in line and line.startswith("RUN"))

    assert [line for line in lines if line.startswith("FROM")] == ["FROM python:3.11-slim AS packages", "FROM python:3.11-slim"]
    assert "--require-hashes" in installing
    assert "--only-binary :all:" in installing
    assert not [line for line in last if re.search(r"pip\b.* install|apt-get|apk |curl|wget", line)]
    assert any("import os, pip" in line and "rm -rf" in line for line in last)
    assert last[-1] == "USER 10000:10000"
    assert not (CHECKOUT / "deploy" / "Dockerfile").read_text("utf-8").startswith("# syntax=")


def test_the_engine_is_sent_what_the_image_needs_and_no_secret() -> None:
    rules = [line for line in (CHECKOUT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    copied = {line.split()[1] for line in dockerfile() if line.startswith("COPY") and "--from" not in line}

    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert copied <= allowed
    assert allowed - copied == {"requirements"}


def test_the_anchors_are_all_used() -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text("utf-8")
    extensions: dict[str, Any] = {key: value for key, value in parsed().items() if key.startswith("x-")}

    assert len(extensions) == 7
    assert set(re.findall(r"&([\w-]+)", text)) == set(re.findall(r"\*([\w-]+)", text))
