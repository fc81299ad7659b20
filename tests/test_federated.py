"""Many owners: divided without loss, averaged as by hand, every byte counted, and no bad answer let in."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.data import Part
from kdcourse.federated import Local, State, Update, batches_of, collect, mean_of
from kdcourse.federated.averaging import chosen

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
QUIET = {"progress": False}
DIVISIONS = [
    {"how": "iid"},
    {"how": "shards"},
    {"how": "shards", "shards": 3},
    {"how": "quantity", "alpha": 0.5},
    {"how": "dirichlet", "alpha": 0.3},
    {"how": "dirichlet", "alpha": 0.3, "convention": "balanced"},
    {"how": "dirichlet", "alpha": 0.3, "convention": "owners"},
]


@pytest.fixture(scope="module")
def owners(small):
    return kd.federated.partition(small.train, clients=4, how="dirichlet", alpha=1.0, least=15, seed=1)


def net(seed=0, width=8):
    return kd.build("mlp", width=width, seed=seed)


def same_weights(one, other, **tolerance):
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, **(tolerance or {"rtol": 0, "atol": 0}))


# ---------------------------------------------------------------- who holds what


@pytest.mark.parametrize("options", DIVISIONS, ids=str)
@pytest.mark.parametrize("clients", [1, 7, 20])
def test_owners_are_disjoint_and_together_the_whole(small, options, clients):
    made = kd.federated.partition(small.train, clients=clients, seed=3, **options)
    held = torch.cat([part.indices for part in made])
    assert len(made) == clients and sorted(held.tolist()) == sorted(small.train.indices.tolist())
    assert int(made.counts.sum()) == len(small.train) and made.counts.shape[0] == clients
    again = kd.federated.partition(small.train, clients=clients, seed=3, **options)
    assert all(torch.equal(one.indices, other.indices) for one, other in zip(made, again, strict=True))
    other = kd.federated.partition(small.train, clients=clients, seed=4, **options)
    assert clients == 1 or any(not torch.equal(a.indices, b.indices) for a, b in zip(made, other, strict=True))
    assert made[0].provenance["owner"] == 0 and made[0].provenance["how"] == options["how"]


def test_sizes_are_even_where_they_should_be(splits):
    sizes = {}
    for options in DIVISIONS:
        made = kd.federated.partition(splits.train, clients=7, seed=0, **options)
        sizes[str(options)] = max(map(len, made)) - min(map(len, made))
    even = [sizes[str(one)] for one in DIVISIONS if one["how"] in ("iid",) or one.get("convention") == "owners"]
    assert max(even) <= 1
    assert min(sizes[str(one)] for one in DIVISIONS if one["how"] == "quantity" or one == DIVISIONS[4]) > 200


def test_two_shards_hold_few_classes(splits):
    made = kd.federated.partition(splits.train, clients=10, how="shards", seed=0)
    assert int((made.counts > 0).sum(dim=1).max()) <= 4
    assert (made.counts > 0).sum(dim=1).float().mean() < 3


def effective_classes(owners):
    """Exp of the entropy of an owner's classes: 10 where it holds all evenly, 1 where it holds one."""
    p = owners.counts / owners.counts.sum(dim=1, keepdim=True)
    return float((-(p * p.clamp(min=1e-12).log()).sum(dim=1)).exp().mean())


def test_the_three_conventions_of_dirichlet_differ(splits):
    """At one alpha: 'owners' is about ten times as strong (alpha p), 'balanced' keeps sizes near the even share."""

    def averaged(convention, alpha, measure):
        made = [kd.federated.partition(splits.train, clients=10, how="dirichlet", alpha=alpha, convention=convention,
                                       seed=seed) for seed in range(8)]  # fmt: skip
        return sum(map(measure, made)) / len(made)

    def spread(made):
        return float(made.counts.sum(dim=1).float().std() / 800)

    assert averaged("classes", 0.5, effective_classes) > 1.5 * averaged("owners", 0.5, effective_classes)
    assert averaged("owners", 5.0, effective_classes) == pytest.approx(
        averaged("classes", 0.5, effective_classes), rel=0.25
    )
    assert averaged("balanced", 0.5, spread) < 0.7 * averaged("classes", 0.5, spread)
    assert averaged("owners", 0.5, spread) == 0


