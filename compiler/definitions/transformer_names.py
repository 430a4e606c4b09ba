"""Names of parts of transformers that are no operator here: what to write instead."""

TRANSFORMERS = {
    **dict.fromkeys(("TransformerEncoderLayer", "TransformerDecoderLayer", "TransformerEncoder",
                     "TransformerDecoder", "Transformer", "transformer", "TransformerBlock", "EncoderLayer",
                     "encoder_layer", "DecoderLayer", "decoder_layer", "transformer_encoder",
                     "transformer_decoder", "transformer_encoder_layer", "transformer_decoder_layer",
                     "transformer_block", "encoder_block", "decoder_block"),
                    "a block of it is written out, such as `residual(layernorm -> attention(8)) -> "
                    "residual(layernorm -> dense(256) -> gelu -> dense(64))`: `dlc doc transformer`"),
    **dict.fromkeys(("tril", "triu", "causal_mask", "causal", "generate_square_subsequent_mask",
                     "subsequent_mask"),
                    "later steps are hidden by a setting, `attention(8, causal=true)`"),
    "masked_fill": "`where(mask, a, b)` chooses; attention takes a `mask`, true where a step may be seen",
    **dict.fromkeys(("alibi", "ALiBi"),
                    "what is added to the products is a tensor, `attention(8, scores=s)`"),
    **dict.fromkeys(("relative_position_bias", "RelativePositionBias", "relative_position", "rel_pos_bias"),
                    "it is a declared weight, added by `attention(8, scores=bias)`: docs/transformers.md"),
    "position_ids": "`position_embedding(max)` counts the steps by itself",
    **dict.fromkeys(("mlp", "MLP", "ffn", "FFN", "FeedForward", "feed_forward", "PositionwiseFeedForward"),
                    "two dense layers are `dense(256) -> gelu -> dense(64)`"),
    **dict.fromkeys(("swiglu", "SwiGLU"),
                    "it is `a * b -> dense(64)` of `a = x -> dense(256) -> silu` and `b = x -> dense(256)`"),
    **dict.fromkeys(("geglu", "GEGLU"),
                    "it is `a * b -> dense(64)` of `a = x -> dense(256) -> gelu` and `b = x -> dense(256)`"),
    **dict.fromkeys(("patch_embed", "PatchEmbed", "patch_embedding", "PatchEmbedding", "Patches", "patchify"),
                    "patches of 4 x 4 pixels are `conv(64, 4, stride=4) -> reshape(64, -1) -> transpose`"),
    **dict.fromkeys(("cls_token", "class_token", "ClassToken", "CLS"),
                    "it is a weight, `weight token: float[1, 64] = normal(0.02)`, which "
                    "`concat(token, steps, axis=0)` puts before the steps"),
    "inf": "numbers are finite, such as `1e9`; steps are hidden by `attention(8, mask=m)`",
    "TokenAndPositionEmbedding": "write `embedding(64) -> position_embedding(200)`",
}  # fmt: skip
# Settings of attention in other libraries that are no setting here.
SETTINGS_OF_ATTENTION = {
    **dict.fromkeys(("query", "key", "value", "q", "k", "v", "queries", "keys", "values", "memory",
                     "context"),
                    "tensors stand first, without names: `attention(query, key, value, heads=8)`"),
    "norm_first": "the order is that of the flow: `residual(layernorm -> attention(8))`",
    "max_position_embeddings": "positions are an operator before it: `position_embedding(512)`",
}  # fmt: skip
