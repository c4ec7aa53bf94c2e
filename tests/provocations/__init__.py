"""What makes the package fail: for every message of docs/troubleshooting.md, something that a person may do."""

from collections.abc import Callable

from provocations.scene import Printed, Scene

Provoke = Callable[[Scene], Printed]
