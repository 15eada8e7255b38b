"""How `health` and `doctor` show what they found."""

from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.model import readable
from lowkeyd.monitor.finding import Finding, Level

_LOOKS = {
    Level.FINE: ("ok  ", "green"),
    Level.DEGRADED: ("warn", "yellow"),
    Level.BROKEN: ("BAD ", "bold red"),
}


def show(findings: list[Finding]) -> None:
    """One line each, with the advice below."""
    console = shown.console()
    for finding in findings:
        console.print(Text.assemble(_LOOKS[finding.level], readable(f"  {finding.about}: {finding.what}")))
        if finding.advice:
            console.print(shown.indented(6, Text(readable(finding.advice))))
