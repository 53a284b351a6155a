"""schedule next: what people see of expressions and time zones."""
import datetime
import json

import pytest


def test_table(program):
    done = program.run("schedule", "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T00:00:00Z", "-n", "3", check=0)
    assert done.stdout.splitlines() == [
        "at 02:30 every day, Europe/Berlin",
        "  2026-03-28T01:30:00Z  Sat 2026-03-28 02:30:00 CET",
        "  2026-03-29T01:00:00Z  Sun 2026-03-29 03:00:00 CEST (the clock skips its own time)",
        "  2026-03-30T00:30:00Z  Mon 2026-03-30 02:30:00 CEST",
    ]
    assert done.stderr == ""


def test_json(program):
    shown = program.json("schedule", "next", "CRON_TZ=Australia/Lord_Howe 15 2 * * *", "--tz", "Europe/Berlin", "--from", "2025-10-04T12:00:00Z", "--count", "2", check=0)
    assert shown == {"schema": "memory-connector/schedule-next/v1", "expression": "CRON_TZ=Australia/Lord_Howe 15 2 * * *", "timezone": "Australia/Lord_Howe",
                     "words": "at 02:15 every day, Australia/Lord_Howe", "from": "2025-10-04T12:00:00Z", "next": [
                         {"time": "2025-10-04T15:30:00Z", "utc_offset_seconds": 39600, "abbreviation": "+11", "moved": True},
                         {"time": "2025-10-05T15:15:00Z", "utc_offset_seconds": 39600, "abbreviation": "+11", "moved": False}]}


def test_from_now_in_utc(program):
    before = datetime.datetime.now(datetime.timezone.utc)
    shown = program.json("schedule", "next", "15m", check=0)
    assert shown["timezone"] == "UTC" and shown["words"] == "every 15 minutes" and len(shown["next"]) == 5
    times = [datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")) for row in shown["next"]]
    assert [later - earlier for earlier, later in zip(times, times[1:])] == [datetime.timedelta(minutes=15)] * 4
    assert datetime.timedelta(minutes=14) < times[0] - before < datetime.timedelta(minutes=25)


def test_manual_and_the_end_of_time(program):
    assert program.run("schedule", "next", "manual", check=0).stdout == "only when asked\n"
    assert program.json("schedule", "next", "manual", check=0)["next"] == []
    shown = program.json("schedule", "next", "@yearly", "--from", "9997-06-01T00:00:00Z", check=0)
    assert [row["time"] for row in shown["next"]] == ["9998-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]


@pytest.mark.parametrize("args, words", [
    (["0 25 * * *"], ["column 3, hour", '"25"', "0 to 23"]),
    (["0", "9", "*", "*", "1-5"], ["quotes"]),
    (["hourly"], ["did you mean @hourly"]),
    (["@daily", "--tz", "Europe/Berlyn"], ["Europe/Berlyn", "tzdata"]),
    (["@daily", "--tz", "../../etc/passwd"], ["no name of a time zone"]),
    (["TZ=Mars/Olympus @daily"], ["Mars/Olympus"]),
    (["@daily", "-n", "0"], ["--count"]),
    (["@daily", "-n", "1001"], ["--count", "1000"]),
    (["@daily", "--from", "tomorrow"], ["--from"]),
    ([], ["EXPR"]),
    (["\x1b[31m"], ["\\x1b"]),
])
def test_errors(program, args, words):
    done = program.run("schedule", "next", *args)
    assert done.returncode == 2 and done.stdout == "" and all(word in done.stderr for word in words) and "\x1b" not in done.stderr, done
    shown = program.run("schedule", "next", *args, "--json")
    assert json.loads(shown.stdout)["error"]["exit_code"] == 2
