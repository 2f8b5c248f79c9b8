"""Reduced networks that know where things are: coordinates of pixels, positional embeddings with a
class token, boxes decoded on grids; in the form that people write them in PyTorch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .published_blocks import QuantizedLinear, quantized, stem


class Boxes(nn.Module):
    """The end of YOLO v5 (Jocher, 2020): boxes of two maps on grids, in one tensor."""

    anchors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(stem(8, nn.SiLU(), stride=2), quantized(8, 8, 3), nn.SiLU())
        self.deep = nn.Sequential(quantized(8, 8, 3, 2), nn.SiLU())
        self.heads = nn.ModuleList(nn.Conv2d(8, 14, 1) for _ in range(2))
        self.register_buffer("anchors", torch.tensor([[1.0, 2.0], [3.0, 1.5]]))

    def forward(self, x: Tensor) -> Tensor:
        fine = self.body(x)
        maps, found = (fine, self.deep(fine)), []
        for head, features, stride in zip(self.heads, maps, (2.0, 4.0), strict=True):
            y = head(features)
            n, _, rows, columns = y.shape
            y = y.view(n, 2, 7, rows, columns).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            grid = torch.stack((j, i), 2).view(1, 1, rows, columns, 2).float()
            center = (y[..., 0:2] * 2 - 0.5 + grid) * stride
            size = (y[..., 2:4] * 2) ** 2 * self.anchors.view(1, 2, 1, 1, 2)
            found.append(torch.cat((center, size, y[..., 4:]), -1).view(n, -1, 7))
        return torch.cat(found, 1)


class Coordinates(nn.Module):
    """CoordConv (Liu et al., NeurIPS 2018), and a mask of each position."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.body = nn.Conv2d(5, 8, 3, 1, 1), quantized(8, 8, 3)
        self.mask, self.head = nn.Parameter(torch.rand(1, 1, 12, 12)), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        row = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(n, 1, h, w)
        column = torch.linspace(-1, 1, w).view(1, 1, 1, w).expand(n, 1, h, w)
        y = torch.relu(self.body(self.first(torch.cat([x, row, column], 1)) * self.mask))
        context = y.mean((2, 3), keepdim=True)
        return self.head(torch.cat([context.flatten(1), (y - context).amax((2, 3))], 1))


class Tokens(nn.Module):
    """Patches with a class token and a positional embedding (Dosovitskiy et al., ICLR 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 10, 8) * 0.5)
        self.mix, self.head = QuantizedLinear(10, 10), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1) + self.place
        tokens = tokens + self.mix(tokens.transpose(1, 2)).transpose(1, 2)
        return self.head(tokens[:, 0])


class Centers(nn.Module):
    """CenterNet (Zhou et al., 2019): the maxima of a heat map, and sizes; the host finds them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(stem(8, nn.ReLU(), stride=2), quantized(8, 8, 3), nn.ReLU())
        self.heat, self.size = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        heat = torch.sigmoid(self.heat(features))
        greatest = nn.functional.max_pool2d(heat, 3, 1, 1)
        return heat * (greatest == heat).float(), self.size(features)


MORE = {"boxes": Boxes, "centers": Centers, "coordinates": Coordinates, "tokens": Tokens}
