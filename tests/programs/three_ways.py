"""three_ways.py - runs one workload on glibc's malloc, under LD_PRELOAD and under `cairn run`, and compares.


A script of this folder is one function and one call:

    def workload(way):
        done = way.run(["perl", "-e", PROGRAM])
        return {"status": done.status, "stdout": done.stdout}

    three_ways.main(workload, needs=["perl"], served=["perl"])

The function is called for each way, in an empty folder that always has the same path, so absolute paths cannot make
results differ. What it returns is compared whole with what it returned on glibc. It starts programs only through
way.run() and way.start(); these add what the way needs.

LD_PRELOAD is tried twice: with nothing else set, where malloc counts least and which is how most people will use it,
and with a folder for control files. That cairn served a process is never assumed: a control file (src/wire/control.h)
and the JSON of `cairn run` both carry the process id and the allocations that cairn counted. `served` names programs of
which at least one process must be there; way.expect_served() names single processes by id, which is how the workers
of a server are checked.

Environment: CAIRN (default build/cairn), CAIRN_LIB (default build/libcairn.so), KEEP=1 keeps the temporary folder.
Output is TAP. Every process that was started is ended by its id, also when the script fails or is interrupted.
"""
import atexit
import ctypes
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.basename(sys.argv[0])
PR_SET_CHILD_SUBREAPER = 36
CONTROL_MAGIC, CONTROL_BYTES, COUNTERS_BYTES, CONTROL_PROGRAM, CLASSES = 0x316c7274636e7263, 16384, 4096, 56, 80
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR")

base_folder = None  # holds everything of this script; removed at exit
running = []        # every Popen that was started


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def file_sha256(path):
    with open(path, "rb") as f:
        return sha256(f.read())


def skip_all(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds, what):
    """Calls condition until it is true; raises when that takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("waited %s s for %s" % (seconds, what))
        time.sleep(0.05)


def child_pids(pid):
    """Direct children of a process, all of its threads' children included."""
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                found += [int(p) for p in f.read().split()]
        except FileNotFoundError:
            pass
    return found


def executable(pid):
    """Path of the file that a process executes, or None when it has ended."""
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return None


def descendants(pid):
    """Children, their children and so on."""
    found = []
    try:
        for child in child_pids(pid):
            found += [child] + descendants(child)
    except FileNotFoundError:
        pass  # it has ended meanwhile
    return found


def ordinary_user():
    """A user that may run servers which refuse root, or None when this is not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


class Done:
    """How a program ended. status is as a shell says it: 128 + n for signal n."""

    def __init__(self, pid, status, stdout, stderr):
        self.pid, self.status, self.stdout, self.stderr = pid, status, stdout, stderr


class Process:
    """One process in cairn's account."""

    def __init__(self, pid, program, served, allocations, reason=""):
        self.pid, self.program, self.served = pid, program, served
        self.allocations, self.reason = allocations, reason

    def is_named(self, name):
        """Whether this is the command `name`; the account holds the path of the file that a link leads to."""
        real = os.path.realpath(shutil.which(name) or name)
        return os.path.basename(self.program) in (os.path.basename(name), os.path.basename(real))

    def __str__(self):
        said = "{:,} allocations".format(self.allocations) if self.served else "not served"
        return "%s %d: %s%s" % (os.path.basename(self.program), self.pid, said, self.reason and " (%s)" % self.reason)


