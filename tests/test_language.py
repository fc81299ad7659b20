"""Small language models: the language is what it claims, sentences are judged exactly, and a student learns from what it should."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import kdcourse as kd
from kdcourse.losses import generalised_jsd

speak = kd.language
PROMPT = 3


@pytest.fixture(scope="module")
def teacher():
    model = speak.language_model(24, seed=0)
    speak.fit(model, speak.brackets(1000, seed=1), steps=120, lr=2e-2)
    return model


class Averaging(nn.Module):
    """A causal model without a state to hand on, with dropout: the mean of what was read."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(9, 8), nn.Linear(8, 9)

    def forward(self, ids):
        read = self.embedding(ids).cumsum(1) / torch.arange(1, ids.shape[1] + 1)[:, None]
        return self.head(F.dropout(read, 0.5, self.training))


def own_model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Averaging()


# ---------------------------------------------------------------- the language


def test_every_sentence_is_valid_and_of_the_language():
    sentences = speak.brackets(3000, seed=0)
    assert sentences.shape == (3000, speak.LENGTH)
    assert speak.is_valid(sentences).all()
    opens = [int((sentences == speak.OPEN + kind).sum()) for kind in range(3)]
    assert [n / sum(opens) for n in opens] == pytest.approx(list(speak.SHARES), abs=0.02)
    texts = speak.text(sentences)
    assert all(text for text in texts)
    assert max(max(text[:end].count(o) - text[:end].count(c) for o, c in ("()", "[]", "{}") for end in range(len(text) + 1)) for text in texts) <= speak.DEEPEST  # fmt: skip


def test_a_seed_is_a_draw():
    assert torch.equal(speak.brackets(20, seed=3), speak.brackets(20, seed=3))
    assert not torch.equal(speak.brackets(20, seed=3), speak.brackets(20, seed=4))
    assert speak.brackets(5, seed=0, length=4).tolist()[0][1] >= speak.OPEN, "length 4 leaves one pair"


def test_text_and_tokens_are_each_others_reverse():
    sentences = speak.brackets(200, seed=2)
    assert torch.equal(speak.tokens(speak.text(sentences)), sentences)
    assert speak.text(torch.tensor([[speak.BOS, 3, 4]])) == ["(["], "a prompt has no end"
    assert speak.text(torch.tensor([[speak.BOS, 3, speak.PAD, 6, speak.EOS]])) == ["(<pad>)"]


@pytest.mark.parametrize(
    ("row", "valid"),
    [
        ([1, 3, 6, 2], True),
        ([1, 3, 4, 7, 6, 2], True),
        ([1, 3, 6, 5, 8, 2, 0], True),
        ([1, 3, 4, 6, 7, 2], False),  # crossed
        ([1, 3, 3, 6, 2], False),  # left open
        ([1, 6, 2], False),
        ([1, 3, 6, 0], False),  # no end
        ([1, 2, 0, 0], False),  # nothing said
        ([1, 3, 0, 6, 2], False),  # padding inside
        ([1, 3, 6, 2, 3], False),  # talks on
        ([3, 6, 2, 0], False),  # no beginning
        ([1, 1, 3, 6, 2], False),
    ],
)
def test_a_sentence_is_valid_or_not(row, valid):
    assert speak.is_valid(torch.tensor([row])).tolist() == [valid]


# ---------------------------------------------------------------- speaking


def test_a_model_goes_on_from_the_prompt_and_stops(teacher):
    prompts = speak.brackets(300, seed=5)[:, :PROMPT]
    said = speak.generate(teacher, prompts, seed=1)
    assert said.shape == (300, speak.LENGTH)
    assert torch.equal(said[:, :PROMPT], prompts)
    for row in said.tolist():
        if speak.EOS in row:
            assert set(row[row.index(speak.EOS) + 1 :]) <= {speak.PAD}
    assert torch.equal(said, speak.generate(teacher, prompts, seed=1))
    assert not torch.equal(said, speak.generate(teacher, prompts, seed=2))


