"""Register and bit images: what exists can be cut out, what does not cannot."""

from __future__ import annotations

import pytest

from energymeter.server import BitImage, RegisterImage


def test_a_read_is_a_slice_of_one_stretch() -> None:
    image = RegisterImage([(10, b"\x00\x01\x00\x02\x00\x03")])

    assert image.read(10, 3) == b"\x00\x01\x00\x02\x00\x03"
    assert image.read(11, 1) == b"\x00\x02"


@pytest.mark.parametrize(("address", "count"), [(9, 1), (9, 2), (12, 2), (13, 1), (0, 125)])
def test_a_read_that_leaves_the_stretch_gives_nothing(address: int, count: int) -> None:
    assert RegisterImage([(10, bytes(6))]).read(address, count) is None


def test_an_empty_image_has_nothing() -> None:
    assert RegisterImage().read(0, 1) is None
    assert BitImage().read(0, 1) is None


def test_stretches_that_touch_are_read_as_one_in_any_order() -> None:
    image = RegisterImage([(12, b"\x00\x03"), (10, b"\x00\x01\x00\x02")])

    assert image.read(10, 3) == b"\x00\x01\x00\x02\x00\x03"


def test_a_hole_between_stretches_is_not_read_over() -> None:
    image = RegisterImage([(10, bytes(4)), (13, bytes(4))])

    assert image.read(10, 4) is None
    assert image.read(13, 2) == bytes(4)


def test_stretches_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        RegisterImage([(10, bytes(6)), (12, bytes(2))])


@pytest.mark.parametrize(("first", "size"), [(0, 3), (-1, 2), (65535, 4), (65536, 2)])
def test_half_registers_and_addresses_out_of_range_are_refused(first: int, size: int) -> None:
    with pytest.raises(ValueError, match="whole registers"):
        RegisterImage([(first, bytes(size))])


def test_the_whole_address_space_can_be_filled() -> None:
    image = RegisterImage([(0, bytes(2 * 65535)), (65535, b"\xff\xff")])

    assert image.read(65535, 1) == b"\xff\xff"
    assert image.read(65535, 2) is None


def test_a_write_changes_exactly_its_words() -> None:
    image = RegisterImage([(10, bytes(8))])

    assert image.write(11, [0xABCD, 1])
    assert image.read(10, 4) == b"\x00\x00\xab\xcd\x00\x01\x00\x00"


def test_a_write_across_a_hole_changes_nothing() -> None:
    image = RegisterImage([(10, bytes(4)), (13, bytes(4))])

    assert not image.write(11, [1, 2, 3])
    assert image.read(10, 2) == bytes(4)
    assert image.read(13, 2) == bytes(4)


def test_what_was_read_before_a_write_stays_as_it_was() -> None:
    image = RegisterImage([(0, bytes(4))])
    before = image.read(0, 2)
    image.write(0, [1, 2])

    assert before == bytes(4)


def test_replacing_an_image_forgets_the_old_one() -> None:
    image = RegisterImage([(0, bytes(4))])
    image.replace([(5, b"\x00\x07")])

    assert image.read(0, 1) is None
    assert image.read(5, 1) == b"\x00\x07"


def test_a_replacement_that_is_refused_leaves_the_image_as_it_was() -> None:
    image = RegisterImage([(0, b"\x00\x09")])
    with pytest.raises(ValueError, match="overlaps"):
        image.replace([(5, bytes(4)), (6, bytes(4))])

    assert image.read(0, 1) == b"\x00\x09"


def test_bits_are_packed_with_the_first_one_lowest() -> None:
    image = BitImage((100 + n, n in (0, 2, 3, 8)) for n in range(10))

    assert image.read(100, 10) == b"\x0d\x01"
    assert image.read(102, 2) == b"\x03"


@pytest.mark.parametrize(("address", "count"), [(99, 1), (99, 2), (109, 2), (110, 1)])
def test_bits_that_do_not_exist_give_nothing(address: int, count: int) -> None:
    assert BitImage((100 + n, True) for n in range(10)).read(address, count) is None


def test_a_bit_that_is_off_exists() -> None:
    assert BitImage([(7, False)]).read(7, 1) == b"\x00"


def test_a_write_of_bits_changes_exactly_these() -> None:
    image = BitImage((n, True) for n in range(10))

    assert image.write(3, [False, True, False])
    assert image.read(0, 10) == b"\xd7\x03"


def test_a_write_of_bits_across_a_hole_changes_nothing() -> None:
    image = BitImage([(0, True), (2, True)])

    assert not image.write(0, [False, False, False])
    assert image.read(0, 1) == b"\x01"


def test_replacing_bits_forgets_the_old_ones() -> None:
    image = BitImage([(0, True)])
    image.replace([(1, False)])

    assert image.read(0, 1) is None
    assert image.read(1, 1) == b"\x00"


@pytest.mark.parametrize("address", [-1, 0x10000])
def test_bits_outside_the_address_space_are_refused_and_nothing_changes(address: int) -> None:
    image = BitImage([(7, True)])

    with pytest.raises(ValueError, match="the bit at"):
        image.replace([(3, True), (address, True)])

    assert (image.read(7, 1), image.read(3, 1)) == (b"\x01", None)
