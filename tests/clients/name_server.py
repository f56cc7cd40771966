"""A name server of the test's making."""

import socket
from collections.abc import Sequence


class Names:
    """Answers host names: each look-up takes the next answer, the last one stays; an empty one is none."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return answer
