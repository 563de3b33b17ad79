"""What a doctor hears from the services themselves: whether they live, what they wait for, their figures, clocks and tables."""

import http.client
import json
import re
import smtplib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from services.cli.doctor.findings import Finding
from services.rules.loader import RateNotPublished, Tables

_TIMEOUT_S = 6.0
_OLD_OUTBOX_S = 30.0
_OLD_NOTICE_S = 600.0
_STOOD_S = 2.0
_CLOCKS_DIFFER_S = 60.0
_NOTICE_MONTH = 12  # the State Council's notice for the next year is out by December
_RATE_MONTH = 8  # and last year's recording rate by August

_NAME = re.compile(r"^(\d\d)\.([a-z-]+?)(?:-(\d+))?$")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one service answered; None where it did not."""

    name: str
    live: tuple[int, dict[str, object]] | None = None
    ready: tuple[int, dict[str, object]] | None = None
    figures: Mapping[str, list[tuple[Mapping[str, str], float]]] | None = None
    clock: datetime | None = None

    @property
    def group(self) -> str:
        """The service's name without the number of its replica."""
        found = _NAME.match(self.name)
        return f"{found[1]}.{found[2]}" if found else self.name

    @property
    def province(self) -> str:
        """Its province."""
        return self.name.partition(".")[0]

    @property
    def service(self) -> str:
        """Its name inside the province."""
        return self.group.partition(".")[2]

    def sum(self, figure: str, **labels: str) -> float:
        """A figure over all its labels but those given; 0 where there is none."""
        rows = (self.figures or {}).get(figure, [])
        return sum(value for own, value in rows if all(own.get(key) == value for key, value in labels.items()))

    def most(self, figure: str) -> float:
        """The greatest value of a figure."""
        return max((value for _, value in (self.figures or {}).get(figure, [])), default=0.0)


def hear(services: Mapping[str, str], *, operator: Mapping[str, str]) -> list[Heard]:
    """Ask all of them at once.

    Args:
        services: base URLs by name.
        operator: by province, a bearer token with which a scenario's clock can be read; none is needed for all else.
    """
    with ThreadPoolExecutor(max(1, len(services))) as pool:
        return list(pool.map(lambda each: _hear(each[0], each[1], operator), services.items()))


def _hear(name: str, url: str, operator: Mapping[str, str]) -> Heard:
    live = _json(url, "/livez")
    if live is None:
        return Heard(name)
    ready = _json(url, "/readyz")
    answer = _get(url, "/metrics")
    figures = read_figures(answer[1].decode()) if answer is not None and answer[0] == 200 else None
    token = operator.get(name.partition(".")[0])
    told = _json(url, "/scenario/idle", token) if token else None
    clock = told[1].get("now") if told is not None and told[0] == 200 else None
    return Heard(name, live, ready, figures, datetime.fromisoformat(str(clock)) if clock else None)


def read_figures(text: str) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    """Prometheus's text by the name of each sample."""
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _json(url: str, path: str, token: str | None = None) -> tuple[int, dict[str, object]] | None:
    answer = _get(url, path, token)
    if answer is None:
        return None
    try:
        found = json.loads(answer[1])
    except ValueError:
        return answer[0], {}
    return answer[0], found if isinstance(found, dict) else {}


def _get(url: str, path: str, token: str | None = None) -> tuple[int, bytes] | None:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def health(heard: Iterable[Heard], *, up: str) -> list[Finding]:
    """Who does not answer or does not live, and what the others wait for."""
    found: list[Finding] = []
    for each in heard:
        if each.live is None:
            says = f"{each.name} does not answer on /livez within {_TIMEOUT_S:.0f} s although its process runs"
            found.append(Finding(each.name, says, f"look at the end of its log; end the process, then: {up}"))
            continue
        if each.live[0] != 200:
            because = each.live[1].get("because")
            shown = (
                "; ".join(f"{part}: {reason}" for part, reason in because.items()) if isinstance(because, dict) else "no reason"
            )
            found.append(Finding(each.name, f"{each.name} is no longer alive ({shown})", f"end the process, then: {up}"))
        waits_for = each.ready[1].get("waits_for") if each.ready is not None else None
        if not isinstance(waits_for, dict):
            found.append(Finding(each.name, f"{each.name} does not say on /readyz whether it is ready", f"end it, then: {up}"))
            continue
        since = each.ready[1].get("since", {}) if each.ready is not None else {}
        for part, reason in waits_for.items():
            seen = since.get(part, "") if isinstance(since, dict) else ""
            says = f"{each.name} waits for {part}: {reason}{f' (since {seen})' if seen else ''}"
            remedy = "it goes on by itself when that is back; docs/operating.md, Health, says what each part means"
            found.append(Finding(f"{each.group}/ready", says, remedy, _explained_by(each, part)))
    return found


