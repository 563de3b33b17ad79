"""``jiexu quarantine``: what a province's services could not handle, and what is to become of it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import EXIT_CODES, ExitCode, fail, print_json
from services.cli.running import answering, find_province

app = typer.Typer(no_args_is_help=True, help="Records that could not be handled: look at them, and decide.")

_PERSONS = "Where it is about money, or nobody can tell, the verb only proposes: a second person approves."

LIST_HELP = f"""List what stands in quarantine, oldest first; or the documents of ours that others rejected.

Example: jiexu quarantine list --province 33 --reason unexpected --older-than 3600

{EXIT_CODES}
"""
SHOW_HELP = f"""Show one record whole: bytes, headers, reason, tries, every decision about it. What is sealed stays sealed.

Example: jiexu quarantine show 01a2080a-e81b-779d-9d76-095c0d409862 --province 33

{EXIT_CODES}
"""
RETRY_HELP = f"""Handle a record again as if it had just come. What waits behind it follows by itself.

Example: jiexu quarantine retry ID --province 33 --reason "the key is in the directory now"

{EXIT_CODES} 1: it was refused, or is parked again.
"""
AMEND_HELP = f"""Propose to handle a corrected text in a record's place. What its sender signed stays byte for byte.

--body is the corrected body of a sealed document as JSON; --text the whole record, where it has no body that opens or cannot be \
decoded. It is checked against its contract at once. A second person approves.

Example: jiexu quarantine amend ID --province 33 --body form.json --reason "the months were written in years"

{EXIT_CODES} 1: it was refused; the field is named.
"""
SKIP_HELP = f"""Set a record aside for good; what waits behind it goes on. {_PERSONS}

Example: jiexu quarantine skip ID --province 33 --reason "sent twice by mistake"

{EXIT_CODES}
"""
REJECT_HELP = f"""Send a record back: its sender gets a signed document with the reason and what helps. {_PERSONS}

Example: jiexu quarantine reject ID --province 33 --reason "no such case here" --remedy "check the case and send it again"

{EXIT_CODES}
"""
APPROVE_HELP = f"""Approve a proposal as a second person; it is done at once. DECISION is the id that `list` and `show` name.

With --body or --text the checker gives the corrected text, too, and it must be the proposed one.

Example: jiexu quarantine approve DECISION --province 33 --reason "compared with the paper form"

{EXIT_CODES} 1: it was refused (SAME_PERSON: by whoever proposed it), or is parked again.
"""
WITHDRAW_HELP = f"""Take a proposal back, as the one who made it.

Example: jiexu quarantine withdraw DECISION --province 33 --reason "the wrong record"

