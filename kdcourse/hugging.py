"""The small language models in Hugging Face's clothes, so that its libraries train them: TRL, say (appendix B).

    pip install "kdcourse[trl]"

The weights are shared, not copied: what a trainer does to ``pretrained(model)`` it does to the model.
"""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

from kdcourse._arguments import fail
from kdcourse.language import BOS, EOS, PAD, VOCABULARY, GRULanguageModel

__all__ = ["pretrained", "tokenizer"]


class _Config(PretrainedConfig):
    model_type = "kdcourse_gru"


class _Backbone(PreTrainedModel):
    """Embedding and GRU: token ids to hidden states. All prompts of a batch are of one length, so nothing is masked."""

    config_class = _Config

    def __init__(self, model: GRULanguageModel, config: _Config) -> None:
        super().__init__(config)
        self.embedding, self.gru = model.embedding, model.gru
        self.post_init()

    def forward(self, input_ids: Tensor, **_: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=self.gru(self.embedding(input_ids))[0])


class _Speaker(PreTrainedModel, GenerationMixin):
    """Backbone and head, named as the libraries expect them; it keeps no state between tokens."""

    config_class, base_model_prefix = _Config, "backbone"
    _is_stateful = True  # there are no keys and values to cache

    def __init__(self, model: GRULanguageModel, config: _Config) -> None:
        super().__init__(config)
        self.backbone, self.lm_head = _Backbone(model, config), model.head
        self.post_init()

    def get_output_embeddings(self) -> Any:
        return self.lm_head

    def get_input_embeddings(self) -> Any:
        return self.backbone.embedding

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, attention_mask: Any = None, **_: Any
    ) -> dict[str, Tensor]:
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def forward(self, input_ids: Tensor, attention_mask: Any = None, **_: Any) -> CausalLMOutput:
        if attention_mask is not None and not attention_mask[:, 0].all():
            raise fail("prompts", "be of one length in a batch", "padding on the left", "Sort them by length.")
        return CausalLMOutput(logits=self.lm_head(self.backbone(input_ids).last_hidden_state))


def pretrained(model: GRULanguageModel) -> PreTrainedModel:
    """The model as a ``transformers.PreTrainedModel`` over the same weights.

    A batch's prompts must be of one length. It is trained as it is: ``save_pretrained`` writes its weights, and
    ``from_pretrained`` does not know it.
    """
    if not isinstance(model, GRULanguageModel):
        rule = "be a GRULanguageModel"
        raise fail("model", rule, type(model).__name__, "Build it with kd.language.language_model.", TypeError)
    kept = {name: value.detach().clone() for name, value in model.state_dict().items()}
    sizes = {"vocab_size": model.head.out_features, "hidden_size": model.head.in_features, "num_hidden_layers": 1}
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    with torch.random.fork_rng(devices=[]):  # transformers begins every model anew
        dressed = _Speaker(model, _Config(**sizes, **ids, tie_word_embeddings=False))
    model.load_state_dict(kept)
    return dressed


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a bracket, <bos> before the text, padding on the left; what is no bracket is refused."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="none"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS)])
    words.decoder = decoders.Fuse()
    names = {"pad_token": VOCABULARY[PAD], "bos_token": VOCABULARY[BOS], "eos_token": VOCABULARY[EOS]}
    return PreTrainedTokenizerFast(tokenizer_object=words, padding_side="left", **names)
