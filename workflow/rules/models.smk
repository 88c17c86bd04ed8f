"""Which files and settings the rules of models are about: runs, controls, sweeps."""


def null_file(name):
    """Return the path pattern of a file of a control run."""
    return f"results/nulls/{{recording}}/{{model}}/{{null}}/seed{{seed}}/{name}"


def sae_settings(wildcards):
    """Return the settings of one training as JSON; what is null there is chosen by the sweep."""
    return closed(model_settings(CONFIG.of(wildcards.recording), wildcards.model))


def closed(settings):
    """Return settings as JSON without those that are open; no ``patience`` is a choice."""
    return canonical({key: v for key, v in settings.items() if v is not None or key == "patience"})


def is_open(recording, model):
    """Say whether a model leaves something to the sweep."""
    settings = model_settings(CONFIG.of(recording), model)
    return None in [settings[name] for name in TRIED]


def choice_of(wildcards):
    """Return the file of what was chosen, where the model leaves something to the sweep."""
    choice = f"results/sweep/{wildcards.recording}/choice.json"
    return [choice] if is_open(wildcards.recording, wildcards.model) else []


def models_of(recording):
    """Return the names of a recording's models, the one that later stages read first."""
    return list(CONFIG.of(recording)["sae"]["models"])


def seeds_of(recording):
    """Return the numbers of a recording's runs."""
    return range(CONFIG.of(recording)["sae"]["n_seeds"])


def sae_runs(name):
    """Return an input function: this file of every seed's run of one model of a recording."""

    def files(wildcards):
        names = {"recording": wildcards.recording, "model": wildcards.model}
        return expand(sae_file(name), **names, seed=seeds_of(wildcards.recording))

    return files


def null_runs(name):
    """Return an input function: this file of every seed's run of one control."""

    def files(wildcards):
        names = {"recording": wildcards.recording, "model": wildcards.model}
        seeds = seeds_of(wildcards.recording)
        return expand(null_file(name), **names, null=wildcards.null, seed=seeds)

    return files


def all_runs(name):
    """Return an input function: this file of every run of every method, in the order to draw."""

    def files(wildcards):
        recording = wildcards.recording
        section = CONFIG.of(recording)["baselines"]
        names = {"recording": recording, "seed": seeds_of(recording)}
        fits = {"method": section["methods"], "seed": range(section["n_seeds"])}
        return [
            *expand(baseline_file(name), recording=recording, **fits),
            *expand(sae_file(name), model=models_of(recording), **names),
        ]

    return files


def first_model_runs(name):
    """Return an input function: this file of every seed's run of a recording's first model."""

    def files(wildcards):
        recording = wildcards.recording
        names = {"recording": recording, "model": models_of(recording)[0]}
        return expand(sae_file(name), **names, seed=seeds_of(recording))

    return files


def model_metrics(wildcards):
    """Return the metrics of every run of every model of a recording."""
    names = {"recording": wildcards.recording, "seed": seeds_of(wildcards.recording)}
    return expand(sae_file("metrics.parquet"), model=models_of(wildcards.recording), **names)


def dictionaries_of(wildcards):
    """Return the tables of a recording's dictionaries: what is left after pruning."""
    names = {"recording": wildcards.recording, "model": models_of(wildcards.recording)}
    return expand("results/sae/{recording}/{model}/dictionary.parquet", **names)


def stability_metrics(wildcards):
    """Return the tables of stability of a recording's models, and of the first one's controls."""
    recording = wildcards.recording
    models = models_of(recording)
    nulls = CONFIG.of(recording)["sae"]["nulls"]
    return [
        *expand(f"results/sae/{recording}/{{model}}/metrics.parquet", model=models),
        *expand(f"results/nulls/{recording}/{models[0]}/{{null}}/metrics.parquet", null=nulls),
    ]


def sweep_widths(recording):
    """Return the bin widths in ms that a sweep is over: that of the learners first."""
    own = bin_width(recording)
    more = [width_text(w) for w in CONFIG.of(recording)["sweep"]["bin_ms"]]
    return list(dict.fromkeys([own, *more]))


def sweep_latents(recording):
    """Return the widths of dictionaries that a sweep is over."""
    own = model_settings(CONFIG.of(recording), models_of(recording)[0])["n_latents"]
    return CONFIG.of(recording)["sweep"]["n_latents"] if own is None else [own]


#: A job for each width of a dictionary and bin width; all else of a grid shares a job.
SWEEP = Paramspace(
    pd.DataFrame(
        [
            {"recording": recording, "bin_ms": width, "n_latents": n}
            for recording in RECORDINGS
            for width in sweep_widths(recording)
            for n in sweep_latents(recording)
        ]
    ),
    filename_params=["n_latents"],
)


def sweep_counts(wildcards):
    """Return the counts table of a trial."""
    return f"results/counts/{wildcards.recording}/{wildcards.bin_ms}ms.parquet"


def sweep_settings(wildcards):
    """Return what all trials share as JSON: the first model, trained shorter."""
    recording = wildcards.recording
    settings = model_settings(CONFIG.of(recording), models_of(recording)[0])
    shorter = {"n_steps": CONFIG.of(recording)["sweep"]["n_steps"], "min_stability": 0.0}
    return closed(settings | shorter | {"n_instances": None})  # a trial has its own seeds


def sweep_values(wildcards):
    """Return the values to try as JSON, of what the first model leaves open."""
    recording = wildcards.recording
    settings = model_settings(CONFIG.of(recording), models_of(recording)[0])
    # In this order; each width to try has a job of its own.
    values = CONFIG.of(recording)["sweep"] | {"n_latents": [int(wildcards.n_latents)]}
    return json.dumps({name: values[name] for name in TRIED if settings[name] is None})


def sweep_narrower(wildcards):
    """Return the next narrower width that is tried of a recording, 0 for none."""
    widths = sweep_latents(wildcards.recording)
    return max((n for n in widths if n < int(wildcards.n_latents)), default=0)


def notes_settings(wildcards):
    """Return what the notes' way to a width takes, as JSON (a plain budget, the encoder's codes)."""
    recording = wildcards.recording
    settings = model_settings(CONFIG.of(recording), models_of(recording)[0])
    values = CONFIG.of(recording)["sweep"]
    if settings["masked_share"] is None:
        settings |= {"masked_share": 0.0, "judge_hidden": False}
    budget = {"k": settings["k"] or values["k"][0], "penalty": "auto", "penalty_weight": 0.0}
    read = {"readout": "encoder", "min_stability": 0.0, "n_instances": 1, "smoothing": 0.0}
    asked = {"architecture": "batch_topk", "n_latents": None, "n_steps": values["n_steps"]}
    chosen = settings | budget | read | asked
    return closed({key: v for key, v in chosen.items() if key != "levels"})


def sweep_tables(wildcards):
    """Return the tables of all trials of a recording."""
    mine = SWEEP.dataframe[SWEEP.dataframe["recording"] == wildcards.recording]
    space = Paramspace(mine, filename_params=["n_latents"])
    return [f"results/sweep/trials/{pattern}.parquet" for pattern in space.instance_patterns]


#: Recordings whose first model leaves something to the sweep.
SWEPT = [recording for recording in RECORDINGS if is_open(recording, models_of(recording)[0])]


def folder_of(wildcards, output):
    """Return the folder that a job writes to."""
    return str(Path(output[0]).parent)
