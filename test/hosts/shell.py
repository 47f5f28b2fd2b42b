"""Running programs, and waiting for what they cause: the two things that every other file here does."""
import subprocess
import time


class Failed(AssertionError):
    """A program ended otherwise than it should; the text has its output."""


def run(*command, stdin=None, check=True, timeout=120, env=None, cwd=None):
    """Runs one program without a shell; returns its CompletedProcess with text output."""
    command = [str(word) for word in command]
    done = subprocess.run(command, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                          check=False, env=env, cwd=cwd)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)[:300]}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def wait_until(condition, seconds, what, pause=0.05):
    """The condition's first true value. `what` is a text, or a function that gives one when it did not come true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
