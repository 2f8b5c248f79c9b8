"""Local ``memcpy`` and ``memset`` as textual IR.

LLVM turns loops into calls of them, and an object without runtime must define them itself.

They are not optimized, so their own loops stay loops. Calls inside the object use these local
symbols; they are not visible outside.
"""

from __future__ import annotations

import re

_COPY = """
define internal ptr @memcpy(ptr noalias %to, ptr noalias %from, i64 %size) {
entry:
  %whole = and i64 %size, -32
  %some = icmp ne i64 %whole, 0
  br i1 %some, label %blocks, label %rest
blocks:
  %i = phi i64 [ 0, %entry ], [ %i.next, %blocks ]
  %source = getelementptr i8, ptr %from, i64 %i
  %target = getelementptr i8, ptr %to, i64 %i
  %block = load <32 x i8>, ptr %source, align 1
  store <32 x i8> %block, ptr %target, align 1
  %i.next = add i64 %i, 32
  %more = icmp ult i64 %i.next, %whole
  br i1 %more, label %blocks, label %rest
rest:
  %left = icmp ult i64 %whole, %size
  br i1 %left, label %bytes, label %done
bytes:
  %k = phi i64 [ %whole, %rest ], [ %k.next, %bytes ]
  %byte.source = getelementptr i8, ptr %from, i64 %k
  %byte.target = getelementptr i8, ptr %to, i64 %k
  %byte = load i8, ptr %byte.source, align 1
  store i8 %byte, ptr %byte.target, align 1
  %k.next = add i64 %k, 1
  %again = icmp ult i64 %k.next, %size
  br i1 %again, label %bytes, label %done
done:
  ret ptr %to
}
"""

_SET = """
define internal ptr @memset(ptr %to, i32 %value, i64 %size) {
entry:
  %byte = trunc i32 %value to i8
  %one = insertelement <32 x i8> poison, i8 %byte, i64 0
  %block = shufflevector <32 x i8> %one, <32 x i8> poison, <32 x i32> zeroinitializer
  %whole = and i64 %size, -32
  %some = icmp ne i64 %whole, 0
  br i1 %some, label %blocks, label %rest
blocks:
  %i = phi i64 [ 0, %entry ], [ %i.next, %blocks ]
  %target = getelementptr i8, ptr %to, i64 %i
  store <32 x i8> %block, ptr %target, align 1
  %i.next = add i64 %i, 32
  %more = icmp ult i64 %i.next, %whole
  br i1 %more, label %blocks, label %rest
rest:
  %left = icmp ult i64 %whole, %size
  br i1 %left, label %bytes, label %done
bytes:
  %k = phi i64 [ %whole, %rest ], [ %k.next, %bytes ]
  %byte.target = getelementptr i8, ptr %to, i64 %k
  store i8 %byte, ptr %byte.target, align 1
  %k.next = add i64 %k, 1
  %again = icmp ult i64 %k.next, %size
  br i1 %again, label %bytes, label %done
done:
  ret ptr %to
}
"""


def memory_functions(text: str, pointer_bits: int = 64) -> str:
    """Return the memory functions that the IR in ``text`` uses, as textual IR.

    Args:
        text: module as textual IR.
        pointer_bits: width of an address and of ``size_t``.
    """
    called = set(re.findall(r"call void @llvm\.(mem\w+)\.", text))
    unknown = called - {"memcpy", "memset"}
    if unknown:
        raise AssertionError(f"generated code calls {', '.join(sorted(unknown))}")
    functions = (_COPY if "memcpy" in called else "") + (_SET if "memset" in called else "")
    return functions if pointer_bits == 64 else functions.replace("i64", f"i{pointer_bits}")
