# Datasets of one's own (data.own): they are converted and searched as the paper's; their curves are drawn here.


rule own_curves:
    input:
        lambda wildcards: step_logs(
            search
            for search in of_experiment("exp2")
            if search.dataset == wildcards.dataset
        ),
    output:
        own_figures("{dataset}"),
    log:
        results.log("own_curves/{dataset}"),
    wildcard_constraints:
        dataset="|".join(OWN) or "(?!)",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*LOG_SECTIONS, *EXP2_SECTIONS, "plots"),
        prefix=lambda wildcards, output: str(Path(output[0]).parent / "own"),
    message:
        "Draw the curves of {wildcards.dataset}"
    shell:
        "nasdmrl curves {input:q} --output {params.prefix:q} --config {params.config:q} > {log:q} 2>&1"
