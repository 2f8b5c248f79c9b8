"""A quantizer of your own in plain PyTorch: exported, recognized from its arithmetic, and proved."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import n2uqc


class Staircase(nn.Module):
    """Three trained thresholds, four even levels."""

    def __init__(self, thresholds: list[float], step: float) -> None:
        super().__init__()
        self.thresholds = nn.Parameter(torch.tensor(thresholds))
        self.step = nn.Parameter(torch.tensor(step))

    def forward(self, x: Tensor) -> Tensor:
        """Count the thresholds below each element."""
        return (x.unsqueeze(-1) > self.thresholds).sum(-1) * self.step


class Network(nn.Module):
    """A stem, a layer with 2-bit weights and codes, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.quantize = Staircase([0.1, 0.55, 1.7], 0.5)
        self.layer, self.head = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.Linear(8, 10)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randint(0, 4, self.layer.weight.shape) * 0.1 - 0.15)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of images (N, 3, H, W)."""
        x = self.layer(self.quantize(self.norm(self.stem(x))))
        return self.head(torch.relu(x).mean((2, 3)))


def main() -> None:
    """Print what was recognized and the certificate of the integer program."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.onnx"
        images = torch.rand(4, 3, 8, 8)
        torch.onnx.export(Network().eval(), (images,), path, dynamo=False, input_names=["x"])
        print(n2uqc.inspect(path).text())
        print(n2uqc.verify(path, images=images.numpy()).text())


if __name__ == "__main__":
    main()
