"""spec/vectors on the emulated cores: the device there makes and takes the same bytes."""

import json

import pytest

import core
import reference
from core import Device, Flash, Refused

F_RECEIPT, F_CHALLENGED = 0x04, 0x10
VECTORS = core.REPOSITORY / "spec" / "vectors"


def cases(name):
    return json.loads((VECTORS / name).read_text())["cases"]


def unhex(text):
    return bytes.fromhex(text) if text is not None else None


def open_context(device, case, kid):
    """A device that stands where the vector's does: a session has the vector's id_context."""
    id_context = unhex(case["id_context"])
    kind = core.COUNTER if id_context is None else core.SESSION
    credential = core.pack_credential(unhex(case["secret"]), kid, case["alg"], kind)
    device.flash.slots.clear()
    device.random = lambda size: id_context
    if kind == core.COUNTER:
        device.provision(credential)
    device.open(credential)


def test_sealing(image):
    """Both kinds of context, every algorithm of the provider; also by derived keys, where the vector has what a
    board with them can seal."""
    name, provider = image
    sealed, by_derived, too_long = set(), set(), 0
    with Device(*image) as device:
        room = device.room()
        for case in cases("messages.json"):
            if case["alg"] not in core.ALGS[provider] or case["re"] is not None:
                continue  # "re" is of a device that takes commands
            plaintext = unhex(case["plaintext"])
            if len(plaintext) > room:
                too_long += 1
                continue
            open_context(device, case, unhex(case["kid"]))
            device.set_next(case["piv"])
            flags = 0 if case["with_kid_context"] else F_RECEIPT
            if case["echo"] is not None:
                flags |= F_CHALLENGED
            device.set_flags(flags, unhex(case["echo"]) or bytes(8))
            message = device.seal(plaintext, case["content_format"])
            assert message.data == unhex(case["message"]), case["name"]
            sealed.add((case["alg"], case["id_context"] is None))
            if case["id_context"] is None and case["echo"] is None:
                seal_derived(device, case, plaintext)
                by_derived.add(case["alg"])
    assert sealed == {(alg, kind) for alg in core.ALGS[provider] for kind in (True, False)}
    assert by_derived == set(core.ALGS[provider])
    assert too_long <= (12 if name == "avr" else 6), "cases longer than the buffer"


def seal_derived(device, case, plaintext):
    secret, kid, alg = unhex(case["secret"]), unhex(case["kid"]), case["alg"]
    device.flash.slots.clear()
    derived = core.pack_derived(
        reference.derive_key(secret, kid, None, alg), reference.derive_common_iv(secret, None, alg), kid, alg
    )
    device.provision_derived(derived)
    device.open_derived(derived)
    device.set_next(case["piv"], sealer=True)
    message = device.seal(plaintext, case["content_format"], sealer=True)
    assert (message.piv, message.data) == (case["piv"], unhex(case["message"])), case["name"]


def test_replies(image):
    """Receipts, challenges, times; then every bit of a reply matters."""
    opened = 0
    with Device(*image) as device:
        for case in cases("replies.json"):
            if case["alg"] not in core.ALGS[image[1]]:
                continue
            open_context(device, case, b"\7")
            device.set_next(case["re"])
            message = device.seal_reading("x", 1.0)
            assert message.piv == case["re"]
            body, data = case["body"], unhex(case["reply"])
            damaged = bytearray(data)
            damaged[-1 - opened % 24] ^= 1 << opened % 8
            with pytest.raises(Refused) as refused:
                device.open_reply(bytes(damaged))
            assert refused.value.error in (core.E_FORGED, core.E_MALFORMED)
            assert device.fate() == core.WAITING
            reply = device.open_reply(data)
            assert reply.re == case["re"]
            assert reply.has_receipt == ("top" in body) and reply.has_time == ("time" in body)
            stored = False
            if reply.has_receipt:
                assert (reply.top, reply.bits) == (body["top"], body["bits"])
                stored = message.piv == reply.top or (
                    message.piv < reply.top and reply.bits >> (reply.top - 1 - message.piv) & 1 == 1)
            if reply.has_time:
                assert reply.time == body["time"]
            assert reply.challenged == ("challenge" in body and not stored)
            assert device.fate() == (core.STORED if stored else core.SEAL_AGAIN)
            opened += 1
    assert opened >= 8


