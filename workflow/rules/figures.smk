# Figures 9 to 21: each notebook draws the figures that have the same inputs.
for NOTEBOOK, NAMES in notebooks().items():
    EXPERIMENT = FIGURES[NAMES[0]].experiment

    rule:
        name:
            f"figures_{NOTEBOOK}"
        input:
            notebook_inputs(NOTEBOOK),
            notebook=workflow.source_path(f"../notebooks/{NOTEBOOK}.ipynb"),
        output:
            figure_files(NAMES),
        log:
            notebook=results.notebook(NOTEBOOK),
            text=results.log(f"figures_{NOTEBOOK}"),
        conda:
            "../../envs/analysis.yaml"
        params:
            inputs=notebook_inputs(NOTEBOOK),
            config=SETTINGS.subset(*LOG_SECTIONS, *OF_EXPERIMENT[EXPERIMENT], "plots"),
        message:
            f"Draw {', '.join(NAMES)}"
        shell:
            "nasdmrl notebook {input.notebook:q} {log.notebook:q} {params.inputs:q}"
            " --config {params.config:q} > {log.text:q} 2>&1"
