"""Commands that draw, tabulate, judge and document."""

from pathlib import Path
from typing import Annotated

import typer

from nasdmrl import __version__
from nasdmrl.cli.options import DEFAULT_CONFIG, ConfigOption, Logs, TableOutput, app

ResultsOption = Annotated[Path, typer.Option("--results", help="The workflow's results.")]
DEFAULT_RESULTS = Path("results")


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    from nasdmrl.config.reference import json_schema

    print(json_schema(), end="")


@app.command()
def config_reference() -> None:
    """Print every configuration key with its default and meaning, in Markdown."""
    from nasdmrl.config.reference import documentation

    print(documentation(), end="")


@app.command()
def notebook(
    source: Path,
    output: Path,
    inputs: Annotated[list[Path], typer.Argument(help="Step logs and best*.json files.")],
    figures: Annotated[Path, typer.Option(help="Folder of the figures.")] = Path("results/figures"),
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Execute a notebook on results; its figures go to --figures, the executed copy is OUTPUT."""
    from nasdmrl.report.notebooks import run_notebook

    parameters = {"inputs": [str(path) for path in inputs], "figures": str(figures), "config": config}
    run_notebook(source, output, parameters)


@app.command()
def curves(
    logs: Logs,
    output: Annotated[Path, typer.Option(help="The figures are OUTPUT_DATASET_METRIC.pdf and .png.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Draw curves as in Figure 9 from any step logs: a curve a method, three panels a dataset."""
    from nasdmrl.analysis.figures.run import save_curves
    from nasdmrl.config.model import load

    for path in save_curves(logs, output, load(config)):
        print(f"{path}.png")


@app.command()
def running_times(logs: Logs, output: TableOutput, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Write the running times of an experiment's searches beside the paper's (Tables 4, 5, 7, 9)."""
    from nasdmrl.analysis.episodes import experiment_of, read_logs
    from nasdmrl.analysis.provenance import provenance
    from nasdmrl.analysis.tables import write_everywhere
    from nasdmrl.analysis.times import times_table
    from nasdmrl.config.model import load

    steps = read_logs(logs)
    stamp = provenance(load(config), steps["dataset"])
    write_everywhere(times_table(steps, experiment_of(logs[0])), output, stamp)


@app.command()
def table6(
    output: TableOutput, results: ResultsOption = DEFAULT_RESULTS, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Write Table 6: the best networks and the VGG19 cut after long training."""
    from nasdmrl.analysis.provenance import provenance
    from nasdmrl.analysis.tables import table6 as trained_long
    from nasdmrl.analysis.tables import write_everywhere
    from nasdmrl.config.model import load

    settings = load(config)
    write_everywhere(trained_long(results, settings.exp2.repeats), output, provenance(settings))


@app.command()
def published_lengths(
    output: Annotated[
        Path | None, typer.Option(help="Where the table of all bins goes (CSV); the figure goes beside it.")
    ] = None,
) -> None:
    """Play the authors' random search again, without training, and compare its episodes' lengths with the published."""
    from nasdmrl.analysis.cells import for_people
    from nasdmrl.analysis.random_replay import agreement, compared, stamp, verdict
    from nasdmrl.analysis.tables import write_table

    table = compared()
    found = agreement(table)
    print(for_people(found).to_markdown(index=False, disable_numparse=True), f"\n{verdict(found)}", sep="\n")
    if output:
        from nasdmrl.analysis.figures.panels import save
        from nasdmrl.analysis.figures.replay import replay_figure

        write_table(table, output, stamp())
        save(replay_figure(table), output.with_suffix(""), stamp(), dpi=150)


@app.command()
def claims(
    output: TableOutput, results: ResultsOption = DEFAULT_RESULTS, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Write the verdict of this run on each claim of the paper."""
    from nasdmrl.analysis.claims import claims_table
    from nasdmrl.analysis.provenance import provenance
    from nasdmrl.analysis.tables import write_table
    from nasdmrl.config.model import load

    settings = load(config)
    stamp = provenance(settings)
    write_table(claims_table(results, settings, stamp), output, stamp)


@app.command()
def report(
    output: Annotated[Path, typer.Option(help="The page (HTML).")] = Path("results/report.html"),
    results: ResultsOption = DEFAULT_RESULTS,
    config: ConfigOption = DEFAULT_CONFIG,
    keep_config: Annotated[
        Path | None, typer.Option(help="Where the whole configuration goes, to be used as --config again (JSON).")
    ] = None,
) -> None:
    """Write one page with verdicts, figures and tables of this run beside the paper's."""
    from nasdmrl.config.model import load
    from nasdmrl.files import write_json
    from nasdmrl.report.page import write_report

    settings = load(config)
    write_report(results, output, settings)
    if keep_config:
        write_json(keep_config, settings.model_dump(mode="json"))
    print(output)
