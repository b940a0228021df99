"""Files of other programs become profiles; what cannot be taken over is said."""

from __future__ import annotations

import builtins
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from energymeter.codec.codes import Table
from energymeter.errors import ConfigError, ProfileError
from energymeter.profiles import Point, Profile
from energymeter.profiles.convert.draft import Imported
from energymeter.profiles.convert.formats import import_profile
from energymeter.values import DataType, Order

FILES = Path(__file__).parent / "files"


def imported(name: str, part: str | None = None) -> Imported:
    return import_profile(FILES / name, None, part)


def by_name(profile: Profile) -> dict[str, Point]:
    return {point.name: point for point in profile.points}


def place(point: Point) -> tuple[Table, int, DataType]:
    return point.table, point.address, point.type


def test_modpoll_device_becomes_a_profile() -> None:
    profile, remarks = imported("modpoll.csv")
    points = by_name(profile)

    assert (profile.model, profile.defaults.unit) == ("hall 3", 7)
    assert (profile.tables, profile.word_order) == ((Table.INPUT,), Order.LITTLE)
    assert place(points["voltage_phase_a"]) == (Table.INPUT, 0, DataType.FLOAT32)
    assert (points["voltage_phase_a"].unit, points["active_power_total"].access) == ("V", "rw")
    assert points["total_energy"].scale == Decimal("0.01")
    assert (points["firmware_version"].length, points["firmware_version"].byte_order) == (
        2,
        Order.LITTLE,
    )
    assert points["flags"].type is DataType.BITS16
    assert points["mode"].type is DataType.UINT16
    assert place(points["relay"]) == (Table.COIL, 1, DataType.BOOL)
    assert "half" not in points
    assert any("half" in remark for remark in remarks)
    assert any("hall 4" in remark for remark in remarks)


def test_telegraf_register_style_becomes_a_profile() -> None:
    profile, remarks = imported("telegraf_register.conf")
    points = by_name(profile)
    defaults = profile.defaults

    assert (defaults.unit, defaults.baudrate, defaults.parity, defaults.stopbits) == (
        3,
        19200,
        "E",
        1,
    )
    assert profile.transports == ("rtu",)
    assert place(points["power_factor_total"]) == (Table.HOLDING, 8, DataType.INT16)
    assert place(points["active_energy_import"]) == (Table.HOLDING, 5, DataType.UINT32)
    assert place(points["relay"]) == (Table.COIL, 4, DataType.BOOL)
    assert place(points["frequency"]) == (Table.INPUT, 40, DataType.UINT16)
    assert profile.order_of(points["voltage_phase_a"]).letters == "CDAB"
    assert profile.order_of(points["active_energy_import"]).letters == "ABCD"
    assert profile.order_of(points["volume_total"]).letters == "CDAB"
    assert points["active_energy_import"].scale == Decimal("0.001")
    assert [remark for remark in remarks if "small" in remark]


def test_telegraf_request_and_metric_styles_become_a_profile() -> None:
    profile, remarks = imported("telegraf_request.conf")
    points = by_name(profile)

    assert (profile.defaults.unit, profile.defaults.tcp_port) == (2, 1502)
    assert set(points) == {"voltage_phase_a", "model_name", "active_energy_import", "alarm"}
    assert place(points["alarm"]) == (Table.DISCRETE, 1, DataType.BOOL)
    assert points["model_name"].length == 4
    assert profile.order_of(points["voltage_phase_a"]).letters == "CDAB"
    assert profile.order_of(points["active_energy_import"]).letters == "ABCD"
    assert any("unit 2" in remark and "9" in remark for remark in remarks)
    assert any("roof" in remark for remark in remarks)


def test_home_assistant_hub_becomes_a_profile() -> None:
    profile, remarks = imported("home_assistant.yaml")
    points = by_name(profile)

    assert (profile.defaults.unit, profile.defaults.parity) == (5, "E")
    assert place(points["voltage_l1"]) == (Table.INPUT, 0, DataType.FLOAT32)
    assert place(points["active_power"]) == (Table.INPUT, 16, DataType.INT32)
    assert points["active_power"].not_available == ("0x80000000",)
    assert points["active_power"].minimum == -5000
    assert profile.order_of(points["active_power"]).letters == "CDAB"
    assert place(points["temperature"]) == (Table.HOLDING, 20, DataType.INT16)
    assert (points["temperature"].offset, points["temperature"].unit) == (
        Decimal("-273.15"),
        "degC",
    )
    assert place(points["energy"]) == (Table.HOLDING, 30, DataType.INT64)
    assert profile.order_of(points["energy"]).letters == "DCBA"
    assert points["serial"].length == 6
    assert place(points["door"]) == (Table.DISCRETE, 3, DataType.BOOL)
    assert "neighbour" not in points
    assert any("Pair" in remark for remark in remarks)
    assert any("unit 5" in remark for remark in remarks)


