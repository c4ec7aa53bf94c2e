# All evaluations of the small spaces, recorded once: many tasks share the work, nothing but the store connects them, and
# the last command writes what they have found. `snakemake recording --configfile config/miniature.yaml`.


rule record_part:
    input:
        recorded_images,
    output:
        results.recorded(),
    log:
        results.log("recorded/{space}/part{part}"),
    benchmark:
        results.benchmark("recorded/{space}/part{part}")
    wildcard_constraints:
        space="chain|multi_branch",
        part=r"\d+",
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        config=SETTINGS.subset(*SEARCH_SECTIONS, "exp3"),
        datasets=lambda wildcards: RECORDED[wildcards.space],
        layers=lambda wildcards: SETTINGS.max_layers(wildcards.space),
        parts=SETTINGS.prewarm.tasks,
        store=results.STORE,
        folder=f"{results.ROOT}/recorded/{{space}}",
        training=TRAINING_FORMAT,
    message:
        "Record the {wildcards.space} space: task {wildcards.part}"
    shell:
        "nasdmrl record {params.datasets} --space {wildcards.space} --layers {params.layers} --part {wildcards.part}"
        " --parts {params.parts} --store {params.store:q} --output {params.folder:q} --threads {threads}"
        " --config {params.config:q} > {output:q} 2> {log:q}"


rule recording:
    input:
        expand(
            results.recorded(),
            space=RECORDED,
            part=range(SETTINGS.prewarm.tasks),
        ),
