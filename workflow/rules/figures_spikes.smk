"""Figures of inferred spikes: a rollout, one window, counts.

Needs what distance.smk makes; of several seeds, the first is shown. Makes results/figures/{figure}/
{recording}.png, .pdf and .csv, the last with exactly the numbers that are drawn.
"""


localrules:
    figure_distance_rollout,
    figure_distance_counts,
    figure_distance_inference,


def first_network(name):
    """Return an input function: this file of the first seed's run of the first model."""
    return lambda wildcards: distance_runs(name)(wildcards)[0]


def first_bins(wildcards):
    """Return the bins of the first of the recordings that were trained on."""
    return bins_of(wildcards)[0]


def first_of(value):
    """Return an input function of the settings or units of the first model."""

    def found(wildcards):
        section = distance_of(wildcards.recording)
        settings = distance_model(section, first_distance_model(wildcards))
        units = settings.pop("units")
        return canonical(units if value == "units" else settings)

    return found


def heads_of(name):
    """Return what the first network of a name predicts."""
    section = distance_of(name)
    return distance_model(section, main_model(section))["heads"]


#: Those whose first network predicts distances.
DISTANT = [name for name in TRAINED if "distance" in heads_of(name)]


rule figure_distance_rollout:
    input:
        figures_of("distance_rollout", recordings=TRAINED),


rule figure_distance_counts:
    input:
        figures_of("distance_counts", recordings=TRAINED),


rule figure_distance_inference:
    input:
        figures_of("distance_inference", recordings=DISTANT),


rule figure_distance_rollout_of:
    input:
        spikes=first_network("inferred_spikes.parquet"),
        about=first_network("inference.json"),
    output:
        **figure_files("distance_rollout", "Spike distance"),
    log:
        "results/logs/figure_distance_rollout/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_rollout/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        code=code("figure_distance_rollout.py"),
    shell:
        "stage {log:q} figure_distance_rollout.py {input.spikes:q} {input.about:q} --picture {output.png:q}"


rule figure_distance_counts_of:
    input:
        spikes=first_network("inferred_spikes.parquet"),
        about=first_network("inference.json"),
    output:
        **figure_files("distance_counts", "Spike distance"),
    log:
        "results/logs/figure_distance_counts/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_counts/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        code=code("figure_distance_counts.py"),
    shell:
        "stage {log:q} figure_distance_counts.py {input.spikes:q} {input.about:q} --picture {output.png:q}"


rule figure_distance_inference_of:
    input:
        bins=first_bins,
        predictions=first_network("predictions.safetensors"),
        about=first_network("inference.json"),
    output:
        **figure_files("distance_inference", "Spike distance"),
    log:
        "results/logs/figure_distance_inference/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_inference/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        settings=first_of("settings"),
        units=first_of("units"),
        code=code("figure_distance_inference.py"),
    shell:
        "stage {log:q} figure_distance_inference.py {input.bins:q} {input.predictions:q} --picture {output.png:q} "
        "--settings {params.settings:q} --units {params.units:q}"
