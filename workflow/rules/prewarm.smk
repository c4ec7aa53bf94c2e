# Many tasks at once evaluate what the serial searches will ask for; they share nothing but the store. No search waits
# for them, and none that is done runs again because of them.


rule prewarm:
    input:
        PREWARMED,


rule prewarm_task:
    input:
        images=results.images(),
    output:
        results.prewarmed(),
    log:
        results.log("prewarm/{dataset}/part{part}"),
    benchmark:
        results.benchmark("prewarm/{dataset}/part{part}")
    wildcard_constraints:
        part=r"\d+",
    priority: 1
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        config=SETTINGS.subset(*SEARCH_SECTIONS, "prewarm", "seeds"),
        steps=search_steps("random_search"),
        store=results.STORE,
        training=TRAINING_FORMAT,
    message:
        "Evaluate beforehand on {wildcards.dataset}: task {wildcards.part}"
    shell:
        "nasdmrl prewarm {wildcards.dataset} --part {wildcards.part} --steps {params.steps} --images {input.images:q}"
        " --store {params.store:q} --output {output:q} --threads {threads} --config {params.config:q} > {log:q} 2>&1"
