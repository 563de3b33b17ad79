"""The dated tables over HTTP: operators import rows, everybody who works here or audits reads which rows hold on a day."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Response
from pydantic import Field, model_validator

from contracts.base import Command, Contract
from services.records.rulebook import MeanwhileImported, Rulebook, RuleImport
from services.rules.loader import TablesInvalid
from services.rules.table_import import ImportRefused
from services.runtime.http import Problem, require
from services.runtime.identity import STAFF, Caller, Role


class ImportWish(Command):
    """Rows of one table as text: TOML in the form of the tables, or a holiday notice as CSV with its title as `source`.

    What would change answers for days that have passed is taken only with `replace`, and with the reason.
    """

    text: str = Field(min_length=1, max_length=1_000_000)
    form: Literal["toml", "csv"] = "toml"
    source: str = Field(default="", max_length=300)
    replace: bool = False
    reason: str = Field(default="", max_length=300, description="stands on the journal in clear, so it names no person")

    @model_validator(mode="after")
    def _a_replacement_has_a_reason(self) -> "ImportWish":
        if self.replace and len(self.reason.strip()) < 3:
            raise ValueError("rows that replace others need a reason")
        return self


class ImportShown(Contract):
    """An import that was taken."""

    number: int
    import_id: str
    table: str
    rows: int
    effective_from: date
    replaces: bool
    reason: str
    digest: str
    rule_set_before: str
    rule_set_after: str
    actor: str
    imported_at: datetime


class RuleSetShown(Contract):
    """The rule set in force, and the imports that made it of the tables that the service was started with."""

    rule_set: str
    imports: tuple[ImportShown, ...]


def add_import(api: FastAPI, rulebook: Rulebook, province: str, told: Callable[[], None]) -> None:
    """Add the route by which rows come in, to the service that says so on its journal.

    Args:
        told: called when an import was taken, to wake the relay.
    """
    Operator = Annotated[Caller, Depends(require(province, [Role.OPERATOR]))]

    @api.post("/rules/imports", status_code=201)
    async def import_rows(wish: ImportWish, caller: Operator, response: Response) -> ImportShown:
        """Import rows of a dated table; running services decide with them from here on. The same text again changes nothing."""
        try:
            taken, fresh = await rulebook.take(
                wish.text, wish.form, source=wish.source, replace=wish.replace, reason=wish.reason.strip(), actor=caller.sub
            )
        except ImportRefused as error:
            remedy = "Correct the file, then send it again."
            if error.code == "CHANGES_THE_PAST":
                remedy = "Let the row begin on a day to come; or say `replace` with a reason, and correct what was decided."
            status = 409 if error.code in _CONFLICTS else 422
            raise Problem(status, error.code, str(error), field="text", remedy=remedy) from error
        except TablesInvalid as error:
            detail = f"{len(error.problems)} things are wrong; nothing was taken."
            raise Problem(
                422,
                "ROWS_INVALID",
                detail,
                field="text",
                errors=[{"field": "text", "reason": problem} for problem in error.problems],
                remedy="Correct the named rows.",
            ) from error
        except MeanwhileImported as error:
            raise Problem(409, "RULES_CHANGED_MEANWHILE", str(error), remedy="Send the same again.") from error
        if fresh:
            told()
        else:
            response.status_code = 200
        return _shown(taken)


def add_routes(api: FastAPI, rulebook: Rulebook, province: str) -> None:
    """Add the routes by which the rows in force are read."""
    Reader = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]

    @api.get("/rules")
    async def rules(_: Reader) -> RuleSetShown:
        """Which rule set is in force, and which imports it holds."""
        imports = await rulebook.imports()
        return RuleSetShown(rule_set=rulebook.rule_set, imports=tuple(map(_shown, imports)))

    @api.get("/rules/{table}")
    async def table(
        table: Annotated[str, Path(pattern=r"^[a-z_]{1,60}$")],
        _: Reader,
        on: Annotated[date | None, Query(description="only what is in force on this day")] = None,
    ) -> dict[str, Any]:
        """The rows of one table, each with the key that it stands under."""
        try:
            rows = rulebook.rows(table, on)
        except ImportRefused as error:
            raise Problem(404, "NO_SUCH_TABLE", str(error), remedy="Look at the tables in services/rules/tables.") from error
        return {"table": table, "on": on, "rule_set": rulebook.rule_set, "rows": [_plain(row) for row in rows]}


_CONFLICTS = ("CHANGES_THE_PAST", "NOTHING_NEW")


def _shown(taken: RuleImport) -> ImportShown:
    return ImportShown(**{name: getattr(taken, name) for name in ImportShown.model_fields})


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: days and numbers that are no integers as text."""
    return {key: value if isinstance(value, bool | int | str) else _text(value) for key, value in row.items()}


def _text(value: Any) -> Any:
    return [_text(each) for each in value] if isinstance(value, list) else value if isinstance(value, int) else str(value)
