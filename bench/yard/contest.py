"""Rounds in which contestants are asked in turn, and what is said of them."""

import statistics


def rounds(contestants, count, say=lambda text: None):
    """Each contestant, a function that gives rate, p50 and p99, once a round; gives the list of each. The order turns
    with the round, so that nobody always comes after the same one."""
    seen = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(count):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            seen[name].append(contestants[name]())
        say("  ".join(f"{name} {seen[name][-1]['rate']:.0f}/s" for name in names))
    return seen


def median(seen, what):
    return statistics.median(one[what] for one in seen)


def summary(seen):
    """The medians of each contestant, and the median of each one's ratio to the first, round by round: what slows the
    machine down for a while slows the contestants of a round alike."""
    first = next(iter(seen))
    told = {}
    for name, many in seen.items():
        told[name] = {what: round(median(many, what), 3) for what in ("rate", "p50", "p99")}
        ratios = [mine["rate"] / other["rate"] for mine, other in zip(seen[first], many)]
        if name != first:
            told[name]["ratio"] = round(statistics.median(ratios), 3)
            told[name]["ratios"] = [round(min(ratios), 3), round(max(ratios), 3)]
    told[first]["spread"] = round(statistics.median(one["p99"] / one["p50"] for one in seen[first]), 2)
    return told
