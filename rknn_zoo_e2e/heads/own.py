"""Whether a module still computes what its class does in Ultralytics: only such modules are taken apart.

A checkpoint may hold blocks that were pruned, extended by a fork, subclassed or hooked into. They run as they are, but
a rewritten form, which knows the class alone, would compute something else.
"""

from __future__ import annotations

from torch import nn
from ultralytics.nn.modules.block import CIB, Attention, Bottleneck, C2f, C2fCIB, C3k, C3k2, PSABlock
from ultralytics.nn.modules.conv import Conv

# The submodules each class has. Its output has the channels of the first one named, where that is known.
PARTS: dict[type[nn.Module], tuple[str, ...]] = {
    Conv: ("conv", "bn", "act"),
    Bottleneck: ("cv2", "cv1"),
    C3k: ("cv3", "cv1", "cv2", "m"),
    CIB: ("cv1",),
    PSABlock: ("ffn", "attn"),
    Attention: ("proj", "qkv", "pe"),
    **dict.fromkeys((C2f, C3k2, C2fCIB), ("cv2", "cv1", "m")),
}


def is_own(module: nn.Module) -> bool:
    """Whether nothing was added to the module, taken from it or put before, after or in place of its forward.

    Its submodules are not looked into. Fusing, which Ultralytics does on loading, is no change.
    """
    parts, forward = set(PARTS.get(type(module), ())), vars(module).get("forward")
    if not parts or module._forward_hooks or module._forward_pre_hooks:
        return False
    if type(module) is Conv and forward is not None:
        parts.discard("bn")
        fused = getattr(forward, "__func__", None) is Conv.forward_fuse and forward.__self__ is module
        return fused and set(module._modules) == parts
    return forward is None and set(module._modules) == parts and not module._parameters and not module._buffers


def convolution(module: nn.Module) -> nn.Conv2d | None:
    """The convolution inside an Ultralytics ``Conv``, fused or with its batch norm; None where it is anything else."""
    if type(module) is not Conv or not is_own(module):
        return None
    inside = [part for name, part in module.named_children() if name != "act"]
    kinds = [type(part) for part in inside]
    touched = any("forward" in vars(part) or part._forward_hooks or part._forward_pre_hooks for part in inside)
    return module.conv if kinds in ([nn.Conv2d], [nn.Conv2d, nn.BatchNorm2d]) and not touched else None


def width(module: nn.Module) -> int | None:
    """Channels of what the module gives, by the convolution that runs last; None where that is not known."""
    if type(module) is Conv:
        conv = convolution(module)
        return conv.out_channels if conv else None
    if type(module) is nn.Sequential and len(module):
        return width(module[-1])
    return width(getattr(module, PARTS[type(module)][0])) if is_own(module) else None
