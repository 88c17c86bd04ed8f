"""Ingest: every source becomes the same tables, in results/recordings/{recording}/.

Needs the sheet of recordings. Makes sorted_units, intervals, signals, recording.json and, where
the source has spike times, spikes (else binned: its own counts). One rule a kind of source.
"""


rule ingest_simulated:
    output:
        **INGESTED,
        spikes=table("spikes"),
        truth="results/recordings/{recording}/truth.npz",
    log:
        "results/logs/ingest_simulated/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_simulated/{recording}.tsv"
    wildcard_constraints:
        recording=of_source("simulated"),
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        simulation=lambda wildcards: canonical(CONFIG.settings["simulations"][path_of(wildcards)]),
        seed=CONFIG.settings["seed"],
        code=code("ingest_simulated.py"),
    shell:
        "stage {log:q} ingest_simulated.py --recording {wildcards.recording:q} "
        "--simulation {params.simulation:q} --seed {params.seed} "
        "--folder results/recordings/{wildcards.recording:q}"


rule ingest_kilosort:
    input:
        kilosort_files,
    output:
        **INGESTED,
        spikes=table("spikes"),
    log:
        "results/logs/ingest_kilosort/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_kilosort/{recording}.tsv"
    wildcard_constraints:
        recording=of_source("kilosort"),
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        path=path_of,
        options=options("duration_s", "subject"),
        code=code("ingest_kilosort.py"),
    shell:
        "stage {log:q} ingest_kilosort.py {params.path:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


rule ingest_nwb:
    input:
        path_of,
    output:
        **INGESTED,
        spikes=table("spikes"),
    log:
        "results/logs/ingest_nwb/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_nwb/{recording}.tsv"
    wildcard_constraints:
        recording=of_source("nwb"),
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        options=options("duration_s", "subject", "sha256"),
        code=code("ingest_nwb.py"),
    shell:
        "stage {log:q} ingest_nwb.py {input:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


rule ingest_allen:
    input:
        allen_file,
    output:
        **INGESTED,
        spikes=table("spikes"),
    log:
        "results/logs/ingest_allen/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_allen/{recording}.tsv"
    wildcard_constraints:
        recording=of_source("allen"),
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        options=options("subject", "sha256"),
        code=code("ingest_allen.py"),
    shell:
        "stage {log:q} ingest_allen.py {input:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


rule ingest_retina:
    input:
        retina_file,
    output:
        **INGESTED,
        spikes=table("spikes"),
    log:
        "results/logs/ingest_retina/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_retina/{recording}.tsv"
    wildcard_constraints:
        recording=of_source("retina"),
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        options=options("subject", "sha256"),
        code=code("ingest_retina.py"),
    shell:
        "stage {log:q} ingest_retina.py {input:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


rule ingest_counts:
    input:
        lambda wildcards: [
            row_of(wildcards)[c]
            for c in ("path", "units", "intervals", "bins")
            if c in row_of(wildcards)
        ],
    output:
        **INGESTED,
        binned=table("binned"),
    log:
        "results/logs/ingest_counts/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_counts/{recording}.tsv"
    wildcard_constraints:
        recording=of_source("counts"),
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        path=path_of,
        options=options("bin_ms", "layout", "units", "intervals", "bins", "subject", "sha256"),
        code=code("ingest_counts.py"),
    shell:
        "stage {log:q} ingest_counts.py {params.path:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"
