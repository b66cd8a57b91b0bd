"""The power goes at every write to the store, in the middle of it or at its end: the counter never goes back, and no
number is used twice. A session that slept is good once."""

import pytest

import core
import reference
from core import Device, Flash, PowerCut, Refused

SECRET, KID = bytes(range(32)), b"\x0a\x1b"
BLOCK = 65536
LEAVES = ("old", "torn", "new")


def parts(provider, derived):
    """What provisions, opens and seals: a context, or a board with derived keys."""
    alg = core.ALGS[provider][0]
    if not derived:
        credential = core.pack_credential(SECRET, KID, alg, core.COUNTER)
        return (lambda d: d.provision(credential), lambda d: d.open(credential),
                lambda d: d.seal_reading("t", 1.0), lambda d, n: d.set_next(n))
    keys = core.pack_derived(
        reference.derive_key(SECRET, KID, None, alg), reference.derive_common_iv(SECRET, None, alg), KID, alg)
    return (lambda d: d.provision_derived(keys), lambda d: d.open_derived(keys),
            lambda d: d.seal_reading("t", 1.0, sealer=True), lambda d, n: d.set_next(n, sealer=True))


def life(device, open_it, seal, jump):
    """What a board does between two cuts: some numbers, over the end of what it reserved. Yields each number."""
    open_it(device)
    first = seal(device)
    yield first.piv
    yield seal(device).piv
    jump(device, first.piv + BLOCK - 1)
    yield seal(device).piv
    yield seal(device).piv


@pytest.mark.parametrize("derived", [False, True], ids=["context", "derived"])
def test_counter(main_image, derived):
    provision, open_it, seal, jump = parts(main_image[1], derived)
    for leaves in LEAVES:
        for cut_at in range(1, 5):  # two writes when it first seals, two at the end of the block
            flash = Flash(cut_leaves=leaves)
            with Device(*main_image, flash) as device:
                provision(device)
            flash.writes = 0
            flash.cut_at = cut_at
            used = []
            with pytest.raises(PowerCut), Device(*main_image, flash) as device:
                for piv in life(device, open_it, seal, jump):
                    used.append(piv)
            assert len(used) == (0 if cut_at <= 2 else 3)
            flash.cut_at = 0
            with Device(*main_image, flash) as device:  # the power is back, twice
                used += life(device, open_it, seal, jump)
            with Device(*main_image, flash) as device:
                used += life(device, open_it, seal, jump)
            assert used == sorted(set(used)), (leaves, cut_at, used)


def test_provisioning(main_image):
    """Cut in the middle of provisioning: either there is no counter and it can be made, or there is one, and it works."""
    provision, open_it, seal, _ = parts(main_image[1], True)
    for leaves in LEAVES:
        for cut_at in (1, 2):
            flash = Flash(cut_at=cut_at, cut_leaves=leaves)
            with pytest.raises(PowerCut), Device(*main_image, flash) as device:
                provision(device)
            flash.cut_at = 0
            with Device(*main_image, flash) as device:
                if flash.slots and (cut_at == 2 or leaves == "new"):
                    with pytest.raises(Refused) as refused:
                        provision(device)
                    assert refused.value.error == core.E_PROVISIONED
                else:
                    provision(device)
                open_it(device)
                seal(device)


def test_store_that_fails(main_image):
    """Nothing is sealed under a number that could not be reserved."""
    provision, open_it, seal, jump = parts(main_image[1], False)
    with Device(*main_image) as device:
        provision(device)
        open_it(device)
        device.flash.fails = True
        with pytest.raises(Refused) as refused:
            seal(device)
        assert refused.value.error == core.E_STORE
        device.flash.fails = False
        assert seal(device).piv == 0
        jump(device, 2**40 - 1)
        assert seal(device).piv == 2**40 - 1
        with pytest.raises(Refused) as refused:
            seal(device)
        assert refused.value.error == core.E_EXHAUSTED


@pytest.mark.parametrize("leaves", LEAVES)
def test_sleeping_session(main_image, leaves):
    """Saved, and woken; cut where the saved one is destroyed: no session seals a number twice."""
    credential = core.pack_credential(SECRET, KID, core.ALGS[main_image[1]][0], core.SESSION)
    flash = Flash(cut_leaves=leaves)
    sealed = []

    def seal(device):
        message = device.seal_reading("t", 1.0)
        sealed.append(message.data)
        envelopes = [reference.parse_message(data) for data in sealed]
        pairs = [(envelope.id_context, envelope.piv) for envelope in envelopes]
        assert len(set(pairs)) == len(pairs)

    with Device(*main_image, flash) as device:
        assert device.wake(credential) == 0
        seal(device)
        device.sleep()
    flash.cut_at = flash.writes + 1
    with pytest.raises(PowerCut), Device(*main_image, flash) as device:
        assert device.wake(credential) == 1
        seal(device)
    flash.cut_at = 0
    with Device(*main_image, flash) as device:
        assert device.wake(credential) == (1 if leaves == "old" else 0)
        seal(device)
        seal(device)
        device.sleep()
    with Device(*main_image, flash) as device:
        assert device.wake(credential) == 1
        seal(device)