def test_modbus_exporter_module_becomes_a_profile() -> None:
    profile, remarks = imported("modbus_exporter.yml")
    points = by_name(profile)

    assert (profile.transports, profile.defaults.baudrate) == (("rtu",), 9600)
    assert place(points["voltage_l1"]) == (Table.INPUT, 0, DataType.INT32)
    assert place(points["voltage_l2"]) == (Table.INPUT, 2, DataType.INT32)
    assert place(points["energy_total"]) == (Table.HOLDING, 65535, DataType.UINT16)
    assert place(points["alarm"]) == (Table.COIL, 7, DataType.BOOL)
    assert points["voltage_l1"].note == "Phase voltage in V"
    assert profile.order_of(points["voltage_l1"]).letters == "CDAB"
    assert any("flag" in remark for remark in remarks)
    assert any("roof" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("name", "part", "model"),
    [
        ("modpoll.csv", "hall 4", "hall 4"),
        ("telegraf_request.conf", "roof", "roof"),
        ("modbus_exporter.yml", "roof", "roof"),
        ("home_assistant.yaml", "hall", "hall"),
    ],
)
def test_part_of_a_file_is_chosen_by_its_name(name: str, part: str, model: str) -> None:
    assert imported(name, part).profile.model == model


@pytest.mark.parametrize(
    "name",
    ["modpoll.csv", "telegraf_request.conf", "modbus_exporter.yml", "home_assistant.yaml"],
)
def test_part_that_is_not_there_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ProfileError, match=rf"{name}: .*'cellar'.*hall"):
        imported(name, "cellar")


@pytest.mark.parametrize("name", [path.name for path in sorted(FILES.iterdir())])
def test_imported_profile_says_where_it_comes_from(name: str) -> None:
    assert name in imported(name).profile.sources[0]


def test_two_names_alike_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "device,d,1\npoll,holding_register,0,4,BE_BE\nref,a,0,uint16,r\nref,A,1,uint16,r\n", "utf-8"
    )

    assert [point.name for point in import_profile(path).profile.points] == ["a", "a_2"]


def test_registers_read_twice_in_two_ways_keep_the_first(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "device,d,1\npoll,holding_register,0,4,BE_BE\nref,a,0,uint32,r\nref,b,1,uint16,r\n", "utf-8"
    )

    profile, remarks = import_profile(path)

    assert [point.name for point in profile.points] == ["a"]
    assert len(remarks) == 1


MODPOLL = "device,d,1\npoll,holding_register,0,4,BE_BE\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.csv", "voltage,0,uint16\n", "line 1: device, poll or ref"),
        ("x.csv", "device,d,one\n", "line 1: device id: a whole number"),
        ("x.csv", "device,d,1\npoll,register,0,1,BE_BE\n", "line 2: object type: one of coil"),
        ("x.csv", f"{MODPOLL}ref,a,0,int24,r\n", "line 3: dtype: one of int16"),
        ("x.csv", f"{MODPOLL}ref,a,0,int16,r,V,ten\n", "line 3: scale: a number"),
        ("x.csv", "", "no device"),
        ("x.csv", MODPOLL, "no value"),
        ("x.conf", "[[inputs.modbus]\n", "is not TOML"),
        ("x.conf", "[[inputs.mqtt]]\n", r"no \[\[inputs.modbus\]\]"),
        ("x.conf", "[[inputs.modbus]]\nname = 'm'\n", "no value"),
        ("x.conf", "inputs = 3\n", "inputs: a table"),
        ("x.conf", "[[inputs.modbus]]\ncoils = 3\n", r"modbus\[0\].coils: a list"),
        ("x.conf", "[[inputs.modbus]]\ncoils = [{ name = 'x' }]\n", r"coils\[0\].address"),
        (
            "x.conf",
            "[[inputs.modbus]]\nholding_registers = [{ byte_order = 'ACBD' }]\n",
            r"holding_registers\[0\].byte_order: one of",
        ),
        ("x.yaml", "modbus: [\n", "is not YAML"),
        ("x.yaml", "mqtt: {}\n", "no modbus hub"),
        ("x.yaml", "modbus: 7\n", "modbus: a list"),
        ("x.yaml", "modbus: [{ type: tcp }]\n", "no value"),
        ("x.yaml", "modbus: [{ sensors: [{ name: a }] }]\n", r"sensors\[0\].address"),
        ("x.yaml", "modbus: [{ sensors: [{ swap: x }] }]\n", r"sensors\[0\].swap: one of"),
        ("x.yml", "modules: []\n", "no module"),
        ("x.yml", "modules: [{ name: a, metrics: [{}] }]\n", r"metrics\[0\].address"),
        (
            "x.yml",
            "modules: [{ name: a, metrics: [{ address: 90001 }] }]\n",
            "first digit: one of 1, 2, 3, 4",
        ),
        ("x.txt", "", "give --from"),
    ],
)
def test_broken_file_is_refused_with_place_and_expectation(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")

    with pytest.raises(ProfileError, match=rf"{name}: .*{reason}"):
        import_profile(path)


def test_binary_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(ProfileError, match=r"x.csv: cannot be read"):
        import_profile(path)


def test_yaml_without_pyyaml_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_yaml(name: str, *more: Any, **others: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real_import(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without_yaml)

    with pytest.raises(ConfigError, match=r"energymeter\[yaml\]"):
        imported("home_assistant.yaml")