@pytest.mark.parametrize("convention", ["classes", "balanced", "owners"])
def test_a_smaller_alpha_makes_owners_more_unequal(splits, convention):
    found = [effective_classes(kd.federated.partition(splits.train, clients=10, how="dirichlet", alpha=alpha,
                                                      convention=convention, seed=0)) for alpha in (0.05, 1.0, 100.0)]  # fmt: skip
    assert found[0] < found[1] < found[2] and found[2] > 9


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"how": "random"}, "how must be one of"),
        ({"how": "dirichlet"}, "alpha must be given for dirichlet"),
        ({"how": "dirichlet", "alpha": 0.0}, "alpha must be a finite number above 0"),
        ({"how": "iid", "alpha": 0.1}, "alpha must be left out for iid"),
        ({"how": "dirichlet", "alpha": 1.0, "convention": "mine"}, "convention must be one of"),
        ({"clients": 0}, "clients must be a whole number"),
        ({"clients": 401}, "clients must leave each its images of 400"),
        ({"clients": 201, "how": "shards"}, "clients must leave each"),
        ({"clients": 8, "how": "dirichlet", "alpha": 0.001, "least": 45}, "alpha must leave every owner 45 images"),
        ({"seed": -1}, "seed must be"),
    ],
    ids=str,
)
def test_divisions_that_cannot_be_are_refused(small, options, says):
    with pytest.raises(ValueError, match=says):
        kd.federated.partition(small.train, **({"clients": 4} | options))


def test_unlabelled_images_cannot_be_divided_by_class(small):
    for labels in (None, torch.rand(400), torch.full((400,), -100)):
        with pytest.raises(ValueError, match="part must have a class number for each image"):
            kd.federated.partition(Part(small.train.images, labels), clients=4)


# ---------------------------------------------------------------- averaging


def fedavg_by_hand(model, owners, local, rounds):
    """Plain PyTorch: every owner's SGD from the server's weights, then the mean by images."""
    server = copy.deepcopy(model.state_dict())
    for r in range(rounds):
        total, n = {key: torch.zeros_like(value) for key, value in server.items()}, sum(map(len, owners))
        for k, part in enumerate(owners):
            own = copy.deepcopy(model)
            own.load_state_dict(server)
            optimizer = torch.optim.SGD(own.parameters(), local.lr, local.momentum, weight_decay=local.weight_decay)
            for at in batches_of(part, local, r, k):
                loss = F.cross_entropy(own.train()(part.images[at]), part.labels[at])
                for p, start in zip(
                    own.parameters(), (server[name] for name, _ in own.named_parameters()), strict=True
                ):
                    loss = loss + local.proximal / 2 * (p - start).square().sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            for key, value in own.state_dict().items():
                total[key] += len(part) / n * value
        server = total
    return server


@pytest.mark.parametrize("how", ["loop", "stack"])
@pytest.mark.parametrize("options", [{}, {"proximal": 1.0}, {"momentum": 0.5, "weight_decay": 0.01}], ids=str)
def test_rounds_are_those_by_hand(owners, how, options):
    model = net()
    expected = fedavg_by_hand(model, owners, Local(2, 10, 0.05, **options), 3)
    fed = kd.federated.average(model, owners, rounds=3, local_epochs=2, lr=0.05, how=how, **options, **QUIET)
    assert fed.model is model and not model.training
    same_weights(expected, model.state_dict(), **CLOSE)


def test_each_round_owner_epoch_and_seed_has_an_order_of_its_own_and_can_be_repeated(small):
    part = small.train.select(range(40))

    def order(seed=0, round=0, owner=0):
        return torch.cat(batches_of(part, Local(epochs=2, batch_size=7, seed=seed), round, owner))

    first = order()
    assert torch.equal(first, order())
    assert torch.equal(first[:40].sort().values, torch.arange(40)) and not torch.equal(first[:40], first[40:])
    others = [order(round=1), order(round=2), order(owner=1), order(seed=1)]
    assert not any(torch.equal(one, other) for one in others for other in [first, *(o for o in others if o is not one)])


