"""The map of units by their embeddings: its figure, its scores, and the page to explore it.

Needs the embeddings of a trained network and each unit's stimulus average. Makes
results/unit_map/{recording}/ and results/figures/unit_map/{recording}.png, .pdf and .csv.
"""


localrules:
    figure_unit_map,


rule figure_unit_map:
    input:
        figures_of("unit_map", recordings=MAPPED),


rule map_units:
    input:
        embedding=first_network("unit_embedding.parquet"),
        averages=averages_of_members,
        units=units_of_members,
    output:
        unit_map="results/unit_map/{recording}/unit_map.parquet",
        scores="results/unit_map/{recording}/map_scores.parquet",
    log:
        "results/logs/map_units/{recording}.log",
    benchmark:
        "results/benchmarks/rules/map_units/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        units=lambda wildcards, input: " ".join(f"--units {shlex.quote(p)}" for p in input.units),
        seed=CONFIG.settings["seed"],
        code=code("unit_map.py"),
    shell:
        "stage {log:q} unit_map.py {input.embedding:q} {input.averages:q} {params.units} "
        "--unit-map {output.unit_map:q} --scores {output.scores:q} --seed {params.seed}"


rule figure_unit_map_of:
    input:
        unit_map=rules.map_units.output.unit_map,
        scores=rules.map_units.output.scores,
    output:
        **figure_files("unit_map", "Spike distance"),
    log:
        "results/logs/figure_unit_map/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_unit_map/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_unit_map.py"),
    shell:
        "stage {log:q} figure_unit_map.py {input.unit_map:q} {input.scores:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule page_unit_map:
    input:
        unit_map=rules.map_units.output.unit_map,
        scores=rules.map_units.output.scores,
        averages=averages_of_members,
    output:
        report(
            "results/unit_map/{recording}/unit_map.html",
            caption="../report/unit_map.rst",
            category="Spike distance",
            subcategory="{recording}",
            labels={"figure": "unit map, to explore"},
        ),
    log:
        "results/logs/page_unit_map/{recording}.log",
    benchmark:
        "results/benchmarks/rules/page_unit_map/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("page_unit_map.py"),
    shell:
        "stage {log:q} page_unit_map.py {input.unit_map:q} {input.scores:q} {input.averages:q} "
        "--page {output:q} --title 'Units of {wildcards.recording}'"
