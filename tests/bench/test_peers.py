"""Other libraries' layers are counted in firmware like ours; recorded figures say that they are."""

from __future__ import annotations

import pytest

from tqs_edge.bench import peers
from tqs_edge.errors import ToolMissing


@pytest.mark.arm
@pytest.mark.qemu
def test_the_installed_peer_is_counted_beside_our_kernels() -> None:
    pytest.importorskip("bakenn", reason="the bakenn wheel is not installed")
    counts = peers.count_peers(("dsp",))
    measured = {count.layer: count.per_mac for count in counts if count.source == peers.MEASURED}
    assert set(measured) == {
        *(f"{symbol} 128x64" for symbol in peers.OURS),
        "bakenn: CMSIS-NN fc_s8 128x64",
    }
    assert 1.0 < measured["tqs_dense_a8w8 128x64"] < measured["bakenn: CMSIS-NN fc_s8 128x64"] < 4.0
    assert all("recorded" in c.source for c in counts if c.source != peers.MEASURED)


def test_a_missing_peer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match="bakenn is not installed; run: pip install"):
        peers.peer_bundle()
