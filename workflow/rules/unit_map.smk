"""The map of units by their embeddings: its figure, its scores, and the page to explore it.

Needs the embeddings of a trained network and each unit's stimulus average. Makes
results/unit_map/{recording}/ and results/figures/unit_map/{recording}.png, .pdf and .csv.
"""


localrules:
    figure_unit_map,


def averages_of_members(wildcards):
    """Return the stimulus averages of all units of a map."""
    return [f"results/distance/{name}/stimulus_average.parquet" for name in members_of(wildcards)]


def units_of_members(wildcards):
    """Return the unit tables of all recordings of a map."""
    return [table("units").format(recording=name) for name in members_of(wildcards)]


def told_apart(name):
    """Say whether a network has embeddings to map."""
    section = distance_of(name)
    return distance_model(section, main_model(section))["unit"] != "none"


#: Those whose first network has embeddings.
MAPPED = [name for name in TRAINED if told_apart(name)]


def distance_figures():
    """Return every figure of spike distance there is something to draw for, and the pages."""
    names = ("training", "scores", "pairs", "rollout", "counts")
    return [
        *figures_of(*(f"distance_{name}" for name in names), recordings=TRAINED),
        *figures_of("distance_inference", recordings=DISTANT),
        *figures_of("distance_sizes", recordings=SIZED),
        *figures_of("distance_alone", recordings=WITH_ALONE),
        *figures_of("unit_map", recordings=MAPPED),
        *expand("results/unit_map/{recording}/unit_map.html", recording=MAPPED),
    ]


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
