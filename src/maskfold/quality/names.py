"""What measures and routes are called. Imports nothing, so that a model of quality is read wherever there is NumPy."""

SHIP, REVIEW, REJECT = ROUTE_NAMES = ("ship", "review", "reject")

HALF = 128  # of 255: the first value whose probability is at least one half

# Of every measure: 1 where a higher value goes with a better mask, -1 where a lower one does, 0 where neither is known
# beforehand; such a one is of use together with others only.
DIRECTIONS = {
    "soft_dice": 1,
    "pairwise_dice": 1,
    "mirror_dice": 1,
    "certainty": 1,
    "entropy": -1,
    "patch_entropy": -1,
    "unconfidence": -1,
    "disputed": -1,
    "components": -1,
    "largest": 1,
    "at_edge": -1,
    "area": 0,
}
OF_MEMBERS = ("pairwise_dice", "disputed")
OF_MIRROR = ("mirror_dice",)
