"""What paper 000 printed: its ten models and their TAR on IJB-C (Table 2).

Other models and other images than any user's: to print beside a table, never in it.
"""

import equinox as eqx

from .pedigree import Pedigree


class PublishedModel(eqx.Module):
    """A row of Table 2: short name, what it was made of, TAR at the six `ijb_fars`."""

    name: str = eqx.field(static=True)
    pedigree: Pedigree
    tar: tuple[float, ...] = eqx.field(static=True)


def _model(name, data, arch, loss, *tar) -> PublishedModel:
    return PublishedModel(name, Pedigree(data, arch, loss), tar[::-1])


# As in Figure 5 all ResNets are one architecture, and MS1MV2 is MS1M. The two rates of
# PartialFC are two losses: only so do the categories have the published sizes.
table2 = (
    _model("M2-R100-A", "MS1M", "ResNet", "ArcFace", .991, .984, .975, .963, .945, .898),
    _model("V-R50-A", "VGGFace2", "ResNet", "ArcFace", .994, .984, .963, .928, .875, .744),
    _model("G-R100-P1.0", "Glint360k", "ResNet", "PartialFC 1.0",
           .993, .988, .981, .973, .960, .912),
    _model("G-R100-P0.1", "Glint360k", "ResNet", "PartialFC 0.1",
           .992, .987, .981, .974, .961, .872),
    _model("M1-R50-A", "MS1M", "ResNet", "ArcFace", .979, .954, .918, .861, .782, .701),
    _model("M1-MB2-A", "MS1M", "MobileNetV2", "ArcFace",
           .981, .940, .869, .766, .629, .503),
    _model("V-IR1-C", "VGGFace2", "InceptionResNetV1", "Center",
           .990, .967, .908, .808, .681, .518),
    _model("C-IR1-C", "CASIA-WebFace", "InceptionResNetV1", "Center",
           .981, .929, .832, .697, .534, .408),
    _model("M1-64S-PFE", "MS1M", "64-CNN+PFE", "AM-Softmax",
           .985, .970, .942, .872, .757, .610),
    _model("C-64S-PFE", "CASIA-WebFace", "64-CNN+PFE", "AM-Softmax",
           .982, .949, .889, .798, .678, .530),
)  # fmt: skip

category_counts = {
    "none": 50,
    "data": 10,
    "arch": 12,
    "loss": 2,
    "data+arch": 2,
    "data+loss": 4,
    "arch+loss": 8,
    "all": 2,
}
"""Ordered pairs of the ten models in each category of Figure 5."""

mean_tar = {"native": 0.9652, "linear": 0.95, "rotation": 0.91}
"""At FAR 1e-2: native from Table 2, maps from the abstract."""
