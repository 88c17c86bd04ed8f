"""Downloads into, and exports out of, the project.

Makes results/downloads/ (Allen sessions by id, the retina archive by URL) and results/exports/
(any recording as a Kilosort folder or an NWB file, for other tools and for the demo's own readers).
"""


rule allensdk_environment:
    input:
        lock=os.path.relpath(ROOT / "envs" / "allensdk.lock"),
    output:
        touch(".venv-allensdk/.ready"),
    log:
        "results/logs/allensdk_environment.log",
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        '"$python_main" -m venv .venv-allensdk > {log:q} 2>&1 && '
        ".venv-allensdk/bin/pip install -q -r {input.lock:q} >> {log:q} 2>&1"


rule download_allen:
    input:
        environment=[] if CONDA else ancient(rules.allensdk_environment.output),
    output:
        "results/downloads/allen/session_{session}.nwb",
    log:
        "results/logs/download_allen/{session}.log",
    benchmark:
        "results/benchmarks/rules/download_allen/{session}.tsv"
    wildcard_constraints:
        session="[0-9]+",
    conda:
        "../../envs/allensdk.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=code("download_allen.py"),
    shell:
        'stage_python="$python_allensdk" stage {log:q} download_allen.py {wildcards.session} '
        "{output:q} --cache results/downloads/allen/cache"


rule download_retina:
    output:
        "results/downloads/retina/{recording}.tar.gz",
    log:
        "results/logs/download_retina/{recording}.log",
    benchmark:
        "results/benchmarks/rules/download_retina/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        url=path_of,
        sha256=lambda wildcards: row_of(wildcards)["sha256"],
        code=code("download.py"),
    shell:
        "stage {log:q} download.py {params.url:q} {output:q} --sha256 {params.sha256}"


rule export_kilosort:
    input:
        spikes=table("spikes"),
        units=table("sorted_units"),
        recording="results/recordings/{recording}/recording.json",
    output:
        KILOSORT_EXPORT,
    log:
        "results/logs/export_kilosort/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_kilosort/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code("export_kilosort.py"),
    shell:
        "stage {log:q} export_kilosort.py results/recordings/{wildcards.recording:q} "
        "results/exports/{wildcards.recording:q}/kilosort"


rule export_nwb:
    input:
        spikes=table("spikes"),
        units=table("sorted_units"),
        intervals=table("intervals"),
        signals=table("signals"),
        recording="results/recordings/{recording}/recording.json",
    output:
        "results/exports/{recording}/session.nwb",
    log:
        "results/logs/export_nwb/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_nwb/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code("export_nwb.py"),
    shell:
        "stage {log:q} export_nwb.py results/recordings/{wildcards.recording:q} {output:q}"
