"""Generators that the authors of CycleGAN and pix2pix published."""

from cyclekit.api import Published

HOME = "http://efrosgans.eecs.berkeley.edu"
TERMS = (
    "nobody said on which terms these weights may be used: their code is BSD, and data that they "
    "learned from has terms of its own"
)
CYCLEGAN = {
    "apple2orange": "apples to oranges",
    "orange2apple": "oranges to apples",
    "summer2winter_yosemite": "summer to winter in Yosemite",
    "winter2summer_yosemite": "winter to summer in Yosemite",
    "horse2zebra": "horses to zebras",
    "zebra2horse": "zebras to horses",
    "monet2photo": "Monet's paintings to photographs",
    "style_monet": "photographs to Monet's style",
    "style_cezanne": "photographs to Cézanne's style",
    "style_ukiyoe": "photographs to the style of ukiyo-e",
    "style_vangogh": "photographs to Van Gogh's style",
    "sat2map": "aerial photographs to maps",
    "map2sat": "maps to aerial photographs",
    "cityscapes_photo2label": "Cityscapes' photographs to labels",
    "cityscapes_label2photo": "Cityscapes' labels to photographs",
    "facades_photo2label": "photographs of facades to labels",
    "facades_label2photo": "labels of facades to photographs",
    "iphone2dslr_flower": "flowers by a telephone to those by a camera",
}
PIX2PIX = {
    "edges2shoes": "edges to shoes (UT Zappos50K)",
    "sat2map": "aerial photographs to maps",
    "map2sat": "maps to aerial photographs",
    "facades_label2photo": "labels of facades to photographs",
    "day2night": "day to night",
}

PUBLISHED = (
    *(
        Published(
            name,
            f"{HOME}/cyclegan/pretrained_models/{name}.pth",
            45_500_000,
            f"CycleGAN, {about}",
            "resnet",
            TERMS,
        )
        for name, about in CYCLEGAN.items()
    ),
    *(
        Published(
            f"pix2pix/{name}",
            f"{HOME}/pix2pix/models-pytorch/{name}.pth",
            218_000_000,
            f"pix2pix, {about}",
            "unet",
            TERMS,
            dropout=True,
        )
        for name, about in PIX2PIX.items()
    ),
)
