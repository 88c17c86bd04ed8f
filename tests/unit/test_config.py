import copy
import re
import subprocess
import sys

import pytest
import yaml

from spikesieve.baselines import BASELINES
from spikesieve.config import read_config
from spikesieve.counts import NORMALISATIONS
from spikesieve.errors import ConfigError
from spikesieve.method_names import ALL_NAMES, DEEP, OWN_SETTINGS
from spikesieve.model_settings import SHARED
from spikesieve.nulls import NULLS
from spikesieve.sae.names import LOSSES, OPTIMISERS, OUTPUT_ACTIVATIONS, PENALTIES, TRIED
from spikesieve.sae.schedules import SCHEDULES
from spikesieve.sae.settings import (
    ARCHITECTURES,
    PRE_BIASES,
    PRECISIONS,
    READOUTS,
    WINDOWS,
    Settings,
)
from spikesieve.widths import whole_multiple, width_text

ROW = {"recording": "a", "source": "nwb", "path": "results/a.nwb"}


@pytest.fixture(scope="module")
def schemas(root):
    return root / "workflow/schemas"


@pytest.fixture
def shipped(root):
    return yaml.safe_load((root / "config/config.yaml").read_text())


def errors_of(given, schemas):
    with pytest.raises(ConfigError) as error:
        read_config(given, schemas)
    return str(error.value)


def test_the_shipped_config_spells_out_every_key_with_its_default(shipped, schemas):
    schema = yaml.safe_load((schemas / "config.schema.yaml").read_text())

    def compare(value, part):
        assert set(value) == set(part["properties"])
        for key, sub in part["properties"].items():
            assert "description" in sub or "properties" not in sub, key
            if "properties" in sub:
                compare(value[key], sub)
            elif key != "simulations":
                assert value[key] == sub["default"], key

    compare(shipped, schema)


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "allen.yaml", "retina.yaml", "retina_small.yaml", "doors.yaml", "deep.yaml"],
)
def test_each_shipped_config_is_valid(root, shipped, schemas, monkeypatch, name):
    monkeypatch.chdir(root)
    preset = yaml.safe_load((root / "config" / name).read_text())
    config = read_config(shipped | preset, schemas)
    assert config.recordings


def test_the_allen_preset_names_the_three_sessions(root, shipped, schemas):
    preset = yaml.safe_load((root / "config/allen.yaml").read_text())
    rows = read_config(shipped | preset, schemas).recordings.values()
    assert {row["path"] for row in rows} == {"732592105", "742951821", "760693773"}


def test_missing_keys_take_their_defaults_and_overrides_apply_to_one_recording(schemas):
    rows = [ROW, ROW | {"recording": "b"}]
    given = {"recordings": rows, "overrides": {"b": {"units": {"quality": ["unsorted"]}}}}
    config = read_config(given, schemas)
    assert config.of("a")["units"]["quality"] == ["good"]
    assert config.of("b")["units"]["quality"] == ["unsorted"]
    assert config.of("b")["units"]["max_isi_violations"] == 0.1


def test_all_mistakes_are_named_at_once_with_the_nearest_right_name(schemas):
    text = errors_of(
        {
            "unitz": {},
            "seed": "zero",
            "counts": {"binms": 50},
            "sae": {"normalisation": "max_units"},
            "overrides": {"b": {}, "a": {"unit": {}, "sae": {"kk": 3}}},
            "recordings": [
                ROW,
                ROW | {"recording": "a"},
                {"recording": "x/y", "source": "nwb", "path": "results/p"},
                {"recording": "k", "source": "kilosrt", "path": "results/p"},
                {"recording": "c", "source": "counts", "path": "results/p"},
                {"recording": "n", "source": "nwb", "path": "nowhere.nwb"},
                {"recording": "m", "source": "nwb", "path": "results/p", "layout": "bins_by_units"},
                {"recording": "s", "source": "simulated", "path": "feature"},
                {"recording": "r", "source": "retina", "path": "https://a.org/b.tar.gz"},
            ],
        },
        schemas,
    )
    for part in (
        "unknown key 'unitz' (did you mean 'units'?)",
        "seed: 'zero' is not of type 'integer'",
        "unknown key 'counts.binms' (did you mean 'bin_ms'?)",
        "sae.normalisation: 'max_units' is not one of",
        "(did you mean 'max_unit'?)",
        "overrides: no recording 'b'",
        "overrides.a: unknown section 'unit' (did you mean 'units'?)",
        "overrides.a.sae: unknown key 'kk'",
        "id 'a' stands twice",
        "row 3 (x/y): recording: 'x/y' does not match",
        "row 4 (k): source: 'kilosrt' is not one of",
        "(did you mean 'kilosort'?)",
        "row 5 (c): 'bin_ms' is a required property",
        "row 6 (n): 'nowhere.nwb' does not exist",
        "row 7 (m): column 'layout' does not apply to source 'nwb'",
        "row 8 (s): simulation 'feature' is not in simulations",
        "row 9 (r): 'sha256' is a required property",
    ):
        assert part in text


