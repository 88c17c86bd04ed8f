"""Ingest: every source becomes the same tables, in results/recordings/{recording}/.

Needs the sheet of recordings. Makes sorted_units, intervals, signals, recording.json and, where
the source has spike times, spikes (else binned: its own counts). One rule a kind of source, plus
downloads and the export of any recording to Kilosort's layout and to NWB.
"""

INGESTED = {
    "sorted_units": table("sorted_units"),
    "intervals": table("intervals"),
    "signals": table("signals"),
    "recording": "results/recordings/{recording}/recording.json",
}
EXPORTS = "results/exports/{recording}/"


def path_of(wildcards):
    """Return the path in the sheet."""
    return row_of(wildcards)["path"]


def options(*columns):
    """Return an input function: these columns of the sheet as command-line options."""

    def arguments(wildcards):
        row = row_of(wildcards)
        pairs = [(f"--{c.replace('_', '-')}", str(row[c])) for c in columns if c in row]
        return " ".join(shlex.quote(part) for pair in pairs for part in pair)

    return arguments


rule ingest_simulated:
    wildcard_constraints:
        recording=of_source("simulated"),
    output:
        **INGESTED,
        spikes=table("spikes"),
        truth="results/recordings/{recording}/truth.npz",
    params:
        simulation=lambda wildcards: canonical(CONFIG.settings["simulations"][path_of(wildcards)]),
        seed=CONFIG.settings["seed"],
        code=code("ingest_simulated.py"),
    log:
        "results/logs/ingest_simulated/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_simulated/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    conda:
        ENV
    shell:
        "stage {log:q} ingest_simulated.py --recording {wildcards.recording:q} "
        "--simulation {params.simulation:q} --seed {params.seed} "
        "--folder results/recordings/{wildcards.recording:q}"


def kilosort_files(wildcards):
    """Return the files of a Kilosort folder that ingest reads, so that an edit of one counts."""
    folder = path_of(wildcards).rstrip("/")
    made = folder.removeprefix("results/exports/").removesuffix("/kilosort")
    if made in RECORDINGS:
        return [p.format(recording=made) for p in KILOSORT_FILES]
    known = [*KILOSORT_NAMES, "cluster_*.tsv", "cluster_*.csv"]
    return sorted(str(p) for pattern in known for p in Path(folder).glob(pattern))


KILOSORT_NAMES = [
    "params.py",
    "spike_times.npy",
    "spike_clusters.npy",
    "spike_templates.npy",
    "spike_positions.npy",
    "channel_positions.npy",
    "channel_map.npy",
    "templates.npy",
    "templates_ind.npy",
    "template_ind.npy",
]
KILOSORT_FILES = [
    EXPORTS + "kilosort/" + name
    for name in (
        "params.py",
        "spike_times.npy",
        "spike_clusters.npy",
        "spike_templates.npy",
        "spike_positions.npy",
        "channel_positions.npy",
        "channel_map.npy",
        "cluster_KSLabel.tsv",
        "cluster_group.tsv",
    )
]


rule ingest_kilosort:
    wildcard_constraints:
        recording=of_source("kilosort"),
    input:
        kilosort_files,
    output:
        **INGESTED,
        spikes=table("spikes"),
    params:
        path=path_of,
        options=options("duration_s", "subject"),
        code=code("ingest_kilosort.py"),
    log:
        "results/logs/ingest_kilosort/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_kilosort/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        ENV
    shell:
        "stage {log:q} ingest_kilosort.py {params.path:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


rule ingest_nwb:
    wildcard_constraints:
        recording=of_source("nwb"),
    input:
        path_of,
    output:
        **INGESTED,
        spikes=table("spikes"),
    params:
        options=options("duration_s", "subject", "sha256"),
        code=code("ingest_nwb.py"),
    log:
        "results/logs/ingest_nwb/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_nwb/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        ENV
    shell:
        "stage {log:q} ingest_nwb.py {input:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


def allen_file(wildcards):
    """Return the session file: the path in the sheet, or where its id is downloaded to."""
    path = path_of(wildcards)
    return f"results/downloads/allen/session_{path}.nwb" if path.isdigit() else path


rule ingest_allen:
    wildcard_constraints:
        recording=of_source("allen"),
    input:
        allen_file,
    output:
        **INGESTED,
        spikes=table("spikes"),
    params:
        options=options("subject", "sha256"),
        code=code("ingest_allen.py"),
    log:
        "results/logs/ingest_allen/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_allen/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    conda:
        ENV
    shell:
        "stage {log:q} ingest_allen.py {input:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


def retina_file(wildcards):
    """Return the archive: the path in the sheet, or where its URL is downloaded to."""
    path = path_of(wildcards)
    is_url = path.startswith(("https://", "http://"))
    return f"results/downloads/retina/{wildcards.recording}.tar.gz" if is_url else path


rule ingest_retina:
    wildcard_constraints:
        recording=of_source("retina"),
    input:
        retina_file,
    output:
        **INGESTED,
        spikes=table("spikes"),
    params:
        options=options("subject", "sha256"),
        code=code("ingest_retina.py"),
    log:
        "results/logs/ingest_retina/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_retina/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
    shell:
        "stage {log:q} ingest_retina.py {input:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"


rule ingest_counts:
    wildcard_constraints:
        recording=of_source("counts"),
    input:
        lambda wildcards: [
            row_of(wildcards)[c]
            for c in ("path", "units", "intervals", "bins")
            if c in row_of(wildcards)
        ],
    output:
        **INGESTED,
        binned=table("binned"),
    params:
        path=path_of,
        options=options("bin_ms", "layout", "units", "intervals", "bins", "subject", "sha256"),
        code=code("ingest_counts.py"),
    log:
        "results/logs/ingest_counts/{recording}.log",
    benchmark:
        "results/benchmarks/rules/ingest_counts/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
    shell:
        "stage {log:q} ingest_counts.py {params.path:q} --recording {wildcards.recording:q} "
        "--folder results/recordings/{wildcards.recording:q} {params.options}"