class Way:
    """One of the ways to run a program. The folder `work` is fresh for each way and has the same path."""

    keeps_account = True

    def __init__(self, name, work, books):
        self.name, self.work, self.books = name, work, books
        self.expected = []  # (pid, what) that must be in the account
        self.count = 0      # programs started

    def environment(self, extra):
        env = {k: os.environ[k] for k in INHERITED if k in os.environ}
        env.update({"LC_ALL": "C", "TZ": "UTC"}, **(extra or {}))
        return env

    def prepare(self, argv, env):
        return argv, env

    def start(self, argv, env=None, user=None, **more):
        """Starts a program the way's way; returns the Popen. user: a passwd entry to become."""
        self.count += 1
        program = argv[0]
        argv, env = self.prepare(list(argv), self.environment(env))
        if user:
            more.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
        more.setdefault("cwd", self.work)
        more.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, env=env, start_new_session=True, **more)
        process.program = program
        running.append(process)
        return process

    def run(self, argv, env=None, user=None, input=None, timeout=600, **more):
        """Runs a program to its end and returns a Done."""
        if input is not None:
            more["stdin"] = subprocess.PIPE
        process = self.start(argv, env, user, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        out, err = process.communicate(input, timeout=timeout)
        return Done(process.pid, as_shell(process.returncode), out, err)

    def stop(self, process, number=signal.SIGTERM, seconds=30):
        """Sends a signal to a server, through the command where there is one, and waits; returns the status.
        SIGINT and SIGTERM are the signals that the command hands on."""
        process.send_signal(number)
        return as_shell(process.wait(seconds))

    def program_pid(self, process):
        """The process id of the program itself, which under `cairn run` is not that of what was started."""
        return process.pid

    def expect_served(self, pid, what):
        self.expected.append((pid, what))

    def account(self):
        return []


class Plain(Way):
    pass


class Bare(Way):
    """The library preloaded, and nothing else set: only the results can be compared."""

    keeps_account = False

    def prepare(self, argv, env):
        env["LD_PRELOAD"] = os.path.join(base_folder, "cairn", "libcairn.so")
        return argv, env


class Preload(Bare):
    """The same, and every process leaves its control file, also one that is killed."""

    keeps_account = True

    def prepare(self, argv, env):
        env["CAIRN_RUN"] = self.books
        return super().prepare(argv, env)

    def account(self):
        found = [read_control(os.path.join(self.books, name)) for name in sorted(os.listdir(self.books))]
        return [process for process in found if process]


class Run(Way):
    def prepare(self, argv, env):
        account = os.path.join(self.books, "account-%d.json" % self.count)
        return [os.path.join(base_folder, "cairn", "cairn"), "run", "--json", "-o", account, "--"] + argv, env

    def program_pid(self, process):
        """The child that executes the program; before it the command may start short-lived ones, to look at it."""
        def started():
            return [pid for pid in child_pids(process.pid) if executable(pid) == os.path.realpath(process.program)]
        wait_until(started, 20, "cairn to start " + process.program)
        return started()[0]

    def account(self):
        found = []
        for name in sorted(os.listdir(self.books)):
            with open(os.path.join(self.books, name)) as f:
                text = f.read()
            if text:  # empty: the command was ended before its program was
                found += read_json(json.loads(text))
        return found


def as_shell(returncode):
    return 128 - returncode if returncode < 0 else returncode


def read_control(path):
    """One process, from its control file; the layout is src/wire/control.h. None: it is not filled in."""
    with open(path, "rb") as f:
        data = f.read()
    magic, _, _, pid, _, _, _, _, caches = struct.unpack_from("<QIIIIIIII", data.ljust(CONTROL_BYTES, b"\0"))
    if magic != CONTROL_MAGIC:
        return None
    program = data[CONTROL_PROGRAM:CONTROL_PROGRAM + 256].split(b"\0")[0].decode(errors="replace")
    allocations = 0
    for cache in range(caches):
        counters = data[CONTROL_BYTES + cache * COUNTERS_BYTES + 2048:][:CLASSES * 16].ljust(CLASSES * 16, b"\0")
        allocations += sum(struct.unpack("<%dQ" % (CLASSES * 2), counters)[::2])
    return Process(pid, program, True, allocations)


def read_json(node):
    """The processes of one JSON account: the program, then its children and what they executed."""
    served = bool(node.get("served"))
    found = [Process(node["pid"], node.get("executable") or node["program"], served,
                     node.get("allocations") or 0 if served else 0, node.get("why_not") or "")]
    for child in node.get("children", []):
        found += read_json(child)
    return found


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, passed, sentence, details=()):
        self.count += 1
        self.failed += not passed
        print("%s %d - %s" % ("ok" if passed else "not ok", self.count, sentence))
        for line in details:
            print("# " + line)
        sys.stdout.flush()

    def skip(self, sentence, reason):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, sentence, reason), flush=True)

    def end(self):
        print("1..%d" % self.count)
        sys.exit(1 if self.failed else 0)


