"""Which files and settings the rules of meaning are about: runs of every method, the labels."""

#: Tables of one model's meaning.
MEANING = [
    "features",
    "tuning",
    "triggered",
    "sources",
    "coactive",
    "summary",
    "decoding",
    "confusion",
]
#: Baselines have meanings, too, in folders called like them.
MODEL_OR_METHOD = r"[a-z][a-z0-9_]*"
#: Keys of section meaning that make labels; all others are about latents.
OF_LABELS = ("quantiles", "max_classes", "min_repeats", "leave_out", "angles", "joint")


def latents_file(name):
    """Return the path pattern of a table of one model's meaning."""
    return f"results/latents/{{recording}}/{{model}}/{name}.parquet"


def compared(recording):
    """Return the names of all that have latents to judge: models, baselines, and raw counts."""
    methods = CONFIG.of(recording)["baselines"]["methods"]
    baselines = [method for method in methods if method != "mean"]
    return list(dict.fromkeys([*models_of(recording), "raw", *baselines]))


def is_model(recording, name):
    """Say whether a name is an autoencoder's; all others are baselines."""
    return name in models_of(recording)


def runs_of(recording, model, name):
    """Return this file of every seed's run of an autoencoder or a baseline."""
    if is_model(recording, model):
        names = {"recording": recording, "model": model, "seed": seeds_of(recording)}
        return expand(sae_file(name), **names)
    seeds = range(CONFIG.of(recording)["baselines"].get("n_seeds", 1))
    return expand(baseline_file(name), recording=recording, method=model, seed=seeds)


def judged_runs(name):
    """Return an input function: this file of every run of the model that a job is about."""
    return lambda wildcards: runs_of(wildcards.recording, wildcards.model, name)


def networks_and_dictionary(wildcards):
    """Return what only autoencoders have: their networks, and what was left of dictionaries."""
    recording, model = wildcards.recording, wildcards.model
    if not is_model(recording, model):
        return []
    dictionary = f"results/sae/{recording}/{model}/dictionary.parquet"
    return [*runs_of(recording, model, "checkpoint.safetensors"), dictionary]


def label_settings(wildcards):
    """Return the settings that labels are made by, as JSON."""
    settings = CONFIG.of(wildcards.recording)["meaning"]
    return canonical({key: settings[key] for key in OF_LABELS})


def meaning_settings(wildcards):
    """Return the settings that latents are judged by, as JSON."""
    settings = CONFIG.of(wildcards.recording)["meaning"]
    return canonical({key: v for key, v in settings.items() if key not in OF_LABELS})


def gap_of(wildcards):
    """Return what splits are apart, in s."""
    return CONFIG.of(wildcards.recording)["counts"]["gap_s"]


def meaning_of_all(name):
    """Return an input function: this table of every model and baseline, in the order to draw."""

    def files(wildcards):
        recording = wildcards.recording
        return expand(latents_file(name), recording=recording, model=compared(recording))

    return files


def shifted_features(wildcards):
    """Return the features of what was fitted on shifted counts: the first model, the baselines."""
    recording = wildcards.recording
    of, pattern = CONFIG.of(recording), f"results/nulls/{recording}/{{}}/shifted/features.parquet"
    first = [models_of(recording)[0]] if "shifted" in of["sae"]["nulls"] else []
    methods = [method for method in of["baselines"]["methods"] if method != "mean"]
    others = methods if "shifted" in of["baselines"]["nulls"] else []
    return [pattern.format(name) for name in first + others]


def baseline_null_runs(name):
    """Return an input function: this file of every seed's run of a baseline on one control."""

    def files(wildcards):
        seeds = range(CONFIG.of(wildcards.recording)["baselines"]["n_seeds"])
        return expand(baseline_null_file(name), **wildcards, seed=seeds)

    return files


def first_meaning(*names):
    """Return an input function: these tables of a recording's first model."""

    def files(wildcards):
        names_ = {"recording": wildcards.recording, "model": models_of(wildcards.recording)[0]}
        return [latents_file(name).format(**names_) for name in names]

    return files


def first_judged_run(name):
    """Return an input function: this file of the first run of the model that a job is about."""
    return lambda wildcards: judged_runs(name)(wildcards)[0]


def nwb_of(wildcards):
    """Return a recording's own NWB file, or its export as one."""
    source = row_of(wildcards)["source"]
    if source == "nwb":
        return path_of(wildcards)
    if source == "allen":
        return allen_file(wildcards)
    return f"results/exports/{wildcards.recording}/session.nwb"


def latents_exports(wildcards):
    """Return the exports of the first model of every recording that has spike times."""
    pairs = [(name, models_of(name)[0]) for name in RECORDINGS if has_spikes(name)]
    folders = [f"results/exports/{name}/{model}" for name, model in pairs]
    return [f"{folder}/{what}" for folder in folders for what in ("latents.nwb", "phy")]


def comparison_tables(wildcards):
    """Return the tables of every model and baseline that a comparison reads."""
    names = ("features", "summary", "decoding")
    return [path for name in names for path in meaning_of_all(name)(wildcards)]


def comparison_folders(wildcards):
    """Return the folders of these tables, that of the first model first."""
    return [
        f"results/latents/{wildcards.recording}/{name}" for name in compared(wildcards.recording)
    ]
