"""The login as a page without looks, for a service without pages. Pure."""

from __future__ import annotations

from html import escape
from typing import Final

__all__ = ["plain_form"]

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>energymeter: log in</title>
</head>
<body>
<main>
<h1>energymeter</h1>
<form method="post" action="/login">
{fault}<p><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required autofocus></p>
<input name="next" type="hidden" value="{goal}">
<p><button>Log in</button></p>
</form>
</main>
</body>
</html>
"""


def plain_form(goal: str, fault: str) -> str:
    """The page.

    Args:
        goal: Path to go to after the login.
        fault: Why the last attempt failed, a sentence; empty: there was none.
    """
    told = f'<p role="alert">{escape(fault)}</p>\n' if fault else ""
    return _PAGE.format(fault=told, goal=escape(goal, quote=True))
