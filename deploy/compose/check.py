"""Looks at containers that run: whether each is kept to what docker-compose.yml says, asked of the engine and of the kernel.

`make compose-check` brings a stack of its own up, looks, breaks a few things on purpose, and takes it down.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.compose.engine import Container, command, look_for_docker
from deploy.compose.stack import ComposeStack
from deploy.local.native import CHECKOUT
from deploy.local.processes import StackError

HOME = CHECKOUT / ".jiexu" / "compose-check"
PORTS = "17"

_SHORTEST_SECRET = 20
"""Shorter contents are no secrets but settings."""


def complaints(inspected: Mapping[str, Any], status: str, secrets: Sequence[str]) -> list[str]:
    """What is wrong with one container, in words.

    Args:
        inspected: what `docker inspect` tells of it.
        status: `/proc/1/status` inside, what the kernel says of its first process; empty for a job that has ended.
        secrets: contents of all secrets, none of which may stand in its settings.
    """
    config, host = inspected["Config"], inspected["HostConfig"]
    wrong = []
    if config["User"].split(":")[0] in ("", "0", "root"):
        wrong.append("runs as root")
    if not host["ReadonlyRootfs"]:
        wrong.append("its root can be written to")
    if [name.upper() for name in host["CapDrop"] or []] != ["ALL"] or host["CapAdd"]:
        wrong.append("keeps capabilities")
    if host["Privileged"] or not any("no-new-privileges" in option for option in host["SecurityOpt"] or []):
        wrong.append("may gain privileges")
    if not host["Memory"] or not host["PidsLimit"]:
        wrong.append("has no limit of memory or processes")
    bound = [binding["HostIp"] for bindings in (host["PortBindings"] or {}).values() for binding in bindings]
    if any(address != "127.0.0.1" for address in bound):
        wrong.append(f"is published on {', '.join(bound)}")
    told = "\n".join([*config["Env"], *(config["Cmd"] or []), *(config["Entrypoint"] or [])])
    if any(secret in told for secret in secrets):
        wrong.append("has a secret in its environment or command")
    if status:
        wrong += _complaints_of_the_kernel(status)
    return wrong


def _complaints_of_the_kernel(status: str) -> list[str]:
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    wrong = []
    if "0" in fields["Uid"].split():
        wrong.append("its first process is root's")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if int(fields[name], 16):
            wrong.append(f"its first process has {name} {fields[name].strip()}")
    if fields["NoNewPrivs"].strip() != "1":
        wrong.append("its first process may gain privileges")
    return wrong


def look(containers: Sequence[Container], home: Path) -> list[tuple[Container, list[str]]]:
    """Each container with what is wrong with it."""
    texts = [file.read_text(encoding="utf-8").strip() for file in (home / "secrets").iterdir()]
    secrets = [text for text in texts if len(text) >= _SHORTEST_SECRET]
    inspected = json.loads(command(["docker", "inspect", *(each.name for each in containers)], "docker inspect", timeout_s=60))
    found = []
    for container, told in zip(containers, inspected, strict=True):
        status = "" if container.done else _inside(container, "cat", "/proc/1/status")
        wrong = complaints(told, status, secrets)
        if not container.done:
            wrong += _tries(container)
            if container.health != "healthy":
                wrong.append(f"is {container.health or container.state}")
        found.append((container, wrong))
    return found


def _tries(container: Container) -> list[str]:
    """What the container's user should not be able to do, tried."""
    wrong = []
    for what, script in {
        "can write beside its own folders": "touch /written || touch /etc/written || touch /opt/written",
        "can read the host's disks or a shadow file": "cat /etc/shadow",
    }.items():
        try:
            _inside(container, "sh", "-c", script)
        except StackError:
            continue
        wrong.append(what)
    return wrong


def _inside(container: Container, *words: str) -> str:
    return command(["docker", "exec", container.name, *words], f"docker exec {container.name}", timeout_s=60)


def main() -> int:
    """Bring a stack up, look at every container, kill one service, and take everything down; 0 if nothing is wrong."""
    began = time.monotonic()

    def tell(sentence: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {sentence}", flush=True)

    stack = ComposeStack(HOME, ports=PORTS)
    try:
        look_for_docker()
        stack.down(wipe=True)
        try:
            stack.up(tell=tell)
            found = look(stack.compose.containers(), stack.home)
            for container, wrong in found:
                state = "job, done" if container.done else container.health
                print(f"  {container.service:22} {state:10} {'; '.join(wrong) or 'well'}")
            bad = [container.service for container, wrong in found if wrong]
            tell(f"{len(found)} containers looked at, {len(bad)} with something wrong")
            tell(_killed_and_back(stack, "44.origin-agency"))
            tell("bringing it up again, which must change nothing")
            stack.up(tell=tell)
        finally:
            stack.down(wipe=True)
            tell("taken down, with its data and secrets")
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if bad else 0


def _killed_and_back(stack: ComposeStack, service: str, within_s: float = 90.0) -> str:
    """End the process of a service, as the kernel does when memory is short, and wait until the engine has it back.

    Raises `StackError` when it does not come back.
    """
    before = next(each for each in stack.compose.containers() if each.service == service)
    pid = command(["docker", "inspect", "--format", "{{.State.Pid}}", before.name], "docker inspect").strip()
    # The engine's own kill would count as a wish that it stays down, and from inside the first process cannot be killed.
    if os.geteuid() == 0 and Path("/proc", pid).exists():
        os.kill(int(pid), signal.SIGKILL)
        how = "killed"
    else:
        _inside(before, "bash", "-c", "kill -TERM 1")
        how = "ended from inside"
    end = began = time.monotonic()
    while end - began < within_s:
        time.sleep(1)
        end = time.monotonic()
        now = next(each for each in stack.compose.containers() if each.service == service)
        restarts = command(["docker", "inspect", "--format", "{{.RestartCount}}", before.name], "docker inspect").strip()
        if restarts != "0" and now.health == "healthy":
            return f"{service} was {how} and is healthy again after {end - began:.0f} s"
    raise StackError(f"{service} was {how} and is not healthy again within {within_s:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
