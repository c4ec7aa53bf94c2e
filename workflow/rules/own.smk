# Custom datasets are converted and searched as the paper's; their curves are drawn here.


rule own_curves:
    input:
        lambda wildcards: step_logs(
            search
            for search in of_experiment("exp2")
            if search.dataset == wildcards.dataset
        ),
    output:
        own_figures("{dataset}"),
    log:
        results.log("own_curves/{dataset}"),
    wildcard_constraints:
        dataset="|".join(OWN) or "(?!)",
    conda:
        "../../envs/analysis.yaml"
    params:
        config=SETTINGS.subset(*LOG_SECTIONS, *EXP2_SECTIONS, "plots"),
        prefix=lambda wildcards, output: str(Path(output[0]).parent / "own"),
    message:
        "Draw the curves of {wildcards.dataset}"
    shell:
        "nasdmrl curves {input:q} --output {params.prefix:q} --config {params.config:q} > {log:q} 2>&1"


# Agents that the paper has not (nasdmrl/agents/registry.py). They search as long as random search.
use rule random_search as own_agent with:
    output:
        steps=results.steps("exp1", "{method}"),
    log:
        results.log("exp1/{method}/{dataset}/seed{seed}"),
    benchmark:
        results.benchmark("exp1/{method}/{dataset}/seed{seed}")
    wildcard_constraints:
        method=further_agents(learns=False),
    params:
        method="{method}",
        config=lambda wildcards: SETTINGS.subset(
            *SEARCH_SECTIONS, *AGENTS[wildcards.method].sections
        ),
        steps=search_steps("random_search"),
        store=results.STORE,
        training=TRAINING_FORMAT,
        options="",


use rule own_agent as own_learner with:
    output:
        steps=results.steps("exp1", "{method}"),
        progress=results.progress("exp1", "{method}"),
        policy=directory(results.policy("exp1", "{method}")),
    wildcard_constraints:
        method=further_agents(learns=True),
