"""Hypothesis strategies for bytes that are nearly right."""

from __future__ import annotations

from hypothesis import strategies as st


def spliced(whole: bytes, *, reach: int = 4) -> st.SearchStrategy[bytes]:
    """`whole` with up to `reach` bytes in one place replaced by up to `reach` others."""

    def splice(start: int, size: int, new: bytes) -> bytes:
        return whole[:start] + new + whole[start + size :]

    return st.builds(
        splice,
        st.integers(0, len(whole)),
        st.integers(0, reach),
        st.binary(max_size=reach),
    )
