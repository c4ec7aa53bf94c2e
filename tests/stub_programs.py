"""Programs that stand for others in tests, and the PATH on which only they are."""


def program(folder, name, body):
    """A shell script that can be called by its name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
    path.chmod(0o755)
    return str(path)


def empty_path(folder, monkeypatch):
    """A new, empty folder that is the whole PATH."""
    programs = folder / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def failing(checks):
    """The one check that is not ok."""
    (check,) = [check for check in checks if check.state != "ok"]
    assert check.fix
    return check