{EXIT_CODES}
"""


class Service(StrEnum):
    """The services that hear, and so may have something in quarantine."""

    ORIGIN = "origin-agency"
    DESTINATION = "destination-agency"
    NOTIFICATION = "notification"


Province = Annotated[str, typer.Option("--province", help="Two digits.")]
Where = Annotated[Service | None, typer.Option("--service", help="Only this service's quarantine.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands on the journal, so it names no person.")]
As = Annotated[str | None, typer.Option("--as", help="Name (`sub`) of the person who acts.", show_default=False)]
Home = Annotated[Path | None, typer.Option("--home", help="Where the stack lives instead of .jiexu.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Id = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
DecisionId = Annotated[str, typer.Argument(metavar="DECISION", show_default=False)]
File = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, show_default=False)]

_DONE = {
    "proposed": "proposed; somebody else approves: jiexu quarantine approve {decision_id} --province {province}",
    "handled": "handled; what waits behind it follows by itself",
    "repeated": "its effect was there already; nothing was done again",
    "queued": "proven now; it waits behind another record of its case",
    "failed": "parked again: {failure}: {detail}",
    "set_aside": "set aside for good",
    "rejected": "sent back to its sender as document {rejection_id}",
    "withdrawn": "the proposal is withdrawn",
}


@app.command("list", help=LIST_HELP)
def list_(
    province: Province,
    service: Where = None,
    reason: Annotated[list[str] | None, typer.Option("--reason", help="Only these.", show_default=False)] = None,
    case: Annotated[str | None, typer.Option("--case", help="Only this case.", show_default=False)] = None,
    older_than: Annotated[float, typer.Option("--older-than", min=0, help="Seconds.")] = 0,
    every: Annotated[bool, typer.Option("--all", help="Also what is dealt with.")] = False,
    rejected_by_others: Annotated[bool, typer.Option("--rejected-by-others", help="Documents of ours.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List what stands in quarantine."""
    from services.messaging.parking import State

    params: dict[str, Any] = {"older_than_s": older_than, "limit": 5000}
    params |= {"reason": reason} if reason else {}
    params |= {"case_id": case} if case else {}
    params |= {"state": [state.value for state in State]} if every else {}
    client = _Client(province, home, "auditor")
    path = "/rejections" if rejected_by_others else "/quarantine"
    found: list[dict[str, Any]] = []
    for name in client.services(service):
        answer = client.ask("GET", name, path, params={"limit": 5000} if rejected_by_others else params)
        found += [{"service": f"{province}/{name}", **row} for row in client.good(answer)]
    if as_json:
        print_json(found)
    elif not found:
        typer.echo("nothing was rejected by others" if rejected_by_others else "nothing stands in quarantine")
    elif rejected_by_others:
        for row in found:
            typer.echo(
                f"{row['received_at'][:19]}  {row['service']} no. {row['number']}  {row['document_type']}  {row['case_id']}"
            )
            typer.echo(f"    {row['rejected_by']}: {row['code']}; {row['remedy']}")
    else:
        for row in found:
            typer.echo(f"{row['quarantine_id']}  {row['service']}  {row['state']:<8} {row['reason']:<15} {_age(row['age_s'])}")
            typer.echo(f"    {row['type'] or 'of no type'}, case {row['case_key']}: {row['detail']}")
            if row["proposal"]:
                typer.echo(f"    {row['proposed_by']} proposes to {row['proposed_verb']} it: decision {row['proposal']}")


