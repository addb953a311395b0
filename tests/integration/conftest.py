"""Fixtures that every test of real clients uses, and what is skipped where a program is not there."""

import pytest

import kit
from authority import Authority


def pytest_configure(config):
    config.addinivalue_line("markers", "original: nutcracker 0.5.0 passes it too")
    config.addinivalue_line("markers", "needs(program, ...): skipped where a program is not installed")


def pytest_collection_modifyitems(items):
    for item in items:
        for marker in item.iter_markers("needs"):
            program = kit.missing(*marker.args)
            if program:
                item.add_marker(pytest.mark.skip(reason=f"{program} is not installed"))
        if kit.IS_ORIGINAL and not item.get_closest_marker("original"):
            item.add_marker(pytest.mark.skip(reason="more than nutcracker promises"))


@pytest.fixture(scope="session", autouse=True)
def binary():
    """The binary under test."""
    if not kit.BINARY.is_file():
        pytest.skip(f"{kit.BINARY} is not built")
    return kit.BINARY


@pytest.fixture(scope="module")
def stack():
    """What a module starts and stops again at its end."""
    with kit.Stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def authority(stack):
    """An authority of certificates, whose files are in the directory of the module."""
    return Authority(stack.path, "authority")


@pytest.fixture(scope="module")
def web(authority):
    """Certificate and key for `localhost`, by that authority."""
    return authority.issue("web")


@pytest.fixture(autouse=True)
def alive(request):
    """A test that brings a program down is the one that fails."""
    yield
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").check_alive()