def shorten(value, limit=300):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "... (%d characters)" % len(text)


def differences(expected, got):
    """One line for each key whose value differs, showing where two long values part."""
    lines = []
    for key in sorted(set(expected) | set(got)):
        a, b = expected.get(key), got.get(key)
        if a == b:
            continue
        if isinstance(a, (bytes, str, list)) and type(a) is type(b):
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            at = max(0, at - 20) if not isinstance(a, list) else at
            a, b = a[at:], b[at:]
        lines += ["%s, on glibc: %s" % (key, shorten(a)), "%s, here:     %s" % (key, shorten(b))]
    return lines


def check_served(tap, way, served):
    """Every program of `served`, and every process the workload named, is in cairn's account with its allocations."""
    account = way.account()
    lines = []
    missing = 0
    for name in served:
        matches = [p for p in account if p.is_named(name) and p.served and p.allocations > 0]
        missing += not matches
        lines.append("%s: %s" % (name, matches and max(matches, key=lambda p: p.allocations) or "NOT IN THE ACCOUNT"))
    for pid, what in way.expected:
        matches = [p for p in account if p.pid == pid and p.served and p.allocations > 0]
        missing += not matches
        lines.append("%s: %s" % (what, matches and matches[-1] or "%d NOT IN THE ACCOUNT" % pid))
    if missing:
        lines += ["the account lists: " + str(p) for p in account[:40]] or ["the account is empty"]
    sentence = "%s: cairn counted allocations of each process it should serve, %s" % (SCRIPT, way.name)
    tap.check(missing == 0, sentence, lines)


def check_listed(tap, way, names):
    """Programs with a malloc of their own: `cairn run` lists them, with the reason where it served nothing."""
    for name in names:
        listed = [p for p in way.account() if p.is_named(name)]
        told = [p for p in listed if (p.allocations > 0 if p.served else p.reason)]
        tap.check(listed and listed == told, "%s: cairn lists %s, and why it is not served" % (SCRIPT, name),
                  [str(p) for p in listed[:4]] or ["no process of it in the account"])


def python_suite(modules):
    """The workload of python's own tests: each case with its verdict (and reason when skipped) is the result."""
    def workload(way):
        done = way.run(["/usr/bin/python3", "-m", "test", "--junit-xml", "verdicts.xml"] + modules,
                       env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"})
        path = os.path.join(way.work, "verdicts.xml")
        verdicts = []
        if os.path.exists(path):
            for case in xml.etree.ElementTree.parse(path).iter("testcase"):
                parts = [child.tag for child in case if child.tag not in ("system-out", "system-err")]
                verdicts.append((case.get("name"), case.get("status"), case.get("result"), parts))
        return {"status": done.status, "verdicts": sorted(verdicts, key=str),
                "errors": done.status and done.stderr[-3000:] + done.stdout[-3000:]}
    return workload


def compile_all_c(compiler):
    """The workload of a compiler: cairn's own sources, once to an object and once to a shared library."""
    def workload(way):
        sources = os.path.join(base_folder, "sources")  # a copy: somebody may be editing
        if not os.path.exists(sources):
            for name in ("include", "src"):
                shutil.copytree(os.path.join(ROOT, name), os.path.join(sources, name))
        flags = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden", "-pthread",
                 "-DCAIRN_DEBUG=0", "-DCAIRN_FAULTS_BUILT=0", "-DCAIRN_INTERPOSE=1", '-DCAIRN_VERSION="0.1.0"',
                 "-I" + os.path.join(sources, "include"), "-I" + os.path.join(sources, "src")]
        compiled = way.run([compiler] + flags + ["-c", os.path.join(sources, "src", "all.c"), "-o", "all.o"])
        linked = way.run([compiler, "-shared", "-pthread", "all.o", "-o", "all.so"])
        result = {"status": max(compiled.status, linked.status), "stdout": compiled.stdout + linked.stdout,
                  "stderr": compiled.stderr + linked.stderr}
        for name in ("all.o", "all.so"):
            path = os.path.join(way.work, name)
            result[name] = os.path.exists(path) and file_sha256(path)
        return result
    return workload


