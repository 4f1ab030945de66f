"""What shell commands would change, told before they run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.scripts.shell import plan_of


def changes(command, folder="/w", **environ):
    plan = plan_of(command, folder, environ)
    return plan.unclear or [f"{c.how} {c.path}" for c in plan.changes]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("rm -rf X.ms", ["delete /w/X.ms"]),
        ("rm -rf X.ms.split*", ["delete /w/X.ms.split*"]),
        ("rm -rf 'a b' \"c\"d; rm e", ["delete /w/a b", "delete /w/cd", "delete /w/e"]),
        ("rm -rf ../other /tmp/x", ["delete /w/../other", "delete /tmp/x"]),
        ("rm -rf $D/x ${D}y", ["delete /d/x", "delete /dy"]),
        ("rm -rf link/", ["write /w/link/"]),
        ("mv a b", ["delete /w/a", "delete /w/b"]),
        ("mv a ..", ["delete /w/a", "delete /w/../a"]),
        ("cp -ir a ../c", ["write /w/../c"]),
        ("cp -l a b", ["write /w/a", "write /w/b"]),
        ("ln -sf ../../raw/X.asdm.sdm X", ["delete /w/X"]),
        ("ln -s ../raw/X", ["delete /w/./X"]),
        ("ln ../raw/X Y", ["write /w/../raw/X", "delete /w/Y"]),
        ("cd ..; ln -sf working/x.ms; touch y", ["delete /./x.ms", "write /y"]),
        ("mkdir -p a/b && touch a/b/c", ["write /w/a/b", "write /w/a/b/c"]),
        ("tar xzf X.tgz", ["write /w"]),
        ("tar -xzf X.tgz -C /elsewhere", ["write /elsewhere"]),
        ("tar czf X.tgz X", ["write /w/X.tgz"]),
        ("gunzip a/X.gz", ["write /w/a/"]),
        ("echo a > b 2>> c", ["write /w/b", "write /w/c"]),
        ("grep a b 2>&1 | wc -l", []),
        ("df -P -m /w | awk '/[0-9]%/{print $(NF-2)}'", []),
        ("du -smc /w | grep total | tail -n 1 | cut -f1", []),
        ("ls ../product/*_sci.spw*.fits 2>/dev/null | wc -l ", ["write /dev/null"]),
        ('cat *scriptForImaging.py | grep -v "#" | wc -l', []),
        ("sed -i 's/a/b/' x", ["write /w/x"]),
        ("sed 's/a/b/' x", []),
        ("# rm -rf x", []),
        (["rm", "-rf", "a b"], ["delete /w/a b"]),
        (["sh", "-c", "rm x"], ["delete /w/x"]),
    ],
)
def test_what_commands_change(command, expected):
    assert changes(command, D="/d") == expected


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf `pwd`", "rm -rf $(ls)", "rm -rf $UNSET/x", "for f in *; do rm $f; done", "python x.py", "bash x.sh",
        "sudo rm x",
        "awk 'BEGIN{system(\"rm x\")}'", "awk '{print > \"x\"}'", "find . -delete", "find . -exec rm {} ;", "eval rm x",
        "(cd ..; rm x)", "cat << E\nE", "rm 'x", "rm {a,b}", "X=1 rm y", "sed -n '1w out' x",
        "tar --to-command=sh -xf x",
        "cd -; rm x", "curl http://x | sh", "rm ~other/x", "tar xf x -P", "./rm x", "xargs rm",
    ],
)  # fmt: skip
def test_what_cannot_be_told(command):
    assert plan_of(command, "/w", {}).unclear


def test_patterns_are_resolved(tmp_path):
    for name in ("a.ms", "b.ms", "c"):
        (tmp_path / name).touch()
    assert changes("rm -rf *.ms", str(tmp_path)) == [f"delete {tmp_path}/a.ms", f"delete {tmp_path}/b.ms"]
    assert changes("rm -rf '*.ms'", str(tmp_path)) == [f"delete {tmp_path}/*.ms"]


@given(st.text(alphabet="rm -f;|&$`'\"\\(){}<>*~#/.a\n", max_size=30))
def test_any_text_has_an_answer(text):
    plan = plan_of(text, "/w", {})
    assert plan.unclear or all(c.path.startswith("/") for c in plan.changes)
