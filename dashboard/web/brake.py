"""The brake on guessing passwords: by name and address, by address, and over all."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from core.reviews.store.readers import reader_key

FREE_GUESSES = 5
"""Wrong passwords of one name at one address before it must wait."""
LONGEST_WAIT_S = 60
ADDRESS_GUESSES, ADDRESS_S = 20, 10.0
"""Wrong passwords that one address has at once, whatever the names, and the seconds until it has one more."""
ALL_GUESSES, ALL_S = 100, 1.0
"""The same of all addresses together. One address alone never gets that far, so that it locks out nobody else."""
KEPT = 10_000
"""Names and addresses that are remembered; beyond it those go that guessed longest ago."""
Clock = Callable[[], float]


class GuessBrake:
    """After some wrong passwords each further one costs a wait, twice as long each time."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds until this key may try again."""
        return max(0.0, self._wrong.get(key, (0, 0.0))[1] - self._clock())

    def note_wrong(self, key: str) -> None:
        """Count a wrong password."""
        count = self._wrong.pop(key, (0, 0.0))[0] + 1
        wait_s = min(LONGEST_WAIT_S, 2.0 ** min(count - FREE_GUESSES, 10)) if count >= FREE_GUESSES else 0.0
        self._wrong[key] = count, self._clock() + wait_s
        if len(self._wrong) > KEPT:
            self._wrong.popitem(last=False)

    def forget(self, key: str) -> None:
        """The right password came."""
        self._wrong.pop(key, None)


class Allowance:
    """So many wrong passwords at once, and one more each so many seconds."""

    def __init__(self, guesses: int, seconds: float, clock: Clock = time.monotonic) -> None:
        self._guesses, self._seconds, self._clock = guesses, seconds, clock
        self._spent_until: OrderedDict[str, float] = OrderedDict()
        """By key: when its allowance will be whole again."""

    def wait_s(self, key: str) -> float:
        """Seconds until this key may try again."""
        room = (self._guesses - 1) * self._seconds
        return max(0.0, self._spent_until.get(key, 0.0) - self._clock() - room)

    def note_wrong(self, key: str) -> None:
        """Count a wrong password."""
        self._spent_until[key] = max(self._spent_until.pop(key, 0.0), self._clock()) + self._seconds
        if len(self._spent_until) > KEPT:
            self._spent_until.popitem(last=False)


class Brakes:
    """The three together: a reader's slips hold up that reader only, and many names or addresses help no guesser."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._pair = GuessBrake(clock)
        self._address = Allowance(ADDRESS_GUESSES, ADDRESS_S, clock)
        self._all = Allowance(ALL_GUESSES, ALL_S, clock)

    def wait_s(self, name: str, address: str) -> float:
        """Seconds until this name at this address may try again."""
        network = _network(address)
        return max(self._pair.wait_s(_pair(name, network)), self._address.wait_s(network), self._all.wait_s(""))

    def note_wrong(self, name: str, address: str) -> None:
        """Count a wrong password."""
        network = _network(address)
        self._pair.note_wrong(_pair(name, network))
        self._address.note_wrong(network)
        self._all.note_wrong("")

    def forget(self, name: str, address: str) -> None:
        """The right password came."""
        self._pair.forget(_pair(name, _network(address)))


def _pair(name: str, network: str) -> str:
    # Spellings of one name are one name; and none is longer than a name may be, so that memory stays bounded.
    return f"{network} {reader_key(name[:200])[:80]}"


def _network(address: str) -> str:
    """What one sender commands: an IPv4 address, or the 64 bits of IPv6 that every connection gets."""
    try:
        if ipaddress.ip_address(address).version == 6:
            return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        pass
    return address
