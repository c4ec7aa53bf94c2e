# Archives, or folders of one's own -> records (Meta-Dataset's layout) -> decoded images, for each dataset. They have
# priority, since the searches wait for them.


rule draw_standins:
    output:
        directory(results.archives("standin")),
    log:
        results.log("draw_standins/{dataset}"),
    priority: 2
    conda:
        "../../envs/analysis.yaml"
    message:
        "Draw stand-ins of the {wildcards.dataset} archives"
    shell:
        "nasdmrl draw-standins {wildcards.dataset} {output:q} > {log:q} 2>&1"


# What arrived before a broken connection is kept beside the output, undeclared, so that a retry goes on from there.
rule download:
    output:
        results.archives("download", "{dataset}/{file}"),
    log:
        results.log("download/{dataset}/{file}"),
    conda:
        "../../envs/analysis.yaml"
    message:
        "Download {wildcards.file} of {wildcards.dataset}"
    shell:
        'nasdmrl download {wildcards.dataset} "$(dirname {output:q})" --file {wildcards.file:q} > {log:q} 2>&1'


rule convert:
    input:
        archive_files,
    output:
        directory(results.records()),
    log:
        results.log("convert/{dataset}"),
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
        "nasdmrl convert {wildcards.dataset} {params.folder:q} {output:q} {params.options}"
        " --threads {threads} > {log:q} 2>&1"


rule decode:
    input:
        results.records(),
    output:
        directory(results.images()),
    log:
        results.log("decode/{dataset}"),
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
        "nasdmrl decode {input:q} {output:q} --threads {threads} --config {params.config:q} > {log:q} 2>&1"