def _explained_by(each: Heard, part: str) -> tuple[str, ...]:
    """What may be why a service waits for a part."""
    topics = [f"topic {name}" for name in ("directory", "checkpoints", f"journal.{each.province}", f"exchange.{each.province}")]
    kafka = ("kafka", f"principal {each.group}", f"acl {each.group}", *topics)
    role = f"role p{each.province}_{each.service.replace('-', '_')}"
    books = ("postgres", "postgres connections", role, f"database province_{each.province}", "database bank", "role bank")
    match part:
        case "database":
            return books
        case "keys":
            return (*books, f"database keys_{each.province}")
        case "directory":
            return (*kafka, f"directory {each.province}")
        case "kafka":
            return kafka
        case "mail":
            return ("smtp-sink",)
        case _:  # relay, handler and whatever comes later need both servers
            return (*kafka, *books, f"key {each.province}/{each.service}")


def figures(heard: Sequence[Heard], *, where: str = "") -> list[Finding]:
    """What the figures of services say that is wrong; `where` is what a command needs to find this stack."""
    found: list[Finding] = []
    done: set[str] = set()
    for each in heard:
        if each.live is None:
            continue
        if each.figures is None:
            says = f"{each.name} does not give its figures on /metrics"
            because = (each.name, f"{each.group}/ready", "kafka", "postgres")
            found.append(Finding(f"{each.name}/metrics", says, "look at the end of its log", because))
            continue
        unknown = [labels["source"] for labels, value in each.figures.get("jiexu_figures_unknown", []) if value]
        if unknown:
            says = f"{each.name} does not get its figures from: {', '.join(sorted(unknown))}"
            because = (each.name, f"{each.group}/ready", "kafka", "postgres")
            found.append(Finding(f"{each.name}/metrics", says, "look for figures.unknown in its log", because))
        stood = each.sum("jiexu_event_loop_stood_seconds")
        if stood >= _STOOD_S:
            says = f"the event loop of {each.name} stood still for {stood:.1f} s within the last minute"
            remedy = "its log says where (loop.stands); is the machine overloaded?"
            found.append(Finding(f"{each.name}/loop", says, remedy, (each.name,)))
        if each.group in done or each.service == "":
            continue  # replicas share what the database knows
        done.add(each.group)
        found += _shared(each, where)
    return found