@app.command(help=SHOW_HELP)
def show(quarantine_id: Id, province: Province, service: Where = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show one record whole."""
    client = _Client(province, home, "auditor")
    name, answer = client.find("GET", service, f"/quarantine/{quarantine_id}")
    found = client.good(answer)
    if as_json:
        print_json({"service": f"{province}/{name}", **found})
        return
    decisions = found.pop("decisions")
    headers = found.pop("headers_base64")
    typer.echo(f"service: {province}/{name}")
    for field, value in found.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{field}: {shown if shown not in (None, '') else '-'}")
    for field, value in headers.items():
        typer.echo(f"header {field}: {value}")
    for each in decisions:
        checked = f", {each['checker']}: {each['approval']}" if each["checker"] else ""
        what = each["outcome"] or each["state"]
        typer.echo(f"decision {each['decision_id']}: {each['verb']}, {what} ({each['maker']}: {each['reason']}{checked})")


@app.command(help=RETRY_HELP)
def retry(
    quarantine_id: Id,
    province: Province,
    reason: Reason,
    service: Where = None,
    who: As = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Handle a record again."""
    _act(_Client(province, home, "operator", who), service, f"/quarantine/{quarantine_id}/retry", {"reason": reason}, as_json)


@app.command(help=AMEND_HELP)
def amend(
    quarantine_id: Id,
    province: Province,
    reason: Reason,
    body: File = None,
    text: File = None,
    service: Where = None,
    who: As = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Propose a corrected text."""
    wish = {"reason": reason, **_content(body, text, needed=True)}
    _act(_Client(province, home, "operator", who), service, f"/quarantine/{quarantine_id}/amend", wish, as_json)


@app.command(help=SKIP_HELP)
def skip(
    quarantine_id: Id,
    province: Province,
    reason: Reason,
    service: Where = None,
    who: As = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set a record aside for good."""
    _act(_Client(province, home, "operator", who), service, f"/quarantine/{quarantine_id}/skip", {"reason": reason}, as_json)


@app.command(help=REJECT_HELP)
def reject(
    quarantine_id: Id,
    province: Province,
    reason: Reason,
    remedy: Annotated[str, typer.Option("--remedy", help="What the sender can do; it is told so.")],
    code: Annotated[str | None, typer.Option("--code", help="For the sender, if not the quarantine's reason.")] = None,
    service: Where = None,
    who: As = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Send a record back to its sender."""
    wish = {"reason": reason, "remedy": remedy, "code": code}
    _act(_Client(province, home, "operator", who), service, f"/quarantine/{quarantine_id}/reject", wish, as_json)


@app.command(help=APPROVE_HELP)
def approve(
    decision_id: DecisionId,
    province: Province,
    reason: Reason,
    body: File = None,
    text: File = None,
    service: Where = None,
    who: As = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Approve a proposal."""
    wish = {"reason": reason, **_content(body, text, needed=False)}
    _act(_Client(province, home, "checker", who), service, f"/quarantine/decisions/{decision_id}/approve", wish, as_json)


@app.command(help=WITHDRAW_HELP)
def withdraw(
    decision_id: DecisionId,
    province: Province,
    reason: Reason,
    service: Where = None,
    who: As = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a proposal back."""
    path = f"/quarantine/decisions/{decision_id}/withdraw"
    _act(_Client(province, home, "operator", who), service, path, {"reason": reason}, as_json)


class _Client:
    """The running services of a province, asked as somebody."""

    def __init__(self, province: str, home: Path | None, role: str, name: str | None = None) -> None:
        from services.runtime.identity import Role as Known

        self._endpoints, tokens = find_province(province, home)
        token = tokens.staff(province, Known(role), name=name or "")
        self.province = province
        self._headers = {"authorization": f"Bearer {token}"}

    def services(self, only: Service | None) -> list[str]:
        """The services to be asked that run here."""
        wanted = [only] if only is not None else list(Service)
        found = [name.value for name in wanted if f"{self.province}.{name.value}" in self._endpoints.services]
        if not found:
            raise fail(f"none of the services {', '.join(wanted)} runs in province {self.province}", ExitCode.WRONG_USE)
        return found

    def ask(self, method: str, service: str, path: str, **options: Any) -> Any:
        """One request to a service, whatever the answer."""
        import httpx

        url = self._endpoints.url(self.province, service) + path
        with answering(f"{self.province}/{service}"):
            return httpx.request(method, url, headers=self._headers, timeout=60, **options)

    def find(self, method: str, only: Service | None, path: str, **options: Any) -> tuple[str, Any]:
        """The first service that knows what the path names, and its answer; ids are unique among all services."""
        answers = [(name, self.ask(method, name, path, **options)) for name in self.services(only)[:1]]
        for name in self.services(only)[1:]:
            if answers[-1][1].status_code != 404:
                break
            answers.append((name, self.ask(method, name, path, **options)))
        return answers[-1]

    @staticmethod
    def good(answer: Any) -> Any:
        """The answer's content; a refusal ends the command."""
        if answer.status_code < 300:
            return answer.json()
        try:
            problem = answer.json()
            remedy = f" {problem['remedy']}" if problem.get("remedy") else ""
            what = f"{problem['code']}: {problem['detail']}{remedy}"
        except (ValueError, KeyError, TypeError):
            what = f"HTTP {answer.status_code}"
        raise fail(what, ExitCode.COULD_NOT_TELL if answer.status_code >= 500 else ExitCode.NO)


def _act(client: _Client, service: Service | None, path: str, wish: dict[str, Any], as_json: bool) -> None:
    name, answer = client.find("POST", service, path, json=wish)
    if as_json and answer.headers.get("content-type", "").endswith("problem+json"):
        print_json(answer.json())
    done = client.good(answer)
    if as_json:
        print_json({"service": f"{client.province}/{name}", **done})
    else:
        typer.echo(_DONE[done["outcome"]].format(province=client.province, **done))
    if done["outcome"] == "failed":
        raise typer.Exit(ExitCode.NO)


def _content(body: Path | None, text: Path | None, *, needed: bool) -> dict[str, Any]:
    """What a file gives of an amendment."""
    if (body is not None and text is not None) or (needed and body is None and text is None):
        raise typer.BadParameter("name --body or --text")
    try:
        if body is not None:
            return {"body": json.loads(body.read_text(encoding="utf-8"))}
        return {"text": text.read_text(encoding="utf-8")} if text is not None else {}
    except ValueError:
        raise typer.BadParameter("--body must be JSON, and files UTF-8") from None


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
