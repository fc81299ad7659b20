"""Appendix B's hand-over: the course's own student in the hands of Hugging Face's Transformers and TRL.

Neither is part of the course's environment, so these run in one of their own: ``make test-trl``.
"""

import json
import re
from pathlib import Path

import pytest
import torch

import kdcourse as kd

pytest.importorskip("trl", reason="TRL is not here: make test-trl builds an environment for it")
hugging = pytest.importorskip("kdcourse.hugging")
speak = kd.language

APPENDIX = Path(__file__).parent.parent / "notebooks/B_language_models.ipynb"
PROMPT = 3


@pytest.fixture(scope="module")
def teacher():
    model = speak.language_model(32, seed=0)
    speak.fit(model, speak.brackets(2000, seed=1), steps=150, lr=1e-2)
    return model


def handed_over():
    """The code that the appendix prints for its readers to run with TRL."""
    cells = json.loads(APPENDIX.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    (code,) = re.findall(r"```python\n(.*?DistillationTrainer.*?)```", text, re.DOTALL)
    return code


def test_the_appendix_own_lines_train_the_students_own_weights(teacher, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    student, sentences = speak.language_model(12, seed=0), speak.brackets(1000, seed=2)
    start, held_out = student.head.weight.detach().clone(), speak.brackets(1000, seed=3)
    before = speak.evaluate(student, held_out)
    exec(handed_over(), {"speak": speak, "teacher": teacher, "student": student, "prompts": sentences[:, :PROMPT]})
    after = speak.evaluate(student, held_out)
    assert (student.head.weight - start).abs().max() > 0.01
    assert after.nats < before.nats - 0.5
    assert after.valid > before.valid + 0.2


def test_trl_and_the_course_train_one_student_alike(teacher, tmp_path):
    """The same student, prompts, steps, rate and beta: both end about as far from the teacher."""
    from datasets import Dataset
    from trl import DistillationConfig, DistillationTrainer

    ours, theirs = speak.language_model(12, seed=0), speak.language_model(12, seed=0)
    prompts, steps, lr = speak.brackets(1000, seed=2)[:, :PROMPT], 120, 2e-2
    speak.distil(teacher, ours, prompts, on_policy=1.0, beta=0.0, steps=steps, lr=lr)
    settings = DistillationConfig(
        output_dir=str(tmp_path), beta=0.0, learning_rate=lr, max_steps=steps, per_device_train_batch_size=64,
        max_completion_length=speak.LENGTH - PROMPT, use_cpu=True, bf16=False, report_to=[], save_strategy="no",
        lr_scheduler_type="cosine", weight_decay=0.01, disable_tqdm=True, gradient_checkpointing=False,
    )  # fmt: skip
    DistillationTrainer(
        model=hugging.pretrained(theirs), teacher_model=hugging.pretrained(teacher), args=settings,
        train_dataset=Dataset.from_dict({"prompt": speak.text(prompts)}), processing_class=hugging.tokenizer(),
    ).train()  # fmt: skip
    held_out = speak.brackets(2000, seed=3)
    untrained = speak.nats(speak.language_model(12, seed=0), held_out, prompt=PROMPT)
    found = [speak.nats(model, held_out, prompt=PROMPT) for model in (ours, theirs)]
    assert max(found) < untrained - 0.5
    assert abs(found[0] - found[1]) < 0.1


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0])
def test_the_loss_is_trls(beta):
    from trl.experimental.gkd import GKDTrainer

    z, v = 2 * torch.randn(2, 4, 7, 9, generator=torch.Generator().manual_seed(0))
    counts = torch.rand(4, 7, generator=torch.Generator().manual_seed(1)) < 0.6
    labels = torch.where(counts, 3, -100)
    theirs = GKDTrainer.generalized_jsd_loss(z, v, labels, beta=beta)
    ours = kd.losses.generalised_jsd(z, v, beta=beta, mask=counts)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_the_dressed_model_says_the_same_and_shares_its_weights():
    model, sentences = speak.language_model(8, seed=3), speak.brackets(20, seed=0)
    wanted = {name: value.clone() for name, value in model.state_dict().items()}
    dressed = hugging.pretrained(model)
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())
    assert torch.equal(dressed(sentences).logits, model(sentences))
    with torch.no_grad():
        model.head.bias += 1
    assert torch.equal(dressed(sentences).logits, model(sentences))
    said = dressed.generate(sentences[:, :PROMPT], max_new_tokens=5, do_sample=False)
    assert torch.equal(said[:, :PROMPT], sentences[:, :PROMPT])
    greedy = speak.generate(model, sentences[:, :PROMPT], length=said.shape[1], temperature=0)
    assert torch.equal(said, greedy)
    state = torch.random.get_rng_state()
    hugging.pretrained(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    padded = torch.ones(20, PROMPT, dtype=torch.long)
    padded[3, 0] = 0
    with pytest.raises(ValueError, match="prompts must be of one length in a batch; got padding on the left"):
        dressed(sentences[:, :PROMPT], attention_mask=padded)


def test_the_tokenizer_has_the_courses_ids():
    words, sentences = hugging.tokenizer(), speak.brackets(50, seed=0)
    for text, row in zip(speak.text(sentences), sentences, strict=True):
        assert words(text)["input_ids"] == row[: row.tolist().index(speak.EOS)].tolist()
        assert words.decode(row, skip_special_tokens=True) == text
    with pytest.raises(Exception, match="UNK"):
        words("(a)")
    assert (words.pad_token_id, words.bos_token_id, words.eos_token_id) == (speak.PAD, speak.BOS, speak.EOS)


def test_the_appendix_table_of_defaults_is_trls(tmp_path):
    import trl
    from trl import DistillationConfig
    from trl.experimental.gkd import GKDConfig

    settings, older = (
        kind(output_dir=str(tmp_path), use_cpu=True, bf16=False) for kind in (DistillationConfig, GKDConfig)
    )
    assert trl.__version__.startswith("1.16")
    assert (settings.beta, settings.learning_rate) == (1.0, 1e-6)
    assert (older.lmbda, older.beta) == (0.5, 0.5)
    cells = json.loads((APPENDIX.parent / "evidence/language_models.ipynb").read_text(encoding="utf-8"))["cells"]
    (told,) = ["".join(c["source"]) for c in cells if "DistillationConfig.learning_rate" in "".join(c["source"])]
    for written in ('"DistillationConfig.beta": 1.0', "1e-6", '"GKDConfig.lmbda": 0.5', '"GKDConfig.beta": 0.5'):
        assert written in told


def test_another_model_is_refused():
    with pytest.raises(TypeError, match="model must be a GRULanguageModel; got 'Linear'"):
        hugging.pretrained(torch.nn.Linear(2, 2))
