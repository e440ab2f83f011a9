"""deeptepp.train: the published network and its schedule. Needs PyTorch (tests/run --live)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not here")

import deeptepp  # noqa: E402
import make_model  # noqa: E402
import reference_pmg  # noqa: E402
from deeptepp.train import _batches, _fold, train  # noqa: E402
from deeptepp.train._pmg2d import Pmg2d  # noqa: E402
from training_case import make_images, no_figures, write_table  # noqa: E402, F401

WIDTH = 2


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return Pmg2d({"width": WIDTH}, 2)


def test_it_is_the_reference_s_network(network):
    """Tensors by name and shape, and the four heads' logits."""
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    wanted = make_model.state_dict(architecture="pmg2d", width=WIDTH)
    assert {name: value.shape for name, value in tensors.items() if "num_batches" not in name} == \
        {name: value.shape for name, value in wanted.items() if ".fc." not in name and "num_batches" not in name}
    view = np.random.default_rng(2).normal(size=(1, 1, 512, 512)).astype(np.float32)
    heads = reference_pmg.heads(reference_pmg.build(tensors), view)[0]
    with torch.no_grad():
        network.eval()
        found = [network.head(torch.from_numpy(view), i)[0].numpy() for i in range(4)]
        assert np.allclose(found, heads, rtol=1e-4, atol=1e-5)
        assert np.allclose(network(torch.from_numpy(view))[0].numpy(), heads.sum(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pieces", [8, 4, 2, 1])
def test_a_jigsaw_moves_whole_pieces(pieces):
    x = np.arange(2 * 32 * 32, dtype=np.float32).reshape(2, 1, 1, 32, 32)
    found = _batches.shuffled(x, pieces, np.random.default_rng(3))
    side = 32 // pieces

    def cut(plane):
        return [plane[0, 0, i:i + side, j:j + side].tobytes() for i in range(0, 32, side) for j in range(0, 32, side)]
    orders = [[cut(before).index(piece) for piece in cut(after)] for before, after in zip(x, found)]
    assert sorted(orders[0]) == list(range(pieces ** 2)) and orders[0] == orders[1]
    assert pieces == 1 or orders[0] != sorted(orders[0])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two epochs of a thin network; what each step of the optimiser saw."""
    folder = tmp_path_factory.mktemp("pmg2d")
    rows, steps, rates = make_images(folder)[:8], [], []
    (folder / "d.yaml").write_text(f"network: {{architecture: pmg2d, width: {WIDTH}}}\ninput: {{angles_deg: [360]}}\n"
                                   "training: {folds: 2, epochs: 2, batch: 2, validation: 0, rate: 0.01}\n")
    patch = pytest.MonkeyPatch()
    step, head = torch.optim.SGD.step, Pmg2d.head
    patch.setattr(Pmg2d, "head", lambda self, x, i: steps.append((i, tuple(x.shape))) or head(self, x, i))
    patch.setattr(torch.optim.SGD, "step", lambda self, *a: rates.append([g["lr"] for g in self.param_groups]) or
                  step(self, *a))
    result = train(write_table(folder / "cohort.tsv", rows), folder / "m.safetensors", description=folder / "d.yaml",
                   threads=1)
    patch.undo()
    return folder, result, steps, rates


def test_four_steps_a_batch_from_fine_to_whole(trained):
    steps = trained[2]
    assert [index for index, _ in steps] == [0, 1, 2, 3] * (len(steps) // 4)
    assert [(head, pieces) for head, pieces, _ in Pmg2d.steps] == [(0, 8), (1, 4), (2, 2), (3, 1)]
    assert len(steps) == 2 * 2 * 2 * 4  # folds, epochs, batches of 4 cases, steps


def test_the_backbone_learns_at_a_tenth_of_a_rate_that_falls_by_a_cosine(trained):
    rates = np.array(trained[3])
    assert np.allclose(rates[:, 1], rates[:, 0] / 10)
    assert np.allclose(rates[:16, 0], [0.01] * 8 + [0.005] * 8)


def test_the_library_scores_as_was_trained(trained):
    folder, result, *_ = trained
    with deeptepp.open_model(result.model, threads=1) as model:
        assert model.self_test()
        for row in deeptepp.read_cohort(result.table).rows[::4]:
            found = model.score(folder / row["image"], folder / row["mask"])
            assert found.member_scores[int(row["fold"])] == pytest.approx(float(row["score"]), rel=1e-4, abs=1e-5)
            assert found.score == pytest.approx(np.mean(found.member_scores))


def test_the_whole_mosaic_counts_twice_and_momentum_is_the_published_one(trained, monkeypatch):
    """By a loss that is always 1: the four steps of a batch make 5."""
    folder, lines = trained[0], []
    momenta, step = set(), torch.optim.SGD.step
    monkeypatch.setitem(_fold.LOSSES, "recurrence", lambda logits, *outcome: logits.sum() * 0 + 1)
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self, *a: momenta.update(
        group["momentum"] for group in self.param_groups) or step(self, *a))
    train(folder / "cohort.tsv", folder / "ones.safetensors", description=folder / "d.yaml", threads=1,
          log=lines.append)
    assert [line.rpartition("loss ")[2] for line in lines if " epoch " in line] == ["5.0000"] * 4
    assert momenta == {0.9}
