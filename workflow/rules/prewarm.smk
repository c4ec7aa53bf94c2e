# Many tasks at once evaluate what the serial searches will ask for; they share nothing but the store. No search waits
# for them, and none that is done runs again because of them.


rule prewarm:
    input:
        PREWARMED,


rule prewarm_task:
    input:
        images="results/data/{dataset}/images",
    output:
        "results/prewarm/{dataset}/part{part}.csv",
    log:
        "results/logs/prewarm/{dataset}/part{part}.log",
    wildcard_constraints:
        part=r"\d+",
    priority: 1
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        config=SETTINGS.subset(*SEARCH_SECTIONS, "prewarm", "seeds"),
        steps=search_steps("random_search"),
        store=STORE,
        training=TRAINING_FORMAT,
    message:
        "Evaluate beforehand on {wildcards.dataset}: task {wildcards.part}"
    shell:
        "nasdmrl prewarm {wildcards.dataset} --part {wildcards.part} --steps {params.steps} --images {input.images}"
        " --store {params.store} --output {output} --threads {threads} --config {params.config:q} > {log} 2>&1"
