"""`dlc runs`: the runs of specs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlc.cli.options import form_option
from dlc.cli.terminal_text import pass_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.run_list import ListedRun, SpecRuns


@click.command(short_help="List and compare runs.")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@form_option
def command(folders: tuple[str, ...], form: str) -> None:
    """List the runs in these folders, by default `runs`: when they ran and how they ended, their best figures
    and their time, the params and settings that differ, and what the versions of a spec changed. A folder is
    one run, those of a spec, or those of several specs."""
    from dlc.cli.command_errors import note
    from dlc.run_list import find_runs

    unreadable: list[str] = []
    groups = find_runs(folders or ("runs",), unreadable)
    if form == "json":
        import json

        click.echo(json.dumps(as_json(groups), indent=2, ensure_ascii=False, default=str))
    elif groups:
        from dlc.show.runs import text

        pass_on(text(groups))
    note(unreadable)


def as_json(groups: Sequence[SpecRuns]) -> list[dict[str, Any]]:
    """The runs of each spec. `changes` are the sentences of what each version of the spec changed."""
    return [
        {
            "spec": group.name,
            "runs": [of_run(run) | {"version": group.version(run)} for run in group.runs],
            "differing_params": group.params(),
            "changes": {
                number: found if isinstance(found, str) else [str(d) for d in found]
                for number, found in group.changes()
            },
        }
        for group in groups
    ]


def of_run(run: ListedRun) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "begun": run.record.how.get("begun"),
        "ended": run.record.ended,
        "epochs": len(run.record.epochs),
        "best_epoch": run.best.get("epoch"),
        "seconds": run.seconds,
        "params": run.record.params,
        "figures": run.figures,
    }
