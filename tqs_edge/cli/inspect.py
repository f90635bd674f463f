"""check, models, doctor: looking before working."""

from __future__ import annotations

from tqs_edge.cli.console import complain, show, show_or_write, table
from tqs_edge.cli.options import FormOption, JsonOption, ModelArgument


def check(model: ModelArgument, form: FormOption = None) -> int:
    """Can MODEL be compiled? Lists every obstacle at once, before any work."""
    from tqs_edge.frontend.load import check as find_obstacles

    obstacles = find_obstacles(model, form=form)
    for obstacle in obstacles:
        complain(obstacle)
    if obstacles:
        return 2
    show(f"{model}: can be compiled")
    return 0


def models(json: JsonOption = None) -> None:
    """The trained models that ship with tqs-edge, usable as zoo:NAME."""
    from tqs_edge.zoo import MODELS

    rows = table("Models", "model", "<form", "features", "horizon", "<description")
    records = []
    for name, card in MODELS.items():
        rows.add_row(
            f"zoo:{name}", card.form, str(card.features), str(card.horizon), card.description
        )
        records.append(
            {
                "model": f"zoo:{name}",
                "form": card.form,
                "features": card.features,
                "horizon": card.horizon,
                "nrmse": card.nrmse,
                "dataset": card.dataset,
                "licence": card.licence,
            }
        )
    show_or_write(rows, records, json)


def doctor(json: JsonOption = None) -> int:
    """What is installed, what is missing and how to get it."""
    from tqs_edge.doctor import examine

    findings = examine()
    rows = table("Tools", "tool", "<version", "<for", "<to install")
    for f in findings:
        rows.add_row(f.name, f.version or "missing", f.purpose, "" if f.version else f.install)
    records: list[dict[str, object]] = [
        {"tool": f.name, "version": f.version, "purpose": f.purpose, "install": f.install}
        for f in findings
    ]
    show_or_write(rows, records, json)
    have = {f.name for f in findings if f.version}
    if any(f.needed and not f.version for f in findings):
        show("Not ready: a required package is missing.")
        return 3
    if not have & {"ziglang", "arm-none-eabi-gcc"}:
        show("Not ready: no Arm compiler. Run: pip install ziglang")
        return 3
    if not have & {"unicorn", "qemu-system-arm"}:
        show("Not ready: no simulator. Run: pip install unicorn")
        return 3
    show("Ready.")
    return 0
