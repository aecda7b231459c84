"""Find H.264 packets of non-reference frames, which can be skipped, by their headers.

Knows bytes, not decoders.
"""

from __future__ import annotations

SLICE = 1  # nal_unit_type of a slice of a picture that is not IDR
NO_PICTURE = (6, 9, 12)  # nal_unit_type of supplemental information, a delimiter, filler
AVCC = 1  # the version number at the beginning of an AVCDecoderConfigurationRecord


def length_bytes(extradata: bytes | None) -> int:
    """Return how many bytes before each unit hold its size; 0 if sizes are not stored.

    From the `avcC` record (ISO/IEC 14496-15, 5.3.3.1).
    """
    return (
        (extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == AVCC else 0
    )


def unreferenced(packet: bytes, length: int) -> bool:
    """Tell whether `packet` is one picture that no other picture refers to (nal_ref_idc 0).

    `length` bytes before each unit of the packet hold its size. Pictures that are not referred to
    can be left out without changing the others (ITU-T H.264, 7.4.1). False for units that do not
    fill the packet exactly, and for any kind of unit but slices and those without a picture.
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
