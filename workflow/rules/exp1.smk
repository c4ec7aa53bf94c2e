# Exp. 1: searches on the training datasets, and Figure 9.


rule search:
    input:
        "results/data/{dataset}/images",
    output:
        "results/exp1/{method}/{dataset}/seed{seed}/steps.csv",
    log:
        "results/logs/exp1/{method}/{dataset}/seed{seed}.log",
    wildcard_constraints:
        method="|".join(EXP1_METHODS),
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        config=SETTINGS.subset("early_stop", "environment"),
        steps=exp1_steps,
        store=STORE,
    message:
        "Search on {wildcards.dataset}: {wildcards.method}, seed {wildcards.seed}, {params.steps} steps"
    shell:
        "nasdmrl search {wildcards.method} {wildcards.dataset} --seed {wildcards.seed} --steps {params.steps}"
        " --images {input} --store {params.store} --output {output} --threads {threads}"
        " --config {params.config:q} > {log} 2>&1"


rule figure_9:
    input:
        logs=EXP1_LOGS,
        notebook=workflow.source_path("../notebooks/exp1.ipynb"),
    output:
        FIGURE_9,
    log:
        notebook="results/notebooks/exp1.ipynb",
        text="results/logs/figure_9.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        parameters=exp1_parameters,
    message:
        "Draw Figure 9"
    shell:
        "nasdmrl notebook {input.notebook} {log.notebook} --parameters {params.parameters:q} > {log.text} 2>&1"


rule exp1_summary:
    input:
        logs=EXP1_LOGS,
        images=expand("results/data/{dataset}/images", dataset=TRAINING),
    output:
        "results/exp1/summary.csv",
    log:
        "results/logs/exp1_summary.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset("seeds", "data", "early_stop", "environment", "exp1"),
    message:
        "Summarise Exp. 1"
    shell:
        "nasdmrl summary {input.logs} --output {output} --config {params.config:q} > {log} 2>&1"
