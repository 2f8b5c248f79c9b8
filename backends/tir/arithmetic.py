"""64-bit arithmetic for cores without long multiplication, as textual IR.

LLVM generates calls of functions of compilers' runtime libraries; an object without runtime must
define them itself.

Names and semantics: "GCC Internals", "Routines for integer arithmetic".
"""

from __future__ import annotations

_MULTIPLY = """
define internal i64 @__muldi3(i64 %a, i64 %b) noinline {
  %a.low = trunc i64 %a to i32
  %b.low = trunc i64 %b to i32
  %a.shifted = lshr i64 %a, 32
  %b.shifted = lshr i64 %b, 32
  %a.high = trunc i64 %a.shifted to i32
  %b.high = trunc i64 %b.shifted to i32
  %a0 = and i32 %a.low, 65535
  %a1 = lshr i32 %a.low, 16
  %b0 = and i32 %b.low, 65535
  %b1 = lshr i32 %b.low, 16
  %p00 = mul i32 %a0, %b0
  %p01 = mul i32 %a0, %b1
  %p10 = mul i32 %a1, %b0
  %p11 = mul i32 %a1, %b1
  %p00.high = lshr i32 %p00, 16
  %p01.low = and i32 %p01, 65535
  %p10.low = and i32 %p10, 65535
  %middle.0 = add i32 %p00.high, %p01.low
  %middle = add i32 %middle.0, %p10.low
  %p01.high = lshr i32 %p01, 16
  %p10.high = lshr i32 %p10, 16
  %carry = lshr i32 %middle, 16
  %high.0 = add i32 %p11, %p01.high
  %high.1 = add i32 %high.0, %p10.high
  %high.2 = add i32 %high.1, %carry
  %cross.0 = mul i32 %a.low, %b.high
  %cross.1 = mul i32 %a.high, %b.low
  %high.3 = add i32 %high.2, %cross.0
  %high = add i32 %high.3, %cross.1
  %low.0 = and i32 %p00, 65535
  %low.1 = shl i32 %middle, 16
  %low = or i32 %low.0, %low.1
  %low.wide = zext i32 %low to i64
  %high.wide = zext i32 %high to i64
  %high.placed = shl i64 %high.wide, 32
  %product = or i64 %high.placed, %low.wide
  ret i64 %product
}
"""

_SHIFT = """
define internal i64 @{name}(i64 %a, i32 %n) noinline {{
  %low = trunc i64 %a to i32
  %a.high = lshr i64 %a, 32
  %high = trunc i64 %a.high to i32
  %far = icmp uge i32 %n, 32
  br i1 %far, label %words, label %bits
words:
  %rest = sub i32 %n, 32
{words}
  br label %done
bits:
  %none = icmp eq i32 %n, 0
  br i1 %none, label %done, label %some
some:
  %other = sub i32 32, %n
{some}
  br label %done
done:
  %r.low = phi i32 [ %words.low, %words ], [ %low, %bits ], [ %some.low, %some ]
  %r.high = phi i32 [ %words.high, %words ], [ %high, %bits ], [ %some.high, %some ]
  %w.low = zext i32 %r.low to i64
  %w.high = zext i32 %r.high to i64
  %placed = shl i64 %w.high, 32
  %result = or i64 %placed, %w.low
  ret i64 %result
}}
"""


def _right(name: str, shift: str, sign: str) -> str:
    return _SHIFT.format(
        name=name,
        words=f"  %words.low = {shift} i32 %high, %rest\n  %words.high = {sign}",
        some="  %kept = lshr i32 %low, %n\n  %moved = shl i32 %high, %other\n"
        f"  %some.low = or i32 %kept, %moved\n  %some.high = {shift} i32 %high, %n",
    )


_LEFT = _SHIFT.format(
    name="__ashldi3",
    words="  %words.high = shl i32 %low, %rest\n  %words.low = and i32 0, 0",
    some="  %kept = shl i32 %high, %n\n  %moved = lshr i32 %low, %other\n"
    "  %some.high = or i32 %kept, %moved\n  %some.low = shl i32 %low, %n",
)

_ALL = (
    _MULTIPLY
    + _LEFT
    + _right("__lshrdi3", "lshr", "and i32 0, 0")
    + _right("__ashrdi3", "ashr", "ashr i32 %high, 31")
)
_NAMES = ("__muldi3", "__ashldi3", "__lshrdi3", "__ashrdi3")


def arithmetic_functions(triple: str) -> str:
    """Return the functions that LLVM may call for a processor, as textual IR.

    Unused functions are removed only by linkers that drop sections, so processors get only the
    functions that their code may need.
    """
    if not triple.startswith("thumbv6m"):
        return ""
    kept = ", ".join(f"ptr @{name}" for name in _NAMES)
    return (
        _ALL + f"\n@llvm.compiler.used = appending global [{len(_NAMES)} x ptr] [{kept}], "
        'section "llvm.metadata"\n'
    )
