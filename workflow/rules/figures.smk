# Figures 9 to 21: one notebook an experiment draws all of its figures.


rule figures_exp1:
    input:
        notebook_inputs("exp1"),
        notebook=workflow.source_path("../notebooks/exp1.ipynb"),
    output:
        figure_files("exp1"),
    log:
        notebook="results/notebooks/exp1.ipynb",
        text="results/logs/figures_exp1.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        inputs=notebook_inputs("exp1"),
        config=SETTINGS.subset(*LOG_SECTIONS, "exp1", "plots"),
    message:
        "Draw the figures of Experiment 1"
    shell:
        "nasdmrl notebook {input.notebook} {log.notebook} {params.inputs} --figures results/figures"
        " --config {params.config:q} > {log.text} 2>&1"


use rule figures_exp1 as figures_exp2 with:
    input:
        notebook_inputs("exp2"),
        notebook=workflow.source_path("../notebooks/exp2.ipynb"),
    output:
        figure_files("exp2"),
    log:
        notebook="results/notebooks/exp2.ipynb",
        text="results/logs/figures_exp2.log",
    params:
        inputs=notebook_inputs("exp2"),
        config=SETTINGS.subset(*LOG_SECTIONS, *EXP2_SECTIONS, "plots"),
    message:
        "Draw the figures of Experiment 2"


use rule figures_exp1 as figures_exp3 with:
    input:
        notebook_inputs("exp3"),
        notebook=workflow.source_path("../notebooks/exp3.ipynb"),
    output:
        figure_files("exp3"),
    log:
        notebook="results/notebooks/exp3.ipynb",
        text="results/logs/figures_exp3.log",
    params:
        inputs=notebook_inputs("exp3"),
        config=SETTINGS.subset(*LOG_SECTIONS, "exp3", "plots"),
    message:
        "Draw the figures of Experiment 3"


use rule figures_exp1 as figures_appendix_a with:
    input:
        notebook_inputs("appendix_a"),
        notebook=workflow.source_path("../notebooks/appendix_a.ipynb"),
    output:
        figure_files("appendix_a"),
    log:
        notebook="results/notebooks/appendix_a.ipynb",
        text="results/logs/figures_appendix_a.log",
    params:
        inputs=notebook_inputs("appendix_a"),
        config=SETTINGS.subset(*LOG_SECTIONS, "appendix_a", "plots"),
    message:
        "Draw the figures of Appendix A"
