"""`dlc doctor`: the installed packages, and the devices of this machine."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import click

from dlc.cli.options import form_option
from dlc.cli.terminal_text import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.doctor import DoctorCheck, InstallFinding


@click.command(short_help="Check the installation and the devices.")
@form_option
def command(form: str) -> None:
    """Check what is installed, what is missing for which commands, and which device training and artifacts
    use on this machine. The exit code is 1 if something is broken; optional packages may be missing."""
    from dlc.doctor import CHECKS

    found = [(check, check.run()) for check in CHECKS]
    if form == "json":
        show_json(found)
    else:
        show_text(found)
    sys.exit(1 if any(finding.status == "error" for _, finding in found) else 0)


def show_text(found: Sequence[tuple[DoctorCheck, InstallFinding]]) -> None:
    from dlc.doctor import machine

    about = machine()
    gpus = ", ".join(about["gpus"]) or "no NVIDIA GPU"
    say(f"dlc {about['dlc']}, Python {about['python']}, {about['system']}, {gpus}\n")
    width = max(len(check.name) for check, _ in found)
    for check, finding in found:
        head = f"{finding.status:7}  {check.name:{width}}  "
        say(lines(head, finding.message))
        if finding.status != "ok":
            say(lines(" " * len(head), f"needed for {check.serves}"))
            say(f"{' ' * len(head)}fix: {finding.fix}")  # on one line, so that it can be copied


def lines(head: str, text: str) -> str:
    """The head and a text, wrapped with a hanging indent."""
    from dlc.reference.terminal import WIDTH

    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def show_json(found: Sequence[tuple[DoctorCheck, InstallFinding]]) -> None:
    import json

    from dlc.doctor import machine

    checks = [
        {"name": c.name, "status": f.status, "message": f.message, "serves": c.serves, "fix": f.fix}
        for c, f in found
    ]
    click.echo(json.dumps(machine() | {"checks": checks}, indent=2, ensure_ascii=False))