def test_one_owner_is_plain_training(small):
    model, plain = net(), net()
    kd.federated.average(model, [small.train], rounds=1, lr=0.1, **QUIET)
    for at in batches_of(small.train, Local(lr=0.1), 0, 0):
        loss = F.cross_entropy(plain(small.train.images[at]), small.train.labels[at])
        grads = torch.autograd.grad(loss, list(plain.parameters()))
        with torch.no_grad():
            for p, g in zip(plain.parameters(), grads, strict=True):
                p -= 0.1 * g
    same_weights(plain.state_dict(), model.state_dict(), **CLOSE)


def test_a_strong_pull_keeps_owners_at_home(owners):
    moved = []
    for mu in (0.0, 1.0, 9.0):
        model = net()
        start = copy.deepcopy(model.state_dict())
        kd.federated.average(model, owners, rounds=1, proximal=mu, **QUIET)
        moved.append(float((model.state_dict()["head.weight"] - start["head.weight"]).norm()))
    assert moved[0] > moved[1] > moved[2] > 0


def test_batch_norms_statistics_are_averaged_too(owners):
    model = kd.build("cnn", width=4)
    kd.federated.average(model, owners, rounds=2, **QUIET)
    state = model.state_dict()
    assert state["block1.1.num_batches_tracked"].dtype == torch.int64 and int(state["block1.1.num_batches_tracked"]) > 1
    assert not torch.equal(state["block1.1.running_mean"], torch.zeros(4))


def test_a_share_of_the_owners_is_asked_at_random_and_repeatably():
    asked = [chosen(10, 0.3, 5, r) for r in range(20)]
    assert all(len(set(one)) == 3 for one in asked) and asked == [chosen(10, 0.3, 5, r) for r in range(20)]
    assert {i for one in asked for i in one} == set(range(10)) and len({tuple(one) for one in asked}) > 10
    assert chosen(10, 0.01, 0, 0) and len(chosen(10, 1.0, 0, 0)) == 10 and len(chosen(10, 0.25, 0, 0)) == 3


def test_the_same_seed_gives_the_same_federation_and_the_callers_numbers_stay(owners):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    one, same, other = (kd.federated.average(net(), owners, rounds=2, share=0.5, how="loop", seed=seed, **QUIET).model
                        for seed in (0, 0, 1))  # fmt: skip
    assert torch.equal(before, torch.get_rng_state())
    same_weights(one.state_dict(), same.state_dict())
    assert not torch.equal(one.state_dict()["head.weight"], other.state_dict()["head.weight"])


def test_validation_is_read_and_selects_nothing(owners, small):
    seen = kd.federated.average(net(), owners, rounds=4, val=small.val, how="loop", **QUIET)
    blind = kd.federated.average(net(), owners, rounds=4, how="loop", **QUIET)
    same_weights(seen.model.state_dict(), blind.model.state_dict())
    assert len(seen.history["val_accuracy"]) == 4 and "val_accuracy" not in blind.history
    assert seen.history["val_accuracy"][-1] == pytest.approx(kd.evaluation.accuracy(seen.model, small.val))
    assert seen.history["answers"] == [4] * 4


# ---------------------------------------------------------------- bytes


def test_bytes_of_weights_are_counted_exactly(owners):
    fed = kd.federated.average(net(), owners, rounds=3, share=0.5, **QUIET)
    numbers = sum(value.numel() for value in fed.model.state_dict().values())
    assert fed.bytes_up == fed.bytes_down == 3 * 2 * 4 * numbers
    assert fed.history["bytes_up"] == [2 * 4 * numbers * k for k in (1, 2, 3)]


def test_the_figures_of_the_literature():
    """Softmax regression 31.4 KB, McMahan's 2NN 797 KB, 5,000 x 16 logits 320 KB."""
    linear = dict(kd.build("linear").named_parameters())
    two = dict(kd.build("mlp", width=200).named_parameters())
    size = kd.federated.bytes_of
    assert (size(linear), size(two), size(torch.zeros(5000, 16))) == (31_400, 796_840, 320_000)
    assert size([torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.float16)]) == 28


def test_bytes_of_logits_and_images_are_counted_exactly(owners, small):
    models = [kd.build("linear", seed=i) if i % 2 else net(i) for i in range(4)]
    fed = kd.federated.share_logits(models, owners, public=small.val, rounds=2, subset=50, **QUIET)
    images, logits = 4 * small.val.images.numel(), 4 * 50 * 10
    assert fed.bytes_down == 4 * (images + 2 * logits) and fed.bytes_up == 4 * 2 * logits


