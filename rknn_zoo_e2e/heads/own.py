"""Whether a module still computes what its class does in Ultralytics: only such modules are taken apart.

A checkpoint may hold blocks that were pruned, extended by a fork, subclassed or hooked into. They run as they are, but
a rewritten form, which knows the class alone, would compute something else.
"""

from __future__ import annotations

from torch import nn
from ultralytics.nn.modules.block import CIB, AAttn, Attention, Bottleneck, C2f, C2fCIB, C3k, C3k2, PSABlock
from ultralytics.nn.modules.conv import Conv

# The submodules each class has. Its output has the channels of the first one named, where that is known.
PARTS: dict[type[nn.Module], tuple[str, ...]] = {
    Conv: ("conv", "bn", "act"),
    Bottleneck: ("cv2", "cv1"),
    C3k: ("cv3", "cv1", "cv2", "m"),
    CIB: ("cv1",),
    PSABlock: ("ffn", "attn"),
    **dict.fromkeys((Attention, AAttn), ("proj", "qkv", "pe")),
    **dict.fromkeys((C2f, C3k2, C2fCIB), ("cv2", "cv1", "m")),
}


def is_own(module: nn.Module) -> bool:
    """Whether nothing was added to the module, taken from it or put before, after or in place of its forward.

    Its submodules are not looked into. Fusing, which Ultralytics does on loading, is no change.
    """
    parts, forward = set(PARTS.get(type(module), ())), vars(module).get("forward")
    if type(module) is Conv and getattr(forward, "__func__", None) is Conv.forward_fuse:
        parts, forward = parts - {"bn"}, None if forward.__self__ is module else forward
    hooked = module._forward_hooks or module._forward_pre_hooks or module._parameters or module._buffers
    return bool(parts) and set(module._modules) == parts and forward is None and not hooked


def convolution(module: nn.Module) -> nn.Conv2d | None:
    """The convolution inside an Ultralytics ``Conv``, fused or with its batch norm; None where it is anything else."""
    if type(module) is not Conv or not is_own(module):
        return None
    kinds = [type(part) for name, part in module.named_children() if name != "act"]
    known = kinds in ([nn.Conv2d], [nn.Conv2d, nn.BatchNorm2d]) and not any(map(is_touched, module.children()))
    return module.conv if known else None


def is_touched(module: nn.Module) -> bool:
    """Whether something runs before, after or in place of the forward of the module's class."""
    return bool("forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks)


def width(module: nn.Module) -> int | None:
    """Channels of what the module gives, by the convolution that runs last; None where that is not known."""
    if type(module) is Conv:
        conv = convolution(module)
        return conv.out_channels if conv else None
    if type(module) is nn.Sequential and len(module) and not is_touched(module):
        return width(module[-1])
    return width(getattr(module, PARTS[type(module)][0])) if is_own(module) else None
