"""Which of CelebA's attributes paper 001 calls part of an identity (section 3.1)."""

_dependent = "identity-dependent"
_correlated = "identity-correlated"
_independent = "identity-independent"

celeba_groups: dict[str, tuple[str, bool]] = {
    # Stated in the text.
    "Male": (_dependent, True),
    "Pointy_Nose": (_dependent, True),
    "Bald": (_dependent, True),
    "Narrow_Eyes": (_dependent, True),
    "Oval_Face": (_dependent, True),
    "Gray_Hair": (_correlated, True),
    "Sideburns": (_correlated, True),
    "Smiling": (_independent, True),
    "Blurry": (_independent, True),
    "Wearing_Necklace": (_independent, True),
    "Wearing_Hat": (_independent, True),
    "Wearing_Lipstick": (_independent, True),
    "Eyeglasses": (_independent, True),
    # "Hair style and hair color": stated of the kind, assigned by us.
    "Bangs": (_correlated, False),
    "Black_Hair": (_correlated, False),
    "Blond_Hair": (_correlated, False),
    "Brown_Hair": (_correlated, False),
    "Straight_Hair": (_correlated, False),
    "Wavy_Hair": (_correlated, False),
    "Receding_Hairline": (_correlated, False),
    # Only in the figure; assigned by us.
    "5_o_Clock_Shadow": (_correlated, False),
    "Goatee": (_correlated, False),
    "Mustache": (_correlated, False),
    "No_Beard": (_correlated, False),
    "Bushy_Eyebrows": (_correlated, False),
    "Chubby": (_correlated, False),
    "Double_Chin": (_correlated, False),
    "Young": (_correlated, False),
    "Arched_Eyebrows": (_dependent, False),
    "Attractive": (_dependent, False),
    "Big_Lips": (_dependent, False),
    "Big_Nose": (_dependent, False),
    "High_Cheekbones": (_dependent, False),
    "Bags_Under_Eyes": (_independent, False),
    "Heavy_Makeup": (_independent, False),
    "Mouth_Slightly_Open": (_independent, False),
    "Pale_Skin": (_independent, False),
    "Rosy_Cheeks": (_independent, False),
    "Wearing_Earrings": (_independent, False),
    "Wearing_Necktie": (_independent, False),
}
"""Group of each attribute, and whether the chapter's text states it; the rest is by us."""
