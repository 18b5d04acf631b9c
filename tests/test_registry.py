import dataclasses
import json
from pathlib import Path

import onnx
import pytest
from tiny_models import tiny_graph, tiny_spec, write_tiny_model

from chromputer_tracks.errors import SpecError
from chromputer_tracks.inference import session as registry
from chromputer_tracks.inference.session import load_model, read_spec, shipped_models
from chromputer_tracks.spec import InputSpec


def test_folder_and_single_file_give_the_same_spec(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    from_folder = load_model(folder)
    single = tmp_path / "elsewhere.onnx"
    single.write_bytes((folder / "predict.onnx").read_bytes())
    from_file = load_model(str(single))
    assert from_folder.spec == from_file.spec == tiny_spec()
    assert from_folder.path == folder / "predict.onnx"
    assert from_file.path == single
    assert from_file.name == "tiny"


def test_shipped_model_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(registry, "_PACKAGE", package)
    folder = write_tiny_model(tmp_path / "models" / "tiny")
    (tmp_path / "models" / "unfinished").mkdir()
    assert shipped_models() == {"tiny": folder}
    assert load_model("tiny").path == folder / "predict.onnx"
    # Tracks in a folder of the model's name do not hide the model; another model there does.
    here = tmp_path / "here"
    (here / "tiny").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert load_model("tiny").path == folder / "predict.onnx"
    write_tiny_model(here / "tiny")
    assert load_model("tiny").path == Path("tiny/predict.onnx")
    with pytest.raises(SpecError, match=r"'nope'.*shipped: tiny"):
        load_model("nope")
    inside = write_tiny_model(package / "_models" / "wheel")
    assert shipped_models() == {"wheel": inside}


def test_real_shipped_models_load() -> None:
    for name, folder in shipped_models().items():
        model = load_model(name)
        assert model.name == name
        assert model.spec == read_spec(folder)
        assert (folder / "README.md").is_file()


def test_unknown_version(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    raw = json.loads((folder / "model.json").read_text())
    raw["version"] = 99
    (folder / "model.json").write_text(json.dumps(raw))
    with pytest.raises(SpecError, match=r"model\.json: model spec version 99 is unknown"):
        load_model(folder)
    onnx.save(tiny_graph(tiny_spec(), json.dumps(raw)), folder / "predict.onnx")
    with pytest.raises(SpecError, match=r"predict\.onnx.*version 99 is unknown"):
        load_model(folder / "predict.onnx")


def test_model_json_differs_from_metadata(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    (folder / "model.json").write_text(tiny_spec(assembly="other").to_json())
    with pytest.raises(
        SpecError, match=r"differs from the spec inside predict\.onnx at 'assembly'"
    ):
        load_model(folder)


def test_metrics_may_hold_nan(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny", tiny_spec(metrics={"auprc": float("nan")}))
    assert load_model(folder).name == "tiny"


def write(tmp_path: Path, model: onnx.ModelProto) -> Path:
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    return path


def test_input_names_differ(tmp_path: Path) -> None:
    inputs = (InputSpec("sequence", "bases"), tiny_spec().inputs[1])
    path = write(tmp_path, tiny_graph(tiny_spec(inputs=inputs)))
    with pytest.raises(SpecError, match=r"takes inputs \['dna', 'atac'\].*\['bases', 'atac'\]"):
        load_model(path)


def test_input_channels_differ(tmp_path: Path) -> None:
    spec = tiny_spec()
    vplot = dataclasses.replace(spec.inputs[1], length_edges=(1, 100, 200))
    path = write(tmp_path, tiny_graph(tiny_spec(inputs=(spec.inputs[0], vplot))))
    with pytest.raises(SpecError, match=r"refuses what its spec describes .*atac \(1, 2, 40\)"):
        load_model(path)


def test_outputs_differ(tmp_path: Path) -> None:
    path = write(tmp_path, tiny_graph(tiny_spec(heads=tiny_spec().heads[:1])))
    with pytest.raises(SpecError, match=r"logits of shape \(1, 5, 3\).*\(1, 3, 3\)"):
        load_model(path)


def test_stride_differs(tmp_path: Path) -> None:
    path = write(tmp_path, tiny_graph(tiny_spec(stride=100)))
    with pytest.raises(SpecError, match=r"500 bp gave logits of shape \(1, 5, 5\)"):
        load_model(path)


def test_no_logits(tmp_path: Path) -> None:
    model = tiny_graph(tiny_spec())
    del model.graph.output[0]
    with pytest.raises(SpecError, match="no output 'logits'"):
        load_model(write(tmp_path, model))


def test_no_metadata(tmp_path: Path) -> None:
    model = tiny_graph(tiny_spec())
    del model.metadata_props[:]
    with pytest.raises(SpecError, match="metadata hold no 'chromputer_model_spec'"):
        load_model(write(tmp_path, model))


@pytest.mark.parametrize("content", [b"", b"not a protobuf", None])
def test_corrupt_file(tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture) -> None:
    path = write(tmp_path, tiny_graph(tiny_spec()))
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(SpecError, match=r"m\.onnx: not a readable ONNX model"):
        load_model(path)
    assert capfd.readouterr().err == ""


def test_folder_without_graph(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no predict\.onnx in this folder"):
        load_model(tmp_path)


def test_folder_without_spec(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    (folder / "model.json").unlink()
    with pytest.raises(SpecError, match=r"model\.json: cannot be read \(No such file"):
        load_model(folder)
