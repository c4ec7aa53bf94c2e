# Tables of the searches, the verdicts on the paper's claims, and the page that shows everything.


rule dataset_table:
    input:
        lambda wildcards: expand(
            "results/data/{dataset}/records",
            dataset=(
                HARDNESS + OWN if wildcards.number == "8" else TRAINING + EVALUATION
            ),
        ),
    output:
        csv=table_output("{number}"),
        md="results/tables/table{number}.md",
        tex="results/tables/table{number}.tex",
    log:
        "results/logs/table{number}.log",
    wildcard_constraints:
        number="3|8",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset("scale", "fidelity", "deviations", "seeds", "data"),
        missing=lambda wildcards: [
            f"--missing {name}" for name in MISSING if wildcards.number == "8"
        ],
    message:
        "Count classes and images (Table {wildcards.number})"
    shell:
        "nasdmrl table3 {input} {params.missing} --output {output.csv} --config {params.config:q} > {log} 2>&1"


rule running_times:
    input:
        lambda wildcards: LOGS_WITH_OWN[TIMES[wildcards.number]],
    output:
        csv=table_output("{number}"),
        md="results/tables/table{number}.md",
        tex="results/tables/table{number}.tex",
    log:
        "results/logs/table{number}.log",
    wildcard_constraints:
        number="|".join(TIMES),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(
            *LOG_SECTIONS, "exp1", "exp2.evaluation_steps", "exp3", "appendix_a"
        ),
    message:
        "Sum up the running times (Table {wildcards.number})"
    shell:
        "nasdmrl running-times {input} --output {output.csv} --config {params.config:q} > {log} 2>&1"


rule search_summary:
    input:
        logs=lambda wildcards: LOGS_WITH_OWN[wildcards.experiment],
        images=lambda wildcards: expand(
            "results/data/{dataset}/images",
            dataset=WITH_OWN[wildcards.experiment][1],
        ),
    output:
        "results/{experiment}/summary.csv",
    log:
        "results/logs/{experiment}/summary.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(
            *LOG_SECTIONS, "exp1", "exp2.evaluation_steps", "exp3", "appendix_a"
        ),
    message:
        "Summarise the searches of {wildcards.experiment}"
    shell:
        "nasdmrl summary {input.logs} --output {output} --config {params.config:q} > {log} 2>&1"


rule claims:
    input:
        SEARCH_LOGS.values(),
        rules.table6.input.long,
    output:
        report("results/claims.csv", caption="../report/claims.rst", category="Claims"),
    log:
        "results/logs/claims.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*CLAIM_SECTIONS),
    message:
        "Judge the claims of the paper"
    shell:
        "nasdmrl claims --output {output} --config {params.config:q} > {log} 2>&1"


# No configuration reaches it: nothing is trained, and no image is read.
rule published_lengths:
    output:
        csv="results/exact/random_search_lengths.csv",
        pdf="results/exact/random_search_lengths.pdf",
        png=report(
            "results/exact/random_search_lengths.png",
            caption="../report/exact.rst",
            category="Exact",
        ),
    log:
        "results/logs/published_lengths.log",
    conda:
        "../../envs/analysis.yaml"
    message:
        "Play the authors' random search again"
    shell:
        "nasdmrl published-lengths --output {output.csv} > {log} 2>&1"


rule report:
    input:
        "results/claims.csv",
        rules.published_lengths.output,
        [figure_files(experiment) for experiment in SEARCHED],
        expand(
            "results/tables/{item.name}.{kind}", item=TABLES, kind=["csv", "md", "tex"]
        ),
        "results/exp2/table.csv",
        expand("results/{experiment}/summary.csv", experiment=SEARCHED),
        best_files("exp2", OWN),
        [own_figures(name) for name in OWN],
    output:
        page="results/report.html",
        config="results/config.json",
    log:
        "results/logs/report.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.model_dump_json(),
    message:
        "Write the report"
    shell:
        "nasdmrl report --output {output.page} --keep-config {output.config} --config {params.config:q} > {log} 2>&1"
