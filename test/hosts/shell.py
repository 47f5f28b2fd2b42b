"""Running programs, as every other file here does."""
import subprocess


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