def test_a_finished_prompt_is_left_alone(teacher):
    finished = torch.tensor([[1, 3, 6, 2]])
    assert speak.generate(teacher, finished)[0].tolist() == [1, 3, 6, 2] + [0] * (speak.LENGTH - 4)


def test_token_by_token_gives_what_the_whole_gives(teacher):
    class Whole(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, ids):
            return self.inner(ids)

    prompts = speak.brackets(50, seed=5)[:, :PROMPT]
    for temperature in (0, 1.0):
        one, two = (
            speak.generate(m, prompts, temperature=temperature, seed=3, length=12) for m in (teacher, Whole(teacher))
        )
        assert torch.equal(one, two)


def test_temperature_zero_takes_the_likeliest(teacher):
    prompts = speak.brackets(20, seed=5)[:, :PROMPT]
    said = speak.generate(teacher, prompts, temperature=0)
    likeliest = teacher(said[:, :-1]).argmax(-1)
    counts = speak.answer_mask(said, PROMPT)
    assert torch.equal(said[:, 1:][counts], likeliest[counts])


def test_asking_leaves_modes_and_random_state_as_they_were():
    model, prompts = own_model().train(), speak.brackets(10, seed=0)[:, :PROMPT]
    before = torch.random.get_rng_state()
    said = speak.generate(model, prompts, length=8)
    assert torch.equal(said, speak.generate(model, prompts, length=8)), "no dropout"
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), before)
    speak.language_model(8, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


# ---------------------------------------------------------------- what counts


def test_the_mask_leaves_out_prompt_and_padding_and_keeps_the_end():
    sentences = torch.tensor([[1, 3, 6, 4, 7, 2, 0], [1, 3, 6, 2, 0, 0, 0]])
    wanted = [[False, False, True, True, True, False], [False, False, True, False, False, False]]
    assert speak.answer_mask(sentences, PROMPT).tolist() == wanted


def test_padding_that_a_model_says_before_its_end_counts():
    said = torch.tensor([[1, 3, 0, 6, 2, 0, 0], [1, 3, 6, 0, 0, 3, 0]])  # the second one never ends
    wanted = [[False, True, True, True, False, False], [False, True, True, True, True, True]]
    assert speak.answer_mask(said, 2).tolist() == wanted
    assert not speak.answer_mask(torch.tensor([[1, 3, 6, 2, 0, 0, 0]]), 5).any(), "a prompt that has ended"


def test_what_leaves_nothing_to_count_is_refused(teacher):
    sentences, student = speak.brackets(20, seed=0), speak.language_model(6, seed=0)
    prompts = sentences[:, :PROMPT]
    tries = (
        lambda: speak.distil(teacher, student, prompts[:0], texts=sentences[:0], on_policy=0.0),
        lambda: speak.distil(teacher, student, prompts[:0], on_policy=1.0),
        lambda: speak.distil(teacher, student, prompts, texts=prompts, on_policy=0.0),
        lambda: speak.fit(student, sentences, prompt=speak.LENGTH),
        lambda: speak.nats(teacher, sentences, prompt=speak.LENGTH),
        lambda: speak.evaluate(teacher, sentences, prompt=10),
    )
    for one in tries:
        with pytest.raises(ValueError, match="prompt must"):
            one()


def test_scores_can_be_compared(teacher):
    held_out = speak.brackets(20, seed=7)
    assert speak.evaluate(teacher, held_out) == speak.evaluate(teacher, held_out)


def test_surprise_is_the_mean_over_what_counts(teacher):
    sentences = speak.brackets(30, seed=6)
    log_q = teacher(sentences[:, :-1]).log_softmax(-1).detach()
    each = [
        -float(log_q[i, j, sentences[i, j + 1]])
        for i in range(30)
        for j in range(PROMPT - 1, speak.LENGTH - 1)
        if sentences[i, j + 1] != speak.PAD
    ]
    assert speak.nats(teacher, sentences, prompt=PROMPT) == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_a_score_is_of_the_models_own_sentences(teacher):
    held_out = speak.brackets(400, seed=7)
    found = speak.evaluate(teacher, held_out, prompt=PROMPT, seed=2)
    said = speak.generate(teacher, held_out[:, :PROMPT], seed=2)
    assert torch.equal(found.right, speak.is_valid(said))
    assert found.valid == pytest.approx(float(found.right.float().mean()))
    assert found.distinct == len({tuple(row) for row in said.tolist()}) / 400
    beginner = speak.evaluate(speak.language_model(8, seed=0), held_out, prompt=PROMPT)
    assert found.valid > beginner.valid + 0.3
    assert found.nats < beginner.nats - 0.5


# ---------------------------------------------------------------- training


def one_step(prompt, sentences):
    model = speak.language_model(6, seed=0)
    speak.fit(model, sentences, prompt=prompt, steps=1, batch_size=len(sentences), lr=1e-2)
    return model.head.bias.detach()


def test_fitting_counts_the_answer_alone():
    sentences = speak.brackets(16, seed=0)
    changed = sentences.clone()
    changed[:, 2] = speak.OPEN + 2  # another prompt
    longer = F.pad(sentences, (0, 5))
    model = speak.language_model(6, seed=0)
    logits = model(sentences[:, :-1])
    counts = speak.answer_mask(sentences, PROMPT)
    wanted = F.cross_entropy(logits[counts], sentences[:, 1:][counts])
    loss = speak.fit(speak.language_model(6, seed=0), sentences, prompt=PROMPT, steps=1, batch_size=16)[0]
    assert loss == pytest.approx(float(wanted), rel=1e-5)
    assert torch.allclose(one_step(PROMPT, sentences), one_step(PROMPT, longer), atol=1e-6), "padding has no part"
    assert not torch.allclose(one_step(1, sentences), one_step(1, changed))


def test_off_policy_the_loss_is_taken_on_the_given_sentences(teacher):
    sentences = speak.brackets(32, seed=0)
    student = speak.language_model(6, seed=0)
    rows = sentences[:, :-1]
    wanted = generalised_jsd(student(rows), teacher(rows), beta=0.3, mask=speak.answer_mask(sentences, PROMPT))
    options = {"texts": sentences, "on_policy": 0.0, "beta": 0.3, "steps": 1, "batch_size": 32}
    loss = speak.distil(teacher, student, sentences[:, :PROMPT], **options)
    assert loss == [pytest.approx(float(wanted), rel=1e-5)]


def test_on_policy_the_loss_is_taken_on_what_the_student_says(teacher):
    prompts, student = speak.brackets(16, seed=0)[:, :PROMPT], speak.language_model(6, seed=0)
    asked = []

    class Listening(nn.Module):
        def forward(self, ids):
            asked.append(ids)
            return teacher(ids)

    said = speak.generate(student, prompts[torch.randperm(16, generator=torch.Generator().manual_seed(4))], seed=4 * 1_000_003)  # fmt: skip
    speak.distil(Listening(), student, prompts, on_policy=1.0, steps=1, batch_size=16, seed=4)
    assert len(asked) == 1, "the teacher writes nothing itself"
    assert torch.equal(asked[0], said[:, :-1])


def test_half_of_the_batches_are_the_students_own(teacher):
    prompts, sentences = speak.brackets(16, seed=0)[:, :PROMPT], speak.brackets(16, seed=0)
    given = {tuple(row) for row in sentences[:, :-1].tolist()}
    own = []

    class Listening(nn.Module):
        def forward(self, ids):
            own.append(not {tuple(row) for row in ids.tolist()} <= given)
            return teacher(ids)

    speak.distil(Listening(), speak.language_model(6, seed=0), prompts, texts=sentences, on_policy=0.5, steps=60, batch_size=4)  # fmt: skip
    assert 0.3 < sum(own) / len(own) < 0.7


def test_without_texts_the_teacher_writes(teacher):
    prompts = speak.brackets(32, seed=0)[:, :PROMPT]
    options = {"on_policy": 0.0, "steps": 3, "batch_size": 8, "seed": 5}
    students = [speak.language_model(6, seed=0) for _ in range(2)]
    speak.distil(teacher, students[0], prompts, **options)
    speak.distil(teacher, students[1], prompts, texts=speak.generate(teacher, prompts, seed=5), **options)
    assert torch.equal(students[0].head.weight, students[1].head.weight)


@pytest.mark.parametrize(("on_policy", "beta"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_a_student_comes_nearer_and_the_teacher_stays(teacher, on_policy, beta):
    student, prompts = speak.language_model(12, seed=0), speak.brackets(200, seed=0)[:, :PROMPT]
    before, was = copy.deepcopy(teacher.state_dict()), speak.nats(student, speak.brackets(200, seed=9))
    teacher.train()
    losses = speak.distil(teacher, student, prompts, on_policy=on_policy, beta=beta, steps=60, lr=2e-2)
    assert teacher.training
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert speak.nats(student, speak.brackets(200, seed=9)) < was
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_teacher_of_the_students_own_kind_keeps_its_dropout_off():
    """Teacher and student of one class: the student's dropout acts, the teacher's does not."""
    teacher, sentences = own_model(1).train(), speak.brackets(16, seed=0)
    seen = []
    teacher.register_forward_hook(lambda module, *_: seen.append(module.training))
    student = own_model(2)
    student.register_forward_hook(lambda module, *_: seen.append("student" if module.training else "asleep"))
    speak.distil(teacher, student, sentences[:, :PROMPT], texts=sentences, on_policy=0.0, steps=2, batch_size=8)
    assert seen == [False, "student"] * 2 or seen == ["student", False] * 2
    assert teacher.training


def test_dropout_follows_the_seed_and_leaves_the_random_state():
    sentences, ends = speak.brackets(32, seed=0), []
    for before in (0, 1):
        student = own_model(2)
        torch.manual_seed(before)
        state = torch.random.get_rng_state()
        speak.fit(student, sentences, steps=4, batch_size=8, seed=3)
        assert torch.equal(torch.random.get_rng_state(), state)
        ends.append(student.head.weight.detach())
    assert torch.equal(*ends)


def test_a_loss_that_is_not_finite_is_refused():
    student, sentences = speak.language_model(6, seed=0), speak.brackets(16, seed=0)
    lost = speak.language_model(6, seed=0)
    nn.init.constant_(lost.head.bias, math.nan)
    with pytest.raises(ValueError, match=r"at step 0.*look for NaN in the logits"):
        speak.distil(lost, student, sentences[:, :PROMPT], texts=sentences, on_policy=0.0, steps=2, batch_size=8)


# ---------------------------------------------------------------- what is kept


P = torch.tensor([[0.5, 0.3, 0.15, 0.05]])


def test_top_k_keeps_the_likeliest():
    assert torch.allclose(speak.top_k(2)(P), torch.tensor([[0.625, 0.375, 0, 0]]))
    assert torch.allclose(speak.top_k(9)(P), P)


def test_draws_are_right_on_average_and_top_k_is_not():
    keep = speak.sampled(2, seed=0)
    many = keep(P.expand(4000, 4))
    assert set(many.unique().tolist()) == {0.0, 0.5, 1.0}
    assert torch.allclose(many.sum(-1), torch.ones(4000))
    assert torch.allclose(many.mean(0), P[0], atol=0.02)
    assert torch.equal(keep(P.expand(4000, 4)), many), "a keep that is used twice keeps the same"
    for dtype in (torch.float64, torch.bfloat16):
        assert keep(P.to(dtype)).dtype == dtype
    assert (speak.top_k(2)(P) - P).abs().max() > 0.1
    assert torch.equal(speak.sampled(3, seed=1)(P), speak.sampled(3, seed=1)(P))
    assert speak.sampled(3)(P.expand(2, 5, 4)).shape == (2, 5, 4)


def test_a_file_is_made_once(teacher):
    asked = []

    class Listening(nn.Module):
        def forward(self, ids):
            asked.append(len(ids))
            return teacher(ids)

    sentences, student = speak.brackets(40, seed=0), speak.language_model(6, seed=0)
    options = {"texts": sentences, "on_policy": 0.0, "beta": 0.0, "steps": 5, "batch_size": 8}
    losses = speak.distil(Listening(), student, sentences[:, :PROMPT], keep=speak.top_k(2), **options)
    assert asked == [40]
    assert all(math.isfinite(loss) for loss in losses)
    whole = speak.language_model(6, seed=0)
    everything = speak.distil(teacher, whole, sentences[:, :PROMPT], keep=speak.top_k(9), **options)
    plain = speak.distil(teacher, speak.language_model(6, seed=0), sentences[:, :PROMPT], **options)
    assert everything == pytest.approx(plain, rel=1e-4)


# ---------------------------------------------------------------- the loss


def logits(*shape, seed=0):
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_loss_is_its_formula(beta):
    z, v = logits(3, 5, 7), logits(3, 5, 7, seed=1)
    q, p = z.softmax(-1), v.softmax(-1)
    m = beta * p + (1 - beta) * q

    def kl(a, b):
        return (a * (a / b).log()).sum(-1)

    wanted = {0.0: kl(p, q), 1.0: kl(q, p)}.get(beta, beta * kl(p, m) + (1 - beta) * kl(q, m))
    assert float(generalised_jsd(z, v, beta=beta)) == pytest.approx(float(wanted.mean()), rel=1e-9)
    mask = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    assert float(generalised_jsd(z, v, beta=beta, mask=mask)) == pytest.approx(float(wanted[mask].mean()), rel=1e-9)
    assert float(generalised_jsd(z, v, beta=beta, mask=torch.zeros(3, 5, dtype=torch.bool))) == 0
    assert torch.autograd.gradcheck(lambda x: generalised_jsd(x, v, beta=beta, mask=mask), z.requires_grad_())


def test_the_loss_jumps_at_both_ends():
    z, v = logits(4, 9), logits(4, 9, seed=1)
    at = {beta: float(generalised_jsd(z, v, beta=beta)) for beta in (0, 0.001, 0.5, 0.999, 1)}
    assert at[0.001] < 0.02 * at[0]
    assert at[0.999] < 0.02 * at[1]
    assert at[0.5] > 5 * max(at[0.001], at[0.999])


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_padded_vocabularies_give_no_nan(beta):
    z, v = logits(2, 3, 6), logits(2, 3, 6, seed=1)
    padded = [torch.cat([x, torch.full((2, 3, 2), -torch.inf, dtype=x.dtype)], -1).requires_grad_() for x in (z, v)]
    loss = generalised_jsd(*padded, beta=beta)
    assert float(loss) == pytest.approx(float(generalised_jsd(z, v, beta=beta)), rel=1e-9)
    loss.backward()
    assert torch.isfinite(padded[0].grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_half_precision_sums_do_not_overflow(beta, dtype):
    """Half of 200,000 tokens, each far from the teacher, pass float16's 65,504."""
    z, v = (x.to(dtype) for x in (5 * logits(400, 500, 9), 5 * logits(400, 500, 9, seed=1)))
    loss = generalised_jsd(z, v, beta=beta)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(generalised_jsd(z.double(), v.double(), beta=beta)), rel=1e-3)


def test_what_underflows_meets_what_is_ruled_out_without_nan():
    z, v = torch.tensor([[0.0, -200.0]], requires_grad=True), torch.tensor([[0.0, -torch.inf]])
    loss = generalised_jsd(z, v, beta=1.0)
    loss.backward()
    assert float(loss) == 0
    assert torch.isfinite(z.grad).all()


def test_a_token_that_the_teacher_rules_out_is_free_forwards_and_forbidden_backwards():
    z, v = torch.zeros(1, 3), torch.tensor([[0.0, 0.0, -torch.inf]])
    assert float(generalised_jsd(z, v, beta=0)) == pytest.approx(math.log(1.5), rel=1e-5)
    assert math.isinf(float(generalised_jsd(z, v, beta=1)))
    assert float(generalised_jsd(z, v, beta=0.5)) < math.log(2)


def test_what_a_mask_leaves_out_spoils_nothing():
    z, v = logits(2, 3, 4).requires_grad_(), logits(2, 3, 4, seed=1)
    v[1, 2] = torch.tensor([-torch.inf, 0, 0, 0])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    loss = generalised_jsd(z, v, beta=1.0, mask=mask)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()
    assert not z.grad[1, 2].any()
