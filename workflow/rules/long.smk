# From the searches to the best networks, and from those of Exp. 2a to the long trainings of Exp. 2b.


# The files have fixed names, so the workflow needs no checkpoint although the networks are known only afterwards.
rule best_network:
    input:
        logs=lambda wildcards: step_logs(subject_searches(wildcards)),
        images=lambda wildcards: image_folders(subject_searches(wildcards)),
    output:
        results.best(),
    log:
        results.log("{experiment}/best/{subject}/best{rank}"),
    wildcard_constraints:
        rank=r"\d+",
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    message:
        "Best network {wildcards.rank} of {wildcards.subject}"
    shell:
        "nasdmrl best {input.logs:q} --images {input.images:q} --rank {wildcards.rank} --output {output:q} > {log:q} 2>&1"


# The checkpoint is no output: Snakemake would remove it when the job is killed, and it must survive that.
rule long_training:
    input:
        images=results.images(),
        network=network_file,
    output:
        results.long_training(),
    log:
        results.log("exp2/long/{dataset}/{name}/repeat{repeat}"),
    benchmark:
        results.benchmark("exp2/long/{dataset}/{name}/repeat{repeat}")
    wildcard_constraints:
        name="|".join(LONG_NETWORKS),
        repeat=r"\d+",
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        network=lambda wildcards, input: input.network or wildcards.name,
        checkpoint=results.checkpoint(),
        training=TRAINING_FORMAT,
        config=SETTINGS.subset(*LONG_SECTIONS),
    message:
        "Train {wildcards.name} of {wildcards.dataset} long, repeat {wildcards.repeat}"
    shell:
        "nasdmrl retrain {wildcards.dataset} {params.network:q} --repeat {wildcards.repeat} --images {input.images:q}"
        " --output {output:q} --checkpoint {params.checkpoint:q} --threads {threads}"
        " --config {params.config:q} > {log:q} 2>&1"


rule table6:
    input:
        long=expand(
            results.long_training(),
            dataset=EVALUATION,
            name=LONG_NETWORKS,
            repeat=range(SETTINGS.exp2.repeats),
        ),
        best=best_files("exp2", own=False),
    output:
        csv=table_output("table6"),
        md=results.table("table6", "md"),
        tex=results.table("table6", "tex"),
        plain=results.EXP2_TABLE,
    log:
        results.log("table6"),
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*LOG_SECTIONS, *EXP2_SECTIONS, "exp2"),
    message:
        "Tabulate the long trainings (Table 6)"
    shell:
        "(nasdmrl table6 --output {output.csv:q} --config {params.config:q} && cp {output.csv:q} {output.plain:q})"
        " > {log:q} 2>&1"
