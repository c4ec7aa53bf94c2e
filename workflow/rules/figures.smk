# Figure 9, from the searches of Exp. 1.


rule figure_9:
    input:
        logs=SEARCH_LOGS["exp1"],
        notebook=workflow.source_path("../notebooks/exp1.ipynb"),
    output:
        FIGURE_9,
    log:
        notebook="results/notebooks/exp1.ipynb",
        text="results/logs/figure_9.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*LOG_SECTIONS, "exp1", "plots"),
    message:
        "Draw Figure 9"
    shell:
        "nasdmrl notebook {input.notebook} {log.notebook} {input.logs} --figures results/figures"
        " --config {params.config:q} > {log.text} 2>&1"
