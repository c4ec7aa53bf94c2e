"""Commands that pack runs, verify packed ones and compare two."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, cast

import typer

from nasdmrl.cli.options import app
from nasdmrl.cli.outputs import DEFAULT_RESULTS, ResultsOption


@app.command()
def archive(
    results: ResultsOption = DEFAULT_RESULTS,
    output: Annotated[Path | None, typer.Option(help="The archive; by default nasdmrl-SCALE-DATE.zip.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Pack what there is of a run that is not done.")] = False,
) -> None:
    """Pack a run, without images, into a zip file for a repository: a Workflow Run RO-Crate with SHA-256 sums."""
    from nasdmrl.report.archive import listed, pack

    packed = pack(results, output, partial)
    if packed.lacks:
        print(f"Incomplete: lacks {listed(packed.lacks)}", file=sys.stderr)
    print(packed.commits)
    print(f"{packed.path}: {packed.files} files, {packed.path.stat().st_size / 2**20:.1f} MiB")


@app.command()
def verify(
    archive: Path,
    rebuild: Annotated[bool, typer.Option(help="Make figures and tables again from the logs.")] = True,
) -> None:
    """Check an archive's sums, and that its figures and tables follow from its logs. Exit code 1 if not.

    Needs neither TensorFlow nor a GPU, and nothing but the archive.
    """
    for module in ("tensorflow", "keras"):  # an import of them now fails, so nothing here can train or look at images
        cast(dict[str, ModuleType | None], sys.modules).setdefault(module, None)
    from nasdmrl.report.archive import verify as outcomes

    wrong, same, unmade = 0, 0, 0
    for name, difference, made in outcomes(archive, rebuild):
        wrong += bool(difference) and made
        unmade += not made
        same += not difference
        said = f"differs: {difference}" if difference else "identical"
        print(f"{name}: {said}" if name else f"archive: {difference}")
    summary = [f"{wrong} problem{'s' if wrong > 1 else ''}" if wrong else "no problem"]
    summary += [f"{same} figures and tables made again from the logs and identical"] if rebuild else []
    summary += [f"{unmade} not made"] if unmade else []
    print(f"{archive}: {', '.join(summary)}")
    if wrong:
        raise typer.Exit(1)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Results of one run, A.")],
    second: Annotated[Path, typer.Argument(help="Results of another run, B.")],
    output: Annotated[Path, typer.Option(help="The page (HTML).")] = Path("compare.html"),
) -> None:
    """Write one page on what differs between two runs: settings, hardware, verdicts, tables and curves."""
    from nasdmrl.report.comparison import write_comparison

    write_comparison(first, second, output)
    print(output)
