"""Downloads into, and exports out of, the project.

Makes results/downloads/ (Allen sessions by id, the retina archive by URL) and results/exports/
(any recording as a Kilosort folder or an NWB file, for other tools and for the demo's own readers).
"""


rule allensdk_environment:
    output:
        touch(".venv-allensdk/.ready"),
    input:
        lock=str(ROOT / "envs" / "allensdk.lock"),
    log:
        "results/logs/allensdk_environment.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "{{ {sys.executable:q} -m venv .venv-allensdk && .venv-allensdk/bin/pip install -q -r {input.lock:q}; }} "
        "> {log:q} 2>&1"


rule download_allen:
    input:
        environment=[] if CONDA else rules.allensdk_environment.output,
    output:
        "results/downloads/allen/session_{session}.nwb",
    params:
        code=code("download_allen.py"),
    log:
        "results/logs/download_allen/{session}.log",
    benchmark:
        "results/benchmarks/rules/download_allen/{session}.tsv"
    wildcard_constraints:
        session="[0-9]+",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    conda:
        "../../envs/allensdk.yaml"
    shell:
        'stage_python="$python_allensdk" stage {log:q} download_allen.py {wildcards.session} '
        "{output:q} --cache results/downloads/allen/cache"


rule download_retina:
    output:
        "results/downloads/retina/{recording}.tar.gz",
    params:
        url=path_of,
        sha256=lambda wildcards: row_of(wildcards)["sha256"],
        code=code("download.py"),
    log:
        "results/logs/download_retina/{recording}.log",
    benchmark:
        "results/benchmarks/rules/download_retina/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    conda:
        ENV
    shell:
        "stage {log:q} download.py {params.url:q} {output:q} --sha256 {params.sha256}"


rule export_kilosort:
    input:
        spikes=table("spikes"),
        units=table("sorted_units"),
        recording="results/recordings/{recording}/recording.json",
    output:
        KILOSORT_FILES,
    params:
        code=code("export_kilosort.py"),
    log:
        "results/logs/export_kilosort/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_kilosort/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
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
        EXPORTS + "session.nwb",
    params:
        code=code("export_nwb.py"),
    log:
        "results/logs/export_nwb/{recording}.log",
    benchmark:
        "results/benchmarks/rules/export_nwb/{recording}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
    shell:
        "stage {log:q} export_nwb.py results/recordings/{wildcards.recording:q} {output:q}"