def test_mistakes_inside_models_are_named(schemas):
    models = {"wide": {"n_latent": 64}, "mini": {"loss": "mslle"}, "own": {"n_seeds": 3}}
    given = {
        "sae": {"models": models | {"No Name": {}}},
        "sweep": {"kk": [1]},
        "overrides": {"a": {"sae": {"models": {"wide": {"k": "two"}}}}},
        "recordings": [ROW],
    }
    text = errors_of(given, schemas)
    for part in (
        "sae.models.wide: unknown key 'n_latent' (did you mean 'n_latents'?)",
        "sae.models.mini: loss: 'mslle' is not one of",
        "(did you mean 'msle'?)",
        "sae.models.own: unknown key 'n_seeds'",
        "'No Name' does not match",
        "unknown key 'sweep.kk'",
        "overrides.a.sae.models.wide: k: 'two' is not of type",
    ):
        assert part in text
    for section in ({"models": None}, {"models": {"wide": None}}, {"models": {}}, None):
        assert "problem(s) in the configuration" in errors_of(
            {"recordings": [ROW], "sae": section}, schemas
        )


SET = {"n_latents": 16, "k": 2, "smoothing": 0.0}


@pytest.mark.parametrize(
    ("sae", "message"),
    [
        ({"loss": "poisson_nll"}, "output_activation: softplus"),
        ({"n_latents": 4, "k": 8}, "k 8 is more than the 4 latents"),
        ({"k": 0}, "k 0"),
        (SET | {"levels": [[16, 2], [8, 1]]}, "last level (8, 1), n_latents 16"),
        (SET | {"levels": [[16, 1], [16, 2]]}, "each wider than the one before"),
        (SET | {"levels": [[8, 1, -1], [16, 2]]}, "weight of a level -1"),
        (SET | {"architecture": "topk", "levels": [[8, 2]]}, "levels with architecture 'topk'"),
        ({"n_instances": 1}, "min_stability 0.7 with one instance"),
        ({"readout": "encoder"}, "min_stability without a Poisson readout"),
        ({"reconstruct": [0, 5]}, "reconstruct [0, 5]"),
        (
            {"architecture": "topk", "penalty": "l0", "penalty_weight": 1},
            "penalty 'l0' with architecture 'topk'",
        ),
        ({"weight_decay": 0.1}, "weight_decay 0.1 with optimiser 'adam'"),
        ({"judge_hidden": True}, "judge_hidden with masked_share 0"),
        ({"causal": True}, "causal with smoothing 1.0"),
        ({"penalty_weight": 0.1}, "penalty_weight 0.1 without a penalty"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_named_before_anything_runs(schemas, sae, message):
    given = {"recordings": [ROW, ROW | {"recording": "b"}], "sae": sae | {"models": {"own": {}}}}
    text = errors_of(given, schemas)
    assert text.startswith("1 problem(s) in the configuration:\n  - sae.models.own: ")
    assert message in text
    assert "(recordings a, b)" in text
    only_b = {"recordings": given["recordings"], "overrides": {"b": {"sae": given["sae"]}}}
    assert "(recordings b)" in errors_of(only_b, schemas)


def test_what_the_sweep_could_choose_must_be_possible(schemas):
    given = {"recordings": [ROW], "sae": {"models": {"own": {}}}}
    for sweep, message in (
        ({"n_latents": [2], "k": [8]}, "own: each k of [8] is more than each width of [2]"),
        ({"k": []}, "own: k is null, and sweep.k has no value"),
    ):
        assert message in errors_of(given | {"sweep": sweep}, schemas)
    read_config(given | {"sweep": {"n_latents": [2, 16], "k": [8]}}, schemas)
    hidden = {"masked_share": None, "judge_hidden": True, "models": {"own": {}}}
    text = errors_of({"recordings": [ROW], "sae": hidden}, schemas)
    assert "own: judge_hidden with masked_share 0" in text
    read_config({"recordings": [ROW], "sae": hidden, "sweep": {"masked_share": [0.5]}}, schemas)


@pytest.mark.parametrize("fits", [True, False])
def test_levels_leave_no_width_or_budget_to_choose(schemas, fits):
    """Not even the only value of the sweep: with few training bins, less is tried."""
    sae = {"levels": [[64, 4], [128, 8]], "models": {"own": {}, "more": {"levels": []}}}
    given = {"recordings": [ROW], "sae": sae}
    given["sweep"] = {"n_latents": [128], "k": [8]} if fits else {}
    text = errors_of(given, schemas)
    assert "1 problem(s)" in text
    assert "sae.models.own: n_latents and k null beside levels" in text
    assert "set n_latents: 128, k: 8, or leave levels out (recordings a)" in text
    text = errors_of(given | {"sae": sae | {"k": 8}}, schemas)
    assert "own: n_latents null beside levels" in text
    assert "set n_latents: 128, or leave" in text
    more = {"own": {"levels": []}, "more": {}}
    assert "1 problem(s)" in errors_of(given | {"sae": sae | {"models": more}}, schemas)
    models = {"own": {}, "more": {}}
    read_config(given | {"sae": sae | {"n_latents": 128, "k": 8, "models": models}}, schemas)


def test_a_later_model_leaves_open_only_what_the_first_does(schemas):
    open_k, fixed_k = {"k": None}, {"k": 4}
    text = errors_of(
        {"recordings": [ROW], "sae": {"models": {"own": fixed_k, "more": open_k}}}, schemas
    )
    assert "1 problem(s)" in text
    assert "sae.models.more: k is null, but the sweep is over what the first model, own," in text
    for models in ({"own": open_k, "more": fixed_k}, {"own": fixed_k, "more": fixed_k}):
        assert read_config({"recordings": [ROW], "sae": {"models": models}}, schemas)


def test_what_looks_at_validation_bins_needs_some(schemas):
    counts = {"split": [["train", 7], ["test", 2]]}
    given = {"recordings": [ROW], "counts": counts}
    text = errors_of(given | {"sae": {"models": {"own": {}}}}, schemas)
    assert "1 problem(s)" in text
    assert "own: n_latents, k, smoothing, masked_share null" in text
    assert "counts.split has no validation block" in text
    closed = SET | {"masked_share": 0.5, "models": {"own": {}}}
    assert read_config(given | {"sae": closed}, schemas)
    text = errors_of(given | {"sae": closed | {"patience": 5}}, schemas)
    assert "own: patience 5: counts.split has no validation block" in text
    assert read_config({"recordings": [ROW], "sae": closed | {"patience": 5}}, schemas)


def test_reading_the_configuration_needs_no_torch(root):
    code = (
        "import sys, yaml\n"
        "from spikesieve.config import read_config\n"
        "read_config(yaml.safe_load(open('config/config.yaml')), 'workflow/schemas')\n"
        "print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_the_schema_knows_the_names_that_the_library_knows(schemas):
    schema = yaml.safe_load((schemas / "config.schema.yaml").read_text())
    sae = schema["properties"]["sae"]["properties"]
    for key, names in {
        "architecture": ARCHITECTURES,
        "readout": READOUTS,
        "normalisation": NORMALISATIONS,
        "window": WINDOWS,
        "pre_bias": PRE_BIASES,
        "loss": LOSSES,
        "output_activation": OUTPUT_ACTIVATIONS,
        "penalty": ["auto", "none", *PENALTIES, "l0"],
        "optimiser": OPTIMISERS,
        "schedule": SCHEDULES,
        "precision": PRECISIONS,
    }.items():
        assert set(sae[key]["enum"]) == set(names), key
    assert set(sae["nulls"]["items"]["enum"]) == {*NULLS, "random"}
    methods = schema["properties"]["baselines"]["properties"]["methods"]["items"]["enum"]
    assert set(methods) == {*ALL_NAMES}
    assert {*OWN_SETTINGS} == {*BASELINES, *DEEP}
    assert {*TRIED} == {key for key, part in sae.items() if "null" in part.get("type", ())} - {
        "patience"
    }
    assert {*TRIED} == {*schema["properties"]["sweep"]["properties"]} - {"bin_ms", "n_steps"}
    assert {*Settings._fields} - {"seed"} == {*sae} - {*SHARED} - {"n_instances"}


def test_a_model_may_not_be_called_like_a_baseline(schemas):
    """Their results lie side by side, in folders of these names."""
    for name in ("pca", "raw"):
        text = errors_of({"recordings": [ROW], "sae": {"models": {name: {}}}}, schemas)
        assert f"sae.models.{name}: this is the name of a baseline" in text
    own = {"overrides": {"a": {"sae": {"models": {"nmf": {}}}}}}
    assert "sae.models.nmf" in errors_of({"recordings": [ROW]} | own, schemas)


def test_joint_variables_say_of_what(schemas):
    given = {"recordings": [ROW], "meaning": {"joint": {"place": {"levels": 3}}}}
    assert "meaning.joint.place: 'of' is a required property" in errors_of(given, schemas)


@pytest.mark.parametrize(
    "name", ["a b; rm -rf $HOME", "../up", "-dash", "a/b", "", "a\n", "x" * 101]
)
def test_recording_ids_that_could_do_harm_are_refused(schemas, name):
    assert "recordings, row 1" in errors_of({"recordings": [ROW | {"recording": name}]}, schemas)


@pytest.mark.parametrize("content", ["", "recording\tsource\tpath\n", "# only a comment\n"])
def test_an_empty_sheet_says_so(tmp_path, schemas, content):
    sheet = tmp_path / "recordings.tsv"
    sheet.write_text(content)
    assert "has no row; add a line" in errors_of({"recordings": str(sheet)}, schemas)


def test_a_missing_sheet_says_so(schemas):
    assert "cannot read the sheet 'none.tsv'" in errors_of({"recordings": "none.tsv"}, schemas)


def test_numbers_of_the_sheet_are_numbers(tmp_path, schemas):
    sheet = tmp_path / "recordings.tsv"
    sheet.write_text("recording\tsource\tpath\tbin_ms\n# mine\n1\tcounts\tresults/x.npz\t25\n")
    config = read_config({"recordings": str(sheet)}, schemas)
    assert config.recordings["1"]["bin_ms"] == 25.0
    assert config.of("1")["counts"]["bin_ms"] == 25.0
    sheet.write_text("recording\tsource\tpath\tbin_ms\n1\tcounts\tresults/x.npz\twide\n")
    assert "bin_ms: 'wide' is not of type 'number'" in errors_of(
        {"recordings": str(sheet)}, schemas
    )


def test_sheets_may_end_rows_in_tabs_and_hold_awkward_words(tmp_path, schemas):
    sheet = tmp_path / "recordings.tsv"
    sheet.write_text(
        "\ufeffrecording\tsource\tpath\tsubject\r\n"
        "NA\tnwb\tresults/a#1/x.nwb\tNone\t\t\r\n"
        "  # a comment\r\n"
        "\r\n"
        "b\tnwb\tresults/b.nwb\r\n"
    )
    recordings = read_config({"recordings": str(sheet)}, schemas).recordings
    assert recordings["NA"]["path"] == "results/a#1/x.nwb"
    assert recordings["NA"]["subject"] == "None"
    assert "subject" not in recordings["b"]


def test_a_column_that_stands_twice_is_named(tmp_path, schemas):
    sheet = tmp_path / "recordings.tsv"
    sheet.write_text("recording\tsource\tpath\tpath\na\tnwb\tresults/x\tresults/y\n")
    assert "column 'path' stands twice" in errors_of({"recordings": str(sheet)}, schemas)


def test_a_row_without_its_source_is_not_blamed_for_more(schemas):
    text = errors_of({"recordings": [{"recording": "a", "path": "results/x"}]}, schemas)
    assert "1 problem(s)" in text
    assert "'source' is a required property" in text


def test_a_row_with_more_cells_than_columns_is_named(tmp_path, schemas):
    sheet = tmp_path / "recordings.tsv"
    sheet.write_text("recording\tsource\tpath\na\tnwb\t\tresults/x.nwb\n")
    assert "row 1: 4 cells under 3 columns" in errors_of({"recordings": str(sheet)}, schemas)


@pytest.mark.parametrize("width", [50, 50.0, 0.5, 33.3, 1000 * 18 / 17852.767845719834])
def test_a_width_survives_its_way_through_a_path(width):
    assert float(width_text(width)) == width
    assert "e" not in width_text(width)


def test_whole_multiples_are_told_from_others_despite_rounding():
    assert whole_multiple(0.3, 0.1) == 3
    assert whole_multiple(50, 25.0) == 2
    assert whole_multiple(60, 25.0) is None
    assert whole_multiple(10, 25.0) is None


def test_counts_can_only_be_joined_into_wider_bins(schemas):
    row = {"recording": "c", "source": "counts", "path": "results/p", "bin_ms": 25}
    overrides = {"c": {"counts": {"bin_ms": 60}}}
    text = errors_of({"recordings": [row], "overrides": overrides}, schemas)
    assert "60 is no whole multiple of the 25 ms" in text
    overrides["c"]["counts"]["bin_ms"] = 100
    assert read_config({"recordings": [row], "overrides": overrides}, schemas)
    given = {"recordings": [ROW, row], "sweep": {"bin_ms": [60, 75]}}
    text = errors_of(given, schemas)
    assert "1 problem(s)" in text
    assert "c.sweep.bin_ms: 60 is no whole multiple of the 25 ms" in text
    assert read_config(given | {"overrides": {"c": {"sweep": {"bin_ms": [75]}}}}, schemas)


def test_reading_does_not_change_what_was_given(shipped, schemas):
    given = shipped | {"recordings": [ROW]}
    before = copy.deepcopy(given)
    read_config(given, schemas)
    assert given == before


@pytest.mark.parametrize(
    "given",
    [
        {"recordings": [ROW], "overrides": {"a": None}},
        {"recordings": [ROW], "overrides": []},
        {"recordings": ["a"]},
        {"recordings": 5},
        {"recordings": [ROW], "units": None},
        {"recordings": [ROW], "counts": {"split": [["train"]]}},
        {"recordings": [ROW], "counts": {"bin_ms": "fifty"}},
        {"recordings": [ROW], "simulations": {"x": 1}},
        {"recordings": [ROW], "overrides": {123: {"units": {}}}},
        {"recordings": [ROW], "overrides": {"a": {7: {}}}},
        {"recordings": [ROW], 1: 2, "x": 3},
        {"recordings": [ROW | {1: 2, "x": 3}]},
        {"recordings": [ROW], "counts": {"gap_s": float("inf")}},
        {"recordings": [ROW], "counts": {"bin_ms": float("nan")}},
        {"recordings": [ROW], "counts": {"bin_ms": 1e-5}},
        {"recordings": [ROW], "counts": {"split": [["test", 1]]}},
        {"recordings": [ROW | {"path": "results/exports/a/session.nwb"}]},
        {"recordings": [ROW | {"source": "kilosort", "path": __file__}]},
        {"recordings": [ROW | {"source": "simulated", "path": "x"}], "simulations": {"x": 1}},
        {
            "recordings": [ROW | {"source": "simulated", "path": "s"}],
            "simulations": {"s": {"kind": "features", "units_per_feature": [4, 2]}},
        },
        {"recordings": [ROW | {"path": "results/exports/nobody/session.nwb"}]},
    ],
)
def test_values_of_the_wrong_kind_are_named_not_stumbled_over(schemas, given):
    assert "problem(s) in the configuration" in errors_of(given, schemas)


def test_the_sheet_in_the_readme_is_read(root, schemas, tmp_path, shipped):
    """As a newcomer copies it, tabs for spaces; only the files are of this test."""
    text = (root / "README.md").read_text()
    block = text[text.index("       recording  source") :].split("\n\n")[0].splitlines()
    starts = [m.start() for m in re.finditer(r"\S+", block[0])]
    cells = [
        [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        for line in block
    ]
    sources = yaml.safe_load((schemas / "recordings.schema.yaml").read_text())
    assert {row[1] for row in cells[1:]} == {*sources["properties"]["source"]["enum"]}
    sheet = tmp_path / "recordings.tsv"
    sheet.write_text("\n".join("\t".join(row).rstrip() for row in cells) + "\n")
    for path in re.findall(r"/data/\S+", sheet.read_text()):
        file = tmp_path / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch() if file.suffix else file.mkdir()
    sheet.write_text(sheet.read_text().replace("/data/", f"{tmp_path}/data/"))
    found = read_config(shipped | {"recordings": str(sheet)}, schemas)
    assert list(found.recordings) == [row[0] for row in cells[1:]]
    assert float(found.recordings["ca1"]["bin_ms"]) == 25
    assert float(found.recordings["rat1"]["duration_s"]) == 3600
