"""Which files and settings the rules of baselines are about; what of models there is beside them."""


def baseline_settings(wildcards):
    """Return what a baseline takes of the configuration as JSON."""
    return canonical(settings_of_method(CONFIG.of(wildcards.recording), wildcards.method))


def baseline_tables(wildcards):
    """Return the tables, beside counts, that a method needs: trials, or labels of bins."""
    needed = {
        "slicetca": {"intervals": table("intervals")},
        "cebra_behaviour": {"conditions": "results/latents/{recording}/conditions.parquet"},
    }
    paths = needed.get(base_name(wildcards.method), {})
    return {name: path.format(recording=wildcards.recording) for name, path in paths.items()}


def baseline_options(wildcards):
    """Return the command-line options that name these tables."""
    return " ".join(f"--{n} {shlex.quote(p)}" for n, p in baseline_tables(wildcards).items())


def baseline_minutes(wildcards):
    """Return how long a fit may take, tuning included."""
    return 480 if base_name(wildcards.method) in DEEP else 60


def runs_and_nulls(name):
    """Return an input function: this file of every run, controls of all methods among them."""

    def files(wildcards):
        recording = wildcards.recording
        of, first = CONFIG.of(recording), models_of(recording)[0]
        fits = {"method": of["baselines"]["methods"], "seed": range(of["baselines"]["n_seeds"])}
        sae = {"model": first, "null": of["sae"]["nulls"], "seed": seeds_of(recording)}
        null = of["baselines"]["nulls"]
        return [
            *all_runs(name)(wildcards),
            *expand(baseline_null_file(name), recording=recording, null=null, **fits),
            *expand(null_file(name), recording=recording, **sae),
        ]

    return files


def benchmarks_of_runs(wildcards):
    """Return Snakemake's benchmark of each run of ``runs_and_nulls``, in the same order."""
    stages = {"baselines": "fit_baseline", "sae": "train_sae"}
    paths = []
    for metrics in runs_and_nulls("metrics.parquet")(wildcards):
        kind, recording, name, *more = Path(metrics).parts[1:-1]
        stage = stages.get(kind) or ("fit_baseline_null" if name in ALL_NAMES else "train_null")
        rest = "/".join([recording, name, *more])
        paths.append(f"results/benchmarks/rules/{stage}/{rest}.tsv")
    return paths


def benchmark_options(wildcards, input):
    """Return the command-line options that name these benchmarks."""
    return " ".join(f"--benchmark {shlex.quote(path)}" for path in input.benchmarks)
