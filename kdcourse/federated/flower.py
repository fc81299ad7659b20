"""The same owners and the same server on a real engine: Flower's ClientApp, ServerApp and strategies.

Needs ``pip install "kdcourse[flower]"``, in an environment of its own. What runs is what the simulation calls: for
an owner ``train_owners``, or ``begin`` and ``learn`` in FedMD; for the server ``receive``, ``mean_of`` and ``fused``.
``python -m kdcourse.federated.deployment`` starts a whole federation on this machine.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Result, Strategy
from torch import Tensor, nn

from kdcourse._arguments import one_of
from kdcourse.data import Part, load, split
from kdcourse.evaluation import accuracy, predict
from kdcourse.federated.answers import begin, drawn, fused, learn, own_seed
from kdcourse.federated.averaging import copied
from kdcourse.federated.owners import Local, train_owners
from kdcourse.federated.partition import partition
from kdcourse.federated.server import State, Update, bytes_of, mean_of, perfect
from kdcourse.models import build

__all__ = ["Averaging", "Fusing", "Setting", "Sharing", "client_app", "everything", "initial", "server_app", "strategy"]

METHODS = ("average", "ensemble_distil", "share_logits")


@dataclass(frozen=True)
class Setting:
    """A federation as plain values, which every process reads from Flower's run config and builds for itself.

    Attributes:
        method: "average" (FedAvg), "ensemble_distil" (FedDF) or "share_logits" (FedMD).
        clients, how, alpha: of ``partition``; alpha 0 for those that take none.
        network, width: of every owner and of the server; FedMD's owner k has the width ``width + 8 k``.
        images, public: training images that owners hold together, and those that are public; where more are asked for
            than there are, some come twice.
        rounds, epochs, batch_size, lr: of the owners' training.
        distil_epochs, distil_lr: of the server's, in FedDF.
        seed: of everything.
        folder: where the server saves its state at the end; nowhere where empty.
    """

    method: str = "average"
    clients: int = 2
    how: str = "iid"
    alpha: float = 0.0
    network: str = "mlp"
    width: int = 32
    images: int = 600
    public: int = 200
    rounds: int = 2
    epochs: int = 1
    batch_size: int = 10
    lr: float = 0.1
    distil_epochs: int = 1
    distil_lr: float = 1e-3
    seed: int = 0
    folder: str = ""

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)

    @classmethod
    def of(cls, config: Any) -> "Setting":
        """From Flower's run config, whose names have hyphens."""
        return cls(**{field.name: config[field.name.replace("_", "-")] for field in fields(cls)})

    @property
    def config(self) -> dict[str, str | int | float]:
        """As Flower's run config."""
        return {name.replace("_", "-"): value for name, value in asdict(self).items()}

    @property
    def local(self) -> Local:
        """How an owner of FedAvg and FedDF trains."""
        return Local(self.epochs, self.batch_size, self.lr, seed=self.seed)

    @property
    def sharing(self) -> dict[str, Any]:
        """How an owner of FedMD trains, as ``share_logits`` would have it."""
        return {"batch_size": self.batch_size, "lr": self.lr, "optimizer": "adamw", "weight_decay": None,
                "schedule": "constant", "progress": False}  # fmt: skip

    def model(self, owner: int = 0) -> nn.Module:
        """A fresh network: the same for all, or an owner's own in FedMD."""
        own = owner if self.method == "share_logits" else 0
        return build(self.network, width=self.width + 8 * own, seed=self.seed + own)


