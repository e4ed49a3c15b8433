"""Which dense layers work on flattened convolutions: a forward pass on the meta device tells.

torch's convolutions make (N, C, *sides). A tensor whose axes are known carries their names; an axis
that is merged of channels first and sides behind makes the weight of the Linear it goes into one
whose columns lie (C, sides), which other frameworks store (sides, C).
"""
import torch
from torch.overrides import TorchFunctionMode

KEEP = {"relu", "relu_", "gelu", "silu", "hardswish", "dropout", "dropout_", "batch_norm", "contiguous", "clone", "mul",
        "add", "mul_", "add_", "__add__", "__mul__", "__iadd__", "__imul__", "sigmoid", "tanh", "leaky_relu", "elu", "prelu",
        "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
        "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool1d", "pad", "interpolate",
        "to", "type", "float", "half", "group_norm", "instance_norm", "hardtanh", "relu6", "alpha_dropout", "feature_dropout"}
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}


def merged(axes, before, after):
    """The names of the axes after a reshape that only merges neighbours; None where it splits."""
    out, i = [], 0
    for size in after:
        group, product = [], 1
        while i < len(before) and (product < size or (product == size and not group) or before[i] == 1):
            if product == size and group and before[i] != 1:
                break
            group.append(axes[i])
            product *= before[i]
            i += 1
        if product != size:
            return None
        out.append("".join(group) or "?")
    return out if i == len(before) else None


class Trace(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.flattened = {}  # id of a weight -> channels
        self.plain = set()   # ids of weights of linear layers that were seen on something else

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        try:
            self.follow(getattr(func, "__name__", ""), args, kwargs or {}, out)
        except Exception:
            pass
        return out

    def follow(self, name, args, kwargs, out):
        x = args[0] if args else kwargs.get("input")
        if name == "linear":
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            axes = getattr(x, "_axes", None)
            last = axes[-1] if axes else ""
            if len(last) > 1 and last[0] == "c" and set(last[1:]) <= {"s"} and x._channels < x.shape[-1]:
                self.flattened[id(weight)] = x._channels
            else:
                self.plain.add(id(weight))
            return
        if not isinstance(out, torch.Tensor) or not isinstance(x, torch.Tensor):
            return
        if name in CONVOLUTIONS and out.ndim > 2:
            out._axes, out._channels = ["n", "c"] + ["s"] * (out.ndim - 2), out.shape[1]
            return
        source = next((a for a in args if isinstance(a, torch.Tensor) and hasattr(a, "_axes")), None)
        if source is None:
            if name in ("cat", "concat") and args and hasattr(args[0][0], "_axes") and args[0][0].ndim == out.ndim > 2:
                out._axes, out._channels = list(args[0][0]._axes), out.shape[args[0][0]._axes.index("c")]
            return
        axes = source._axes
        if name in KEEP and out.ndim == source.ndim:
            out._axes = list(axes)
        elif name in ("flatten", "reshape", "view", "squeeze", "unsqueeze"):
            found = merged(axes, list(source.shape), list(out.shape))
            if found:
                out._axes = found
        elif name in ("transpose", "swapaxes"):
            i, j = (a % source.ndim for a in args[1:3])
            out._axes = list(axes)
            out._axes[i], out._axes[j] = axes[j], axes[i]
        elif name == "permute":
            order = args[1] if isinstance(args[1], (tuple, list)) else args[1:]
            out._axes = [axes[i] for i in order]
        elif name == "mean" and out.ndim == source.ndim:
            out._axes = list(axes)
        if hasattr(out, "_axes"):
            out._channels = source._channels


def flattened(model, training, *inputs):
    """{id of a Linear's weight: channels}; the forward pass may fail half way."""
    trace = Trace()
    failed = None
    try:
        with torch.no_grad(), trace:
            model.train(training)(*inputs)
    except Exception as e:
        failed = f"{type(e).__name__} {str(e)[:80]}"
    return {k: v for k, v in trace.flattened.items() if k not in trace.plain}, trace.plain, failed