# ---------------------------------------------------------------- answers that cannot count


def nan(update):
    return [replace(update, values={name: v * float("nan") for name, v in update.values.items()})]


def wide(update):
    return [replace(update, values={name: torch.zeros(3) for name in update.values})]


FAULTS = {
    "no answer": lambda u: [],
    "answered twice": lambda u: [u, u],
    "not finite": nan,
    "wrong shape": wide,
    "names differ": lambda u: [replace(u, values={"mine": torch.zeros(1)})],
    "learned from 0 images": lambda u: [replace(u, examples=0)],
}


@pytest.mark.parametrize("reason", FAULTS)
def test_a_bad_answer_is_skipped_counted_and_reported_and_the_round_closes(owners, reason):
    def network(round, update):
        return FAULTS[reason](update) if (round, update.owner) == (1, 2) else [update]

    fed = kd.federated.average(net(), owners, rounds=2, how="loop", network=network, **QUIET)
    assert [(one.round, one.owner) for one in fed.skipped] == [(1, 2)] and reason in fed.skipped[0].reason
    twice = reason == "answered twice"
    assert fed.history["answers"] == [4, 4 if twice else 3]
    rest = [part for i, part in enumerate(owners) if i != 2]
    if twice:
        expected = kd.federated.average(net(), owners, rounds=2, how="loop", **QUIET).state.weights["model"]
    else:
        first = kd.federated.average(net(), owners, rounds=1, how="loop", **QUIET).state.weights["model"]
        sent, _ = kd.federated.train_owners(net(), first, dict(enumerate(owners)), Local(), 1, how="loop")
        expected = mean_of([u for u in sent if u.owner != 2])
        assert len(rest) == 3
    same_weights(expected, fed.model.state_dict())
    assert all(bool(v.isfinite().all()) for v in fed.model.state_dict().values())


def test_a_stranger_is_not_heard():
    weights = {"w": torch.zeros(2)}
    good, skipped = collect(0, [Update(7, 1, weights), Update(1, 1, weights)], [0, 1], weights)
    assert [one.owner for one in good] == [1]
    assert {(one.owner, one.reason) for one in skipped} == {(7, "not asked"), (0, "no answer")}


def test_where_nobody_answers_the_weights_stay(owners):
    model = net()
    start = copy.deepcopy(model.state_dict())
    fed = kd.federated.average(model, owners, rounds=2, network=lambda r, u: [], **QUIET)
    same_weights(start, model.state_dict())
    assert len(fed.skipped) == 8 and fed.history["answers"] == [0, 0]


def test_the_mean_is_weighted_by_images():
    updates = [Update(0, 1, {"w": torch.tensor([0.0]), "n": torch.tensor(1)}),
               Update(1, 3, {"w": torch.tensor([4.0]), "n": torch.tensor(2)})]  # fmt: skip
    assert float(mean_of(updates)["w"]) == 3.0 and float(mean_of(updates, weighted=False)["w"]) == 2.0
    assert mean_of(updates)["n"].dtype == torch.int64 and int(mean_of(updates)["n"]) == 2
    with pytest.raises(ValueError, match="updates must be one at least"):
        mean_of([])


# ---------------------------------------------------------------- a state that can be saved


def test_a_resumed_federation_ends_as_an_uninterrupted_one(owners, small, tmp_path):
    options = {"share": 0.5, "val": small.val, "how": "loop", "seed": 3, **QUIET}
    whole = kd.federated.average(net(), owners, rounds=4, **options)
    half = kd.federated.average(net(), owners, rounds=2, network=lambda r, u: [u] * (1 + (r == 1)), **options)
    half.state.save(tmp_path / "half")
    rest = kd.federated.average(net(5), owners, rounds=4, resume=tmp_path / "half", **options)
    same_weights(whole.model.state_dict(), rest.model.state_dict())
    assert rest.history["val_accuracy"] == pytest.approx(whole.history["val_accuracy"])
    assert (rest.bytes_up, rest.bytes_down) == (whole.bytes_up, whole.bytes_down)
    assert [one.reason for one in rest.skipped] == ["answered twice"] * 2 and half.state.round == 2
    loaded = State.load(tmp_path / "half")
    assert loaded.config == half.state.config and loaded.history == half.state.history