@cache
def everything(setting: Setting) -> tuple[list[Part], Part, Part]:
    """(the owners' parts, the public part, the server's validation part), made anew in each process, equal in all."""
    splits = split(load("fashion-mnist"), val=0.2, seed=setting.seed)
    order = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(setting.seed))
    order = order.repeat(-(-(setting.images + setting.public) // len(order)))
    held = splits.train.select(order[: setting.images])
    public = splits.train.select(order[setting.images : setting.images + setting.public])
    given: dict[str, Any] = {"alpha": setting.alpha} if setting.alpha else {}
    owners = partition(held, clients=setting.clients, how=setting.how, seed=setting.seed, **given)
    return list(owners), public, splits.val


# ---------------------------------------------------------------- an owner


client_app = ClientApp()


@client_app.train()
def train(message: Message, context: Context) -> Message:
    """An owner's work in a round; which owner it is stands in its node's config."""
    setting, owner = Setting.of(context.run_config), int(context.node_config["partition-id"])
    owners, public, _ = everything(setting)
    round = int(message.content["config"]["server-round"]) - 1  # Flower counts from 1
    given = message.content["arrays"].to_torch_state_dict()
    if setting.method == "share_logits":
        values = _answer(setting, owner, owners[owner], public.images, round, given.get("logits"), context)
    else:
        updates, _ = train_owners(setting.model(), given, {owner: owners[owner]}, setting.local, round, how="loop")
        values = dict(updates[0].values)
    told = MetricRecord({"num-examples": len(owners[owner]), "owner": owner})
    return Message(RecordDict({"arrays": ArrayRecord(values), "metrics": told}), reply_to=message)


@client_app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """FedMD: how good the owner's own network is on the validation images."""
    setting, owner = Setting.of(context.run_config), int(context.node_config["partition-id"])
    model = _own(setting, owner, context)
    told = MetricRecord({"num-examples": 1, "owner": owner, "accuracy": accuracy(model, everything(setting)[2])})
    return Message(RecordDict({"metrics": told}), reply_to=message)


def _own(setting: Setting, owner: int, context: Context) -> nn.Module:
    """An owner's own network, which never leaves its node: Flower keeps it in the context from round to round."""
    model = setting.model(owner)
    if "model" in context.state:
        model.load_state_dict(context.state["model"].to_torch_state_dict())
    return model


def _answer(
    setting: Setting, owner: int, part: Part, images: Tensor, round: int, agreed: Tensor | None, context: Context
) -> dict[str, Tensor]:
    """Learn what the last round agreed on, then answer the public images. In round 0 nothing is agreed on yet."""
    model, fixed = _own(setting, owner, context), setting.sharing
    if round == 0:
        begin(model, part, images, public_epochs=0, local_epochs=setting.epochs, seed=setting.seed, **fixed)
    else:
        shown = drawn(images, None, setting.seed, round - 1)
        learn(model, part, shown, agreed, digest_epochs=1, local_epochs=setting.epochs,
              seed=own_seed(setting.seed, round - 1, owner), **fixed)  # fmt: skip
    context.state["model"] = ArrayRecord(copied(model))
    return {"logits": predict(model, drawn(images, None, setting.seed, round))}


# ---------------------------------------------------------------- the server


class Averaging(Strategy):
    """FedAvg as ``kd.federated.average`` does it: the same checks of what arrives, the same mean, the same meter.

    Args:
        setting: of the federation.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting, self.model = setting, setting.model()
        self.state = State(weights={"model": copied(self.model)}, config=setting.config)
        self.began = time.perf_counter()

    def summary(self) -> None:
        """Nothing to add to what Flower prints."""

    def sent(self) -> dict[str, Tensor]:
        """What every owner gets in a round."""
        return self.state.weights["model"]

    def like(self) -> dict[str, Tensor]:
        """Tensors of the names and shapes that an answer must have."""
        return self.state.weights["model"]

    def take(self, good: list[Update]) -> None:
        """What becomes of the answers that count."""
        self.state.weights["model"] = mean_of(good)

    def scores(self) -> dict[str, float]:
        """Validation accuracy of the server's network."""
        self.model.load_state_dict(self.state.weights["model"])
        return {"val_accuracy": accuracy(self.model, everything(self.setting)[2])}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The round's message to every node."""
        self.began = time.perf_counter()
        sent, nodes = self.sent(), _nodes(grid, self.setting.clients)
        self.state.bytes_down += bytes_of(sent) * len(nodes)
        told = ConfigRecord({**dict(config), "server-round": server_round})
        return [Message(RecordDict({"arrays": ArrayRecord(sent), "config": told}), node, "train") for node in nodes]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Check the answers, take those that count, close the round. A node that failed is an owner without answer."""
        updates = [_update(reply) for reply in replies if not reply.has_error()]
        good = self.state.receive(updates, range(self.setting.clients), self.like(), perfect)
        if good:
            self.take(good)
        told = self.scores()
        self.state.close(**told, answers=len(good), seconds=time.perf_counter() - self.began)
        return ArrayRecord(self.sent()), MetricRecord({**told, "answers": len(good)})

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The server evaluates; owners are not asked."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Nothing was asked."""
        return None


class Fusing(Averaging):
    """FedDF, which Flower has not: the mean of the weights learns the mean of the owners' answers (Lin et al. 2020)."""

    def take(self, good: list[Update]) -> None:
        """``kd.federated.ensemble_distil``'s half of a round."""
        setting, public = self.setting, everything(self.setting)[1]
        self.state.weights["model"] = fused(
            self.model, self.model, good, self.state, public, temperature=1.0, seed=setting.seed,
            epochs=setting.distil_epochs, batch_size=128, lr=setting.distil_lr,
        )  # fmt: skip


class Sharing(Averaging):
    """FedMD, which Flower has not: only answers to public images travel (Li & Wang 2019).

    One exchange more than rounds: in the first, owners only begin; what they answer in the last is agreed on no more.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.state = State(config=setting.config)
        self.agreed: dict[str, Tensor] = {}

    def sent(self) -> dict[str, Tensor]:
        """The last round's mean of the answers; nothing at first."""
        return self.agreed

    def like(self) -> dict[str, Tensor]:
        """N x C logits."""
        images = everything(self.setting)[1].images
        return {"logits": torch.empty(len(images), predict(self.model, images[:1]).shape[1])}

    def take(self, good: list[Update]) -> None:
        """The unweighted mean of the answers."""
        self.agreed = mean_of(good, weighted=False)

    def scores(self) -> dict[str, float]:
        """The server has no network."""
        return {}

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Every owner evaluates its own network."""
        nodes = _nodes(grid, self.setting.clients)
        return [Message(RecordDict({"config": ConfigRecord()}), node, "evaluate") for node in nodes]

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Each owner's accuracy."""
        told = [reply.content["metrics"] for reply in replies if not reply.has_error()]
        found = {f"val_accuracy_{int(one['owner'])}": float(one["accuracy"]) for one in told}
        for name, value in found.items():
            self.state.history.setdefault(name, []).append(value)
        return MetricRecord(found)


def strategy(setting: Setting) -> Averaging:
    """The strategy of a setting's method."""
    return dict(zip(METHODS, (Averaging, Fusing, Sharing), strict=True))[setting.method](setting)


def initial(setting: Setting) -> ArrayRecord:
    """What a strategy of Flower's own starts from."""
    return ArrayRecord(copied(setting.model()))


def _nodes(grid: Grid, wanted: int) -> list[int]:
    """All nodes, once as many are there as there are owners."""
    while len(nodes := sorted(grid.get_node_ids())) < wanted:
        time.sleep(0.2)
    return nodes


def _update(reply: Message) -> Update:
    told = reply.content["metrics"]
    return Update(int(told["owner"]), int(told["num-examples"]), reply.content["arrays"].to_torch_state_dict())


server_app = ServerApp()


@server_app.main()
def main(grid: Grid, context: Context) -> None:
    """All rounds of the setting; the state is saved where its folder says."""
    setting = Setting.of(context.run_config)
    _, state = run(grid, setting)
    if setting.folder:
        state.save(setting.folder)


def run(grid: Grid, setting: Setting) -> tuple[Result, State]:
    """The rounds on any grid: (Flower's result, the state that a simulation would leave)."""
    server = strategy(setting)
    exchanges = setting.rounds + (setting.method == "share_logits")
    result = server.start(grid=grid, initial_arrays=initial(setting), num_rounds=exchanges)
    return result, server.state
