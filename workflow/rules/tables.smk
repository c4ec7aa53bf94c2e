# Tables of the searches, the verdicts on the paper's claims, and the page that shows everything.


rule dataset_table:
    input:
        lambda wildcards: [
            results.records(name) for name in counted_datasets(wildcards)
        ],
    output:
        csv=table_output("table{number}"),
        md=results.table("table{number}", "md"),
        tex=results.table("table{number}", "tex"),
    log:
        results.log("table{number}"),
    wildcard_constraints:
        number="3|8",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*STAMP_SECTIONS),
        missing=lambda wildcards: [
            f"--missing {name}"
            for name in DATASETS
            if wildcards.number == "8" and name not in HARDNESS
        ],
    message:
        "Count classes and images (Table {wildcards.number})"
    shell:
        "nasdmrl table3 {input:q} {params.missing} --output {output.csv:q} --config {params.config:q} > {log:q} 2>&1"


rule running_times:
    input:
        lambda wildcards: step_logs(of_experiment(TIMES[wildcards.table])),
    output:
        csv=table_output("{table}"),
        md=results.table("{table}", "md"),
        tex=results.table("{table}", "tex"),
    log:
        results.log("{table}"),
    wildcard_constraints:
        table="|".join(TIMES),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(
            *LOG_SECTIONS, "exp1", "exp2.evaluation_steps", "exp3", "appendix_a"
        ),
    message:
        "Sum up the running times ({wildcards.table})"
    shell:
        "nasdmrl running-times {input:q} --output {output.csv:q} --config {params.config:q} > {log:q} 2>&1"


rule search_summary:
    input:
        logs=lambda wildcards: step_logs(of_experiment(wildcards.experiment)),
        images=lambda wildcards: image_folders(of_experiment(wildcards.experiment)),
    output:
        results.summary(),
    log:
        results.log("{experiment}/summary"),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(
            *LOG_SECTIONS, "exp1", "exp2.evaluation_steps", "exp3", "appendix_a"
        ),
    message:
        "Summarise the searches of {wildcards.experiment}"
    shell:
        "nasdmrl summary {input.logs:q} --output {output:q} --config {params.config:q} > {log:q} 2>&1"


rule claims:
    input:
        step_logs(OF_PAPER),
        rules.table6.input.long,
    output:
        report(results.CLAIMS, caption="../report/claims.rst", category="Claims"),
    log:
        results.log("claims"),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*CLAIM_SECTIONS),
    message:
        "Judge the claims of the paper"
    shell:
        "nasdmrl claims --output {output:q} --config {params.config:q} > {log:q} 2>&1"


# No configuration reaches it: nothing is trained, and no image is read.
rule published_lengths:
    output:
        csv=f"{results.EXACT_LENGTHS}.csv",
        pdf=f"{results.EXACT_LENGTHS}.pdf",
        png=report(
            f"{results.EXACT_LENGTHS}.png",
            caption="../report/exact.rst",
            category="Exact",
        ),
    log:
        results.log("published_lengths"),
    conda:
        "../../envs/analysis.yaml"
    message:
        "Play the authors' random search again"
    shell:
        "nasdmrl published-lengths --output {output.csv:q} > {log:q} 2>&1"


rule report:
    input:
        results.CLAIMS,
        rules.published_lengths.output,
        figure_files(FIGURES),
        [
            results.table(item.name, kind)
            for item in TABLES
            for kind in results.TABLE_FORMATS
        ],
        results.EXP2_TABLE,
        [results.summary(experiment) for experiment in EXPERIMENTS],
        best_files("exp2"),
        [own_figures(name) for name in OWN],
    output:
        page=results.REPORT,
        config=results.KEPT_CONFIG,
    log:
        results.log("report"),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.model_dump_json(),
    message:
        "Write the report"
    shell:
        "nasdmrl report --output {output.page:q} --keep-config {output.config:q} --config {params.config:q}"
        " > {log:q} 2>&1"
