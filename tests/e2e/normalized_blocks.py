"""Reduced networks that normalize each image by its own statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .published_blocks import QuantizedLinear, classifier, quantized, stem


class TokenMixing(nn.Module):
    """MLP-mixer's layer (Tolstikhin et al., NeurIPS 2021), with its LayerNorm."""

    def __init__(self, tokens: int, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.over_tokens = nn.Sequential(
            QuantizedLinear(tokens, 8), nn.GELU(), QuantizedLinear(8, tokens)
        )
        self.over_channels = nn.Sequential(
            QuantizedLinear(channels, 12), nn.GELU(), QuantizedLinear(12, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.over_tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(self.norms[1](x))


class NormalizedMixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.layer, self.norm, self.head = TokenMixing(9, 8), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.layer(tokens)).mean(dim=1))


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map, as ConvNeXt has it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Next(nn.Module):
    """ConvNeXt's block (Liu et al., CVPR 2022): depthwise 7x7, LayerNorm, 1x1, GELU, 1x1, scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 7, 1, 3, groups=channels),
            ChannelNorm(channels),
            quantized(channels, 2 * channels, 1),
            nn.GELU(),
            quantized(2 * channels, channels, 1),
        )
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.body(x)


def convnext() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), ChannelNorm(8), Next(8), classifier(8))


class Residual(nn.Module):
    """ResNet's block, with GroupNorm (Wu and He, ECCV 2018) or InstanceNorm."""

    def __init__(self, channels: int, norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            quantized(channels, channels, 3), norm(channels), nn.ReLU(),
            quantized(channels, channels, 3), norm(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def group_resnet() -> nn.Module:
    block = Residual(8, lambda channels: nn.GroupNorm(2, channels))
    return nn.Sequential(stem(8, nn.ReLU()), block, classifier(8))


def style_network() -> nn.Module:
    """Image to image, with InstanceNorm (Ulyanov et al., 2016)."""
    block = Residual(8, lambda channels: nn.InstanceNorm2d(channels, affine=True))
    return nn.Sequential(stem(8, nn.ReLU()), block, quantized(8, 3, 3))


class GeneralizedMean(nn.Module):
    """GeM pooling (Radenovic et al., TPAMI 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x.clamp(min=1e-6) ** 3, 1) ** (1 / 3)


def retrieval() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.ReLU()), quantized(8, 12, 3), nn.ReLU(), GeneralizedMean(), nn.Flatten(),
        nn.Linear(12, 6),
    )  # fmt: skip


class SelectiveKernel(nn.Module):
    """Two branches that a softmax weighs by channel (Li et al., CVPR 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(quantized(channels, channels, kernel), nn.ReLU()) for kernel in (1, 3)
        )
        self.reduce, self.expand = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.stack([branch(x) for branch in self.branches], dim=1)
        n, _, channels, _, _ = maps.shape
        pooled = F.relu(self.reduce(F.adaptive_avg_pool2d(maps.sum(dim=1), 1)))
        weights = self.expand(pooled).reshape(n, 2, channels, 1, 1).softmax(dim=1)
        return (maps * weights).sum(dim=1)


class SelectiveKernelByParts(SelectiveKernel):
    """The same without a tensor of five axes."""

    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        pooled = F.relu(self.reduce(F.adaptive_avg_pool2d(maps[0] + maps[1], 1)))
        weights = self.expand(pooled).reshape(x.size(0), 2, -1).softmax(dim=1)
        a, b = (weights[:, k].unsqueeze(-1).unsqueeze(-1) for k in (0, 1))
        return maps[0] * a + maps[1] * b


def selective() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.ReLU()), SelectiveKernelByParts(8), quantized(8, 8, 3), nn.ReLU(), classifier(8)
    )


class Positions(nn.Module):
    """Weights of positions by a softmax over a map: global context (Cao et al., ICCVW 2019)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.score(x).flatten(2).softmax(dim=2).reshape(x.size(0), 1, *x.shape[2:])
        return x + (x * weights).sum(dim=(2, 3), keepdim=True)


def global_context() -> nn.Module:
    return nn.Sequential(
        stem(8, nn.ReLU()), quantized(8, 8, 3), Positions(8), quantized(8, 8, 3), nn.ReLU(),
        classifier(8),
    )  # fmt: skip


class ResponseNormalization(nn.Module):
    """ConvNeXt V2's block (Woo et al., CVPR 2023): norms of channels, divided by their mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widen, self.narrow = quantized(channels, 16, 1), quantized(16, channels, 1)
        self.gain = nn.Parameter(torch.full((1, 16, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.widen(x))
        norms = torch.norm(y, p=2, dim=(2, 3), keepdim=True)
        share = norms / (norms.mean(dim=1, keepdim=True) + 1e-6)
        return x + self.narrow(y + self.gain * (y * share))


class PoolMixing(nn.Module):
    """PoolFormer's block (Yu et al., CVPR 2022): means of neighbors, GroupNorm of one group."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for _ in range(2))
        self.body = nn.Sequential(quantized(channels, 16, 1), nn.GELU(), quantized(16, channels, 1))
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[0](x)
        x = x + self.scale * (F.avg_pool2d(y, 3, 1, 1, count_include_pad=False) - y)
        return x + self.scale * self.body(self.norms[1](x))


def convnext_v2() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), ResponseNormalization(8), classifier(8))


def poolformer() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), PoolMixing(8), classifier(8))


NORMALIZED = {
    "ConvNeXt V2": convnext_v2,
    "PoolFormer": poolformer,
    "selective kernels": selective,
    "global context": global_context,
    "MLP-mixer with LayerNorm": NormalizedMixer,
    "ConvNeXt": convnext,
    "ResNet with GroupNorm": group_resnet,
    "style transfer with InstanceNorm": style_network,
    "retrieval with GeM": retrieval,
}
