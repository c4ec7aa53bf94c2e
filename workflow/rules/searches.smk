# Searches of Exp. 1 (training datasets) and Exp. 2a (evaluation datasets): one job for a method, dataset and seed.


rule random_search:
    input:
        images=results.images(),
    output:
        steps=results.steps("{experiment}", "random_search"),
    log:
        results.log("{experiment}/random_search/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("{experiment}/random_search/{dataset}/seed{seed}")
    wildcard_constraints:
        experiment="exp1|exp2",
    conda:
        "../../envs/tensorflow.yaml"
    threads: SETTINGS.resources.search_threads
    params:
        method="random_search",
        config=SETTINGS.subset(*SEARCH_SECTIONS),
        steps=search_steps("random_search"),
        store=results.STORE,
        training=TRAINING_FORMAT,
        options="",
    message:
        "Search on {wildcards.dataset}: {params.method}, seed {wildcards.seed}, {params.steps} steps"
    shell:
        "nasdmrl search {params.method} {wildcards.dataset} --seed {wildcards.seed} --steps {params.steps}"
        " --images {input.images:q} --store {params.store:q} --output {output.steps:q} --threads {threads}"
        " {params.options} --config {params.config:q} > {log:q} 2>&1"


use rule random_search as dqn with:
    output:
        steps=results.steps("exp1", "dqn"),
        progress=results.progress("exp1", "dqn"),
        policy=directory(results.policy("exp1", "dqn")),
    log:
        results.log("exp1/dqn/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("exp1/dqn/{dataset}/seed{seed}")
    params:
        method="dqn",
        config=SETTINGS.subset(*SEARCH_SECTIONS, *AGENTS["dqn"].sections),
        steps=search_steps("dqn"),
        store=results.STORE,
        training=TRAINING_FORMAT,
        policy=POLICY_FORMAT,
        options="",


# The transfer chain: each dataset starts with the policy that the one before has learned.
use rule random_search as meta_a2c with:
    input:
        images=results.images(),
        policy=previous_policy("exp1"),
    output:
        steps=results.steps("exp1", "meta_a2c"),
        progress=results.progress("exp1", "meta_a2c"),
        policy=directory(results.policy("exp1", "meta_a2c")),
    log:
        results.log("exp1/meta_a2c/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("exp1/meta_a2c/{dataset}/seed{seed}")
    wildcard_constraints:
        dataset="|".join(TRAINING),
    # The chain is serial, so it must not wait for searches that can run beside it.
    priority: 1
    params:
        method="meta_a2c",
        config=SETTINGS.subset(*META_SECTIONS),
        steps=search_steps("meta_a2c"),
        store=results.STORE,
        training=TRAINING_FORMAT,
        policy=POLICY_FORMAT,
        options=lambda wildcards, input: (
            f"--policy {quote(str(input.policy))}" if input.policy else ""
        ),


# Exp. 2a: the policy at the end of the chain, its weights fixed.
use rule random_search as evaluate_policy with:
    input:
        images=results.images(),
        policy=previous_policy("exp2"),
    output:
        steps=results.steps("exp2", "meta_a2c"),
    log:
        results.log("exp2/meta_a2c/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("exp2/meta_a2c/{dataset}/seed{seed}")
    params:
        method="meta_a2c",
        config=SETTINGS.subset(*META_SECTIONS),
        steps=search_steps("meta_a2c"),
        store=results.STORE,
        training=TRAINING_FORMAT,
        policy=POLICY_FORMAT,
        options=lambda wildcards, input: f"--policy {quote(str(input.policy))} --fixed",


# Exp. 3: the multi-branch space, from scratch, for each sigma.
use rule random_search as multi_branch with:
    input:
        images=results.images(),
    output:
        steps=results.steps("exp3", "sigma{sigma}"),
        progress=results.progress("exp3", "sigma{sigma}"),
        policy=directory(results.policy("exp3", "sigma{sigma}")),
    log:
        results.log("exp3/sigma{sigma}/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("exp3/sigma{sigma}/{dataset}/seed{seed}")
    wildcard_constraints:
        sigma=r"\d+(\.\d+)?",
    priority: 1
    params:
        method="meta_a2c",
        config=SETTINGS.subset(
            *META_SECTIONS,
            "exp3.max_layers",
            "exp3.max_actions",
            "exp3.update_steps",
            "exp3.batch_size",
        ),
        steps=SETTINGS.exp3.steps,
        store=results.STORE,
        training=TRAINING_FORMAT,
        policy=POLICY_FORMAT,
        options="--space multi_branch --sigma {sigma}",
    message:
        "Search the multi-branch space: sigma {wildcards.sigma}, seed {wildcards.seed}, {params.steps} steps"


# Appendix A: a short trial on each dataset, from scratch.
use rule random_search as hardness_study with:
    output:
        steps=results.steps("appendix_a", "meta_a2c"),
        progress=results.progress("appendix_a", "meta_a2c"),
        policy=directory(results.policy("appendix_a", "meta_a2c")),
    log:
        results.log("appendix_a/meta_a2c/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("appendix_a/meta_a2c/{dataset}/seed{seed}")
    params:
        method="meta_a2c",
        config=SETTINGS.subset(*META_SECTIONS),
        steps=SETTINGS.appendix_a.steps,
        store=results.STORE,
        training=TRAINING_FORMAT,
        policy=POLICY_FORMAT,
        options="",