def test_malformed_replies(main_image):
    """Messages and what is no message are refused, and the core goes on."""
    with Device(*main_image) as device:
        credential = core.pack_credential(bytes(range(32)), b"\7", 10, core.SESSION)
        device.open(credential)
        device.seal_reading("x", 1.0)
        for case in cases("malformed.json"):
            data = unhex(case["message"])
            if len(data) > 160:
                continue
            with pytest.raises(Refused) as refused:
                device.open_reply(data)
            assert refused.value.error == core.E_MALFORMED
        for size in range(1, 160, 7):
            with pytest.raises(Refused):
                device.open_reply(bytes([0xD0] + [0x83] * (size - 1)))
        assert device.fate() == core.WAITING


def test_alg_beyond_16_bits(main_image):
    """65,546 is no 10, also where int has 16 bits: the reply is forged, whatever its tag."""
    secret, gateway_id = bytes(range(32)), b"gate00"
    with Device(*main_image) as device:
        credential = core.pack_credential(secret, b"\7", 10, core.COUNTER)
        device.provision(credential)
        device.open(credential)
        message = device.seal_reading("x", 1.0)
        good = reference.seal_reply(secret, 10, None, gateway_id, 0, message.piv, b"\xa1\x02\x01").data
        assert good[2:6] == b"\x4a\xa3\x01\x0a"  # the protected header: 10 bytes, alg 10
        wide = good[:2] + b"\x4e\xa3\x01\x1a\x00\x01\x00\x0a" + good[6:]
        with pytest.raises(Refused) as refused:
            device.open_reply(wide)
        assert refused.value.error == core.E_FORGED
        assert device.open_reply(good).re == message.piv


def test_values(main_image):
    """Floats of every kind, in the form that the reference's decoder gives back: no arithmetic is needed for it."""
    import cbor2

    with Device(*main_image) as device:
        credential = core.pack_credential(bytes(range(32)), b"\7", 10, core.COUNTER)
        device.provision(credential)
        device.open(credential)
        for value, form in [(21.5, "f94d60"), (23.4, "fa41bb3333"), (-0.0, "f98000"), (1024.0, "f96400"),
                            (1024.5, "fa44801000"), (0.25, "fa3e800000"), (float("inf"), "f97c00"),
                            (float("nan"), "f97e00"), (1e-40, "fa000116c2"), (3e38, "fa7f61b1e6")]:
            message = device.seal_reading("t", value, "Cel")
            expected = reference.seal_message(
                bytes(range(32)), 10, b"\7", None, message.piv, 112,
                cbor2.dumps([{0: "t", 1: "Cel", 2: 0}])[:-1] + bytes.fromhex(form)).data
            assert message.data == expected, value


def test_what_it_does_not_offer(image):
    """An algorithm that the provider has not, or nobody: the context seals nothing, and says so."""
    with Device(*image) as device:
        for alg in {10, 24, 30} - set(core.ALGS[image[1]]):
            credential = core.pack_credential(bytes(range(32)), b"\7", alg, core.SESSION)
            device.open(credential)
            with pytest.raises(Refused) as refused:
                device.seal_reading("x", 1.0)
            assert refused.value.error == core.E_ARGUMENT
        with pytest.raises(Refused) as refused:
            device.open(core.pack_credential(bytes(range(32)), b"\7", 1, core.SESSION))
        assert refused.value.error == core.E_ARGUMENT
        device.flash = Flash()
        with pytest.raises(Refused) as refused:
            device.open(core.pack_credential(bytes(range(32)), b"\7", core.ALGS[image[1]][0], core.COUNTER))
        assert refused.value.error == core.E_NO_COUNTER
