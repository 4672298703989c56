"""Networks as eyes: what a network that others trained, or the encoder of a member, sees in an object."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn import functional as F

from maskfold import files
from maskfold.clusters.objects import PHOTO, Whereabouts, on_backdrop
from maskfold.data.geometry import Geometry
from maskfold.data.preprocessing import Preprocess
from maskfold.errors import MaskfoldError, listing
from maskfold.masks.pictures import as_rgb
from maskfold.models.encoders import UNREADABLE
from maskfold.models.libraries import timm
from maskfold.models.network import Network

FEWEST_CELLS = 4  # of the deepest features of the photo that a network is tried with: what is coarser was pooled
_UNKNOWN_STRIDE = 32  # of a network that does not say how far it shrinks its input


def device() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class GivenNetwork:
    """A network of timm with weights from a file, which is shown each object's box on a grey backdrop.

    Args:
        model: timm's name, such as `vit_small_patch14_dinov2`.
        weights: A state dict of it, as timm, PyTorch or the model's authors save it, `.safetensors` too.

    Raises:
        MaskfoldError: If timm has no such model, or the file is missing, unreadable or another network's.
    """

    def __init__(self, model: str, weights: Path) -> None:
        if not weights.is_file():
            raise MaskfoldError(f"weights={weights}: no such file. Give the file of a state dict.")
        if not timm.is_model(model):
            near = ", ".join(timm.list_models(f"*{model.split('_')[0]}*")[:8])
            hint = f" It has {near}, ..." if near else ""
            raise MaskfoldError(f"network={model}: timm {timm.__version__} has no such model.{hint}")
        network = timm.create_model(model, pretrained=False, num_classes=0)
        _load(network, weights, model)
        settings = timm.data.resolve_model_data_config(network)
        self.size: tuple[int, int] = settings["input_size"][1:]
        self.mean, self.std = (torch.tensor(settings[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
        self.grey = tuple(round(255 * share) for share in settings["mean"])
        self.network = network.eval().to(device())
        self.key = f"{model} {files.sha256(weights)}"

    def prepare(self, place: Whereabouts) -> np.ndarray:
        """Return what the network is shown of a photo: `(h, w, 3) uint8`."""
        image, mask = place.read()
        return on_backdrop(as_rgb(image), mask, size=self.size, grey=self.grey)

    @torch.inference_mode()
    def look(self, shown: np.ndarray) -> np.ndarray:
        """Return what it says of that: its class token or the mean of its last features, `(D,) float32`."""
        picture = torch.from_numpy(shown).permute(2, 0, 1)[None].float() / 255
        answer = self.network(((picture - self.mean) / self.std).to(device()))
        return answer.flatten(1)[0].float().cpu().numpy()


def _load(network: nn.Module, weights: Path, model: str) -> None:
    """Load the file of a state dict into a network of timm without its classifier, in place.

    Raises:
        MaskfoldError: If the file is unreadable or another network's.
    """
    translate = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)  # of the authors' names
    try:
        state = timm.models.load_state_dict(str(weights))
        state = translate(state, network) if translate else state
        own = network.state_dict()
        known = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
    except (OSError, KeyError, ValueError, TypeError, AttributeError, SafetensorError, *UNREADABLE) as error:
        reason = f"{error}".partition("\n")[0]
        raise MaskfoldError(
            f"weights={weights}: not a readable state dict ({reason}). Save one with torch.save."
        ) from error
    missing = sorted(name for name in own if name not in known and not name.endswith("num_batches_tracked"))
    if missing:
        raise MaskfoldError(
            f"weights={weights}: these are not the weights of {model}; of {len(own)} entries {len(missing)} are "
            f"missing or of another shape:\n{listing(missing)}\nName the model that they are of with network=..."
        )
    network.load_state_dict(known, strict=False)


class MemberEncoder:
    """The deepest features of a trained member, averaged over the cells that are object.

    One network looks at all photos, those it has learned from too: the features of two networks have nothing to do
    with each other, so that with each photo looked at by the fold that has not seen it the clusters would be the folds.
    Features are no scores; nothing is judged by them.

    Where a photo has no mask, the object is what the network itself predicts.

    Args:
        network: In evaluation mode.
        geometry: As in training.
        preprocess: As in training.
        key: What tells this network from others, such as its checkpoint's hash.

    Raises:
        MaskfoldError: If no part of the network answers with a picture of features.
    """

    def __init__(self, network: Network, *, geometry: Geometry, preprocess: Preprocess | None, key: str) -> None:
        self.network = network.eval().to(device())
        self.geometry, self.preprocess = geometry, preprocess
        self.key = f"encoder {key}"
        self._deepest = deepest_part(self.network)

    def prepare(self, place: Whereabouts) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the network's inputs of a photo, `(K, h, w, C)`, and the object in them, `(K, h, w) uint8`.

        The object is None where nothing says where it is.
        """
        image, mask = place.read()
        shown, _ = self.geometry.forward(image if self.preprocess is None else self.preprocess(image))
        return shown, None if place.said_by == PHOTO else self.geometry.forward_mask(mask)

    @torch.inference_mode()
    def look(self, prepared: tuple[np.ndarray, np.ndarray | None]) -> np.ndarray:
        """Return the mean of the deepest features over the object, `(D,) float32`."""
        shown, mask = prepared
        total, weight = 0.0, 0.0
        for number, window in enumerate(shown):
            picture = torch.from_numpy(np.ascontiguousarray(window.transpose(2, 0, 1)))[None].to(device())
            with _answers_of(self._deepest) as seen:
                logits = self.network(picture)
            features = seen[-1][0].float()  # (D, h, w)
            own = torch.sigmoid(logits.float()).amax(dim=1) if mask is None else torch.from_numpy(mask[number])[None]
            cells = F.adaptive_avg_pool2d(own.float().to(features.device)[None], features.shape[1:])[0, 0]
            cells = cells + 1e-6  # where nothing is object, all is
            total = total + (features * cells).sum(dim=(1, 2))
            weight += float(cells.sum())
        return (total / weight).cpu().numpy().astype(np.float32)


