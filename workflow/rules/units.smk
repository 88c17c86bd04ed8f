"""Unit quality: metrics of every unit from its spikes, and the filter.

Needs the ingested tables. Makes results/recordings/{recording}/units.parquet.
"""


rule filter_units:
    input:
        spikes=spikes_or_binned,
        sorted_units=table("sorted_units"),
        recording="results/recordings/{recording}/recording.json",
    output:
        table("units"),
    log:
        "results/logs/filter_units/{recording}.log",
    benchmark:
        "results/benchmarks/rules/filter_units/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=setting("units"),
        code=code("filter_units.py"),
    shell:
        "stage {log:q} filter_units.py results/recordings/{wildcards.recording:q} "
        "--settings {params.settings:q}"
