"""Unit quality: metrics of every unit from its spikes, and the filter.

Needs the ingested tables. Makes results/recordings/{recording}/units.parquet.
"""


def spikes_or_binned(wildcards):
    """Return the recording's spike times, or its counts where there is nothing finer."""
    name = "spikes" if has_spikes(wildcards.recording) else "binned"
    return table(name).format(recording=wildcards.recording)


rule filter_units:
    input:
        spikes=spikes_or_binned,
        sorted_units=table("sorted_units"),
        recording="results/recordings/{recording}/recording.json",
    output:
        table("units"),
    params:
        settings=setting("units"),
        code=code("filter_units.py"),
    log:
        "results/logs/filter_units/{recording}.log",
    benchmark:
        "results/benchmarks/rules/filter_units/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
    shell:
        "stage {log:q} filter_units.py results/recordings/{wildcards.recording:q} "
        "--settings {params.settings:q}"
