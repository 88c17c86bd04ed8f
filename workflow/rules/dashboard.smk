"""The page to explore the features of a run: one file a recording, for a browser without a network.

Needs the tables of meaning, the latents of the first seed, and spikes where there are any. Makes
results/dashboard/{recording}.html of the recording's first model; of any other model or baseline,
results/dashboard/{recording}/{model}.html, when it is asked for.
"""


localrules:
    dashboards,


rule dashboards:
    input:
        dashboard_pages(),


rule dashboard:
    input:
        meaning=dashboard_meaning,
        conditions="results/latents/{recording}/conditions.parquet",
        intervals=table("intervals"),
        counts=counts_of,
        latents=dashboard_input("latents.parquet"),
        spikes=dashboard_spikes,
        unit_map=dashboard_unit_map,
    output:
        report(
            "results/dashboard/{recording}.html",
            caption="../report/dashboard.rst",
            category="Features",
            subcategory="{recording}",
            labels={"figure": "all latents, to explore"},
        ),
    log:
        "results/logs/dashboard/{recording}.log",
    benchmark:
        "results/benchmarks/rules/dashboard/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=6000,
        runtime=30,
    params:
        folder=lambda wildcards, input: str(Path(input.meaning[0]).parent),
        title=dashboard_title,
        more=dashboard_options,
        code=code("dashboard.py"),
    shell:
        "stage {log:q} dashboard.py {params.folder:q} {input.conditions:q} {input.intervals:q} "
        "{input.counts:q} {input.latents:q} {params.more} --page {output:q} "
        "--title {params.title:q} --seed 0"


use rule dashboard as dashboard_of_model with:
    output:
        "results/dashboard/{recording}/{model}.html",
    log:
        "results/logs/dashboard_of_model/{recording}/{model}.log",
    benchmark:
        "results/benchmarks/rules/dashboard_of_model/{recording}/{model}.tsv"
    wildcard_constraints:
        model=MODEL_OR_METHOD,
