# From the searches to the best networks, and from those of Exp. 2a to the long trainings of Exp. 2b.


# The files have fixed names, so the workflow needs no checkpoint although the networks are known only afterwards.
rule best_network:
    input:
        logs=subject_logs,
        images=subject_images,
    output:
        "results/{experiment}/best/{subject}/best{rank}.json",
    log:
        "results/logs/{experiment}/best/{subject}/best{rank}.log",
    wildcard_constraints:
        rank=r"\d+",
    priority: 1
    conda:
        "../../envs/analysis.yaml"
    message:
        "Best network {wildcards.rank} of {wildcards.subject}"
    shell:
        "nasdmrl best {input.logs} --images {input.images} --rank {wildcards.rank} --output {output} > {log} 2>&1"


# The checkpoint is no output: Snakemake would remove it when the job is killed, and it must survive that.
rule long_training:
    input:
        images="results/data/{dataset}/images",
        network=network_file,
    output:
        "results/exp2/long/{dataset}/{name}/repeat{repeat}/epochs.csv",
    log:
        "results/logs/exp2/long/{dataset}/{name}/repeat{repeat}.log",
    wildcard_constraints:
        name="|".join(LONG_NETWORKS),
        repeat=r"\d+",
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        network=lambda wildcards, input: input.network or wildcards.name,
        checkpoint="results/checkpoints/{dataset}/{name}/repeat{repeat}.npz",
        training=TRAINING_FORMAT,
        config=SETTINGS.subset(*LONG_SECTIONS),
    message:
        "Train {wildcards.name} of {wildcards.dataset} long, repeat {wildcards.repeat}"
    shell:
        "nasdmrl retrain {wildcards.dataset} {params.network} --repeat {wildcards.repeat} --images {input.images}"
        " --output {output} --checkpoint {params.checkpoint} --threads {threads}"
        " --config {params.config:q} > {log} 2>&1"


rule table6:
    input:
        long=expand(
            "results/exp2/long/{dataset}/{name}/repeat{repeat}/epochs.csv",
            dataset=EVALUATION,
            name=LONG_NETWORKS,
            repeat=range(SETTINGS.exp2.repeats),
        ),
        best=BEST["exp2"],
    output:
        csv=table_output(6),
        md="results/tables/table6.md",
        tex="results/tables/table6.tex",
        plain="results/exp2/table.csv",
    log:
        "results/logs/table6.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*LOG_SECTIONS, *EXP2_SECTIONS, "exp2"),
    message:
        "Tabulate the long trainings (Table 6)"
    shell:
        "(nasdmrl table6 --output {output.csv} --config {params.config:q} && cp {output.csv} {output.plain}) > {log} 2>&1"