def _shared(each: Heard, where: str) -> list[Finding]:
    found = []
    ready = f"{each.group}/ready"
    old = each.sum("jiexu_outbox_oldest_seconds")
    if old > _OLD_OUTBOX_S:
        rows = each.sum("jiexu_outbox_unpublished_rows")
        says = f"{rows:.0f} rows in the outbox of {each.group} are not published, the oldest for {old:.0f} s"
        because = (each.name, f"relay {each.group}", ready, "kafka", "postgres", f"acl {each.group}", f"principal {each.group}")
        found.append(Finding(f"outbox {each.group}", says, "look for relay.interrupted in its log", because))
    parked = each.sum("jiexu_quarantine_rows", state="parked")
    if parked:
        reasons = {
            labels["reason"]: value
            for labels, value in (each.figures or {}).get("jiexu_quarantine_rows", [])
            if labels["state"] == "parked"
        }
        behind = each.sum("jiexu_quarantine_rows", state="behind")
        shown = ", ".join(f"{reason} {count:.0f}" for reason, count in sorted(reasons.items()))
        says = f"{parked:.0f} records stand in the quarantine of {each.group} and wait for an operator ({shown})"
        says += f"; {behind:.0f} more wait behind them" if behind else ""
        remedy = f"jiexu quarantine list --province {each.province} --service {each.service}{where}; then show, and decide"
        found.append(Finding(f"quarantine {each.group}", says, remedy))
    late = each.sum("jiexu_cases_overdue")
    if late:
        stages = [labels["stage"] for labels, value in (each.figures or {}).get("jiexu_cases_overdue", []) if value]
        says = f"{late:.0f} open cases of {each.group} are past their due date ({', '.join(sorted(stages))})"
        found.append(
            Finding(f"overdue {each.group}", says, "the list, most urgent first: GET /cases?overdue=true at this agency")
        )
    waiting = each.sum("jiexu_notices_oldest_seconds")
    if waiting > _OLD_NOTICE_S:
        says = f"{each.sum('jiexu_notices_queued'):.0f} notices of {each.group} wait, the oldest for {waiting / 60:.0f} min"
        found.append(Finding(f"notices {each.group}", says, "look for mailer lines in its log", ("smtp-sink", ready, "postgres")))
    failed = each.sum("jiexu_notices_total", result="failed")
    if failed:
        says = f"{failed:.0f} notices of {each.group} could not be delivered since its start"
        found.append(Finding(f"notices {each.group}", says, "GET /notices at notification names the reasons", note=True))
    lost = each.sum("jiexu_bank_payments", what="lost")
    if lost:
        says = f"the bank has lost {lost:.0f} payments"
        found.append(Finding("bank payments", says, "as fund desk: POST /investigations/{case_id} at the bank", note=True))
    return found


def clocks(heard: Iterable[Heard]) -> list[Finding]:
    """Whether all clocks of a scenario agree; they are told one after the other, and one may have been left out."""
    known = {each.name: each.clock for each in heard if each.clock is not None}
    if not known:
        return []
    newest = max(known.values())
    behind = sorted(name for name, clock in known.items() if (newest - clock).total_seconds() > _CLOCKS_DIFFER_S)
    ahead = sorted(known.keys() - set(behind))
    if not behind:
        return []
    # No clock goes back, so the others follow whoever is ahead.
    odd, few = (behind, "behind") if len(behind) <= len(ahead) else (ahead, "ahead")
    says = f"the scenario's clocks differ: {', '.join(odd)} {'is' if len(odd) == 1 else 'are'} {few} ({_spread(known)})"
    remedy = f"move those that are behind ({', '.join(behind)}) to {newest.isoformat(timespec='seconds')}: PUT /scenario/clock"
    return [Finding("clock scenario", says, remedy)]


def _spread(known: Mapping[str, datetime]) -> str:
    return f"{min(known.values()):%F %H:%M} to {max(known.values()):%F %H:%M}"


def mail(port: int) -> list[Finding]:
    """Whether the mail server answers."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=_TIMEOUT_S) as server:
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        says = f"the mail server on port {port} does not answer: {type(error).__name__}"
        return [Finding("smtp-sink", says, "notices wait in notification.notices meanwhile, and are sent when it is back")]
    return []


def tables(known: Tables, today: date) -> list[Finding]:
    """Whether calendar and rates reach as far as they should by this day."""
    found = []
    years = known.calendar.known_years
    if today.year not in years:
        says = f"the calendar of {today.year} is not known: due dates count Monday to Friday and are provisional"
        remedy = f"jiexu calendar notice-{today.year}.csv --into tables --source TITLE; start the services with TABLES_DIR"
        found.append(Finding("calendar", says, remedy))
    elif today.year + 1 not in years:
        says = f"the calendar of {today.year + 1} is not known yet; limits that reach into it are provisional"
        remedy = (
            f"when the State Council's notice is out: jiexu calendar notice-{today.year + 1}.csv --into tables --source TITLE"
        )
        late = today.month >= _NOTICE_MONTH
        found.append(Finding("calendar", says + ("; the notice should be out" if late else ""), remedy, note=True))
    last = today.year - 1
    try:
        known.recording_rate(last, "00")
    except RateNotPublished:
        says = f"the recording rate of {last} is not known: forms that need it are answered RATE_PENDING"
        remedy = "add its row to recording_rates.toml when it is published"
        found.append(Finding("recording rate", says, remedy, note=today.month < _RATE_MONTH))
    return found