def test_a_state_of_other_settings_is_refused(owners, tmp_path):
    fed = kd.federated.average(net(), owners, rounds=1, **QUIET)
    for change, says in (({"lr": 0.2}, "lr 0.1 there, 0.2 here"), ({"share": 0.5}, "share 1.0 there")):
        with pytest.raises(ValueError, match=f"resume must be a state of the same owners and settings; got {says}"):
            kd.federated.average(net(), owners, rounds=2, resume=fed.state, **change, **QUIET)
    with pytest.raises(ValueError, match="resume must be a folder with a saved state"):
        kd.federated.average(net(), owners, rounds=2, resume=tmp_path, **QUIET)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rounds": 0}, "rounds must be"),
        ({"local_epochs": 0}, "epochs must be"),
        ({"lr": -1.0}, "lr must be"),
        ({"share": 1.5}, "share must lie between 0 and 1"),
        ({"proximal": -1.0}, "proximal must be"),
        ({"how": "fast"}, "how must be one of"),
        ({"owners": []}, "owners must be parts with an image each"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_arguments_are_refused(owners, options, says):
    options = {"owners": owners, **options}
    with pytest.raises(ValueError, match=says):
        kd.federated.average(net(), options.pop("owners"), **({"rounds": 1} | options), **QUIET)


def test_an_owner_without_labels_is_named(owners):
    parts = [owners[0], Part(owners[1].images, None)]
    with pytest.raises(ValueError, match="owners must have labelled images; got owner 1 has none"):
        kd.federated.average(net(), parts, rounds=1, **QUIET)


# ---------------------------------------------------------------- answers in place of weights


def test_feddf_distils_the_mean_of_the_owners_logits(owners, small):
    images = small.val.images
    fed = kd.federated.ensemble_distil(net(), owners, public=images, rounds=1, distil_epochs=2, how="loop", **QUIET)
    start = net()
    sent, _ = kd.federated.train_owners(start, start.state_dict(), dict(enumerate(owners)), Local(), 0, how="loop")
    answers = []
    for update in sent:
        own = net().eval()
        own.load_state_dict(update.values)
        answers.append(own(images).detach())
    server = net()
    server.load_state_dict(mean_of(sent))
    soft = Part(images, None, soft=torch.stack(answers).mean(dim=0))
    loss = kd.losses.SoftTargets(1.0, alpha=1.0)
    kd.distill(None, server, soft, loss=loss, epochs=2, batch_size=128, lr=1e-3, seed=0, **QUIET)
    same_weights(server.state_dict(), fed.model.state_dict(), **CLOSE)
    assert fed.bytes_up == 4 * kd.federated.bytes_of(start.state_dict())


def test_public_labels_are_never_read(owners, small):
    wrong = Part(small.val.images, 9 - small.val.labels)
    ends = [kd.federated.ensemble_distil(net(), owners, public=public, rounds=1, distil_epochs=1, how="loop", **QUIET)
            for public in (small.val, wrong, small.val.images)]  # fmt: skip
    for end in ends[1:]:
        same_weights(ends[0].model.state_dict(), end.model.state_dict())


def test_a_demonstration_set_is_made_of_the_servers_model_in_each_round(owners):
    seen = []

    def dreamed(model):
        seen.append(model.state_dict()["head.weight"].clone())
        return kd.synthesise(model, n=20, num_classes=10, shape=(1, 28, 28), steps=2, seed=len(seen), **QUIET)

    fed = kd.federated.ensemble_distil(net(), owners, public=dreamed, rounds=2, distil_epochs=1, **QUIET)
    assert len(seen) == 2 and not torch.equal(seen[0], seen[1]) and fed.state.round == 2


def test_small_owners_teach_a_larger_server(owners, small):
    server, client = net(width=32), net(width=8)
    fed = kd.federated.ensemble_distil(server, owners, public=small.val.images, client=client, rounds=3, val=small.val,
                                       distil_epochs=20, how="loop", **QUIET)  # fmt: skip
    alone = kd.federated.average(net(width=8), owners, rounds=3, how="loop", **QUIET)
    assert fed.models == [server, client] and fed.model is server
    same_weights(alone.model.state_dict(), client.state_dict())
    assert kd.evaluation.accuracy(server, small.val) == pytest.approx(fed.history["server_accuracy"][-1])
    assert fed.history["server_accuracy"][-1] > 0.3
    assert fed.bytes_up == 3 * 4 * kd.federated.bytes_of(client.state_dict())


def test_the_servers_history_keeps_step_where_nobody_answers(owners, small):
    options = {"public": small.val.images, "client": net(width=8), "val": small.val, "distil_epochs": 1, **QUIET}
    lost = lambda round, update: [] if round == 0 else [update]  # noqa: E731
    fed = kd.federated.ensemble_distil(net(width=16), owners, rounds=2, network=lost, **options)
    assert {len(values) for values in fed.history.values()} == {2}


def test_fedmd_joins_models_of_different_kinds(owners, small):
    models = [net(0), net(1, width=24), kd.build("linear"), kd.build("cnn", width=4)]
    alone = [copy.deepcopy(model) for model in models]
    sent = []

    def network(round, update):
        sent.append(sorted(update.values))
        return [update]

    public = small.val.select(torch.arange(100))
    fed = kd.federated.share_logits(models, owners, public=public, rounds=4, network=network, digest_epochs=3,
                                    val=small.val, lr=3e-3, **QUIET)  # fmt: skip
    for model, part in zip(alone, owners, strict=True):
        kd.train(model, part, epochs=5, batch_size=32, lr=3e-3, schedule="constant", seed=0, **QUIET)

    def agreement(models):
        said = [kd.predict(model, public).argmax(dim=1) for model in models]
        return sum(float((a == b).float().mean()) for a in said for b in said) / len(said) ** 2

    assert sent == [["logits"]] * 16 and fed.models == models
    assert agreement(models) > agreement(alone) + 0.1
    assert fed.history["val_accuracy_2"][-1] == pytest.approx(kd.evaluation.accuracy(models[2], small.val))


def test_fedmd_skips_bad_logits_and_can_go_on_later(owners, small, tmp_path):
    def network(round, update):
        bad = {0: nan, 1: wide, 2: lambda u: []}.get(update.owner)
        return bad(update) if bad and round == 0 else [update]

    options = {"public": small.val.images, "subset": 60, "network": network, **QUIET}
    whole = kd.federated.share_logits([net(i) for i in range(4)], owners, rounds=2, **options)
    assert {one.reason.split(":")[0] for one in whole.skipped} == {"not finite", "wrong shape", "no answer"}
    assert whole.history["answers"] == [1, 4]
    half = kd.federated.share_logits([net(i) for i in range(4)], owners, rounds=1, **options)
    half.state.save(tmp_path)
    rest = kd.federated.share_logits([net(9) for _ in range(4)], owners, rounds=2, resume=tmp_path, **options)
    for one, other in zip(whole.models, rest.models, strict=True):
        same_weights(one.state_dict(), other.state_dict())
    assert (rest.bytes_up, rest.bytes_down) == (whole.bytes_up, whole.bytes_down)


def test_public_labels_can_begin_fedmd(owners, small):
    models = [net(i) for i in range(4)]
    fed = kd.federated.share_logits(models, owners, public=small.val, rounds=1, public_epochs=20, lr=3e-3,
                                    val=small.test, **QUIET)  # fmt: skip
    without = kd.federated.share_logits([net(i) for i in range(4)], owners, public=small.val, rounds=1, lr=3e-3,
                                        val=small.test, **QUIET)  # fmt: skip
    assert fed.history["val_accuracy"][0] > without.history["val_accuracy"][0] + 0.1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"models": lambda: [net()] * 4}, "models must be one object an owner"),
        ({"models": lambda: [net()]}, "models must be one for each of 4 owners"),
        ({"subset": 10_000}, "subset must be at most the 200 public images"),
        ({"public_epochs": 1}, "public must have labels for public_epochs"),
        ({"digest_epochs": 0}, "digest_epochs must be"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_sharing_is_refused(owners, small, change, says):
    models = change.get("models", lambda: [net(i) for i in range(4)])()
    options = {"public": small.val.images, "rounds": 1} | {k: v for k, v in change.items() if k != "models"}
    with pytest.raises(ValueError, match=says):
        kd.federated.share_logits(models, owners, **options, **QUIET)


def test_public_must_be_images(owners):
    with pytest.raises(TypeError, match="public must be images"):
        kd.federated.ensemble_distil(net(), owners, public=[1, 2], rounds=1, **QUIET)
