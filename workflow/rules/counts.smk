"""Counts: spikes of the kept units in bins, with contiguous train, validation and test blocks.

Needs units, spikes (or binned) and intervals. Makes results/counts/{recording}/{bin_ms}ms.parquet.
"""


rule bin_counts:
    input:
        spikes=spikes_or_binned,
        units=table("units"),
        intervals=table("intervals"),
        recording="results/recordings/{recording}/recording.json",
    output:
        "results/counts/{recording}/{bin_ms}ms.parquet",
    log:
        "results/logs/bin_counts/{recording}/{bin_ms}ms.log",
    benchmark:
        "results/benchmarks/rules/bin_counts/{recording}/{bin_ms}ms.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=split_settings,
        source_width=source_width,
        code=code("bin_counts.py"),
    shell:
        "stage {log:q} bin_counts.py results/recordings/{wildcards.recording:q} {output:q} "
        "--bin-ms {wildcards.bin_ms} --settings {params.settings:q} {params.source_width}"
