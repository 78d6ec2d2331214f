#!/usr/bin/env python3
"""Measures the addon beside what one would do otherwise, and prints a table. Started by `./dev bench`."""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from lab import Lab, dev
from rows import ON_REQUEST, ROWS
from timing import Check

VERDICTS = {True: "reached", False: "**not reached**", None: ""}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the usual amounts (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant runs (default: %(default)s)")
    usual = [name for name in ROWS if name not in ON_REQUEST]
    rows = f"{', '.join(usual)} (the default); on request {', '.join(sorted(ON_REQUEST))}"
    parser.add_argument("--only", nargs="+", choices=ROWS, default=usual, metavar="ROW", help=rows)
    parser.add_argument("--workers", type=int, default=1, help="processes of the server (default: %(default)s)")
    return parser.parse_args()


def machine(lab: Lab) -> dict[str, str]:
    """Where this was measured, and on what."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").open() if line.startswith("model name")),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB",
        "load": f"{os.getloadavg()[2]:.1f} over the last 15 minutes, this benchmark included",
        "python": platform.python_version(),
        "postgresql": lab.shop.sql("SHOW server_version")[0],
        "odoo": _output(dev.VENV_PYTHON, dev.ODOO_BIN, "--version", env=lab.shop.environ),
        "addon": _output("git", "describe", "--always", "--dirty"),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def _output(*command: str, **options) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options).stdout.strip()


def figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def as_table(checks: list[Check]) -> str:
    lines = ["| work | ours | unit | compared with | theirs | ratio | target | |", "|---|--:|---|---|--:|--:|--:|---|"]
    for check in checks:
        target = "" if check.target is None else f"{'≤' if check.at_most else '≥'} {check.target:,}"
        cells = (
            check.work,
            figure(check.ours),
            check.unit,
            check.against,
            figure(check.theirs),
            "" if check.ratio is None else f"{check.ratio:.2f} ×",
            target,
            VERDICTS[check.reached],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def report(options: argparse.Namespace, about: dict[str, str], checks: list[Check], seconds: int) -> None:
    if options.json:
        rows = [{**asdict(check), "reached": check.reached} for check in checks]
        figures = {**about, "scale": options.scale, "rounds": options.rounds, "seconds": seconds, "rows": rows}
        options.json.write_text(json.dumps(figures, indent=2))
    print(as_table(checks))
    print(f"\n{', '.join(f'{name} {value}' for name, value in about.items())}; scale {options.scale}; {seconds} s")


def main() -> int:
    options = read_options()
    started, checks = time.monotonic(), []
    with contextlib.ExitStack() as stack:
        lab = Lab(stack, options.scale, options.rounds, options.workers)
        try:
            for number, name in enumerate(options.only, 1):
                print(f"{name} ({number} of {len(options.only)})", file=sys.stderr, flush=True)
                checks += ROWS[name](lab)
        finally:
            # What was measured until it was interrupted is worth having.
            report(options, machine(lab), checks, round(time.monotonic() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
