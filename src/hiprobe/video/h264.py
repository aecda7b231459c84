"""Which packets of H.264 hold a frame that no other frame is made from, by their headers. Knows bytes, no decoder."""

from __future__ import annotations

SLICE = 1  # nal_unit_type of a slice that is of no IDR picture
NO_PICTURE = (6, 9, 12)  # supplemental information, a delimiter, filler
AVCC = 1  # the version that an AVCDecoderConfigurationRecord begins with


def length_bytes(extradata: bytes | None) -> int:
    """How many bytes before each unit hold its size, by the `avcC` record (ISO/IEC 14496-15, 5.3.3.1); 0 for none."""
    return (
        (extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == AVCC else 0
    )


def unreferenced(packet: bytes, length: int) -> bool:
    """Whether the units of `packet`, each after `length` bytes of its size, are one picture with nal_ref_idc 0.

    No other picture refers to such a one (ITU-T H.264, 7.4.1), so the others decode to the same without it. Units that
    do not fill the packet exactly, or are of any kind but slices and what holds no picture, give False.
    """
    place = slices = 0
    while length and place + length < len(packet):
        size = int.from_bytes(packet[place : place + length])
        place += length
        kind, of_reference = packet[place] & 0x1F, packet[place] & 0xE0
        if kind == SLICE and not of_reference:
            slices += 1
        elif kind not in NO_PICTURE:
            return False
        place += max(size, 1)
    return slices > 0 and place == len(packet)