@contextmanager
def _answers_of(part: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Yield a list that takes what a part answers while the block lasts."""
    seen: list[torch.Tensor] = []
    hook = part.register_forward_hook(lambda _, __, answer: seen.append(_last(answer)))
    try:
        yield seen
    finally:
        hook.remove()


@torch.inference_mode()
def deepest_part(network: Network) -> nn.Module:
    """Return the part of any network whose features are its deepest.

    The network is shown an empty photo. A part called `encoder` that answers is taken, as all of smp's have. Otherwise,
    among the parts that answer with the smallest picture of features (at least `FEWEST_CELLS` high: what is smaller was
    pooled beside the way down), it is the last of those with the most channels: decoders begin with fewer.

    Raises:
        MaskfoldError: If there is no such part.
    """
    stride = network.stride if network.stride > 1 else _UNKNOWN_STRIDE
    side = 2 * stride * FEWEST_CELLS
    answered: list[tuple[str, nn.Module, torch.Size]] = []

    def note(name: str, part: nn.Module, _: object, answer: object) -> None:
        features = _last(answer)
        if features is not None and features.shape[2] >= FEWEST_CELLS:
            answered.append((name, part, features.shape))

    hooks = [part.register_forward_hook(partial(note, name)) for name, part in network.model.named_modules()]
    try:
        network(torch.zeros(1, network.mean.shape[1], side, side, device=network.mean.device))
    finally:
        for hook in hooks:
            hook.remove()
    encoders = [part for name, part, _ in answered if name.rpartition(".")[2] == "encoder"]
    if encoders:
        return encoders[-1]
    if not answered:
        raise MaskfoldError("member: no part of its network answers with a picture of features. Leave member= out.")
    deepest = min((size[2], -size[1]) for _, _, size in answered)
    return [part for _, part, size in answered if (size[2], -size[1]) == deepest][-1]


def _last(answer: object) -> torch.Tensor | None:
    """Return the picture of features, `(N, D, h, w)`, that an answer is, or ends with as those of encoders do."""
    if isinstance(answer, list | tuple) and answer:
        answer = answer[-1]
    return answer if isinstance(answer, torch.Tensor) and answer.ndim == 4 else None
