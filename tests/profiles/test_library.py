"""Finding profiles: the user's own before the shipped ones, and help for a wrong name."""

from __future__ import annotations

from pathlib import Path

import pytest

from energymeter.errors import ProfileError
from energymeter.profiles import Profile, ProfileLibrary

SHIPPED = [
    "energymeter/electric",
    "energymeter/gas",
    "energymeter/water",
    "schneider-electric/pm8000",
]


def write(folder: Path, name: str, model: str = "mine") -> None:
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    point = '{ name = "voltage", address = 3, type = "uint16" }'
    path.write_text(f'vendor = "v"\nmodel = "{model}"\npoints = [{point}]\n', "utf-8")


def test_shipped_profiles_are_there_without_a_folder_of_the_users(tmp_path: Path) -> None:
    assert set(SHIPPED) <= set(ProfileLibrary([]).names())
    assert ProfileLibrary([tmp_path / "absent"]).names() == ProfileLibrary([]).names()


def test_every_shipped_profile_loads_under_its_name() -> None:
    library = ProfileLibrary([])

    assert [library.load(name).name for name in library.names()] == library.names()


@pytest.mark.parametrize("name", SHIPPED)
def test_model_alone_is_enough_and_capitals_do_not_matter(name: str) -> None:
    library = ProfileLibrary([])
    model = name.partition("/")[2]

    assert library.load(model).name == name
    assert library.load(f" {model.upper()} ").name == name
    assert library.load(name.upper()).name == name


def test_users_profile_comes_before_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, "energymeter/electric")
    library = ProfileLibrary([tmp_path])

    assert library.load("electric").model == "mine"
    assert library.names() == ProfileLibrary([]).names()


def test_first_folder_comes_before_the_second(tmp_path: Path) -> None:
    write(tmp_path / "one", "acme/m1", "first")
    write(tmp_path / "two", "acme/m1", "second")
    write(tmp_path / "two", "acme/m2", "second")
    library = ProfileLibrary([tmp_path / "one", tmp_path / "two"])

    assert library.load("acme/m1").model == "first"
    assert library.load("acme/m2").model == "second"


def test_users_folder_is_below_the_configuration_of_the_desktop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write(tmp_path / "energymeter" / "profiles", "acme/m1")

    assert "acme/m1" in ProfileLibrary().names()


def test_users_folder_is_in_the_home_where_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".config" / "energymeter" / "profiles", "acme/m1")

    assert "acme/m1" in ProfileLibrary().names()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("pm800", "pm8000"),
        ("elektric", "electric"),
        ("energymeter/watre", "energymeter/water"),
        ("schneider/pm8000", "schneider-electric/pm8000"),
    ],
)
def test_unknown_profile_suggests_the_nearest_names(wrong: str, meant: str) -> None:
    with pytest.raises(ProfileError) as caught:
        ProfileLibrary([]).load(wrong)

    assert f"'{wrong}'" in caught.value.message
    assert f"did you mean {meant}" in caught.value.message


def test_profile_like_no_other_says_where_the_names_are() -> None:
    with pytest.raises(ProfileError) as caught:
        ProfileLibrary([]).load("zzz")

    assert "energymeter profile list" in caught.value.message


def test_every_profile_comes_with_its_name_and_a_broken_one_with_its_error(tmp_path: Path) -> None:
    write(tmp_path, "acme/good")
    write(tmp_path, "acme/broken")
    (tmp_path / "acme" / "broken.toml").write_text('vendor = "v"\n', "utf-8")

    found = dict(ProfileLibrary([tmp_path]).load_each())

    assert list(found) == sorted(found)
    assert isinstance(found["acme/good"], Profile)
    assert isinstance(found["acme/broken"], ProfileError)
    assert len(found) > 90


def test_model_of_several_vendors_has_to_be_named_in_full(tmp_path: Path) -> None:
    write(tmp_path, "acme/pm8000")
    library = ProfileLibrary([tmp_path])

    with pytest.raises(ProfileError) as caught:
        library.load("pm8000")

    assert "acme/pm8000, schneider-electric/pm8000" in caught.value.message
    assert library.load("acme/pm8000").model == "mine"


def test_broken_file_does_not_disturb_the_others(tmp_path: Path) -> None:
    write(tmp_path, "acme/good")
    write(tmp_path, "acme/broken")
    (tmp_path / "acme" / "broken.toml").write_bytes(b"\xff not TOML")
    library = ProfileLibrary([tmp_path])

    assert {"acme/good", "acme/broken"} <= set(library.names())
    assert library.load("good").model == "mine"
    assert library.load("electric").name == "energymeter/electric"
    with pytest.raises(ProfileError, match=r"broken\.toml"):
        library.load("acme/broken")


def test_only_toml_files_two_levels_deep_are_profiles(tmp_path: Path) -> None:
    write(tmp_path, "acme/m1")
    write(tmp_path, "loose")
    write(tmp_path, "acme/deeper/m2")
    (tmp_path / "acme" / "notes.txt").write_text("not a profile", "utf-8")

    assert set(ProfileLibrary([tmp_path]).names()) - set(ProfileLibrary([]).names()) == {"acme/m1"}
