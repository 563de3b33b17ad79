"""The command behind `make bench`; see docs/bench.md."""

import argparse
import json
import sys
import time
from pathlib import Path

from deploy.local.native import CHECKOUT
from deploy.local.processes import StackError
from services.cli.play import Unexpected
from tests.bench.document import write_document
from tests.bench.durability import NotDurable
from tests.bench.plan import PARTS, Plan, evidences, run_plan
from tests.bench.table import text

OUT = CHECKOUT / ".jiexu" / "bench"


def main() -> int:
    """Run the bench; 0 when every figure has its clean replay, 1 when one has not, 3 when there are no figures."""
    parser = _parser()
    wanted = parser.parse_args()
    if unknown := {part for part in wanted.only.split(",") if part} - set(PARTS):
        parser.error(f"--only knows {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {line}", file=sys.stderr, flush=True)

    try:
        result = run_plan(plan_of(wanted), wanted.out, tell)
    except (NotDurable, StackError, Unexpected) as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 3
    wanted.out.mkdir(parents=True, exist_ok=True)
    (wanted.out / "result.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if wanted.docs:
        write_document(result, CHECKOUT / "docs")
    print(json.dumps(result, ensure_ascii=False, indent=1) if wanted.json else text(result))
    if wanted.profile:
        print(f"look at it with: python -m pstats {wanted.out / wanted.profile}.pstats", file=sys.stderr)
    return 0 if all(agrees for _, agrees, _ in evidences(result)) else 1


def plan_of(wanted: argparse.Namespace) -> Plan:
    """What is asked for."""
    default = Plan()
    parts = tuple(part for part in wanted.only.split(",") if part) or PARTS
    return Plan(
        parts=("rounds",) if wanted.profile else parts,
        rounds=wanted.rounds,
        cases=wanted.cases,
        ones=wanted.ones,
        transfers=wanted.transfers,
        lists=wanted.lists,
        piles=(*default.piles, 30_000, 100_000) if wanted.full else default.piles,
        accounts=wanted.accounts or (1_000_000 if wanted.full else default.accounts),
        kill=not wanted.full,
        settings=dict(pair.split("=", 1) for pair in wanted.set),
        profile=wanted.profile,
        sampled=wanted.sampled,
    )


def _parser() -> argparse.ArgumentParser:
    default = Plan()
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="PARTS", help=f"separated by commas, of {', '.join(PARTS)}")
    parser.add_argument(
        "--full", action="store_true", help="grow to 100,000 cases and credit a million accounts, which takes some hours"
    )
    parser.add_argument("--rounds", type=int, default=default.rounds)
    parser.add_argument("--cases", type=int, default=default.cases, help="a round of ours")
    parser.add_argument("--ones", type=int, default=default.ones, help="cases a round at one message a transaction; 0: none")
    parser.add_argument("--transfers", type=int, default=default.transfers, help="of the bare saga a round; 0: none")
    parser.add_argument("--accounts", type=int, default=0, help=f"at the year's end; {default.accounts:,} if left out")
    parser.add_argument("--lists", action="store_true", help="carry by list approvals of 500 and not by automatic ones")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all our services")
    parser.add_argument("--profile", default="", metavar="SERVICE", help="44.origin-agency: one round, noted for pstats")
    parser.add_argument("--sampled", action="store_true", help="profile by looking every 4 ms, not by counting calls")
    parser.add_argument("--out", type=Path, default=OUT, help="where result.json and profiles go")
    parser.add_argument("--docs", action="store_true", help="write docs/bench.md, its curves and its result.json")
    parser.add_argument("--json", action="store_true", help="print everything that was read")
    return parser


if __name__ == "__main__":
    sys.exit(main())
