"""What an upload takes from this computer; what git ignores is what git says that it ignores."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tci_kernel.core.errors import FileError
from tci_kernel.transfer.sources import find_sources, root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(*names: str) -> None:
    """Make empty files; a name that ends in a slash is a directory's."""
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()


def taken(*paths: str, exclude: tuple[str, ...] = ()) -> set[str]:
    return {"/".join(found.parts) for found in find_sources(paths, exclude).files}


def test_a_file_that_is_named_goes_even_if_git_ignores_it() -> None:
    fill("d/a.log", "d/b.txt")
    Path("d/.gitignore").write_text("*.log\n")
    assert taken("d") == {"d/.gitignore", "d/b.txt"}
    assert taken("d/*") == {"b.txt"}
    assert taken("d/a.log") == {"a.log"}
    with pytest.raises(FileError, match="ignored"):
        find_sources(["d/*.log"])


def test_rules_further_down_come_first_and_those_of_the_repository_count() -> None:
    fill("repo/.git/config", "repo/src/a.py", "repo/src/a.pyc", "repo/src/keep/b.pyc")
    fill("repo/src/build/c.py", "outside.pyc")
    Path("repo/.gitignore").write_text("*.pyc\nbuild/\n")
    Path("repo/src/keep/.gitignore").write_text("!b.pyc\n")
    Path(".gitignore").write_text("*.py\n")  # above the repository: of no account
    assert taken("repo/src") == {"src/a.py", "src/keep/.gitignore", "src/keep/b.pyc"}
    assert "repo/.git/config" not in taken("repo")
    assert taken("repo/**/*.py") == {"src/a.py"}
    # Ignored, but named.
    assert taken("repo/src/build") == {"build/c.py"}


def test_exclude_leaves_out_what_it_matches() -> None:
    fill("d/a.csv", "d/e/b.csv", "d/e/c.txt", "d/f/g.txt")
    assert taken("d", exclude=("*.csv",)) == {"d/e/c.txt", "d/f/g.txt"}
    assert taken("d", exclude=("/a.csv", "f/")) == {"d/e/b.csv", "d/e/c.txt"}
    assert taken("d/**/*.csv", exclude=("e",)) == {"a.csv"}
    with pytest.raises(FileError, match=r"'!' is no pattern"):
        find_sources(["d"], ["!"])


def test_what_git_can_not_read_as_a_rule_is_passed_over() -> None:
    fill("d/a.log", "d/b", "e/.gitignore/", "e/f")
    Path("d/.gitignore").write_bytes(b"!\n\xff\r\n*.log\r\n")
    assert taken("d") == {"d/.gitignore", "d/b"}
    assert taken("e") == {"e/f"}


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ["a"]),
        ("a/", ["a"]),
        ("x/a//", ["a"]),
        (".", []),
        ("a/..", []),
        ("/", []),
        ("~", []),
        ("~/", []),
        ("./~", ["~"]),
        ("~/a", ["a"]),
        ("-a", ["-a"]),
    ],
)
def test_the_name_that_is_kept_is_the_one_that_was_typed(path: str, parts: list[str]) -> None:
    assert root(path) == parts


WORDS = st.sampled_from(["a", "b", "c.log", "build"])
PATHS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
RULE = st.tuples(
    st.sampled_from(["", "!"]),
    st.sampled_from(["", "/", "**/"]),
    st.sampled_from(["a", "*", "*.log", "build", "a/b", "b/*", "?", "[ab]", "a/**", "a/**/b"]),
    st.sampled_from(["", "/"]),
)
# What the library makes of `a/**/` is not what git does.
RULES = st.lists(RULE.map("".join).filter(lambda rule: not rule.endswith("**/")), max_size=3)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(paths=st.sets(PATHS, max_size=6), top=RULES, inner=RULES)
def test_git_agrees(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str], top: list[str], inner: list[str]
) -> None:
    repository = tmp_path_factory.mktemp("repository")
    for path in sorted(paths, key=len, reverse=True):
        if not (repository / path).exists():
            fill(f"{repository}/{path}")
    (repository / ".gitignore").write_text("\n".join(top))
    if (repository / "a").is_dir():
        (repository / "a" / ".gitignore").write_text("\n".join(inner))
    git = ["git", "-C", str(repository)]
    subprocess.run([*git, "init", "-q"], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert taken(f"{repository}/.") == set(filter(None, listed.stdout.split("\0")))
