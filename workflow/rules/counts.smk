"""Counts: spikes of the kept units in bins, with contiguous train, validation and test blocks.

Needs units, spikes (or binned) and intervals. Makes results/counts/{recording}/{bin_ms}ms.parquet.
"""


def source_width(wildcards):
    """Return the option that names a counts source's own bin width; nothing where spikes exist."""
    row = row_of(wildcards)
    return f"--source-bin-ms {row['bin_ms']}" if "bin_ms" in row else ""


def split_settings(wildcards):
    """Return the settings of binning other than widths, as JSON."""
    settings = CONFIG.of(wildcards.recording)["counts"]
    return canonical({key: settings[key] for key in ("split", "gap_s")})


def counts_of(wildcards):
    """Return the counts table that the learners of a recording read."""
    return f"results/counts/{wildcards.recording}/{bin_width(wildcards.recording)}ms.parquet"


def all_counts_of(wildcards):
    """Return the recording's counts tables of every width, narrow to wide."""
    settings = CONFIG.of(wildcards.recording)["counts"]
    own = row_of(wildcards).get("bin_ms")
    extra = [w for w in settings["extra_bin_ms"] if own is None or not w % own]
    widths = sorted({settings["bin_ms"], *extra})
    return [f"results/counts/{wildcards.recording}/{w:g}ms.parquet" for w in widths]


rule bin_counts:
    input:
        spikes=spikes_or_binned,
        units=table("units"),
        intervals=table("intervals"),
        recording="results/recordings/{recording}/recording.json",
    output:
        "results/counts/{recording}/{bin_ms}ms.parquet",
    params:
        settings=split_settings,
        source_width=source_width,
        code=code("bin_counts.py"),
    log:
        "results/logs/bin_counts/{recording}/{bin_ms}ms.log",
    benchmark:
        "results/benchmarks/rules/bin_counts/{recording}/{bin_ms}ms.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
    shell:
        "stage {log:q} bin_counts.py results/recordings/{wildcards.recording:q} {output:q} "
        "--bin-ms {wildcards.bin_ms} --settings {params.settings:q} {params.source_width}"
