"""The same owners on Flower, held to the simulation: in one process, simulated by Ray, and as processes on loopback.

Flower wants older packages than the course, so these run in an environment of its own: ``make test-flower``.
"""

import pytest

import kdcourse as kd

pytest.importorskip("flwr", reason="Flower is not here: make test-flower builds an environment for it")

from flwr.app import ArrayRecord, Context, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity

from kdcourse.federated import deployment, flower
from kdcourse.federated.flower import Setting, client_app, everything, initial, run

COMMON = {"clients": 3, "how": "dirichlet", "alpha": 0.5}
QUIET = {"how": "loop", "progress": False}


class Here(Grid):
    """A grid inside this process: genuine strategies and ClientApps, and no network."""

    def __init__(self, setting, broken=()):
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1
        self.kept, self.broken = None, broken
        self.contexts = {
            k + 1: Context(run_id=1, node_id=k + 1, node_config={"partition-id": k, "num-partitions": setting.clients},
                           state=RecordDict(), run_config=setting.config)
            for k in range(setting.clients)
        }  # fmt: skip

    def set_run(self, run):
        self.kept = run

    @property
    def run(self):
        return self.kept

    def create_message(self, *args, **options):
        raise NotImplementedError

    def push_messages(self, messages):
        raise NotImplementedError

    def pull_messages(self, message_ids):
        raise NotImplementedError

    def get_node_ids(self):
        return list(self.contexts)

    def send_and_receive(self, messages, *, timeout=None):
        asked = [m for m in messages if m.metadata.dst_node_id - 1 not in self.broken]
        return [client_app(m, self.contexts[m.metadata.dst_node_id]) for m in asked]


def simulated(setting):
    """The course's own simulation of the same setting."""
    owners, public, val = everything(setting)
    if setting.method == "share_logits":
        models = [setting.model(k) for k in range(setting.clients)]
        return kd.federated.share_logits(
            models, owners, public=public.images, rounds=setting.rounds, lr=setting.lr, val=val,
            batch_size=setting.batch_size, progress=False, seed=setting.seed,
        )  # fmt: skip
    rest = {"rounds": setting.rounds, "lr": setting.lr, "val": val, "seed": setting.seed, **QUIET}
    if setting.method == "average":
        return kd.federated.average(setting.model(), owners, **rest)
    rest |= {"distil_epochs": setting.distil_epochs, "distil_lr": setting.distil_lr}
    return kd.federated.ensemble_distil(setting.model(), owners, public=public.images, **rest)


def apart(state, fed):
    """The largest difference between two servers' weights."""
    ours, theirs = state.weights["model"], fed.state.weights["model"]
    assert set(ours) == set(theirs)
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


@pytest.mark.parametrize("method", ["average", "ensemble_distil"])
def test_flowers_rounds_are_the_simulations(method):
    setting = Setting(method=method, **COMMON)
    _, state = run(Here(setting), setting)
    fed = simulated(setting)
    assert apart(state, fed) < 1e-4
    assert state.history["val_accuracy"] == pytest.approx(fed.history["val_accuracy"], abs=1e-3)
    assert (state.bytes_up, state.bytes_down) == (fed.bytes_up, fed.bytes_down)
    assert state.round == 2 and not state.skipped


def test_owners_of_different_networks_share_answers_on_flower_as_in_the_simulation():
    setting = Setting(method="share_logits", lr=1e-3, **COMMON)
    _, state = run(Here(setting), setting)
    fed = simulated(setting)
    for k in range(3):  # Flower's first exchange only begins
        assert state.history[f"val_accuracy_{k}"][1:] == pytest.approx(fed.history[f"val_accuracy_{k}"], abs=1e-3)
    logits = setting.public * 10 * 4 * 3
    assert state.bytes_up == 3 * logits and fed.bytes_up == 2 * logits, "one exchange more"


def test_flowers_own_strategy_takes_the_same_clients():
    setting = Setting(**COMMON)
    ours = FedAvg(fraction_evaluate=0.0, min_train_nodes=3, min_available_nodes=3)
    result = ours.start(grid=Here(setting), initial_arrays=initial(setting), num_rounds=2)
    fed = simulated(setting)
    weights = result.arrays.to_torch_state_dict()
    assert max(float((weights[n] - v).abs().max()) for n, v in fed.state.weights["model"].items()) < 1e-4


def test_a_node_that_does_not_answer_is_reported_and_the_round_closes():
    setting = Setting(**COMMON)
    _, state = run(Here(setting, broken=[1]), setting)
    assert [(one.round, one.owner, one.reason) for one in state.skipped] == [(0, 1, "no answer"), (1, 1, "no answer")]
    assert state.history["answers"] == [2, 2]


def test_a_setting_goes_through_flowers_config_and_back():
    setting = Setting(method="share_logits", lr=0.3, folder="there", **COMMON)
    assert Setting.of(setting.config) == setting
    with pytest.raises(ValueError, match="method must be one of"):
        Setting(method="gossip")
    assert isinstance(initial(setting), ArrayRecord) and flower.strategy(setting).like()["logits"].shape == (200, 10)


@pytest.mark.slow
@pytest.mark.parametrize("simulate", [True, False], ids=["simulation engine", "processes on loopback"])
def test_a_real_federation_is_the_simulation(simulate, tmp_path):
    setting = Setting(clients=2, folder=str(tmp_path / "state"))
    state = deployment.deploy(setting, simulate=simulate)
    fed = simulated(setting)
    assert apart(state, fed) < 1e-4 and state.round == 2 and not state.skipped
    assert state.history["val_accuracy"] == pytest.approx(fed.history["val_accuracy"], abs=1e-3)
