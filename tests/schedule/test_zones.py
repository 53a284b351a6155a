"""Our reader of time zones against Python's: every zone, every change to 2037, moments around them, local times around them.

Twice: with the system's files, which on Debian list every change to 2037 ("fat"), and with "slim" ones made of the same data, where the rule at the
end has to say what they leave out."""
import datetime
import pathlib
import random
import shutil
import subprocess
import zoneinfo
from zoneinfo import _zoneinfo

import pytest

from conftest import ask

EPOCH = datetime.datetime(1970, 1, 1)
UTC = datetime.timezone.utc
UNTIL = int(datetime.datetime(2038, 1, 1, tzinfo=UTC).timestamp())
FIRST, LAST = -62135596800 + 90000, 253402300799 - 90000  # what datetime can hold, with room for offsets
ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})

if not ZONES:
    pytest.skip("SKIPPED: no time zones on this machine (package tzdata)", allow_module_level=True)


@pytest.fixture(scope="module", params=["system", "slim", "fat"])
def zones(request, tmp_path_factory):
    if request.param == "system":
        return None
    compiler = shutil.which("zic") or shutil.which("zic", path="/usr/sbin:/sbin")
    source = next((path for folder in zoneinfo.TZPATH if (path := pathlib.Path(folder) / "tzdata.zi").exists()), None)
    if compiler is None or source is None:
        pytest.skip(f"SKIPPED: no zic or no tzdata.zi here, so no {request.param} files were compared")
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run([compiler, "-b", request.param, "-d", folder, source], check=True, timeout=120)
    return folder


def sound(names, folder):
    """Without the zones that this machine's zic wrote wrong (America/Ojinaga 2022 by that of glibc 2.36): Python, too, then reads another time out of them."""
    if folder is None:
        return names
    broken = []
    for name in names:
        with open(folder / name, "rb") as file:
            made, system = zoneinfo.ZoneInfo.from_file(file, key=name), zoneinfo.ZoneInfo(name)
        if any(python_at(made, at + 1) != python_at(system, at + 1) for at in python_changes(name)):
            broken.append(name)
    print("wrong in the made files:", broken)
    assert len(broken) < 5
    return [name for name in names if name not in broken]


def python_changes(name):
    """The moments at which Python's pure reader has a change: the table, then the rule behind it."""
    zone = _zoneinfo.ZoneInfo.no_cache(name)
    changes = set(zone._trans_utc)
    if isinstance(zone._tz_after, _zoneinfo._TZStr):
        last = max(changes, default=FIRST)
        rule = zone._tz_after
        for year in range(max(1970, EPOCH.year + last // 31556952 - 1), 2039):
            start, end = rule.transitions(year)  # local times: standard time before, summer time before
            changes |= {at for at in (int(start - rule.std.utcoff.total_seconds()), int(end - rule.dst.utcoff.total_seconds())) if at > last}
    return sorted(at for at in changes if FIRST <= at <= UNTIL)


def python_at(zone, moment):
    local = datetime.datetime.fromtimestamp(moment, UTC).astimezone(zone)
    return f"{int(local.utcoffset().total_seconds())} {local.tzname()}"


def python_local(zone, local):
    naive = EPOCH + datetime.timedelta(seconds=local)
    first, last = (local - int(naive.replace(tzinfo=zone, fold=fold).utcoffset().total_seconds()) for fold in (0, 1))
    if first == last:
        return f"one {first} {last}"
    return f"fold {first} {last}" if first < last else "gap"


def test_every_zone_is_there():
    answers = ask(f"at\t{name}\t0" for name in ZONES)
    assert len(ZONES) > 400
    assert [(name, answer) for name, answer in zip(ZONES, answers) if answer.startswith("error")] == []


def test_every_change_to_2037(zones):
    """The moments where the offset or the name changes are the same, one by one."""
    compared, names = 0, sound(ZONES, zones)
    for name, answer in zip(names, ask((f"list\t{name}\t{UNTIL}" for name in names), zones=zones)):
        words = answer.split(" ")
        ours, before = [], (words[1], words[2])
        for at, *now in zip(words[3::3], words[4::3], words[5::3]):
            if tuple(now) != before and int(at) >= FIRST:
                ours.append((int(at), " ".join(now)))
            before = tuple(now)
        zone = zoneinfo.ZoneInfo(name)
        theirs = [(at, python_at(zone, at)) for at in python_changes(name) if python_at(zone, at) != python_at(zone, at - 1)]
        assert ours == theirs, name
        compared += len(ours)
    print(f"{len(names)} zones, {compared} changes")
    assert compared > 20000


def test_moments_and_local_times_around_every_change(zones):
    chance = random.Random(1)
    questions, expected = [], []
    for name in sound(ZONES, zones):
        zone = zoneinfo.ZoneInfo(name)
        changes = python_changes(name)
        moments = {at + by for at in changes for by in (-1, 0, 1)} | {chance.randrange(FIRST, LAST) for _ in range(20)}
        for moment in sorted(moments):
            questions.append(f"at\t{name}\t{moment}")
            expected.append(python_at(zone, moment))
        for at in changes:
            before, after = (int(python_at(zone, moment).split()[0]) for moment in (at - 1, at))
            for local in {at + offset + by for offset in (before, after) for by in (-1, 0)} | {at + (before + after) // 2}:
                questions.append(f"local\t{name}\t{local}")
                expected.append((python_local(zone, local), at))
    for question, answer, want in zip(questions, ask(questions, zones=zones), expected):
        if isinstance(want, tuple) and want[0] == "gap":
            want = f"gap {want[1]} {want[1]}"
        elif isinstance(want, tuple):
            want = want[0]
        assert answer == want, question
    print(f"{len(questions)} questions")