def run_way(way, workload):
    shutil.rmtree(way.work, ignore_errors=True)
    os.makedirs(way.work)
    os.makedirs(way.books)
    os.chmod(way.work, 0o777)
    os.chmod(way.books, 0o1777)
    began = time.monotonic()
    try:
        result = workload(way)
    finally:
        end_everything()
    print("# %s: %.1f s" % (way.name, time.monotonic() - began), flush=True)
    return result


def end_everything():
    """Ends every descendant by its id. Orphans come to this process, which said so in set_up(): none gets away."""
    while pids := descendants(os.getpid()):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in running:
            process.poll()
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.01)
    running.clear()


def clean_up():
    end_everything()
    if base_folder and not os.environ.get("KEEP"):
        shutil.rmtree(base_folder, ignore_errors=True)


def set_up():
    """Makes the temporary folder, with copies of the command and the library that other users may read."""
    global base_folder
    command = os.environ.get("CAIRN", os.path.join(ROOT, "build", "cairn"))
    library = os.environ.get("CAIRN_LIB", os.path.join(ROOT, "build", "libcairn.so"))
    for path in (command, library):
        if not os.path.exists(path):
            print("Bail out! %s does not exist: run make first" % path)
            sys.exit(1)
    base_folder = tempfile.mkdtemp(prefix="cairn-%s-" % SCRIPT)
    atexit.register(clean_up)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda n, frame: sys.exit(128 + n))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.chmod(base_folder, 0o755)
    os.mkdir(os.path.join(base_folder, "cairn"), 0o755)
    for path, name in ((command, "cairn"), (library, "libcairn.so")):
        copy = os.path.join(base_folder, "cairn", name)
        shutil.copy(path, copy)
        os.chmod(copy, 0o755)


def require(needs):
    for program in needs:
        if not shutil.which(program) and not os.path.exists(program):
            skip_all("%s is not installed" % program)


def three_ways():
    work = os.path.join(base_folder, "work")
    return [Plain("on glibc", work, os.path.join(base_folder, "books-plain")),
            Bare("under LD_PRELOAD", work, os.path.join(base_folder, "books-bare")),
            Preload("under LD_PRELOAD with an account", work, os.path.join(base_folder, "books-preload")),
            Run("under cairn run", work, os.path.join(base_folder, "books-run"))]


def main(workload, needs=(), served=(), not_served=(), succeeded=None):
    """Runs the workload each way and prints the verdicts. succeeded(result): whether glibc's run was a good one."""
    require(needs)
    set_up()
    tap = Tap()
    plain, *others = three_ways()
    try:
        expected = run_way(plain, workload)
    except Exception:
        traceback.print_exc()
        print("Bail out! the workload does not run on glibc", flush=True)
        sys.exit(1)
    good = succeeded(expected) if succeeded else expected.get("status") == 0
    tap.check(good, "%s: the workload succeeds on glibc" % SCRIPT, [] if good else [shorten(expected, 3000)])
    for way in others:
        sentence = "%s: the results are glibc's, %s" % (SCRIPT, way.name)
        try:
            got = run_way(way, workload)
        except Exception as problem:  # a server that does not come up must not hide the other way's verdict
            tap.check(False, sentence, ["%s: %s" % (type(problem).__name__, problem)])
        else:
            tap.check(got == expected, sentence, differences(expected, got))
        if way.keeps_account:
            check_served(tap, way, served)
        if isinstance(way, Run):
            check_listed(tap, way, not_served)
    tap.end()
