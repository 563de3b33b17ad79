"""What is looked for in a running container: each thing that may be wrong is found, and a good one is left in peace."""

from typing import Any

import pytest

from deploy.compose.check import complaints

STATUS = "\n".join(
    [
        "Name:\tpython",
        "Uid:\t10001\t10001\t10001\t10001",
        *(f"{name}:\t0000000000000000" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")),
        "NoNewPrivs:\t1",
    ]
)
SECRET = "a-secret-of-some-length"


def a_container() -> dict[str, Any]:
    return {
        "Config": {"User": "10001:10001", "Env": ["SECRETS_DIR=/run/secrets"], "Cmd": ["app"], "Entrypoint": ["python"]},
        "HostConfig": {
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "CapAdd": None,
            "Privileged": False,
            "SecurityOpt": ["no-new-privileges:true"],
            "Memory": 1 << 30,
            "PidsLimit": 200,
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18441"}]},
        },
    }


def test_a_container_that_is_kept_short_is_left_in_peace() -> None:
    assert complaints(a_container(), STATUS, [SECRET]) == []
    assert complaints(a_container(), "", [SECRET]) == []


@pytest.mark.parametrize(
    ("part", "name", "value", "complaint"),
    [
        ("Config", "User", "", "runs as root"),
        ("Config", "User", "0:10001", "runs as root"),
        ("Config", "Env", [f"KAFKA_PASSWORD={SECRET}"], "has a secret in its environment or command"),
        ("Config", "Cmd", ["--password", SECRET], "has a secret in its environment or command"),
        ("HostConfig", "ReadonlyRootfs", False, "its root can be written to"),
        ("HostConfig", "CapDrop", None, "keeps capabilities"),
        ("HostConfig", "CapAdd", ["NET_ADMIN"], "keeps capabilities"),
        ("HostConfig", "Privileged", True, "may gain privileges"),
        ("HostConfig", "SecurityOpt", None, "may gain privileges"),
        ("HostConfig", "Memory", 0, "has no limit of memory or processes"),
        ("HostConfig", "PidsLimit", None, "has no limit of memory or processes"),
        ("HostConfig", "PortBindings", {"8080/tcp": [{"HostIp": "", "HostPort": "1"}]}, "is published on "),
    ],
)
def test_what_the_engine_tells_of_it_is_looked_at(part: str, name: str, value: object, complaint: str) -> None:
    container = a_container()
    container[part][name] = value

    assert complaints(container, STATUS, [SECRET]) == [complaint]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("10001\t10001\t10001", "10001\t0\t10001", "its first process is root's"),
        ("CapEff:\t0000000000000000", "CapEff:\t00000000a80425fb", "its first process has CapEff 00000000a80425fb"),
        ("CapBnd:\t0000000000000000", "CapBnd:\t0000000000000400", "its first process has CapBnd 0000000000000400"),
        ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "its first process may gain privileges"),
    ],
)
def test_the_kernel_has_the_last_word(before: str, after: str, complaint: str) -> None:
    assert complaints(a_container(), STATUS.replace(before, after, 1), [SECRET]) == [complaint]
