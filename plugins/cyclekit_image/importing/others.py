"""Networks that are known by their keys and cannot be imported, with the reason."""

from cyclekit.api import Family
from cyclekit_image.importing.keys import Weights, has_any


def _unknown(name: str, summary: str, why: str, *patterns: str) -> Family:
    """A family that is told by all of some keys."""

    def recognises(weights: Weights) -> bool:
        return all(has_any(weights, pattern) for pattern in patterns)

    return Family(name, summary, "generator", recognises, refusal=why)


NO_LINE = "its layers are no line of those that there are here"


NOT_IMPORTED = (
    _unknown("unsb", "UNSB's generator", NO_LINE, r"model_res\.", r".*time_embed"),
    _unknown(
        "joligen-attention",
        "joliGEN's generator with attention masks",
        "it adds up ten pictures under masks, which no network here does",
        r"resnet_blocks\.\d+\.conv1\.",
        r"deconv3_attention\.",
    ),
    _unknown(
        "pix2pixhd-local",
        "pix2pixHD's local enhancer",
        "it has a second generator around the first one; the global one alone can be imported",
        r"model1_1\.",
    ),
    _unknown("cartoongan", "CartoonGAN's generator", NO_LINE, r"conv01_1\.", r"deconv03_1\."),
    _unknown("animegan", "AnimeGAN2's generator", NO_LINE, r"block_a\.", r"block_e\."),
    _unknown(
        "turbo",
        "img2img-turbo's adapters",
        "they change a diffusion model, and are no network by themselves",
        r"(rank_unet|sd_encoder|vae_lora|unet_lora)",
    ),
    _unknown(
        "cut-features",
        "CUT's network of features (F)",
        "it takes part in training alone: nothing is translated with it",
        r"mlp_0\.0\.",
    ),
    _unknown("cut-cat", "CUT's generator of the kind resnet_cat", NO_LINE, r"enc_content\."),
)
