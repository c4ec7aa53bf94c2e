# Datasets of one's own (data.own): they are converted and searched as the paper's; their curves are drawn here.


rule own_curves:
    input:
        lambda wildcards: search_logs("exp2", UNSEEN_METHODS, [wildcards.dataset]),
    output:
        own_figures("{dataset}"),
    log:
        "results/logs/own_curves/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(OWN) or "(?!)",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*LOG_SECTIONS, *EXP2_SECTIONS, "plots"),
    message:
        "Draw the curves of {wildcards.dataset}"
    shell:
        "nasdmrl curves {input} --output results/figures/own --config {params.config:q} > {log} 2>&1"
