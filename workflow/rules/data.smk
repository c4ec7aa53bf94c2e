# Archives, or folders of one's own -> records (Meta-Dataset's layout) -> decoded images, for each dataset. They have
# priority, since the searches wait for them.


rule draw_standins:
    output:
        directory("results/archives/standin/{dataset}"),
    log:
        "results/logs/draw_standins/{dataset}.log",
    priority: 2
    conda:
        "../../envs/analysis.yaml"
    message:
        "Draw stand-ins of the {wildcards.dataset} archives"
    shell:
        "nasdmrl draw-standins {wildcards.dataset} {output} > {log} 2>&1"


# What arrived before a broken connection is kept beside the output, undeclared, so that a retry goes on from there.
rule download:
    output:
        "results/archives/download/{dataset}/{file}",
    log:
        "results/logs/download/{dataset}/{file}.log",
    conda:
        "../../envs/analysis.yaml"
    message:
        "Download {wildcards.file} of {wildcards.dataset}"
    shell:
        "nasdmrl download {wildcards.dataset} $(dirname {output}) --file {wildcards.file} > {log} 2>&1"


rule convert:
    input:
        archive_files,
    output:
        directory("results/data/{dataset}/records"),
    log:
        "results/logs/convert/{dataset}.log",
    priority: 2
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.data_threads
    params:
        folder=archive_folder,
        options=convert_options,
        format=RECORDS_FORMAT,
    message:
        "Convert {wildcards.dataset} to TFRecords"
    shell:
        "nasdmrl convert {wildcards.dataset} {params.folder:q} {output} {params.options}"
        " --threads {threads} > {log} 2>&1"


rule decode:
    input:
        "results/data/{dataset}/records",
    output:
        directory("results/data/{dataset}/images"),
    log:
        "results/logs/decode/{dataset}.log",
    priority: 2
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.data_threads
    params:
        config=lambda wildcards: SETTINGS.of_data(wildcards.dataset),
        format=IMAGES_FORMAT,
    message:
        "Decode the images of {wildcards.dataset}"
    shell:
        "nasdmrl decode {input} {output} --threads {threads} --config {params.config:q} > {log} 2>&1"
